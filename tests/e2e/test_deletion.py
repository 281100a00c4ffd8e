"""What went is in no file of the state folder while the gateway runs.

Users are planted, purged and delivered, and looked for in bytes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from kannelle.privacy.v1 import analytics_pb2

from gateway.standins import Fault
from tests.e2e.clients_and_vendor import POLICY, FaultyVendor
from tests.support.channels import TIMEOUT_SECONDS, blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.requests import TRACK_BATCH, event

BOUND_SECONDS: Final = 10
"""As `docs/delivery.md` has it."""

PLANTED: Final = re.compile(rb"usr_Planted(\d{5})")
COUNT: Final = 400


class Away(FaultyVendor):
    """A vendor that takes nothing until it is back."""

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.back = False
        self.stand_in.faults = lambda: None if self.back else Fault.ERROR

    @property
    def users(self) -> set[int]:
        return {int(one["userId"][-5:]) for one in self.events}


@contextmanager
def away(folder: Path) -> Iterator[Away]:
    vendor = Away()
    (folder / "policy.yaml").write_text(POLICY.format(url=vendor.url, delivery="stored"))
    try:
        yield vendor
    finally:
        vendor.stop()


def settings(folder: Path) -> Mapping[str, str]:
    given = {"POLICY": str(folder / "policy.yaml"), "INSECURE_LOOPBACK": "true"}
    return {"SEGMENT_WRITE_KEY": "a-write-key", **{f"PRIVACY_GATEWAY__{name}": value for name, value in given.items()}}


def send(address: str, sizes: Sequence[int]) -> None:
    """Calls of so many events each, one user an event."""
    users = iter(range(COUNT))
    with blocking_channel(address) as channel:
        for size in sizes:
            events = [event(f"usr_Planted{next(users):05d}") for _ in range(size)]
            assert isinstance(
                call(channel, TRACK_BATCH, analytics_pb2.TrackEventsRequest(events=events).SerializeToString()), bytes
            )


def found(state: Path) -> set[int]:
    raw = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
    return {int(number) for number in PLANTED.findall(raw)}


def until(check: Iterable[bool], seconds: float) -> None:
    """Look again and again until something is true."""
    end, pause = time.monotonic() + seconds, threading.Event()
    for true in check:
        if true:
            return
        assert time.monotonic() < end
        pause.wait(0.1)


def purge(folder: Path, ids: Iterable[int]) -> dict[str, int]:
    command = (sys.executable, "-m", "gateway", "outbox", "purge", *map(str, ids), "--yes", "--format", "json")
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **settings(folder)},
        capture_output=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    return msgspec.json.decode(done.stdout, type=dict[str, int])


def test_what_went_is_in_no_file_of_the_state_folder(tmp_path: Path) -> None:
    gone = range(0, COUNT, 3)
    with away(tmp_path) as vendor, GatewayProcess(tmp_path, environ=settings(tmp_path)) as gateway:
        send(gateway.address, [*[1] * 100, 100, 3, 97, *[10] * 10])
        assert found(gateway.state) == {*range(COUNT)}
        told = purge(tmp_path, (number + 1 for number in gone))
        assert (told["deleted"] + told["leased"], told["missing"]) == (len(gone), 0)
        until((not found(gateway.state) & {*gone} for _ in iter(int, 1)), BOUND_SECONDS)
        assert found(gateway.state) >= {*range(COUNT)} - {*gone}
        vendor.back = True
        until((vendor.users >= {*range(COUNT)} - {*gone} for _ in iter(int, 1)), 3 * TIMEOUT_SECONDS)
        assert len(vendor.users & {*gone}) <= told["leased"]
        until((not found(gateway.state) for _ in iter(int, 1)), BOUND_SECONDS)
