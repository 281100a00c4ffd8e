"""What was acknowledged arrives, whether its recipient was tried first or not, and whatever goes wrong meanwhile.

In the process that users run: a recipient that is away, a kill right after its answer, a full volume, a damaged file,
a policy that is tightened.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from kannelle.privacy.v1 import analytics_pb2

from gateway.standins import Fault
from tests.delivery.damage import asides, cut, header
from tests.delivery.outboxes import on_a_volume
from tests.e2e.clients_and_vendor import (
    PLANTED,
    POLICY,
    Clients,
    FaultyVendor,
    Life,
    check,
    settings,
    until_arrived,
)
from tests.e2e.test_kill import DELIVERIES
from tests.support.channels import TIMEOUT_SECONDS, blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.ports import reserved
from tests.support.requests import TRACK_BATCH, event

COUNT: Final = 400
CLIENTS: Final = 4
KILLS: Final = 2

both_deliveries = pytest.mark.parametrize("delivery", DELIVERIES)


class SteeredVendor(FaultyVendor):
    """A stand-in for Segment that fails as it is told to, and says when it has taken something."""

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.fault: Fault | None = None
        self.taken: Callable[[], None] = _nothing
        """What happens once it has noted what came, before it answers."""
        take = self.stand_in._take

        def noted(events: list[object]) -> None:
            take(events)  # type: ignore[arg-type]  # the events of a request
            self.taken()

        self.stand_in._take = noted  # type: ignore[method-assign,assignment]
        self.stand_in.faults = lambda: self.fault


def _nothing() -> None:
    """Do nothing."""


@contextmanager
def run_steered_vendor(folder: Path, delivery: str) -> Iterator[SteeredVendor]:
    vendor = SteeredVendor()
    (folder / "policy.yaml").write_text(POLICY.format(url=vendor.url, delivery=delivery))
    try:
        yield vendor
    finally:
        vendor.fault = None
        vendor.stop()


@both_deliveries
@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.HANG])
def test_what_a_recipient_that_is_away_misses_comes_once_it_is_back(
    fault: Fault, delivery: str, tmp_path: Path
) -> None:
    with run_steered_vendor(tmp_path, delivery) as vendor:
        with GatewayProcess(tmp_path, environ=settings(tmp_path)) as gateway:
            clients = Clients([gateway.address] * CLIENTS, COUNT)
            clients.until(COUNT // 4)
            vendor.fault = fault
            clients.wait()
            vendor.fault = None
            until_arrived(vendor, COUNT)
        check(vendor, COUNT)


@both_deliveries
def test_a_kill_between_the_recipients_answer_and_ours_loses_nothing(delivery: str, tmp_path: Path) -> None:
    """Each of the first batches that the recipient takes has the gateway killed before it hears of it."""
    kills = iter(range(KILLS))
    with run_steered_vendor(tmp_path, delivery) as vendor, reserved() as port:
        address = f"127.0.0.1:{port}"
        life = Life(lambda: GatewayProcess(tmp_path, environ=settings(tmp_path), address=address))
        hit = threading.Event()

        def kill() -> None:
            if not hit.is_set() and next(kills, None) is not None:
                life.process.send_signal(signal.SIGKILL)
                hit.set()

        vendor.taken = kill
        try:
            clients = Clients([address] * CLIENTS, COUNT)
            for _ in range(KILLS):
                assert hit.wait(TIMEOUT_SECONDS)
                life.process.kill()
                life.begin()
                hit.clear()
            clients.wait()
            until_arrived(vendor, COUNT)
        finally:
            life.process.kill()
        assert vendor.stand_in.repeats > 0, "what was taken before a kill comes again, under its key"
        check(vendor, COUNT)


@both_deliveries
def test_a_full_volume_refuses_what_it_cant_keep_and_loses_nothing(delivery: str, tmp_path: Path) -> None:
    on_a_volume(partial(_full, delivery), tmp_path / "volume", "-t", "tmpfs", "-o", "size=24m", "none")


def _full(delivery: str, folder: Path) -> None:
    with run_steered_vendor(folder, delivery) as vendor:
        with GatewayProcess(folder, environ=settings(folder, OUTBOX__MARGIN=str(1 << 20))) as gateway:
            clients = Clients([gateway.address] * CLIENTS, COUNT)
            clients.until(COUNT // 4)
            vendor.fault = Fault.ERROR
            with (folder / "other").open("wb", buffering=0) as other, suppress(OSError):
                while other.write(bytes(1 << 12)):
                    pass
            with blocking_channel(gateway.address) as channel:
                answer = _unnamed(channel)
            assert not isinstance(answer, bytes), "there is room neither here nor at the recipient"
            (folder / "other").unlink()
            clients.wait()
            vendor.fault = None
            until_arrived(vendor, COUNT)
        check(vendor, COUNT)


def _unnamed(channel: object) -> object:
    """Send a large batch that can't come again, to an outbox without room."""
    events = [event(f"usr_Unnamed{number}") for number in range(5000)]
    return call(channel, TRACK_BATCH, analytics_pb2.TrackEventsRequest(events=events).SerializeToString())  # type: ignore[arg-type]


