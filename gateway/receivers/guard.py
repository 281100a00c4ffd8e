"""The one place where errors become gRPC statuses, each with a fixed text. No exception's text crosses it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from gateway.errors import CallReason, Cause, ItemReason, Reason, Refused, Rejected, Retryable
from gateway.pipeline.caller import CALLER
from gateway.receivers.incoming import ANYTHING, ITEMS, Context, Incoming, Reading, Waits
from gateway.receivers.room import Room
from gateway.telemetry import ResourceUsage
from gateway.telemetry.calls import ListenerCalls
from gateway.telemetry.traces import RpcMethod

log = logging.getLogger(__name__)

Unary = Callable[[bytes], Awaitable[bytes]]
"""Answers a call: a serialised request in; a serialised response out."""

Stream = Callable[[Incoming], Awaitable[bytes]]
"""Answers a stream of serialised requests by one response."""

Relay = Callable[[Incoming, Context], Awaitable[Any]]
"""Answers a call by means of its context too."""

Behaviour = Callable[[object, Context], Awaitable[Any]]
"""A guarded handler, as grpc.aio calls it: with requests that nobody reads but by the context."""

Method: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

DOMAIN: Final = "privacy.kannelle"
"""The domain of the reasons in `google.rpc.ErrorInfo`."""

DETAILS: Final = "grpc-status-details-bin"
"""The trailer that holds a serialised `google.rpc.Status`."""

_Code = grpc.StatusCode

STATUS: Final[Mapping[Reason, tuple[grpc.StatusCode, str]]] = {
    ItemReason.MALFORMED: (_Code.INVALID_ARGUMENT, "the message is malformed"),
    ItemReason.REQUIRED_FIELD: (_Code.INVALID_ARGUMENT, "a required field is missing or can't leave"),
    CallReason.UNKNOWN_METHOD: (_Code.UNIMPLEMENTED, "no such method"),
    CallReason.NO_ROUTE: (_Code.UNIMPLEMENTED, "no route has this authority"),
    CallReason.NO_PLAN: (_Code.UNIMPLEMENTED, "this signal is not taken: no plan says what of it may leave"),
    CallReason.CALLER_NOT_ALLOWED: (_Code.PERMISSION_DENIED, "the caller is not allowed"),
    CallReason.REQUEST_ID_REUSED: (_Code.INVALID_ARGUMENT, "the request ID was used for another item"),
    CallReason.WITHHELD: (_Code.FAILED_PRECONDITION, "the message is withheld from its destination"),
    ItemReason.EVENT_NOT_PLANNED: (_Code.FAILED_PRECONDITION, "the tracking plan doesn't list this event"),
    ItemReason.MASK_EMPTY: (_Code.FAILED_PRECONDITION, "none of a field mask's paths may leave"),
    ItemReason.MASK_UNCLEAR: (
        _Code.FAILED_PRECONDITION,
        "the contract doesn't tell which message a field mask speaks of",
    ),
    ItemReason.UNKNOWN_TYPE: (_Code.FAILED_PRECONDITION, "no contract has this message type"),
    ItemReason.UNKNOWN_FLOW: (_Code.FAILED_PRECONDITION, "the policy has no flow for this"),
    ItemReason.UNKNOWN_DESTINATION: (_Code.FAILED_PRECONDITION, "the policy has no such destination"),
    ItemReason.TOO_LARGE: (_Code.RESOURCE_EXHAUSTED, "the message is too large"),
    ItemReason.TOO_DEEP: (_Code.RESOURCE_EXHAUSTED, "the message nests too deep"),
    ItemReason.TOO_MANY_ITEMS: (_Code.RESOURCE_EXHAUSTED, "too many items in one call"),
    CallReason.FULL: (_Code.RESOURCE_EXHAUSTED, "the gateway is full; send again later"),
    CallReason.UNKNOWN_PLAN: (_Code.UNAVAILABLE, "the hub has another policy; send again later"),
    CallReason.POLICY_CHANGED: (_Code.UNAVAILABLE, "the policy has changed since the call began; call again"),
    CallReason.UNAVAILABLE: (_Code.UNAVAILABLE, "a destination can't be reached; send again later"),
}
"""The status of each reason that ends a call; any other is INTERNAL."""

_REASONS: Final[Mapping[str, Reason | Cause]] = {str(one): one for one in (*STATUS, CallReason.INTERNAL, *Cause)}
"""All that `google.rpc.ErrorInfo` says."""

INTERNAL: Final = (_Code.INTERNAL, "internal error")

AFTER: Final = 1.0
"""When a caller that there is no room for may come back, in seconds."""

LONGEST: Final = 3600.0
"""The longest wait that a caller is asked for, in seconds, whatever a recipient asked for."""


class Guard:
    """Stands before the handlers of one server.

    Says how many calls are in at once, has their messages read, and maps every error.
    """

    def __init__(
        self, most: int, calls: ListenerCalls | None = None, turned_away: Callable[[], None] | None = None
    ) -> None:
        """`most` calls at once, half of them one connection's.

        `calls` is told of each call to a handler whose method is given.

        `turned_away` is told of each call that there was no room for, whatever its handler.
        """
        self._room = Room(most)
        self._waits = Waits(self._room, _full)
        self._calls = calls
        self._turned_away = turned_away
        self._emptied: asyncio.Event | None = None

    def unary(self, handler: Unary, called: RpcMethod | None = None, reading: Reading = ITEMS) -> Method:
        """The method of unary calls that a handler answers."""

        async def answer(requests: Incoming, context: Context) -> bytes:
            return await handler(await requests.only())

        return grpc.stream_unary_rpc_method_handler(self.relay(answer, called, reading))

    def stream(self, handler: Stream, called: RpcMethod | None = None, reading: Reading = ITEMS) -> Method:
        """The method of streams of requests that a handler answers."""
        return grpc.stream_unary_rpc_method_handler(
            self.relay(lambda requests, context: handler(requests), called, reading)
        )

    def relay(self, handler: Relay, called: RpcMethod | None = None, reading: Reading = ANYTHING) -> Behaviour:
        """A handler that takes the call's context, guarded."""
        handler = self._counted(handler, called)

        async def guarded(_: object, context: Context) -> Any:
            caller = context.peer()
            if not self._room.enter(caller):
                await self._turn_away(called, context)
            CALLER.set(caller)
            requests = Incoming(caller, context, reading, self._waits)
            try:
                return await handler(requests, context)
            except (asyncio.CancelledError, grpc.aio.AbortError):
                raise
            except grpc.aio.InternalError as error:
                # What gRPC says of a caller that has gone; nobody is left to be told.
                if context.cancelled():
                    raise asyncio.CancelledError from None
                await _end(context, error)
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends here
                await _end(context, error)
            finally:
                self._room.leave(requests)
                if self._emptied is not None and self._room.empty:
                    self._emptied.set()

        return guarded

    def _counted(self, handler: Relay, called: RpcMethod | None) -> Relay:
        return handler if called is None or self._calls is None else _counted(handler, called, self._calls)

    async def _turn_away(self, called: RpcMethod | None, context: Context) -> NoReturn:
        if self._turned_away is not None:
            self._turned_away()
        if called is not None and self._calls is not None:
            self._calls.begin(called, context.invocation_metadata).end(code_of(CallReason.FULL))
        await _full(context)

    def use(self) -> ResourceUsage:
        """How many calls are in, of how many there may be."""
        return self._room.use

    async def emptied(self, within: float) -> None:
        """Wait until all calls have left, for `within` seconds at most.

        Those that a stop cut off leave a moment later.
        """
        if not self._room.empty:
            self._emptied = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), within)


