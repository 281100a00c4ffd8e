"""A gateway process that stands before services of `upstreams.py`, and calls through it."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc

from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, status_of
from tests.support.gateway_process import GatewayProcess, WatchedProcess
from tests.support.upstreams import CALL_KINDS, PROTO, SERVICE

ALLOWED_CATEGORIES: Final = ("USER_ID", "OPERATIONAL", "CONTENT", "NAME")

POLICY: Final = """\
version: 1
controller: Check it Out S.A.S.
user_id: {pattern: "usr_[a-z0-9]{1,32}"}
ceilings: {FR: [USER_ID, WORK_EMAIL, OPERATIONAL, CONTENT, NAME, PHONE]}
destinations:
  access: {recipient: log, region: FR, purpose: essential.service, legal_basis: CONTRACT, allow: [USER_ID, WORK_EMAIL, OPERATIONAL],
    retention: 1d, exporter: {kind: jsonl, path: "-"}}
flows: {kannelle.privacy.v1.AccessEntry: [access]}
"""

CALLER: Final = "web.test"


def policy(*routes: Mapping[str, Any], allow: Sequence[str] = ALLOWED_CATEGORIES) -> str:
    """A policy with these routes, all for one destination that gets `allow`, as the caller does."""
    service = {
        "recipient": "service",
        "region": "FR",
        "purpose": "essential.service",
        "legal_basis": "CONTRACT",
        "retention": "1d",
    }
    caller = {"region": "FR", "allow": allow}
    lines = [json.dumps({"destination": "service", "callers": {CALLER: caller}, **route}) for route in routes]
    destination = f"  service: {json.dumps({**service, 'allow': allow})}\n"
    return POLICY.replace("flows:", f"{destination}flows:") + "routes:\n" + "".join(f"  - {line}\n" for line in lines)


def route(authority: str, port: int, **more: Any) -> Mapping[str, Any]:
    """A route to a port of loopback, plaintext unless it says otherwise."""
    return {"authority": authority, "upstream": [f"127.0.0.1:{port}"], "plaintext": True, **more}


@contextmanager
def gateway(folder: Path, written: str, **environ: str) -> Iterator[GatewayProcess]:
    """Run a gateway with a policy. Its files are looked at only on SIGHUP, unless `environ` says otherwise."""
    (folder / "contracts").mkdir()
    (folder / "contracts" / "echo.proto").write_text(PROTO)
    (folder / "policy.yaml").write_text(written)
    given = {
        "POLICY": "policy.yaml",
        "CONTRACTS": "[contracts]",
        "SERVICE": CALLER,
        "RELOAD__EVERY": "0",
        **{f"LISTENERS__{name}__ADDRESS": "127.0.0.1:0" for name in ("OUTBOUND", "HEALTH", "HTTP")},
        **environ,
    }
    with GatewayProcess(
        folder, environ={f"PRIVACY_GATEWAY__{name}": value for name, value in given.items()}
    ) as process:
        process.listener_address("http")
        yield process


@contextmanager
def outbound_channel(process: GatewayProcess, authority: str, *options: tuple[str, Any]) -> Iterator[grpc.Channel]:
    """A connection to `outbound`, for one authority."""
    with grpc.insecure_channel(
        process.listener_address("outbound"), (*CHANNEL_OPTIONS, ("grpc.default_authority", authority), *options)
    ) as channel:
        yield channel


def method(channel: Any, name: str) -> Any:
    """A method of the service, to be called with bytes or an iterator of them."""
    return getattr(channel, CALL_KINDS[name])(f"/{SERVICE}/{name}")


def call_through(channel: grpc.Channel, name: str, *items: bytes, timeout: float = TIMEOUT_SECONDS) -> Any:
    """Call a method; all its answers, or how the call ended."""
    try:
        answers = method(channel, name)(request_of(name, *items), timeout=timeout)
        return list(answers) if CALL_KINDS[name].endswith("stream") else [answers]
    except grpc.RpcError as error:
        return status_of(error)


def request_of(name: str, *items: bytes) -> Any:
    """Requests in the form that a method takes them."""
    return iter(items) if CALL_KINDS[name].startswith("stream") else items[0]


def wait_until(holds: Callable[[], Any], *, every: float = 0.02) -> Any:
    """Look again and again until something holds; what it came to."""
    limit, pause = time.monotonic() + TIMEOUT_SECONDS, threading.Event()
    while not (found := holds()):
        assert time.monotonic() < limit, "never came true"
        pause.wait(every)
    return found


def wait_until_stable(count: Callable[[], int], *, still: float = 0.7) -> int:
    """What a count comes to that has not grown for `still` seconds."""
    before = [count(), time.monotonic()]

    def rests() -> bool:
        if (now := count()) != before[0]:
            before[:] = now, time.monotonic()
        return time.monotonic() - before[1] >= still

    wait_until(rests)
    return count()


def fetch_page(process: WatchedProcess, path: str) -> tuple[int, str]:
    """A page of its HTTP listener: status and text."""
    try:
        with urllib.request.urlopen(
            f"http://{process.listener_address('http')}{path}", timeout=TIMEOUT_SECONDS
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metric_value(process: WatchedProcess, line: str) -> float:
    """A number that it counts, by name and labels as Prometheus writes them."""
    found = re.search(rf"^{re.escape(line)} (\S+)$", fetch_page(process, "/metrics")[1], re.MULTILINE)
    assert found is not None
    return float(found[1])


def reload_count(process: GatewayProcess, what: str = "policy", outcome: str = "ok") -> float:
    """How often something was loaded anew."""
    return metric_value(process, f'privacy_gateway_reloads_total{{outcome="{outcome}",subject="{what}"}}')


def access_log(process: GatewayProcess) -> list[Any]:
    """The entries of the access log so far.

    They go to standard output: a test needn't wait for a volume that is busy.
    """
    return [json.loads(line)["message"] for line in process.output.splitlines() if line.startswith(b'{"type"')]


@contextmanager
def calling_repeatedly(call: Callable[[], Any], threads: int) -> Iterator[list[Any]]:
    """Call again and again from several threads meanwhile; what came of each call."""
    outcomes: list[Any] = []
    enough = threading.Event()

    def run() -> None:
        while not enough.is_set():
            outcomes.append(call())

    started = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for thread in started:
        thread.start()
    try:
        yield outcomes
    finally:
        enough.set()
        for thread in started:
            thread.join(TIMEOUT_SECONDS)
