"""Policies are rolled out under load, in either order.

No call fails for what hub and agents know, nothing is lost, all is minimised.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from kannelle.privacy.v1 import analytics_pb2

from tests.e2e.clients_and_vendor import PLANTED, POLICY, FaultyVendor
from tests.support.channels import TIMEOUT_SECONDS, blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.ports import reserved
from tests.support.proxy_certificates import certificate_for, dns, write_tls
from tests.support.requests import TRACK, event

OLD: Final = POLICY
NEW: Final = POLICY.replace("allow: [USER_ID, WORK_EMAIL, OPERATIONAL]", "allow: [USER_ID, OPERATIONAL]").replace(
    "  video.exported:", "  video.shared: {{properties: {{codec: {{one_of: [h264]}}}}}}\n  video.exported:"
)
"""Another event, and no address any more: every plan is another one."""

SHARED: Final = "video.shared"


class Calls:
    """Callers of one agent that send one event after the other, each once.

    `failed` counts the codes of those that weren't acknowledged.
    """

    def __init__(self, address: str, start: int) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.users: set[str] = set()
        self.failed: Counter[tuple[str, str]] = Counter()
        self.name = "video.exported"
        self._address = address
        self._start = start
        self._ended = threading.Event()

    def run(self) -> None:
        number = self._start
        with blocking_channel(self._address) as channel:
            while not self._ended.is_set():
                number += 1
                for name in {"video.exported", self.name}:
                    self._send(channel, name, f"usr_{name[6]}{number}")

    def end(self) -> None:
        self._ended.set()

    def until(self, name: str, more: int) -> None:
        """Wait until so many more events of a name have been acknowledged."""
        wanted, end = self.acknowledged[name] + more, time.monotonic() + TIMEOUT_SECONDS
        while self.acknowledged[name] < wanted:
            assert time.monotonic() < end, (name, self.acknowledged, self.failed)
            self._ended.wait(0.02)

    def _send(self, channel: grpc.Channel, name: str, user: str) -> None:
        made = event(user, "ada@acme.example")
        made.name, (made.user.full_name, made.user.phone_number) = name, PLANTED
        made.properties["codec"].string_value = "h264"
        answer: Any = call(channel, TRACK, analytics_pb2.TrackEventRequest(event=made).SerializeToString(), timeout=10)
        if isinstance(answer, bytes):
            self.acknowledged[name] += 1
            self.users.add(user)
        else:
            self.failed[name, answer.code.name] += 1


class Fleet:
    """A hub, an agent with an outbox of its own, and one without."""

    def __init__(self, folder: Path, vendor: FaultyVendor, stack: ExitStack) -> None:
        self._vendor = vendor
        self._folder = folder
        port = stack.enter_context(reserved())
        hub = {
            "ROLE": "hub",
            "LISTENERS__DELIVERY__ADDRESS": f"127.0.0.1:{port}",
            "LISTENERS__DELIVERY__AGENTS": "[localhost]",
        }
        agent = {"ROLE": "agent", "HUB__ADDRESS": f"localhost:{port}"}
        roles: Mapping[str, Mapping[str, str]] = {"hub": hub, "keeping": {**agent, "OUTBOX": "{}"}, "direct": agent}
        self.processes: dict[str, GatewayProcess] = {}
        for name, more in roles.items():
            # The hub first: an agent that comes up before its hub knows it as away for a moment.
            self.processes[name] = stack.enter_context(self._start(name, more))
            assert self.processes[name].address

    def roll_out(self, policy: str, *names: str) -> None:
        """Put a policy in force."""
        for name in names:
            said = len(self.processes[name].output)
            self._write(name, policy)
            self.processes[name].send_signal(signal.SIGHUP)
            while b"policy: reloaded" not in self.processes[name].output[said:]:
                self.processes[name].wait_for_output(b"policy: reloaded")

    def _write(self, name: str, policy: str) -> None:
        path = self._folder / name / "policy.yaml"
        (new := path.with_suffix(".new")).write_text(policy.format(url=self._vendor.url))
        new.replace(path)

    def _start(self, name: str, more: Mapping[str, str]) -> GatewayProcess:
        folder = self._folder / name
        folder.mkdir()
        self._write(name, OLD)
        tls = write_tls(folder, certificate_for(dns("localhost")))
        files = {"TLS__CERTIFICATE": str(tls.certificate), "TLS__KEY": str(tls.key), "TLS__CA": str(tls.ca)}
        given = {
            "POLICY": str(folder / "policy.yaml"),
            "INSECURE_LOOPBACK": "true",
            "RELOAD__EVERY": "0.1s",
            **files,
            **more,
        }
        return GatewayProcess(
            folder,
            environ={"SEGMENT_WRITE_KEY": "a-write-key", **{f"PRIVACY_GATEWAY__{k}": v for k, v in given.items()}},
        )


@contextmanager
def calling(fleet: Fleet) -> Iterator[Mapping[str, Calls]]:
    """Callers of both agents, until the end."""
    calls = {
        name: Calls(fleet.processes[name].address, start) for name, start in (("keeping", 0), ("direct", 1_000_000))
    }
    with ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(one.run) for one in calls.values()]
        try:
            yield calls
        finally:
            for one in calls.values():
                one.end()
            for future in running:
                future.result(TIMEOUT_SECONDS)


HUB, AGENTS = ("hub",), ("keeping", "direct")


@pytest.mark.parametrize("order", [(HUB, AGENTS), (AGENTS, HUB)], ids=["the hub first", "the agents first"])
@pytest.mark.parametrize(("before", "after"), [(OLD, NEW), (NEW, OLD)], ids=["an event comes", "an event goes"])
def test_a_roll_out_stops_nobody(before: str, after: str, order: tuple[tuple[str, ...], ...], tmp_path: Path) -> None:
    vendor = FaultyVendor(seed=5)
    vendor.stand_in.faults = lambda: None
    with ExitStack() as stack:
        stack.callback(vendor.stop)
        fleet = Fleet(tmp_path, vendor, stack)
        if before is NEW:
            fleet.roll_out(NEW, *HUB, *AGENTS)
        with calling(fleet) as calls:
            for one in calls.values():
                one.until("video.exported", 50)
            for names in order:
                if before is NEW or names == AGENTS:
                    for one in calls.values():
                        one.name = SHARED
                fleet.roll_out(after, *names)
                for one in calls.values():
                    one.until("video.exported", 50)
        both = calls.values()
        assert not [key for one in both for key in one.failed if key[0] == "video.exported"]
        if before is OLD:
            # What the hub doesn't know yet is kept, or its caller is told to send it again.
            assert {code for _, code in calls["keeping"].failed} <= {"FAILED_PRECONDITION"}
            assert {code for _, code in calls["direct"].failed} <= {"UNAVAILABLE", "FAILED_PRECONDITION"}
            known = set().union(*(one.users for one in both))
        else:
            known = {user for one in both for user in one.users if user.startswith("usr_e")}
        _arrive(vendor, known)


def _arrive(vendor: FaultyVendor, users: set[str]) -> None:
    end, pause = time.monotonic() + 2 * TIMEOUT_SECONDS, threading.Event()
    while left := users - {one["userId"] for one in vendor.events}:
        assert time.monotonic() < end, (len(left), sorted(left)[:5])
        pause.wait(0.1)
    assert not any(value in repr(vendor.events) for value in (*PLANTED, "ada@acme.example"))
    assert all(one["properties"] == {"codec": "h264"} for one in vendor.events)
    assert vendor.stand_in.violations == []