@both_deliveries
@pytest.mark.parametrize("damage", [cut, header])
def test_a_damaged_outbox_is_set_aside_and_what_comes_after_is_delivered(
    damage: Callable[[Path], None], delivery: str, tmp_path: Path
) -> None:
    with run_steered_vendor(tmp_path, delivery) as vendor:
        vendor.fault = Fault.ERROR
        with GatewayProcess(tmp_path, environ=settings(tmp_path)) as gateway:
            Clients([gateway.address] * CLIENTS, COUNT).wait()
            assert gateway.stop() == 0
        outbox = tmp_path / ".privacy-gateway" / "outbox.db"
        damage(outbox)
        vendor.fault = None
        with GatewayProcess(tmp_path, environ=settings(tmp_path)) as gateway:
            gateway.wait_for_output(rb"damaged")
            sent = {f"usr_{number}" for number in range(COUNT)}
            with blocking_channel(gateway.address) as channel:
                request = analytics_pb2.TrackEventsRequest(events=[event("usr_After")])
                assert isinstance(call(channel, TRACK_BATCH, request.SerializeToString()), bytes)
            _until(lambda: "usr_After" in {str(one["userId"]) for one in vendor.events})
            assert {str(one["userId"]) for one in vendor.events} <= {*sent, "usr_After"}
        assert len(asides(outbox)) == 1
        assert vendor.stand_in.violations == []


@both_deliveries
def test_what_waits_when_the_policy_is_tightened_leaves_by_the_new_one(delivery: str, tmp_path: Path) -> None:
    with run_steered_vendor(tmp_path, delivery) as vendor:
        policy = tmp_path / "policy.yaml"
        with GatewayProcess(tmp_path, environ=settings(tmp_path)) as gateway:
            clients = Clients([gateway.address] * CLIENTS, COUNT)
            clients.until(COUNT // 4)
            vendor.fault = Fault.ERROR
            before = set(vendor.stand_in.accepted)
            clients.wait()
            policy.write_text(policy.read_text().replace("one_of: [h264]", "one_of: [hevc]"))
            gateway.send_signal(signal.SIGHUP)
            gateway.wait_for_output(rb"policy: reloaded")
            before |= set(vendor.stand_in.accepted)
            vendor.fault = None
            until_arrived(vendor, COUNT)
        later = [one for key, one in vendor.stand_in.accepted.items() if key not in before]
        assert later
        assert not any(one.get("properties") for one in later)


@both_deliveries
def test_nothing_that_no_recipient_gets_is_in_a_file_or_a_log(delivery: str, tmp_path: Path) -> None:
    planted = re.compile("|".join(map(re.escape, (*PLANTED, "33612345678"))).encode())
    with run_steered_vendor(tmp_path, delivery) as vendor:
        with GatewayProcess(tmp_path, environ=settings(tmp_path)) as gateway:
            clients = Clients([gateway.address] * CLIENTS, COUNT)
            clients.until(COUNT // 2)
            vendor.fault = Fault.ERROR
            clients.wait()
            assert not planted.findall(b"".join(one.read_bytes() for one in gateway.state.rglob("*") if one.is_file()))
            vendor.fault = None
            until_arrived(vendor, COUNT)
            assert gateway.stop() == 0
            assert not planted.findall(gateway.output)
        check(vendor, COUNT)


def _until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    pause = threading.Event()
    for _ in range(600):
        if true():
            return
        pause.wait(0.1)
    raise AssertionError("never came true")
