"""The four call kinds, message by message: what one side sends is read only when the other has taken what came before.

Relayed is in the call's true kind: a stream-stream call that meets an early status becomes INTERNAL (grpc issue 36066).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NoReturn

import grpc

from gateway.plan import Streams
from gateway.receivers.incoming import Context, Incoming
from gateway.receivers.proxy.core import Answer, Ended, ended, send
from gateway.receivers.proxy.exchange import Exchange

Kind = Callable[[Exchange, Incoming, Context], Awaitable[Any]]
"""Relays a call: an iterator of requests in; an answer out, unless the context was written to."""


async def unary_unary(exchange: Exchange, requests: Incoming, context: Context) -> bytes:
    """One request, one answer."""
    message = await exchange.request(await requests.only())
    try:
        answer = await exchange.passage.call(message, **_opening(exchange, context))
    except Ended as ended:
        await _fail(exchange, ended, context)
    return await _pass(exchange, answer, context)


async def unary_stream(exchange: Exchange, requests: Incoming, context: Context) -> None:
    """One request, answers."""
    message = await exchange.request(await requests.only())
    call = exchange.passage.call(message, **_opening(exchange, context))
    try:
        await _many(exchange, call, context)
    finally:
        call.cancel()


async def stream_unary(exchange: Exchange, requests: Incoming, context: Context) -> bytes:
    """Requests, one answer."""
    call = exchange.passage.call(**_opening(exchange, context))
    answer: bytes = await _beside(_pump(exchange, requests, call), _one(exchange, call, context), call)
    return answer


async def stream_stream(exchange: Exchange, requests: Incoming, context: Context) -> None:
    """Requests and answers."""
    call = exchange.passage.call(**_opening(exchange, context))
    await _beside(_pump(exchange, requests, call), _many(exchange, call, context), call)


KINDS: Final[Mapping[Streams, tuple[Kind, Callable[..., Any]]]] = {
    (False, False): (unary_unary, grpc.stream_unary_rpc_method_handler),
    (False, True): (unary_stream, grpc.stream_stream_rpc_method_handler),
    (True, False): (stream_unary, grpc.stream_unary_rpc_method_handler),
    (True, True): (stream_stream, grpc.stream_stream_rpc_method_handler),
}
"""How a call of each kind is relayed, and handled by grpc.aio.

Requests come as a stream in any case, as in `incoming.py`: who may send a message is asked before it is read.
"""


def _opening(exchange: Exchange, context: Context) -> Mapping[str, Any]:
    """How the call to the upstream begins.

    With the deadline that the caller has or the route sets, whichever comes first.
    """
    passage = exchange.passage
    given: Any = context.invocation_metadata()
    left = remaining(context)
    return {
        "timeout": passage.timeout if left is None else left if passage.timeout is None else min(left, passage.timeout),
        "metadata": exchange.metadata(passage.out, given),
        "wait_for_ready": passage.wait_for_ready,
    }


def remaining(context: Context) -> float | None:
    """Seconds to a call's deadline; None if it has none, which grpcio's types don't say."""
    return context.time_remaining()


async def _one(exchange: Exchange, call: Any, context: Context) -> bytes:
    """The answer of a streamed call with one."""
    try:
        raw = await call
    except grpc.aio.AioRpcError as error:
        await _fail(exchange, ended(error), context)
    return await _pass(exchange, Answer(raw, await call.initial_metadata(), await call.trailing_metadata()), context)


async def _pass(exchange: Exchange, answer: Answer, context: Context) -> bytes:
    """Pass an answer on, and what stands around it."""
    message = await exchange.answer(answer.raw)
    if initial := exchange.metadata(exchange.passage.back, answer.initial):
        await context.send_initial_metadata(initial)
    if trailing := exchange.metadata(exchange.passage.back, answer.trailing):
        context.set_trailing_metadata(trailing)
    return message


async def _many(exchange: Exchange, call: Any, context: Context) -> None:
    """The answers of a call with any number of them, and what stands around them."""
    back, begun = exchange.passage.back, False
    try:
        initial = await call.initial_metadata()
        if not call.done():
            await context.send_initial_metadata(exchange.metadata(back, initial))
            begun = True
        while (raw := await call.read()) is not grpc.aio.EOF:
            await context.write(await exchange.answer(raw))
    except grpc.aio.AioRpcError as error:
        await _fail(exchange, ended(error), context, begun=begun)
    if trailing := exchange.metadata(back, await call.trailing_metadata()):
        context.set_trailing_metadata(trailing)


async def _pump(exchange: Exchange, requests: Incoming, call: Any) -> None:
    """The caller's messages to the upstream, until either has no more of it."""
    async for raw in requests:
        if not await send(call, await exchange.request(raw)):
            return
    # The upstream may have ended the call meanwhile: then its own status counts, which the answers bring.
    with suppress(grpc.aio.InternalError, grpc.aio.AioRpcError):
        await call.done_writing()


async def _beside(pump: Any, answers: Any, call: Any) -> Any:
    """Send while reading. When the answers have ended, so has the call; if sending fails, the call fails."""
    try:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(pump)
            answer = await answers
            sending.cancel()
    except ExceptionGroup as group:
        # Of two errors, the answers' comes last, and the context has been told of it.
        raise group.exceptions[-1] from None
    finally:
        call.cancel()
    return answer


async def _fail(exchange: Exchange, ended: Ended, context: Context, *, begun: bool = False) -> NoReturn:
    """End the call as the upstream ended it; `begun`: its initial metadata was passed on already."""
    if not begun and (initial := exchange.metadata(exchange.passage.back, ended.initial)):
        await context.send_initial_metadata(initial)
    text, trailing = exchange.status(ended)
    await context.abort(ended.code, text, trailing)
    raise AssertionError("abort returned")
