"""What a kill test needs.

Clients that send until each event is acknowledged, gateways that live again, and a vendor in a thread that fails as it
likes.
"""

from __future__ import annotations

import asyncio
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
from kannelle.privacy.v1 import analytics_pb2

from gateway.standins import Fault, SegmentStandIn
from tests.support.channels import TIMEOUT_SECONDS, blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.proxy_certificates import certificate_for, dns, write_tls
from tests.support.requests import TRACK, TRACK_BATCH, event

POLICY: Final = """
version: 1
controller: Check it Out S.A.S.
user_id: {{pattern: "usr_[A-Za-z0-9]{{1,32}}"}}
identifiers: ["ws_[A-Za-z0-9]{{1,32}}", "sup_[a-z0-9]{{8,32}}"]
timestamps: {{days_around_receipt: 7}}
ceilings:
  US: [USER_ID, WORK_EMAIL, OPERATIONAL]
destinations:
  analytics:
    recipient: vendor
    region: US
    purpose: analytics
    legal_basis: CONTRACT
    allow: [USER_ID, WORK_EMAIL, OPERATIONAL]
    retention: 30d
    delivery: {delivery}
    exporter:
      kind: segment
      endpoint: {url}
      write_key: {{env: SEGMENT_WRITE_KEY}}
      timeout: 1s
      items:
        kannelle.privacy.v1.AnalyticsEvent: {{event: "{{name}}", userId: "{{user.user_id}}", properties: "{{properties}}"}}
flows:
  kannelle.privacy.v1.AnalyticsService/*: [analytics]
tracking_plan:
  video.exported: {{properties: {{codec: {{one_of: [h264]}}}}}}
"""

PLANTED: Final = ("Zqxjk Vwyqp", "+33 6 12 34 56 78")
"""What no vendor may get."""

EVICTION_SECONDS: Final = 1.0
"""How long after SIGTERM a gateway is killed."""

FAULTS: Final = (
    Fault.RESET,
    Fault.ERROR,
    Fault.UNAVAILABLE,
    Fault.RATE_LIMITED,
    Fault.RATE_LIMITED_UNTIL,
    Fault.HANG,
    Fault.RESET_AFTER_ACCEPTING,
)


class FaultyVendor:
    """A stand-in for Segment that runs in a thread, and of its requests fails one in five."""

    def __init__(self, seed: int) -> None:
        draw = random.Random(seed)
        self.stand_in = SegmentStandIn(faults=lambda: draw.choice(FAULTS) if draw.random() < 0.2 else None)
        self.stand_in.rate = (10**9, 1.0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._run(self.stand_in.start())

    @property
    def url(self) -> str:
        return self.stand_in.url

    @property
    def events(self) -> list[dict[str, Any]]:
        """What arrived, each key once."""
        return list(self.stand_in.accepted.values())

    def stop(self) -> None:
        self._run(self.stand_in.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_SECONDS)
        self._loop.close()

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_SECONDS)


@contextmanager
def run_vendor(folder: Path, seed: int, delivery: str = "stored") -> Iterator[FaultyVendor]:
    """A vendor, and a policy that leads to it in `policy.yaml`."""
    vendor = FaultyVendor(seed)
    (folder / "policy.yaml").write_text(POLICY.format(url=vendor.url, delivery=delivery))
    try:
        yield vendor
    finally:
        vendor.stop()


class Clients:
    """Clients that each send their events, one or ten at a time, each again and again until it is acknowledged."""

    def __init__(self, addresses: Sequence[str], count: int) -> None:
        """`count` events, by as many clients as there are addresses."""
        self.acknowledged: set[str] = set()
        self.tries = 0
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(len(addresses))
        each = count // len(addresses)
        self._sent: list[Future[None]] = [
            self._pool.submit(self._send_all, address, range(number * each, number * each + each))
            for number, address in enumerate(addresses)
        ]

    def until(self, count: int) -> None:
        """Wait until so many are acknowledged."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= count, 6 * TIMEOUT_SECONDS), len(
                self.acknowledged
            )

    def wait(self) -> None:
        """Until all are."""
        for sent in self._sent:
            sent.result(10 * TIMEOUT_SECONDS)
        self._pool.shutdown()

    def _send_all(self, address: str, numbers: range) -> None:
        left = list(numbers)
        size = 1 if numbers.start % 2 == 0 else 10
        with blocking_channel(address) as channel:
            while left:
                self._send(channel, left[:size])
                left = left[size:]

    def _send(self, channel: grpc.Channel, numbers: Sequence[int]) -> None:
        path, request = _request(numbers)
        while not isinstance(call(channel, path, request, timeout=5, wait_for_ready=True), bytes):
            self.tries += 1
        with self._changed:
            self.acknowledged.update(f"usr_{number}" for number in numbers)
            self._changed.notify_all()


def _request(numbers: Sequence[int]) -> tuple[str, bytes]:
    """The same request ID each time that the same is sent."""
    events = [_event(number) for number in numbers]
    if len(events) == 1:
        return TRACK, analytics_pb2.TrackEventRequest(
            request_id=f"one {numbers[0]}", event=events[0]
        ).SerializeToString()
    return TRACK_BATCH, analytics_pb2.TrackEventsRequest(
        request_id=f"from {numbers[0]}", events=events
    ).SerializeToString()


def _event(number: int) -> analytics_pb2.AnalyticsEvent:
    made = event(f"usr_{number}")
    made.user.full_name, made.user.phone_number = PLANTED
    made.properties["codec"].string_value = "h264"
    return made


def check(vendor: FaultyVendor, count: int) -> None:
    """Every event arrived, after deduplication by its key once, and minimised."""
    assert Counter(one["userId"] for one in vendor.events) == Counter(f"usr_{number}" for number in range(count))
    allowed = {"type", "messageId", "event", "userId", "properties"}
    assert all(one.keys() <= allowed and one["properties"] == {"codec": "h264"} for one in vendor.events)
    assert not any(value in repr(vendor.events) for value in PLANTED)
    assert vendor.stand_in.violations == []


def until_arrived(vendor: FaultyVendor, count: int) -> None:
    """Wait until so many have arrived."""
    deadline = threading.Event()
    for _ in range(600):
        if len(vendor.stand_in.accepted) >= count:
            return
        deadline.wait(0.1)
    raise AssertionError(f"{len(vendor.stand_in.accepted)} of {count} arrived")


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
        self.end()
        self.begin()

    def evict(self) -> None:
        """Ask it to stop, and kill it a second later, as Kubernetes does where nobody waits longer."""
        self.process.send_signal(signal.SIGTERM)
        threading.Event().wait(EVICTION_SECONDS)
        self.process.kill()
        self.begin()

    def end(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL
        self.process.kill()

    def begin(self) -> None:
        self.process = self._start()


def starting(
    folder: Path, vendor: FaultyVendor, port: int, more: Mapping[str, str], delivery: str = "stored"
) -> Callable[[], GatewayProcess]:
    """How to start a gateway that has a folder and a certificate of its own."""
    folder.mkdir()
    tls = write_tls(folder, certificate_for(dns("localhost")))
    (folder / "policy.yaml").write_text(POLICY.format(url=vendor.url, delivery=delivery))
    given = settings(folder, TLS__CERTIFICATE=str(tls.certificate), TLS__KEY=str(tls.key), TLS__CA=str(tls.ca), **more)
    return lambda: GatewayProcess(folder, environ=given, address=f"127.0.0.1:{port}")
