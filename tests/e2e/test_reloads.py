"""Many changes of everything under load.

No recipient gets what its own policy of that moment doesn't allow, nothing is lost.
"""

from __future__ import annotations

import itertools
import json
import queue
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Self

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from kannelle.privacy.v1 import emit_pb2

from tests.e2e.random_policies import (
    AUTHORITY,
    CALLER,
    SECRET,
    PolicyVersion,
    PolicyVersions,
    descriptor_set,
    fields_of,
    note,
)
from tests.e2e.recipients import History, Item, Web, token
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, CallStatus, blocking_channel, status_of
from tests.support.gateway_process import GatewayProcess
from tests.support.proxy_process import fetch_page, reload_count, wait_until

GRACE: Final = 0.5
SLACK: Final = 2.0
"""Seconds that what was on the wire may take to be noted, on a machine that is busy."""

EMIT: Final = "/kannelle.privacy.v1.EmitService/Emit"
BOTH: Final = "/t.Talk/Both"


class Said:
    """A message that came to the upstream."""

    def __init__(self, raw: bytes) -> None:
        self.fields = fields_of(raw)
        self.at = time.monotonic()


@contextmanager
def upstream(came: list[Said]) -> Iterator[int]:
    """A service that says everything back, and notes what it was told; its port."""

    def both(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for raw in requests:
            came.append(Said(raw))
            yield raw

    server = grpc.server(ThreadPoolExecutor(16), options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("t.Talk", {"Both": grpc.stream_stream_rpc_method_handler(both)}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


class Load:
    """Items and streams, from threads, until told to end."""

    def __init__(self, process: GatewayProcess) -> None:
        self.sent: dict[str, float] = {}
        """When each acknowledged item was sent."""
        self.failed: list[CallStatus] = []
        self.ended: list[tuple[grpc.StatusCode, str]] = []
        self._process = process
        self._numbers = itertools.count()
        self._enough = threading.Event()
        self._threads = [
            threading.Thread(target=run, daemon=True) for run in (self._emit, self._emit, self._talk, self._talk)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS)
            assert not thread.is_alive()

    def _emit(self) -> None:
        with blocking_channel(self._process.address) as channel:
            emit: Any = channel.unary_unary(EMIT)
            while not self._enough.is_set():
                name, at = token(next(self._numbers)), time.monotonic()
                item = AnyMessage(type_url="type.googleapis.com/t.Note", value=note(op=name))
                try:
                    emit(emit_pb2.EmitRequest(item=item).SerializeToString(), timeout=TIMEOUT_SECONDS)
                    self.sent[name] = at
                except grpc.RpcError as error:
                    self.failed.append(status_of(error))
                # No more than the recipients can take in the end.
                self._enough.wait(0.005)

    def _talk(self) -> None:
        """Streams, one after another, each for as long as it may."""
        options = (*CHANNEL_OPTIONS, ("grpc.default_authority", AUTHORITY))
        with grpc.insecure_channel(self._process.listener_address("outbound"), options) as channel:
            while not self._enough.is_set():
                self._stream(channel)
                self._enough.wait(0.02)

    def _stream(self, channel: grpc.Channel) -> None:
        words: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        method: Any = channel.stream_stream(BOTH)
        call = method(iter(words.get, None), timeout=600)
        try:
            while not self._enough.is_set():
                words.put(note(op="a"))
                next(call)
                self._enough.wait(0.01)
            words.put(None)
            list(call)
        except grpc.RpcError:
            words.put(None)
            self.ended.append((call.code(), call.details()))
        except StopIteration:
            words.put(None)
            self.ended.append((call.code(), call.details()))


def change(
    process: GatewayProcess, generations: PolicyVersions, generation: PolicyVersion, history: History[PolicyVersion]
) -> None:
    """Put a policy in force while everything runs, or see it refused."""
    outcome = "ok" if generation.valid else "failed"
    count = reload_count(process, outcome=outcome)
    history.before(generation)
    generations.write(generation)
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: reload_count(process, outcome=outcome) > count)
    (history.after if generation.valid else history.withdraw)()


@contextmanager
def serving(folder: Path, generations: PolicyVersions, first: PolicyVersion) -> Iterator[GatewayProcess]:
    generations.write(first)
    given = {
        "POLICY": str(folder / "policy.yaml"),
        "CONTRACTS": f"[{descriptor_set(folder)}]",
        "SERVICE": CALLER,
        "INSECURE_LOOPBACK": "true",
        "RELOAD": f"{{every: 0, grace: {GRACE}s}}",
        "LISTENERS__OUTBOUND__ADDRESS": "127.0.0.1:0",
        "LISTENERS__HTTP__ADDRESS": "127.0.0.1:0",
    }
    environ = {f"PRIVACY_GATEWAY__{name}": value for name, value in given.items()}
    with GatewayProcess(folder, environ={**environ, "WEBHOOK_SECRET": SECRET}) as process:
        process.listener_address("http")
        yield process


def waiting(process: GatewayProcess) -> float:
    """How many items wait to be delivered."""
    lines = fetch_page(process, "/metrics")[1].splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("privacy_gateway_outbox_entries{"))


@pytest.mark.parametrize("count", [15, pytest.param(200, marks=pytest.mark.soak)])
def test_everything_changes_again_and_again_under_load(tmp_path: Path, count: int) -> None:
    seed, history = 20, History[PolicyVersion]()
    said: list[Said] = []
    with ExitStack() as stack:
        web, port = stack.enter_context(Web(seed)), stack.enter_context(upstream(said))
        generations = PolicyVersions(tmp_path, web.port, port, seed)
        first, *others = generations.every(count + 1)
        history.before(first)
        process = stack.enter_context(serving(tmp_path, generations, first))
        with Load(process) as load:
            wait_until(lambda: len(load.sent) > 20)
            for generation in others:
                change(process, generations, generation, history)
                seen = len(load.sent)
                wait_until(lambda seen=seen: len(load.sent) > seen + 10)  # type: ignore[misc]  # a default, as lambdas have
        web.well.set()
        wait_until(lambda: waiting(process) == 0, every=0.1)
        assert process.stop() == 0
    logged = list(lines(process.state))
    check_items(web.came + logged, load.sent, history)
    check_streams(said, history)
    # Nothing that was acknowledged is lost, where something leads it on.
    assert load.failed == []
    assert load.sent.keys() - {item.token for item in web.accepted if item.where.startswith("/keep")} == set()
    assert load.sent.keys() - {item.token for item in logged if destination(item, history) == "log"} == set()
    assert {code for code, _ in load.ended} <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED}
    assert {text for code, text in load.ended if code is grpc.StatusCode.UNAVAILABLE} == {
        "the policy has changed since the call began; call again"
    }


