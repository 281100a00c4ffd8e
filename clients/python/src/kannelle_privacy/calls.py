"""How calls to the gateway behave.

They are tried again while it restarts, harmless to repeat, and raise typed errors.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import Any, Final, NoReturn, TypeVar

import grpc
import grpc.aio
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from kannelle.privacy.v1 import activity_pb2, analytics_pb2, emit_pb2, privacy_pb2, support_pb2
from kannelle_privacy.address import OPTIONS
from kannelle_privacy.errors import read

T = TypeVar("T")
M = TypeVar("M", bound=Message)

SERVICES: Final[tuple[ServiceDescriptor, ...]] = (
    activity_pb2.DESCRIPTOR.services_by_name["ActivityLogService"],
    analytics_pb2.DESCRIPTOR.services_by_name["AnalyticsService"],
    emit_pb2.DESCRIPTOR.services_by_name["EmitService"],
    privacy_pb2.DESCRIPTOR.services_by_name["PrivacyService"],
    support_pb2.DESCRIPTOR.services_by_name["SupportService"],
)
"""What the gateway has for the service beside it."""

RETRY_POLICY: Final = {
    "maxAttempts": 5,
    "initialBackoff": "0.3s",
    "backoffMultiplier": 2,
    "maxBackoff": "3s",
    # CANCELLED is what gRPC's server tells a call that came in the moment of its stop; a call that its caller cancels
    # is not tried again.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
"""Waits of 4.5 seconds together, give or take a fifth.

See https://github.com/grpc/proposal/blob/master/A6-client-retries.md. Five attempts are the most that gRPC makes.
"""

SERVICE_CONFIG: Final = json.dumps(
    {
        "methodConfig": [
            {
                "name": [
                    {"service": service.full_name, "method": method.name}
                    for service in SERVICES
                    for method in service.methods
                    if not method.client_streaming
                ],
                "retryPolicy": RETRY_POLICY,
            }
        ]
    }
)
"""Streams aren't tried again: what was sent on one is known to the service alone."""

CHANNEL_OPTIONS: Final = (
    *OPTIONS,
    ("grpc.service_config", SERVICE_CONFIG),
    # A gateway that restarts is there again within a second or two: gRPC would wait longer each time before it looks.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
"""What a channel to the gateway's own services is made with."""


def identified(request: M) -> M:
    """Return the request with a request ID, which makes a repetition harmless.

    Its own, or a copy of it with a new one.
    """
    if "request_id" not in request.DESCRIPTOR.fields_by_name or request_id(request):
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    copy.request_id = uuid.uuid4().hex  # type: ignore[attr-defined]  # it has one
    return copy


def _all_identified(requests: Iterable[M]) -> Iterator[M]:
    return map(identified, requests)


def request_id(request: object) -> str:
    """Return the request ID of a request; empty where it has none."""
    return getattr(request, "request_id", "")


class Blocking:
    """Gives requests their IDs and errors their types. Stands for a channel where stubs are made.

    gRPC's own interceptors would make each method anew for each call, and crash the process on a channel that is
    closed.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def unary_unary(self, *method: Any, **given: Any) -> Any:
        """Return a method that takes one request."""
        return _Method(self._channel.unary_unary(*method, **given), identified)

    def stream_unary(self, *method: Any, **given: Any) -> Any:
        """Return a method that takes a stream of requests."""
        return _Method(self._channel.stream_unary(*method, **given), _all_identified)


class _Method:
    """A method of a stub, in each of the three ways that gRPC calls one."""

    def __init__(self, method: Any, prepare: Callable[[Any], Any]) -> None:
        self._method = method
        self._prepare = prepare

    def __call__(self, request: Any, *given: Any, **named: Any) -> Any:
        return _call_with_typed_errors(self._method, self._prepare(request), *given, **named)

    def with_call(self, request: Any, *given: Any, **named: Any) -> Any:
        """Return the answer, and the call for its metadata. Raises GatewayError."""
        return _call_with_typed_errors(self._method.with_call, self._prepare(request), *given, **named)

    def future(self, request: Any, *given: Any, **named: Any) -> Any:
        """Begin a call. What goes wrong with it is gRPC's own error: see `errors.read`."""
        return self._method.future(self._prepare(request), *given, **named)


def _call_with_typed_errors(call: Callable[..., Any], request: Any, *given: Any, **named: Any) -> Any:
    try:
        return call(request, *given, **named)
    except grpc.RpcError as error:
        raise read(error, request_id(request)) from None


class Asyncio(grpc.aio.UnaryUnaryClientInterceptor):
    """Gives requests their IDs and errors their types, for asyncio: calls with one request."""

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        """Make a call. Raises GatewayError."""
        sent = identified(request)
        call = await continuation(client_call_details, sent)
        await _Call(call, request_id(sent))
        return call


class AsyncioStreams(grpc.aio.StreamUnaryClientInterceptor):
    """The same for asyncio: calls with a stream of requests. gRPC takes an interceptor for one kind of call only."""

    async def intercept_stream_unary(
        self, continuation: Callable[..., Any], client_call_details: Any, request_iterator: Any
    ) -> Any:
        """Make a call, which raises GatewayError when it is awaited: requests can't be written before this returns."""
        return _Call(await continuation(client_call_details, _identified(request_iterator)))


class _Call:
    """A call of grpc.aio whose errors have their types."""

    def __init__(self, call: Any, request_id: str = "") -> None:
        self._call = call
        self._request_id = request_id

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            return (yield from self._call.__await__())
        except grpc.aio.AioRpcError as error:
            raise read(error, self._request_id) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


async def _identified(requests: AsyncIterable[M] | Iterable[M]) -> AsyncIterator[M]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield identified(request)
    else:
        for request in requests:
            yield identified(request)


# What `create_autospec` finds: a stub's methods are attributes of each instance, and a class has none to look at.


class _Declaring:
    """Stands for a channel where stubs are only declared."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def unary_unary(self, *method: object, **given: object) -> Callable[..., Any]:  # noqa: ARG002 - gRPC's signature
        """Return what only declares a method."""
        return self._call

    stream_unary = unary_unary


def _blocking(  # noqa: PLR0913, PLR0917 - gRPC's signature
    request: object,
    timeout: float | None = None,
    metadata: object = None,
    credentials: object = None,
    wait_for_ready: bool | None = None,
    compression: object = None,
) -> NoReturn:
    raise RuntimeError("this only declares a method: connect() returns a gateway that has it")


async def _asyncio(  # noqa: PLR0913, PLR0917 - gRPC's signature
    request: object,
    timeout: float | None = None,  # noqa: ASYNC109
    metadata: object = None,
    credentials: object = None,
    wait_for_ready: bool | None = None,
    compression: object = None,
) -> NoReturn:
    _blocking(request, timeout, metadata, credentials, wait_for_ready, compression)


def declared(stub: Callable[[Any], T]) -> T:
    """Return a stub without a channel, to be declared in a class."""
    return stub(_Declaring(_blocking))


def declared_aio(stub: Callable[[Any], T]) -> T:
    """Return the same with methods to be awaited."""
    return stub(_Declaring(_asyncio))
