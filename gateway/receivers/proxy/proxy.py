"""The listeners `outbound` and `inbound`: any gRPC call in, its passage found, relayed and logged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import grpc
import msgspec

from gateway.directory import Directory
from gateway.errors import Permanent, Reason, Refused, Retryable
from gateway.minimise.subject import NOBODY
from gateway.policy.document import Mode, Side
from gateway.receivers.guard import Guard, code_of
from gateway.receivers.proxy.access import Access, AccessLog
from gateway.receivers.proxy.authority import authority
from gateway.receivers.proxy.exchange import Exchange, Shadowed, number
from gateway.receivers.proxy.passage import Method, Passage, Routing
from gateway.receivers.proxy.relay import KINDS, Context, Kind, remaining

Who = Callable[[Context], Sequence[str]]
"""The names that a call's peer goes by. Raises Refused."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Host(msgspec.Struct, frozen=True):
    """What a proxy has from the gateway around it."""

    directory: Directory
    guard: Guard
    access: AccessLog


class Proxy(grpc.GenericRpcHandler):
    """All calls that come to one listener."""

    def __init__(self, side: Side, routing: Callable[[], Routing], who: Who, host: Host) -> None:
        """`routing` tells what is in force; a call asks once."""
        self._side = side
        self._routing = routing
        self._who = who
        self._host = host
        self._bound: tuple[Routing | None, Mapping[str, Handler]] = (None, {})
        self._unknown: Handler = grpc.stream_stream_rpc_method_handler(host.guard.relay(partial(self._carry, None, None)))

    def service(self, details: grpc.HandlerCallDetails) -> Handler:
        """The handler of a call, bound to the routing of this moment."""
        routing = self._routing()
        if self._bound[0] is not routing:
            self._bound = (routing, {path: self._handler(method) for path, method in routing.methods[self._side].items()})
        return self._bound[1].get(details.method, self._unknown)

    def _handler(self, method: Method) -> Handler:
        kind, handler = KINDS[method.plan.client_streaming, method.plan.server_streaming]
        made: Handler = handler(self._host.guard.relay(partial(self._carry, method, kind)))
        return made

    async def _carry(self, method: Method | None, kind: Kind | None, request: Any, context: Context) -> Any:
        """Relay a call; whatever becomes of it is logged."""
        visit = _Visit(method)
        try:
            visit.names = self._who(context)
            if method is None or kind is None:
                raise Refused(Reason.UNKNOWN_METHOD)
            passage = _passage(method, context, visit.names)
            directory, now = self._host.directory, visit.received_ns
            apart = directory.at_hand(NOBODY, now) or await directory.facts(NOBODY, now)
            exchange = visit.exchange = (Shadowed if passage.shadow else Exchange)(passage, directory, apart)
            with passage.upstream:
                return await kind(exchange, request, context)
        except BaseException as error:
            visit.code = _code_of(error, visit.exchange, context)
            raise
        finally:
            self._host.access.add(visit.access(self._side))


def _passage(method: Method, context: Context, names: Sequence[str]) -> Passage:
    """The passage of a call. Raises Refused where there is none."""
    callers = method.passages.get(authority(context, method.plan.path))
    if callers is None:
        raise Refused(Reason.UNKNOWN_METHOD)
    found = [callers[name] for name in names if name in callers]
    if len(found) != 1:
        raise Refused(Reason.CALLER_NOT_ALLOWED)
    return found[0]


class _Visit:
    """What the access log is told of a call."""

    def __init__(self, method: Method | None) -> None:
        self.names: Sequence[str] = ()
        self.exchange: Exchange | None = None
        self.code = 0
        self.received_ns = time.time_ns()
        self._method = "" if method is None else method.plan.path[1:]
        self._begun = time.perf_counter_ns()

    def access(self, side: Side) -> Access:
        """The entry, now that the call has ended."""
        took, exchange = time.perf_counter_ns() - self._begun, self.exchange
        if exchange is None:
            return Access(side, self._method, next(iter(self.names), ""), self.code, self.received_ns, took)
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
            exchange.subject,
            Mode.SHADOW if exchange.passage.shadow else Mode.ENFORCE,
            tuple((path, reason, count) for (path, reason), count in exchange.shadow.items()) if exchange.shadow else (),
        )


def _code_of(error: BaseException, exchange: Exchange | None, context: Context) -> int:
    """The code that a call ends with for an error."""
    match error:
        case grpc.aio.AbortError() if exchange is not None:
            return exchange.code
        case asyncio.CancelledError():
            left = remaining(context)
            return number(grpc.StatusCode.CANCELLED if left is None or left > 0 else grpc.StatusCode.DEADLINE_EXCEEDED)
        case Refused() | Retryable() | Permanent():
            return number(code_of(error.reason))
    return number(grpc.StatusCode.INTERNAL)