def lines(state: Path) -> Iterator[Item]:
    """What stands in the logs: whole lines, all of them."""
    for path in sorted(state.glob("*.jsonl*")):
        if not path.name.endswith(".lock"):
            yield from (Item(path.name, json.loads(line), 0.0) for line in path.read_bytes().splitlines())


def destination(item: Item, history: History[PolicyVersion]) -> str:
    """Whom an item was for, by its plan."""
    return next(generation.plans[item.plan][0] for generation in history.every if item.plan in generation.plans)


def check_items(items: list[Item], sent: dict[str, float], history: History[PolicyVersion]) -> None:
    """Each was made by a plan of the policy in force when it was led there, and holds what that plan lets through."""
    assert items
    by_plan: dict[str, list[PolicyVersion]] = {}
    for generation in history.every:
        for digest in generation.plans:
            by_plan.setdefault(digest, []).append(generation)
    for item in items:
        makers = by_plan[item.plan]
        # What was minimised before by a policy that let less through has less.
        assert {"op"} <= item.fields <= makers[0].plans[item.plan][1]
        leading = [generation for generation in makers if _leads(generation, item, makers[0].plans[item.plan][0])]
        assert leading, "an exporter of one policy sent what another one decided on"
        # Not by what was no more when the item was sent.
        now = history.within(sent.get(item.token, 0.0), item.at or float("inf"))
        assert any(generation in now for generation in leading)
        if item.at:
            late = history.within(item.at - SLACK, item.at)
            assert any(generation in late for generation in leading), "something left after its policy"


def _leads(generation: PolicyVersion, item: Item, name: str) -> bool:
    """Whether a policy leads a destination where the item came to."""
    exporter = json.loads(generation.text)["destinations"][name]["exporter"]
    return bool(
        item.where.startswith(exporter["path"])
        if exporter["kind"] == "jsonl"
        else exporter["endpoint"].endswith(item.where)
    )


def check_streams(said: list[Said], history: History[PolicyVersion]) -> None:
    """No message holds more than what was in force within the grace before it let through."""
    assert said
    for one in said:
        assert any(
            one.fields <= generation.route_fields for generation in history.within(one.at - GRACE - SLACK, one.at)
        )
