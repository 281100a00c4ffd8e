"""What was acknowledged is in the files, whatever happens to the process."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from kannelle.privacy.v1 import analytics_pb2

from tests.calls import STREAM, TRACK, TRACKS, event, track
from tests.running import SECONDS, Process, call, connected

ROTATING: Final = """
version: 1
controller: Check it Out S.A.S.
user_id: {pattern: "usr_[A-Za-z0-9]{1,32}"}
ceilings:
  FR: [USER_ID, OPERATIONAL]
destinations:
  analytics:
    recipient: log
    region: FR
    purpose: analytics
    legal_basis: CONSENT
    allow: [USER_ID, OPERATIONAL]
    retention: 30d
    exporter: {kind: jsonl, max_bytes: 20000, backups: 1000}
flows:
  kannelle.privacy.v1.AnalyticsService/*: [analytics]
tracking_plan:
  video.exported: {properties: {}}
"""
"""Kannelle's analytics, into small files."""


class Sent:
    """Who was sent, and who of them was acknowledged."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.safe: set[str] = set()
        self._count = 0
        self._changed = threading.Condition()

    def fresh(self, count: int) -> list[str]:
        """Names that nobody had before."""
        with self._changed:
            names = [f"usr_{number}" for number in range(self._count, self._count + count)]
            self._count += count
            self.names.update(names)
            return names

    def acknowledge(self, names: Iterable[str]) -> None:
        with self._changed:
            self.safe.update(names)
            self._changed.notify_all()

    def until(self, more: int) -> None:
        """Wait until so many more are acknowledged."""
        with self._changed:
            goal = len(self.safe) + more
            assert self._changed.wait_for(lambda: len(self.safe) >= goal, SECONDS)


def one(channel: grpc.Channel, names: list[str]) -> Any:
    return call(channel, TRACK, track(event(names[0])))


def batch(channel: grpc.Channel, names: list[str]) -> Any:
    return call(channel, TRACKS, track(*map(event, names)))


def stream(channel: grpc.Channel, names: list[str]) -> Any:
    return call(channel, STREAM, (track(event(name)) for name in names), kind="stream_unary")


KINDS: Final[tuple[tuple[int, Callable[[grpc.Channel, list[str]], Any]], ...]] = ((1, one), (1, one), (20, batch), (20, stream))


def keep_sending(address: str, sent: Sent, count: int, send: Callable[[grpc.Channel, list[str]], Any]) -> set[grpc.StatusCode]:
    """Send until the gateway is gone; how the last call ended."""
    with connected(address) as channel:
        while True:
            names = sent.fresh(count)
            answer = send(channel, names)
            if not isinstance(answer, bytes):
                return {answer.code}
            sent.acknowledge(names)


def found(process: Process) -> Iterator[str]:
    """Who is in the files. A line is whole, or was never acknowledged and is the last one of a process's life."""
    files = sorted(process.state.glob("analytics.jsonl*"))
    for line in b"".join(path.read_bytes() for path in files if path.suffix != ".lock").splitlines():
        try:
            yield json.loads(line)["message"]["user"]["userId"]
        except json.JSONDecodeError:
            assert line.startswith(b'{"type":"kannelle.privacy.v1.AnalyticsEvent"'[: len(line)])


def live(folder: Path, sent: Sent, number: int, environ: dict[str, str], acknowledged: int = 200) -> Process:
    """One life of a gateway under load, ended by a signal."""
    with Process(folder, environ=environ) as process, ThreadPoolExecutor(len(KINDS)) as pool:
        senders = [pool.submit(keep_sending, process.address, sent, *kind) for kind in KINDS]
        sent.until(acknowledged)
        process.tell(number)
        code = process.wait()
        ends = set.union(*(sender.result(2 * SECONDS) for sender in senders))
    assert code == (0 if number == signal.SIGTERM else -number)
    assert ends <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    return process


def check(process: Process, sent: Sent) -> None:
    kept = Counter(found(process))
    assert sent.safe <= kept.keys() <= sent.names
    assert set(kept.values()) == {1}


@pytest.fixture(params=["one file", "small files"])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "one file":
        return {}
    (tmp_path / "policy.yaml").write_text(ROTATING)
    return {"PRIVACY_GATEWAY__POLICY": str(tmp_path / "policy.yaml")}


def test_what_was_acknowledged_survives_being_killed(environ: dict[str, str], tmp_path: Path) -> None:
    sent = Sent()
    for _ in range(2):
        check(live(tmp_path, sent, signal.SIGKILL, environ), sent)
    check(live(tmp_path, sent, signal.SIGTERM, environ), sent)


@pytest.mark.soak
def test_what_was_acknowledged_survives_being_killed_again_and_again(environ: dict[str, str], tmp_path: Path) -> None:
    sent = Sent()
    for life in range(30):
        check(live(tmp_path, sent, signal.SIGKILL, environ, acknowledged=1 + 37 * life), sent)


def test_what_is_stored_is_what_was_acknowledged(tmp_path: Path) -> None:
    """And no call that succeeded is there twice, or in part."""
    sent = Sent()
    with Process(tmp_path) as process, connected(process.address) as channel:
        answers = [send(channel, sent.fresh(count)) for count, send in KINDS]
        assert all(isinstance(answer, bytes) for answer in answers)
        # While it runs, and before it has closed a file.
        assert Counter(found(process)) == Counter(sent.names)
        result = analytics_pb2.StreamEventsResponse.FromString(answers[-1]).result
    assert result.accepted == 20
