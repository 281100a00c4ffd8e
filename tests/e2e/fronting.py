"""A gateway process that stands before services of `upstream`, and calls through it."""

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

from tests.e2e.upstream import KINDS, PROTO, SERVICE
from tests.running import OPTIONS, SECONDS, Process, ended

ALLOW: Final = ("USER_ID", "OPERATIONAL", "CONTENT", "NAME")

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


def policy(*routes: Mapping[str, Any], allow: Sequence[str] = ALLOW) -> str:
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
def gateway(folder: Path, written: str, **environ: str) -> Iterator[Process]:
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
    with Process(folder, environ={f"PRIVACY_GATEWAY__{name}": value for name, value in given.items()}) as process:
        process.listening("http")
        yield process


@contextmanager
def dialled(process: Process, authority: str, *options: tuple[str, Any]) -> Iterator[grpc.Channel]:
    """A connection to `outbound`, for one authority."""
    with grpc.insecure_channel(
        process.listening("outbound"), (*OPTIONS, ("grpc.default_authority", authority), *options)
    ) as channel:
        yield channel


def method(channel: Any, name: str) -> Any:
    """A method of the service, to be called with bytes or an iterator of them."""
    return getattr(channel, KINDS[name])(f"/{SERVICE}/{name}")


def ask(channel: grpc.Channel, name: str, *items: bytes, timeout: float = SECONDS) -> Any:
    """Call a method; all its answers, or how the call ended."""
    try:
        answers = method(channel, name)(given(name, *items), timeout=timeout)
        return list(answers) if KINDS[name].endswith("stream") else [answers]
    except grpc.RpcError as error:
        return ended(error)


def given(name: str, *items: bytes) -> Any:
    """Requests in the form that a method takes them."""
    return iter(items) if KINDS[name].startswith("stream") else items[0]


def until(holds: Callable[[], Any], *, every: float = 0.02) -> Any:
    """Look again and again until something holds; what it came to."""
    limit, pause = time.monotonic() + SECONDS, threading.Event()
    while not (found := holds()):
        assert time.monotonic() < limit, "never came true"
        pause.wait(every)
    return found


def settled(count: Callable[[], int], *, still: float = 0.7) -> int:
    """What a count comes to that has not grown for `still` seconds."""
    before = [count(), time.monotonic()]

    def rests() -> bool:
        if (now := count()) != before[0]:
            before[:] = now, time.monotonic()
        return time.monotonic() - before[1] >= still

    until(rests)
    return count()


def page(process: Process, path: str) -> tuple[int, str]:
    """A page of its HTTP listener: status and text."""
    try:
        with urllib.request.urlopen(f"http://{process.listening('http')}{path}", timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metric(process: Process, line: str) -> float:
    """A number that it counts, by name and labels as Prometheus writes them."""
    found = re.search(rf"^{re.escape(line)} (\S+)$", page(process, "/metrics")[1], re.MULTILINE)
    assert found is not None
    return float(found[1])


def reloaded(process: Process, what: str = "policy", outcome: str = "ok") -> float:
    """How often something was loaded anew."""
    return metric(process, f'privacy_gateway_reloads_total{{outcome="{outcome}",subject="{what}"}}')


def logged(process: Process) -> list[Any]:
    """The entries of the access log so far.

    They go to standard output: a test needn't wait for a volume that is busy.
    """
    return [json.loads(line)["message"] for line in process.said.splitlines() if line.startswith(b'{"type"')]


@contextmanager
def steadily(call: Callable[[], Any], threads: int) -> Iterator[list[Any]]:
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
            thread.join(SECONDS)
