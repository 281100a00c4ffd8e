"""What was acknowledged arrives, once by its key and minimised, whatever is killed and however the vendor fails.

A killed process loses nothing that the kernel has; what power loss takes, this doesn't show.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.clients_and_vendor import (
    Clients,
    Life,
    check,
    run_vendor,
    settings,
    starting,
    until_arrived,
)
from tests.support.gateway_process import GatewayProcess
from tests.support.ports import reserved

CLIENTS: Final = 8

SIZES: Final = [
    pytest.param(1_600, 3, id="some"),
    pytest.param(10_000, 12, id="many", marks=pytest.mark.soak),
]
"""How many events, and how often something is killed."""


DELIVERIES: Final = ["direct", "stored"]
"""Whether the vendor is tried before anything is stored: then kills fall between its answer and ours, too."""

WAYS: Final = [pytest.param(Life.kill, id="killed"), pytest.param(Life.evict, id="told to stop, killed a second later")]


def kill_in_turn(way: Callable[[Life], None], lives: Sequence[Life], clients: Clients, moments: Sequence[int]) -> None:
    """Kill one after the other, each once so many events are acknowledged, while more are sent."""
    for number, moment in enumerate(moments):
        clients.until(moment)
        way(lives[number % len(lives)])


def draw_moments(count: int, kills: int, seed: int) -> Sequence[int]:
    draw = random.Random(seed)
    return sorted(draw.randrange(count * 9 // 10) for _ in range(kills))


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("count", "kills"), SIZES)
def test_one_gateway_loses_nothing(
    way: Callable[[Life], None], delivery: str, count: int, kills: int, tmp_path: Path
) -> None:
    with run_vendor(tmp_path, seed=1, delivery=delivery) as vendor, reserved() as port:
        address = f"127.0.0.1:{port}"
        life = Life(lambda: GatewayProcess(tmp_path, environ=settings(tmp_path), address=address))
        try:
            clients = Clients([address] * CLIENTS, count)
            kill_in_turn(way, [life], clients, draw_moments(count, kills, seed=2))
            clients.wait()
            until_arrived(vendor, count)
        finally:
            life.process.kill()
        check(vendor, count)


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("count", "kills"), SIZES)
def test_two_agents_and_a_hub_lose_nothing(
    way: Callable[[Life], None], delivery: str, count: int, kills: int, tmp_path: Path
) -> None:
    """One agent has an outbox of its own, the other none."""
    with run_vendor(tmp_path, seed=3) as vendor, ExitStack() as stack:
        hub, *ports = (stack.enter_context(reserved()) for _ in range(4))
        listener = {"LISTENERS__DELIVERY__ADDRESS": f"127.0.0.1:{hub}", "LISTENERS__DELIVERY__AGENTS": "[localhost]"}
        agent = {"ROLE": "agent", "HUB__ADDRESS": f"localhost:{hub}"}
        roles = ({"ROLE": "hub", **listener}, {**agent, "OUTBOX": "{}"}, agent)
        lives = [
            Life(starting(tmp_path / name, vendor, port, more, delivery))
            for name, port, more in zip(("hub", "one", "two"), ports, roles, strict=True)
        ]
        try:
            clients = Clients([f"127.0.0.1:{port}" for port in ports[1:]] * (CLIENTS // 2), count)
            kill_in_turn(way, lives, clients, draw_moments(count, kills, seed=4))
            clients.wait()
            until_arrived(vendor, count)
        finally:
            for life in lives:
                life.process.kill()
        check(vendor, count)
