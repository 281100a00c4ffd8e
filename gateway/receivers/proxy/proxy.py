"""The listeners `outbound` and `inbound`: any gRPC call in, its passage found, relayed and logged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import Any, Final, Literal, NoReturn, TypeAlias

import grpc
import msgspec

from gateway.errors import CallReason, Cause, Reason, Refused, Rejected, Retryable
from gateway.model import NO_SUBJECT
from gateway.pipeline.decide import Decider
from gateway.plan import Streams
from gateway.policy.document import Mode, TrafficDirection
from gateway.receivers.guard import Guard, abort, aborted_with, code_of
from gateway.receivers.incoming import Context, Incoming
from gateway.receivers.inflight import InFlight
from gateway.receivers.proxy.access import Access, AccessLog, told
from gateway.receivers.proxy.authority import Unreadable, authority, named
from gateway.receivers.proxy.exchange import Exchange, Shadowed, number
from gateway.receivers.proxy.failures import Failures
from gateway.receivers.proxy.passage import Method, Passage, Routing
from gateway.receivers.proxy.relay import KINDS, Kind, remaining
from gateway.telemetry.traces import CallTracer, RpcMethod, set_item_count, traceparent

SKEW: Final = 0.05
"""Seconds before a call's deadline from which on a cancellation counts as its end.

The caller's clock runs by itself, and tells first.
"""

TELL: Final = 1.0
"""Seconds in which a caller is told that its call ends for a change of the policy.

What it was sent before must have been read by then.
"""

Who = Callable[[Context], Sequence[str]]
"""The names that a call's peer goes by. Raises Refused."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Host(msgspec.Struct, frozen=True):
    """What a proxy has from the gateway around it. `spans` tells whether traces are on."""

    decider: Decider
    guard: Guard
    access: AccessLog
    failures: Failures
    in_flight: InFlight[Passage]
    spans: Callable[[], CallTracer | None] = lambda: None


class Proxy(grpc.GenericRpcHandler):
    """All calls that come to one listener."""

    def __init__(self, side: TrafficDirection, routing: Callable[[], Routing], who: Who, host: Host) -> None:
        """`routing` tells what is in force; a call asks once, when it has a message to send or a stream of them."""
        self._side = side
        self._routing = routing
        self._who = who
        self._host = host
        self._handlers: dict[tuple[str, Streams], Handler] = {}

    def service(self, details: grpc.HandlerCallDetails) -> Handler:
        """The handler of a call: by its path, and who streams."""
        method = self._routing().methods[self._side].get(details.method)
        if method is None:
            return self._unknown(details.method)
        key = (details.method, method.plan.streams)
        if key not in self._handlers:
            self._handlers[key] = self._handler(*key)
        return self._handlers[key]

    def _handler(self, path: str, streams: Streams) -> Handler:
        kind, handler = KINDS[streams]
        made: Handler = handler(self._host.guard.relay(partial(self._carry, path, kind)))
        return made

    def _unknown(self, path: str) -> Handler:
        """Refuses a call to a path that no route has, which is said nowhere."""

        async def refuse(requests: Incoming, context: Context) -> Any:
            return await self._carry("", None, requests, context, said=path)

        made: Handler = grpc.stream_stream_rpc_method_handler(self._host.guard.relay(refuse))
        return made

    async def _carry(self, path: str, kind: Kind | None, requests: Incoming, context: Context, said: str = "") -> Any:
        """Relay a call; whatever becomes of it is logged. `said` is the path where it is none that is known."""
        visit, spans = _Visit(path), self._host.spans()
        task: asyncio.Task[Any] | None = None
        traced = (
            None
            if spans is None
            else spans.begin(RpcMethod.of(path) if path else None, traceparent(context.invocation_metadata()))
        )
        try:
            visit.names = self._who(context)
            routing = self._routing()
            method = routing.methods[self._side].get(path)
            if method is None or kind is None or kind is not KINDS[method.plan.streams][0]:
                raise Refused(_unrouted(context, path or said, routing.authorities[self._side]))
            passage = visit.passage = _passage(method, context, visit.names, routing.authorities[self._side])
            # Since the routing was asked nothing has been waited for: a channel that no call uses may be closed at any
            # time.
            with passage.upstream:
                task = self._host.in_flight.begin(passage)
                decider = self._host.decider
                apart = await decider.facts(NO_SUBJECT, visit.received_ns)
                exchange = visit.exchange = (Shadowed if passage.shadow else Exchange)(passage, decider, apart)
                return await kind(exchange, requests, context)
        except BaseException as error:
            if task is not None and self._host.in_flight.is_over(task):
                visit.code, visit.reason = number(code_of(CallReason.POLICY_CHANGED)), CallReason.POLICY_CHANGED
                await _tell(context)
            visit.code, visit.reason = _code_of(error, visit.exchange, context), _reason_of(error, visit.exchange)
            raise
        finally:
            if task is not None:
                self._host.in_flight.end(task)
            if visit.exchange is not None and visit.exchange.cause is not None:
                self._host.failures.note(self._side, visit.exchange.passage.course.authority, visit.exchange.cause)
            self._host.access.add(visit.access(self._side))
            if traced is not None:
                set_item_count(0 if visit.exchange is None else visit.exchange.messages)
                traced.end(visit.code)


