"""An agent with an outbox of its own refuses no call while its hub is away, and hands everything over once it is back.

Under the same keys, and without a dead letter of its own. Whatever is killed, nothing that was acknowledged is lost.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from kannelle.privacy.v1.analytics_pb2 import TrackEventRequest

from gateway.config import Outbox
from gateway.delivery.outbox.admin import OutboxAdmin
from tests.e2e.clients_and_vendor import Clients, FaultyVendor, Life, check, run_vendor, starting, until_arrived
from tests.support.channels import blocking_channel, call
from tests.support.ports import reserved
from tests.support.requests import TRACK, event

CLIENTS: Final = 4
COUNT: Final = 800


@contextmanager
def agent_and_hub(folder: Path, vendor: FaultyVendor, **agent: str) -> Iterator[tuple[Life, Life, str]]:
    """An agent, its hub, and where the agent listens."""
    with ExitStack() as stack:
        hub_port, delivery_port, agent_port = (stack.enter_context(reserved()) for _ in range(3))
        roles = {
            "hub": {
                "ROLE": "hub",
                "LISTENERS__DELIVERY__ADDRESS": f"127.0.0.1:{delivery_port}",
                "LISTENERS__DELIVERY__AGENTS": "[localhost]",
            },
            "agent": {"ROLE": "agent", "HUB__ADDRESS": f"localhost:{delivery_port}", **agent},
        }
        ports = {"hub": hub_port, "agent": agent_port}
        lives = {name: Life(starting(folder / name, vendor, ports[name], roles[name])) for name in roles}
        try:
            lives["agent"].process.wait_for_output(b"the hub (takes what it is handed|is back)")
            yield lives["agent"], lives["hub"], f"127.0.0.1:{agent_port}"
        finally:
            for life in lives.values():
                life.process.kill()


@pytest.mark.parametrize("silent", [False, True], ids=["killed", "silent"])
def test_no_call_is_refused_while_the_hub_is_away_and_everything_arrives(silent: bool, tmp_path: Path) -> None:
    with (
        run_vendor(tmp_path, seed=5) as vendor,
        agent_and_hub(tmp_path, vendor, OUTBOX="{}") as (agent, hub, address),
    ):
        clients = Clients([address] * CLIENTS, COUNT)
        clients.until(COUNT // 4)
        if silent:
            hub.process.send_signal(signal.SIGSTOP)
        else:
            hub.end()
        clients.until(COUNT // 2)
        assert clients.tries == 0
        agent.kill()
        clients.wait()
        agent.kill()
        if silent:
            hub.process.send_signal(signal.SIGCONT)
        else:
            hub.begin()
        until_arrived(vendor, COUNT)
        assert agent.process.stop() == 0
        check(vendor, COUNT)
        assert kept(agent.process.state) == (0, 0)


@pytest.mark.parametrize("silent", [False, True], ids=["killed", "silent"])
def test_an_agent_that_leaves_does_not_wait_for_its_hub(silent: bool, tmp_path: Path) -> None:
    with (
        run_vendor(tmp_path, seed=7) as vendor,
        agent_and_hub(tmp_path, vendor, OUTBOX="{}", STOP__GRACE="60s") as (agent, hub, address),
    ):
        if silent:
            hub.process.send_signal(signal.SIGSTOP)
        else:
            hub.end()
        clients = Clients([address] * CLIENTS, 40)
        clients.wait()
        begun = time.monotonic()
        assert agent.process.stop() == 0
        assert time.monotonic() - begun < 30
        assert kept(agent.process.state) == (40, 0)


def kept(state: Path) -> tuple[int, int]:
    """How many items and dead letters an outbox holds."""
    admin = OutboxAdmin.open(state / "outbox.db", Outbox())
    try:
        queues = admin.queues()
    finally:
        admin.close()
    return sum(queue.items for queue in queues), sum(queue.dead for queue in queues)


def test_beyond_its_bound_an_agent_tells_its_callers_to_come_back(tmp_path: Path) -> None:
    with (
        run_vendor(tmp_path, seed=6) as vendor,
        agent_and_hub(tmp_path, vendor, OUTBOX__MAX_BYTES="65536") as (agent, hub, address),
    ):
        hub.end()
        taken, refused = sent_until_refused(address)
        assert (refused.code, refused.after > 0, taken > 50) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True, True)
        hub.begin()
        until_arrived(vendor, taken)
        assert agent.process.stop() == 0


def sent_until_refused(address: str) -> tuple[int, Any]:
    """How many events were acknowledged, and how the next one was refused."""
    with blocking_channel(address) as channel:
        for number in count():
            request = TrackEventRequest(request_id=f"{number}", event=event(f"usr_{number}")).SerializeToString()
            answer: Any = call(channel, TRACK, request)
            if not isinstance(answer, bytes):
                return number, answer
    raise AssertionError("is never refused")
