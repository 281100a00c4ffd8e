"""Callers of a fleet's agents.

Each sends one item or call after the other, each under one request ID until it is acknowledged.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple, Self

import grpc
from kannelle.privacy.v1 import analytics_pb2, emit_pb2

from tests.e2e.fleet import AGENTS, KEEPING, Fleet
from tests.e2e.recipients import token
from tests.e2e.rollout_versions import AUTHORITY, TYPES, made, message_class
from tests.support.channels import TIMEOUT_SECONDS, CallStatus, blocking_channel, call
from tests.support.proxied_calls import proxy_channel
from tests.support.requests import EMIT, TRACK, any_message

PAUSE_SECONDS: Final = 0.04
"""Between two calls of one caller: so many that they overlap every change, no more than three processes can take."""

ONE: Final = "t.Talk/One"
TWO: Final = "t.Talk/Two"
CALLS: Final = {ONE: "t.Note", TWO: "t.Memo"}
"""The methods between the services, with their messages."""


class Span(NamedTuple):
    """When something was under way."""

    begin: float
    end: float


class Sent(NamedTuple):
    """An item that was acknowledged."""

    agent: str
    type: str
    token: str
    span: Span


class Failure(NamedTuple):
    """An attempt that failed."""

    agent: str
    type: str
    status: CallStatus
    span: Span


class Answer(NamedTuple):
    """A call to the other service, with the fields that it had there and those that its answer has."""

    method: str
    asked: frozenset[str]
    answered: frozenset[str]
    span: Span


class Load:
    """All callers, from the start to the end of a `with`."""

    def __init__(self, fleet: Fleet, asked: dict[str, frozenset[str]]) -> None:
        """`asked` are the fields that came to the service that is called, by token."""
        self.sent: list[Sent] = []
        self.answers: list[Answer] = []
        self.failures: list[Failure] = []
        self._fleet = fleet
        self._asked = asked
        self._numbers = itertools.count()
        self._ended = threading.Event()
        self._grown = threading.Condition()
        self._counts: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Send meanwhile."""
        callers: list[tuple[Callable[[str, str], None], str, str]]
        callers = [(self._emit, agent, name) for agent in AGENTS for name in TYPES]
        callers += [(self._call, KEEPING, method) for method in CALLS]
        with ThreadPoolExecutor(len(callers)) as pool:
            running = [pool.submit(run, *given) for run, *given in callers]
            try:
                yield self
            finally:
                self._ended.set()
                for future in running:
                    future.result(TIMEOUT_SECONDS)

    def wait_for_more(self, count: int, *types: str) -> None:
        """Wait until each agent has acknowledged so many more items of each of these types, and answered calls."""
        keys = [*itertools.product(AGENTS, types), (KEEPING, ONE)]
        with self._grown:
            wanted = {key: self._counts[key] + count for key in keys}
            assert self._grown.wait_for(
                lambda: all(self._counts[key] >= least for key, least in wanted.items()), TIMEOUT_SECONDS
            ), (wanted, self._counts, self.failures[-5:])

    def _emit(self, agent: str, type: str) -> None:
        with blocking_channel(self._fleet.processes[agent].address) as channel:
            while not self._ended.is_set():
                self._send(channel, agent, type, token(next(self._numbers)))

    def _send(self, channel: grpc.Channel, agent: str, type: str, token: str) -> None:
        """Send one item until it is acknowledged, or refused as one that the agent doesn't know."""
        path, request = _request(type, token)
        begin = time.monotonic()
        while not self._ended.wait(PAUSE_SECONDS):
            at = time.monotonic()
            answer: Any = call(channel, path, request)
            span = Span(at, time.monotonic())
            if isinstance(answer, bytes):
                self.sent.append(Sent(agent, type, token, Span(begin, span.end)))
                return self._count(agent, type)
            self.failures.append(Failure(agent, type, answer, span))
            if answer.code is grpc.StatusCode.FAILED_PRECONDITION:
                return None
        return None

    def _call(self, agent: str, method: str) -> None:
        message = CALLS[method]
        with ExitStack() as stack:
            address = self._fleet.processes[agent].listener_address("outbound")
            channel = stack.enter_context(proxy_channel(address, AUTHORITY))
            while not self._ended.wait(PAUSE_SECONDS):
                name, at = token(next(self._numbers)), time.monotonic()
                answer: Any = call(channel, f"/{method}", made(message, name))
                span = Span(at, time.monotonic())
                if isinstance(answer, bytes):
                    self.answers.append(Answer(method, self._asked[name], field_names(message, answer), span))
                    self._count(agent, method)
                else:
                    self.failures.append(Failure(agent, method, answer, span))

    def _count(self, agent: str, type: str) -> None:
        with self._grown:
            self._counts[agent, type] += 1
            self._grown.notify_all()


def _request(type: str, token: str) -> tuple[str, bytes]:
    raw = made(type, token)
    if type.startswith("t."):
        return EMIT, emit_pb2.EmitRequest(request_id=token, item=any_message(type, raw)).SerializeToString()
    tracked = analytics_pb2.AnalyticsEvent.FromString(raw)
    return TRACK, analytics_pb2.TrackEventRequest(request_id=token, event=tracked).SerializeToString()


def field_names(type: str, raw: bytes) -> frozenset[str]:
    """The fields of a message, by their names in JSON; one that the contract lacks by its number."""
    message = message_class(type).FromString(raw)
    return frozenset(field.json_name for field, _ in message.ListFields())