def _counted(handler: Relay, called: RpcMethod, calls: ListenerCalls) -> Relay:
    """Tells of each call, with the code that it ends with, before its caller hears of it."""

    async def counted(requests: Incoming, context: Context) -> Any:
        call, code = calls.begin(called, context.invocation_metadata), _Code.INTERNAL
        try:
            answer = await handler(requests, context)
            code = _Code.OK
        except (Refused, Retryable, Rejected) as error:
            code = code_of(error.reason)
            raise
        except (asyncio.CancelledError, grpc.aio.InternalError):
            code = _Code.CANCELLED
            raise
        except grpc.aio.AbortError:
            code = aborted_with(context)
            raise
        finally:
            call.end(code)
        return answer

    return counted


async def _full(context: Context) -> NoReturn:
    await abort(context, CallReason.FULL, AFTER)


async def _end(context: Context, error: Exception) -> NoReturn:
    match error:
        case Retryable():
            await abort(context, error.reason, error.after)
        case Refused() | Rejected():
            await abort(context, error.reason)
    log.error("a call failed: %s", type(error).__name__)
    await abort(context, CallReason.INTERNAL)


def code_of(reason: Reason) -> grpc.StatusCode:
    """The code that a call ends with for a reason."""
    return STATUS.get(reason, INTERNAL)[0]


def aborted_with(context: Context) -> grpc.StatusCode:
    """The code that a call was ended with while its handler waited for a message."""
    code: grpc.StatusCode | None = context.code()
    return code or INTERNAL[0]


async def abort(context: Context, reason: Reason, after: float | None = None) -> NoReturn:
    """End a call for a reason; `after` tells the caller in how many seconds to send again."""
    code, text = STATUS.get(reason, INTERNAL)
    retry = [] if after is None else [RetryInfo(retry_delay=_duration(after))]
    packed = details(code, text, reason if reason in STATUS else CallReason.INTERNAL, retry)
    # The OpenTelemetry SDK for Python looks for RetryInfo under its own name, as grpc-java names it.
    named = (("google.rpc.retryinfo-bin", info.SerializeToString()) for info in retry)
    await context.abort(code, text, ((DETAILS, packed), *named))
    raise AssertionError("abort returned")


def details(code: grpc.StatusCode, text: str, reason: Reason | Cause, retry: Sequence[RetryInfo] = ()) -> bytes:
    """Return the same for programs, as the trailer DETAILS has it: https://google.aip.dev/193."""
    status = Status(code=code.value[0], message=text)
    for detail in (ErrorInfo(reason=reason, domain=DOMAIN), *retry):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    raw: bytes = status.SerializeToString()
    return raw


def reason_of(raw: bytes) -> Reason | Cause | None:
    """Return the reason that a serialised `google.rpc.Status` of a gateway gives; None for any other."""
    info = ErrorInfo()
    try:
        if any(detail.Unpack(info) for detail in Status.FromString(raw).details) and info.domain == DOMAIN:
            return _REASONS.get(info.reason)
    except DecodeError:
        pass
    return None


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(min(max(0.0, seconds), LONGEST) * 1_000_000_000))
    return duration
