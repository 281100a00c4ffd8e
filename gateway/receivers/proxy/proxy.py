"""The listeners `outbound` and `inbound`: any gRPC call in, its route found, relayed and logged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Sequence
from typing import Final, NoReturn, TypeAlias

import grpc
import msgspec

from gateway.errors import CallReason, Refused
from gateway.model import NO_SUBJECT
from gateway.pipeline.decide import Decider
from gateway.plan import Streams
from gateway.policy.document import TrafficDirection
from gateway.receivers.guard import Guard
from gateway.receivers.incoming import Context, Incoming
from gateway.receivers.inflight import InFlight
from gateway.receivers.proxy.access_log import AccessLog
from gateway.receivers.proxy.authority import Unreadable, authority, matching_authority
from gateway.receivers.proxy.call_record import CallRecord
from gateway.receivers.proxy.proxied_call import ProxiedCall, ShadowedCall
from gateway.receivers.proxy.route_table import BoundRoute, RouteTable
from gateway.receivers.proxy.upstream_failures import UpstreamFailures
from gateway.receivers.statuses import abort
from gateway.telemetry.traces import CallTracer, RpcMethod, set_item_count, traceparent

MAX_ABORT_SECONDS: Final = 1.0
"""How long a caller may take to hear that its call ends for a change of the policy.

What it was sent before must have been read by then.
"""

CallerNames = Callable[[Context], Sequence[str]]
"""The names that a call's peer goes by. Raises Refused."""

Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


class ProxyDeps(msgspec.Struct, frozen=True):
    """What a proxy has from the gateway around it. Without a `tracer`, traces are off."""

    decider: Decider
    guard: Guard
    access_log: AccessLog
    failures: UpstreamFailures
    in_flight: InFlight[BoundRoute]
    tracer: CallTracer | None = None


class Proxy(grpc.GenericRpcHandler):
    """Takes all calls that come to one listener, and returns the handler of each."""

    def __init__(
        self,
        direction: TrafficDirection,
        route_table: Callable[[], RouteTable],
        caller_names: CallerNames,
        deps: ProxyDeps,
    ) -> None:
        """`route_table` returns the one in force. A call asks once: when it has a message, or a stream, to send."""
        self.direction = direction
        self.route_table = route_table
        self.caller_names = caller_names
        self.deps = deps
        self._handlers: dict[tuple[str, Streams], Handler] = {}

    def service(self, details: grpc.HandlerCallDetails) -> Handler:
        """Return the handler of a call: by its path, and who streams."""
        method = self.route_table().methods[self.direction].get(details.method)
        if method is None:
            # It refuses the call; the path is logged nowhere.
            return grpc.stream_stream_rpc_method_handler(
                self.deps.guard.relay(CallHandler(self, "", None, details.method).handle)
            )
        key = (details.method, method.streams)
        handler = self._handlers.get(key)
        if handler is None:
            handler = self._handlers[key] = self._handler(*key)
        return handler

    def _handler(self, path: str, streams: Streams) -> Handler:
        """Return the handler of a method's calls.

        Requests come as a stream in any case, as in `incoming.py`: who may send a message is asked before it is read.
        """
        _, server_streams = streams
        factory = grpc.stream_stream_rpc_method_handler if server_streams else grpc.stream_unary_rpc_method_handler
        return factory(self.deps.guard.relay(CallHandler(self, path, streams, path).handle))


class CallHandler:
    """Relays the calls of one method to the routes in force, as long as the method is of the same kind there."""

    __slots__ = ("_deps", "_direction", "_path", "_proxy", "_requested_path", "_rpc_method", "_streams")

    def __init__(self, proxy: Proxy, path: str, streams: Streams | None, requested_path: str) -> None:
        """`path` is empty, and `streams` None, where no route has the requested path."""
        self._proxy = proxy
        self._deps = proxy.deps
        self._direction = proxy.direction
        self._path = path
        self._streams = streams
        self._requested_path = requested_path
        self._rpc_method = RpcMethod.of(path) if path else None

    async def handle(self, requests: Incoming, context: Context) -> bytes | None:
        """Relay a call, and log it whatever becomes of it."""
        deps, record, tracer = self._deps, CallRecord(self._path), self._deps.tracer
        task: asyncio.Task[object] | None = None
        span = None if tracer is None else tracer.begin(self._rpc_method, traceparent(context.invocation_metadata()))
        try:
            record.caller_names = self._proxy.caller_names(context)
            bound = record.bound = self._find_route(record.caller_names, context)
            # Since the route table was asked nothing has been waited for: a channel that no call uses may be closed at
            # any time.
            with bound.upstream:
                task = deps.in_flight.begin(bound)
                facts = await deps.decider.facts(NO_SUBJECT, record.received_ns)
                call_type = ShadowedCall if bound.shadow else ProxiedCall
                proxied = record.proxied = call_type(bound.compiled, bound.upstream, deps.decider, facts)
                return await bound.relay.run(proxied, requests, context)
        except BaseException as error:
            if task is not None and deps.in_flight.is_over(task):
                record.refuse(CallReason.POLICY_CHANGED)
                await _abort_for_new_policy(context)
            record.fail(error, context)
            raise
        finally:
            if task is not None:
                deps.in_flight.end(task)
            if record.bound is not None and record.proxied is not None and record.proxied.cause is not None:
                deps.failures.record(self._direction, record.bound.compiled.authority, record.proxied.cause)
            deps.access_log.add(record.access_record(self._direction))
            if span is not None:
                set_item_count(0 if record.proxied is None else record.proxied.messages)
                span.end(record.code)

    def _find_route(self, names: Sequence[str], context: Context) -> BoundRoute:
        """Return the route of a call, by its authority and caller. Raises Refused where there is none."""
        table = self._proxy.route_table()
        authorities = table.authorities[self._direction]
        method = table.methods[self._direction].get(self._path)
        if method is None or method.streams != self._streams:
            raise Refused(_unrouted_reason(context, self._requested_path, authorities))
        requested = authority(context, self._path)
        matched = matching_authority(requested, method.by_authority)
        if matched is None or (matched != requested and requested in authorities):
            raise Refused(_no_method_reason(requested, authorities))
        callers = method.by_authority[matched]
        found = [callers[name] for name in names if name in callers]
        if len(found) != 1:
            raise Refused(CallReason.CALLER_NOT_ALLOWED)
        return found[0]


def _unrouted_reason(context: Context, path: str, authorities: Container[str]) -> CallReason:
    """Return why no route has a path."""
    try:
        return _no_method_reason(authority(context, path), authorities)
    except (Unreadable, UnicodeError):
        return CallReason.UNKNOWN_METHOD


def _no_method_reason(requested: str, authorities: Container[str]) -> CallReason:
    """Return whether no route has the authority, or those that have it lack the method."""
    known = matching_authority(requested, authorities) is not None
    return CallReason.UNKNOWN_METHOD if known else CallReason.NO_ROUTE


async def _abort_for_new_policy(context: Context) -> NoReturn:
    """End a call that the policy in force by now doesn't let go on.

    A caller that doesn't read what it was sent is cut off.
    """
    try:
        async with asyncio.timeout(MAX_ABORT_SECONDS):
            await abort(context, CallReason.POLICY_CHANGED)
    except TimeoutError:
        raise asyncio.CancelledError from None
