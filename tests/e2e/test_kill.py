"""What was acknowledged arrives, once by its key and minimised, whatever is killed and however the vendor fails.

A killed process loses nothing that the kernel has; what power loss takes, this doesn't show.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.clients_and_vendor import POLICY, Clients, FaultyVendor, check, run_vendor, until_arrived
from tests.support.gateway_process import GatewayProcess
from tests.support.ports import reserved
from tests.support.proxy_certificates import certificate_for, dns, write_tls

CLIENTS: Final = 8

SIZES: Final = [
    pytest.param(1_600, 3, id="some"),
    pytest.param(20_000, 12, id="many", marks=pytest.mark.soak),
]
"""How many events, and how often something is killed."""


def settings(folder: Path, **more: str) -> Mapping[str, str]:
    given = {"PRIVACY_GATEWAY__POLICY": str(folder / "policy.yaml"), "PRIVACY_GATEWAY__INSECURE_LOOPBACK": "true"}
    return {
        **given,
        "SEGMENT_WRITE_KEY": "a-write-key",
        **{f"PRIVACY_GATEWAY__{name}": value for name, value in more.items()},
    }


class Life:
    """A gateway that is started again each time that it is killed, at the same address."""

    def __init__(self, start: Callable[[], GatewayProcess]) -> None:
        self._start = start
        self.process = start()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL
        self.process.kill()
        self.process = self._start()


def kill_in_turn(lives: Sequence[Life], clients: Clients, count: int, kills: int, draw: random.Random) -> None:
    """Kill one after the other, each at a random moment while events are sent."""
    moments = sorted(draw.randrange(count * 9 // 10) for _ in range(kills))
    for number, moment in enumerate(moments):
        clients.until(moment)
        lives[number % len(lives)].kill()


@pytest.mark.parametrize(("count", "kills"), SIZES)
def test_one_gateway_loses_nothing(count: int, kills: int, tmp_path: Path) -> None:
    with run_vendor(tmp_path, seed=1) as vendor, reserved() as port:
        address = f"127.0.0.1:{port}"
        life = Life(lambda: GatewayProcess(tmp_path, environ=settings(tmp_path), address=address))
        try:
            clients = Clients([address] * CLIENTS, count)
            kill_in_turn([life], clients, count, kills, random.Random(2))
            clients.wait()
            until_arrived(vendor, count)
        finally:
            life.process.kill()
        check(vendor, count)


def starting(folder: Path, vendor: FaultyVendor, port: int, more: Mapping[str, str]) -> Callable[[], GatewayProcess]:
    """How to start a gateway that has a folder and a certificate of its own."""
    folder.mkdir()
    tls = write_tls(folder, certificate_for(dns("localhost")))
    (folder / "policy.yaml").write_text(POLICY.format(url=vendor.url))
    given = settings(folder, TLS__CERTIFICATE=str(tls.certificate), TLS__KEY=str(tls.key), TLS__CA=str(tls.ca), **more)
    return lambda: GatewayProcess(folder, environ=given, address=f"127.0.0.1:{port}")


@pytest.mark.parametrize(("count", "kills"), SIZES)
def test_two_agents_and_a_hub_lose_nothing(count: int, kills: int, tmp_path: Path) -> None:
    """One agent has an outbox of its own, the other none."""
    with run_vendor(tmp_path, seed=3) as vendor, ExitStack() as stack:
        hub, *ports = (stack.enter_context(reserved()) for _ in range(4))
        listener = {"LISTENERS__DELIVERY__ADDRESS": f"127.0.0.1:{hub}", "LISTENERS__DELIVERY__AGENTS": "[localhost]"}
        agent = {"ROLE": "agent", "HUB__ADDRESS": f"localhost:{hub}"}
        roles = ({"ROLE": "hub", **listener}, agent, {**agent, "OUTBOX": "null"})
        lives = [
            Life(starting(tmp_path / name, vendor, port, more))
            for name, port, more in zip(("hub", "one", "two"), ports, roles, strict=True)
        ]
        try:
            clients = Clients([f"127.0.0.1:{port}" for port in ports[1:]] * (CLIENTS // 2), count)
            kill_in_turn(lives, clients, count, kills, random.Random(4))
            clients.wait()
            until_arrived(vendor, count)
        finally:
            for life in lives:
                life.process.kill()
        check(vendor, count)