def _unrouted(context: Context, path: str, authorities: Container[str]) -> CallReason:
    """Why no route carries a call to a path: none has its authority, or those that have it don't have the path."""
    try:
        return (
            CallReason.NO_ROUTE if named(authority(context, path), authorities) is None else CallReason.UNKNOWN_METHOD
        )
    except (Unreadable, UnicodeError):
        return CallReason.UNKNOWN_METHOD


def _passage(method: Method, context: Context, names: Sequence[str], authorities: Container[str]) -> Passage:
    """The passage of a call. Raises Refused where there is none."""
    said = authority(context, method.plan.path)
    route = named(said, method.passages)
    if route is None or (route != said and said in authorities):
        raise Refused(CallReason.NO_ROUTE if named(said, authorities) is None else CallReason.UNKNOWN_METHOD)
    callers = method.passages[route]
    found = [callers[name] for name in names if name in callers]
    if len(found) != 1:
        raise Refused(CallReason.CALLER_NOT_ALLOWED)
    return found[0]


async def _tell(context: Context) -> NoReturn:
    """End a call that what is in force by now doesn't let go on.

    A caller that doesn't read what it was sent is cut off.
    """
    try:
        async with asyncio.timeout(TELL):
            await abort(context, CallReason.POLICY_CHANGED)
    except TimeoutError:
        raise asyncio.CancelledError from None


class _Visit:
    """What the access log is told of a call."""

    def __init__(self, path: str) -> None:
        self.names: Sequence[str] = ()
        self.passage: Passage | None = None
        self.exchange: Exchange | None = None
        self.code = 0
        self.reason: Reason | Cause | Literal[""] = ""
        self.received_ns = time.time_ns()
        self._method = path[1:]
        self._begun = time.perf_counter_ns()

    def access(self, side: TrafficDirection) -> Access:
        """The entry, now that the call has ended."""
        took, passage, exchange = time.perf_counter_ns() - self._begun, self.passage, self.exchange
        if passage is None or exchange is None:
            return Access(
                side, self._method, next(iter(self.names), ""), self.code, self.received_ns, took, reason=self.reason
            )
        return Access(
            side,
            self._method,
            exchange.passage.caller,
            self.code,
            self.received_ns,
            took,
            exchange.bytes_in,
            exchange.bytes_out,
            exchange.stripped,
            told(exchange.subject),
            Mode.SHADOW if exchange.passage.shadow else Mode.ENFORCE,
            tuple((path, reason, count) for (path, reason), count in exchange.shadow.items())
            if exchange.shadow
            else (),
            passage.course.authority,
            passage.route.destination,
            self.reason,
        )


def _reason_of(error: BaseException, exchange: Exchange | None) -> Reason | Cause | Literal[""]:
    """Why the gateway ends a call with an error, or its upstream has no answer; empty where another ended it."""
    if exchange is not None and exchange.code:
        return exchange.cause or ""
    if isinstance(error, grpc.aio.AbortError):
        # Ended while it waited for its caller, to make room or for being late.
        return CallReason.FULL
    return error.reason if isinstance(error, (Refused, Retryable, Rejected)) else ""


def _code_of(error: BaseException, exchange: Exchange | None, context: Context) -> int:
    """The code that a call ends with for an error."""
    if exchange is not None and exchange.code:
        return exchange.code
    match error:
        case asyncio.CancelledError() | grpc.aio.InternalError():
            left = remaining(context)
            return number(
                grpc.StatusCode.CANCELLED if left is None or left > SKEW else grpc.StatusCode.DEADLINE_EXCEEDED
            )
        case Refused() | Retryable() | Rejected():
            return number(code_of(error.reason))
        case grpc.aio.AbortError():
            # Ended while it waited for its caller.
            return number(aborted_with(context))
    return number(grpc.StatusCode.INTERNAL)
