"""What stands before a server's handlers: slots for calls, bounds on messages, and one place where errors end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

import grpc

from gateway.errors import CallReason, Refused, Rejected, Retryable
from gateway.pipeline.caller import CALLER
from gateway.receivers.call_slots import CallSlots
from gateway.receivers.incoming import ANYTHING, ITEMS, Context, Incoming, ReadDeadlines, Reading
from gateway.receivers.statuses import DEFAULT_RETRY_SECONDS, abort, aborted_with, code_of
from gateway.telemetry import ResourceUsage
from gateway.telemetry.calls import ListenerCalls
from gateway.telemetry.traces import RpcMethod

log = logging.getLogger(__name__)

AnswerUnary = Callable[[bytes], Awaitable[bytes]]
"""Answers a call: a serialised request in; a serialised response out."""

AnswerStream = Callable[[Incoming], Awaitable[bytes]]
"""Answers a stream of serialised requests by one response."""

AnswerCall = Callable[[Incoming, Context], Awaitable[object]]
"""Answers a call by means of its context too."""

Behaviour = Callable[[object, Context], Awaitable[object]]
"""A guarded method, as grpc.aio calls it: with requests that nobody reads but by the context."""

Method: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Guard:
    """Stands before the handlers of one server: the calls to all of them share its slots."""

    def __init__(
        self, max_calls: int, calls: ListenerCalls | None = None, turned_away: Callable[[], None] | None = None
    ) -> None:
        """`max_calls` at once, half of them one connection's.

        `calls` counts each call to a handler whose method is given.

        `turned_away` hears of each call that there was no room for, whatever its handler.
        """
        self.slots = CallSlots(max_calls)
        self.deadlines = ReadDeadlines(self.slots, _turn_away)
        self.calls = calls
        self.turned_away = turned_away

    def unary(self, handle: AnswerUnary, rpc: RpcMethod | None = None, reading: Reading = ITEMS) -> Method:
        """Return the method of unary calls that a handler answers."""
        return grpc.stream_unary_rpc_method_handler(
            _GuardedMethod(self, rpc, reading, _UnaryAnswer(handle).answer).serve
        )

    def stream(self, handle: AnswerStream, rpc: RpcMethod | None = None, reading: Reading = ITEMS) -> Method:
        """Return the method of streams of requests that a handler answers."""
        return grpc.stream_unary_rpc_method_handler(
            _GuardedMethod(self, rpc, reading, _StreamAnswer(handle).answer).serve
        )

    def relay(self, handle: AnswerCall, rpc: RpcMethod | None = None, reading: Reading = ANYTHING) -> Behaviour:
        """Return a handler that takes the call's context, guarded."""
        return _GuardedMethod(self, rpc, reading, handle).serve

    def use(self) -> ResourceUsage:
        """Return how many calls are in, of how many there may be."""
        return self.slots.use

    async def emptied(self, within: float) -> None:
        """Wait until all calls have left, for `within` seconds at most.

        Those that a stop cut off leave a moment later.
        """
        await self.slots.emptied(within)


class _GuardedMethod:
    """A method behind a guard."""

    def __init__(self, guard: Guard, rpc: RpcMethod | None, reading: Reading, answer: AnswerCall) -> None:
        self._slots, self._deadlines, self._turned_away = guard.slots, guard.deadlines, guard.turned_away
        self._calls = guard.calls
        self._rpc = rpc
        self._reading = reading
        self._answer = answer

    async def serve(self, _: object, context: Context) -> object:
        """Answer a call, if there is a slot for it, or end it with a status.

        It is counted, with the code that it ends with, before its caller hears of that.
        """
        caller, call = context.peer(), None
        if not self._slots.enter(caller):
            await self._refuse(context)
        CALLER.set(caller)
        requests = Incoming(caller, context, self._reading, self._deadlines)
        try:
            if self._rpc is not None and self._calls is not None:
                call = self._calls.begin(self._rpc, context.invocation_metadata)
            answer = await self._answer(requests, context)
        except BaseException as error:
            if call is not None:
                call.end(_code_of_error(error, context))
            if isinstance(error, Exception):
                await _end(context, error)
            raise
        else:
            if call is not None:
                call.end(grpc.StatusCode.OK)
            return answer
        finally:
            self._slots.leave(requests)

    async def _refuse(self, context: Context) -> NoReturn:
        if self._turned_away is not None:
            self._turned_away()
        if self._rpc is not None and self._calls is not None:
            self._calls.begin(self._rpc, context.invocation_metadata).end(code_of(CallReason.FULL))
        await _turn_away(context)


class _UnaryAnswer:
    """Reads the one request of a call for its handler."""

    def __init__(self, handle: AnswerUnary) -> None:
        self._handle = handle

    async def answer(self, requests: Incoming, context: Context) -> bytes:  # noqa: ARG002 - an AnswerCall
        return await self._handle(await requests.only())


class _StreamAnswer:
    """Hands the requests of a call to its handler."""

    def __init__(self, handle: AnswerStream) -> None:
        self._handle = handle

    async def answer(self, requests: Incoming, context: Context) -> bytes:  # noqa: ARG002 - an AnswerCall
        return await self._handle(requests)


async def _turn_away(context: Context) -> NoReturn:
    await abort(context, CallReason.FULL, DEFAULT_RETRY_SECONDS)


async def _end(context: Context, error: Exception) -> NoReturn:
    """End a call that failed, unless it has ended already."""
    match error:
        case grpc.aio.AbortError():
            raise error
        case grpc.aio.InternalError() if context.cancelled():
            # What gRPC says of a caller that has gone; nobody is left to hear of it.
            raise asyncio.CancelledError from None
        case Retryable():
            await abort(context, error.reason, error.after)
        case Refused() | Rejected():
            await abort(context, error.reason)
    log.error("a call failed: %s", type(error).__name__)
    await abort(context, CallReason.INTERNAL)


def _code_of_error(error: BaseException, context: Context) -> grpc.StatusCode:
    """Return the code that a call ends with for an error of its handler."""
    match error:
        case Refused() | Retryable() | Rejected():
            return code_of(error.reason)
        case asyncio.CancelledError() | grpc.aio.InternalError():
            return grpc.StatusCode.CANCELLED
        case grpc.aio.AbortError():
            return aborted_with(context)
        case _:
            return grpc.StatusCode.INTERNAL
