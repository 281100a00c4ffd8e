"""The four call kinds, message by message: what one side sends is read only when the other has taken what came before.

Relayed is in the call's true kind: a stream-stream call that meets an early status becomes INTERNAL (grpc issue 36066).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from contextlib import suppress
from typing import NoReturn, TypeVar

import grpc

from gateway.plan import MethodPlan
from gateway.policy.document import Route
from gateway.receivers.incoming import Context, Incoming
from gateway.receivers.proxy.proxied_call import ProxiedCall
from gateway.receivers.proxy.upstream_call import (
    CallOptions,
    MetadataPairs,
    RequestStreamCall,
    ResponseStreamCall,
    UnaryResponse,
    UnaryUnary,
    UpstreamError,
    send_message,
)

T = TypeVar("T")


class Relay(ABC):
    """Relays the calls of one method over one route."""

    def __init__(self, route: Route) -> None:
        self._timeout = route.timeout
        self._wait_for_ready = route.wait_for_ready

    @abstractmethod
    async def run(self, proxied: ProxiedCall, requests: Incoming, context: Context) -> bytes | None:
        """Relay a call, and return its one response, or None where responses were written to the context."""

    def _options(self, proxied: ProxiedCall, context: Context) -> CallOptions:
        """Return how the call to the upstream begins."""
        return {
            "timeout": self._timeout_seconds(context),
            "metadata": proxied.minimise_metadata(proxied.request_policy, context.invocation_metadata()),
            "wait_for_ready": self._wait_for_ready,
        }

    def _timeout_seconds(self, context: Context) -> float | None:
        """Return the seconds to the deadline that the caller has or the route sets, whichever comes first."""
        timeout, remaining = self._timeout, remaining_seconds(context)
        return timeout if remaining is None else remaining if timeout is None else min(remaining, timeout)


class UnaryUnaryRelay(Relay):
    """One request, one response."""

    def __init__(self, channel: grpc.aio.Channel, path: str, route: Route) -> None:
        super().__init__(route)
        self._call = UnaryUnary(channel, path)

    async def run(self, proxied: ProxiedCall, requests: Incoming, context: Context) -> bytes:
        """Return the response."""
        message = await proxied.minimise_request(await requests.only())
        metadata = proxied.minimise_metadata(proxied.request_policy, context.invocation_metadata())
        try:
            response = await self._call(message, self._timeout_seconds(context), metadata, self._wait_for_ready)
        except UpstreamError as error:
            await _abort(proxied, error, context)
        return await _finish(proxied, response, context)


class UnaryStreamRelay(Relay):
    """One request, any number of responses."""

    def __init__(self, channel: grpc.aio.Channel, path: str, route: Route) -> None:
        super().__init__(route)
        self._call: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)

    async def run(self, proxied: ProxiedCall, requests: Incoming, context: Context) -> None:
        """Write the responses to the context."""
        message = await proxied.minimise_request(await requests.only())
        call = self._call(message, **self._options(proxied, context))
        try:
            await _relay_responses(proxied, call, context)
        finally:
            call.cancel()


class StreamUnaryRelay(Relay):
    """Any number of requests, one response."""

    def __init__(self, channel: grpc.aio.Channel, path: str, route: Route) -> None:
        super().__init__(route)
        self._call: grpc.aio.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(path)

    async def run(self, proxied: ProxiedCall, requests: Incoming, context: Context) -> bytes:
        """Return the response."""
        call = self._call(**self._options(proxied, context))
        return await _relay_requests_beside(_relay_response(proxied, call, context), proxied, requests, call)


class StreamStreamRelay(Relay):
    """Any number of requests and of responses."""

    def __init__(self, channel: grpc.aio.Channel, path: str, route: Route) -> None:
        super().__init__(route)
        self._call: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path)

    async def run(self, proxied: ProxiedCall, requests: Incoming, context: Context) -> None:
        """Write the responses to the context."""
        call = self._call(**self._options(proxied, context))
        await _relay_requests_beside(_relay_responses(proxied, call, context), proxied, requests, call)


def relay_of(method: MethodPlan, channel: grpc.aio.Channel, route: Route) -> Relay:
    """Return what relays the calls of a method on a channel."""
    match method.streams:
        case (False, False):
            return UnaryUnaryRelay(channel, method.path, route)
        case (False, True):
            return UnaryStreamRelay(channel, method.path, route)
        case (True, False):
            return StreamUnaryRelay(channel, method.path, route)
        case _:
            return StreamStreamRelay(channel, method.path, route)


def remaining_seconds(context: Context) -> float | None:
    """Return the seconds to a call's deadline, or None if it has none, which grpcio's types don't say."""
    return context.time_remaining()


async def _relay_response(
    proxied: ProxiedCall, call: grpc.aio.StreamUnaryCall[bytes, bytes], context: Context
) -> bytes:
    """Return the response of a streamed call with one."""
    try:
        raw = await call
    except grpc.aio.AioRpcError as error:
        await _abort(proxied, UpstreamError.of_stream(error), context)
    initial, trailing = await call.initial_metadata(), await call.trailing_metadata()
    return await _finish(proxied, UnaryResponse(raw, initial, trailing), context)


async def _finish(proxied: ProxiedCall, response: UnaryResponse, context: Context) -> bytes:
    """Return the one response as the caller gets it, and pass on the metadata around it."""
    message, policy = await proxied.minimise_response(response.raw), proxied.response_policy
    if response.initial and (initial := proxied.minimise_metadata(policy, response.initial)):
        await _send_initial_metadata(context, initial)
    if response.trailing and (trailing := proxied.minimise_metadata(policy, response.trailing)):
        context.set_trailing_metadata(trailing)
    return message


async def _relay_responses(proxied: ProxiedCall, call: ResponseStreamCall, context: Context) -> None:
    """Pass on the responses of a call with any number of them, and the metadata around them."""
    policy, begun = proxied.response_policy, False
    try:
        initial = await call.initial_metadata()
        if not call.done():
            await _send_initial_metadata(context, proxied.minimise_metadata(policy, initial))
            begun = True
        while isinstance(raw := await call.read(), bytes):
            await context.write(await proxied.minimise_response(raw))
    except grpc.aio.AioRpcError as error:
        await _abort(proxied, UpstreamError.of_stream(error), context, begun=begun)
    if trailing := proxied.minimise_metadata(policy, await call.trailing_metadata()):
        context.set_trailing_metadata(trailing)


async def _relay_requests(proxied: ProxiedCall, requests: Incoming, call: RequestStreamCall) -> None:
    """Pass on the caller's messages until it has no more of them, or the upstream takes none."""
    async for raw in requests:
        if not await send_message(call, await proxied.minimise_request(raw)):
            return
    # The upstream may have ended the call meanwhile: then its own status counts, which the responses bring.
    with suppress(grpc.aio.InternalError, grpc.aio.AioRpcError):
        await call.done_writing()


async def _relay_requests_beside(
    responses: Awaitable[T], proxied: ProxiedCall, requests: Incoming, call: RequestStreamCall
) -> T:
    """Send while reading. When the responses have ended, so has the call; if sending fails, the call fails."""
    try:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_relay_requests(proxied, requests, call))
            response = await responses
            sending.cancel()
    except ExceptionGroup as group:
        # Of two errors, the responses' comes last, and the context has it already.
        raise group.exceptions[-1] from None
    finally:
        call.cancel()
    return response


async def _send_initial_metadata(context: Context, metadata: MetadataPairs) -> None:
    """Send a call's initial metadata, to its end: a call that is cancelled meanwhile goes on to be cancelled then.

    gRPC's server can't tell that it has begun to send them. It would begin again with the status, fail, and leave the
    caller without an end.
    """
    sending = asyncio.ensure_future(context.send_initial_metadata(metadata))
    try:
        await asyncio.shield(sending)
    except asyncio.CancelledError:
        await asyncio.wait((sending,))
        if sending.done() and not sending.cancelled():
            sending.exception()  # the call ends for another reason
        raise


async def _abort(proxied: ProxiedCall, error: UpstreamError, context: Context, *, begun: bool = False) -> NoReturn:
    """End the call as the upstream ended it; `begun`: its initial metadata was passed on already."""
    if not begun and (initial := proxied.minimise_metadata(proxied.response_policy, error.initial)):
        await _send_initial_metadata(context, initial)
    text, trailing = proxied.minimise_status(error)
    await context.abort(error.code, text, trailing)
