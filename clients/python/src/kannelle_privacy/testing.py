"""A fake gateway for the tests of a service.

It takes every call in this process, keeps what was sent, and answers what it is told to.

It decides nothing: what would be stripped is `privacy-gateway minimise`'s to say, and `lint`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from kannelle.privacy.v1 import receipt_pb2
from kannelle_privacy import aio
from kannelle_privacy.calls import SERVICES
from kannelle_privacy.client import Gateway, connect
from kannelle_privacy.errors import DETAILS

M = TypeVar("M", bound=Message)

FAKE: Final = "fake"
"""The destination of its receipts."""

NO_RETRY: Final = ("grpc-retry-pushback-ms", "-1")
"""The trailer by which a server tells a client of gRPC not to try again.

See https://github.com/grpc/proposal/blob/master/A6-client-retries.md.
"""


class FakeGateway:
    """Listens on a free port of loopback. A context manager.

    `requests` are what was sent, in the order of their arrival, without those that were refused. It answers as if each
    item had gone to one destination, all of it.
    """

    def __init__(self) -> None:
        self.requests: list[Message] = []
        self.address = ""
        self._refusals: list[Status] = []
        self._server: grpc.Server | None = None

    def __enter__(self) -> Self:
        self._server = server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
        for service in SERVICES:
            handlers = {method.name: self._handler(method) for method in service.methods}
            server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service.full_name, handlers)])
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.stop(None).wait()

    def connect(self) -> Gateway:
        """Return a connection to it, for blocking calls."""
        return connect(self.address)

    def connect_aio(self) -> aio.Gateway:
        """Return a connection to it, for asyncio."""
        return aio.connect(self.address)

    def sent(self, type: type[M]) -> Sequence[M]:
        """Return the items of a type that were sent, however they were, in their order."""
        return [item for request in self.requests for item in _items(request, type)]

    def refuse(self, code: grpc.StatusCode, reason: str, retry_after: float | None = None, times: int = 1) -> None:
        """Have the next calls refused.

        With a status, a name of `kannelle.privacy.v1.Reason`, and when to send again, in seconds.

        Their caller hears of it at once: a refusal of the fake is not tried again by the connection. Raises ValueError
        for a reason that there isn't, and for OK.
        """
        if code is grpc.StatusCode.OK:
            raise ValueError("code: OK is no refusal")
        receipt_pb2.Reason.Value(f"REASON_{reason}")
        details = [
            ErrorInfo(reason=reason, domain="privacy.kannelle"),
            *([] if retry_after is None else [_retry(retry_after)]),
        ]
        status = Status(code=code.value[0], message="refused by the fake", details=map(_packed, details))
        self._refusals.extend([status] * times)

    def _handler(self, method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        fake = _FakeMethod(self._answer, response)
        if method.client_streaming:
            return grpc.stream_unary_rpc_method_handler(fake.stream, request.FromString, response.SerializeToString)
        return grpc.unary_unary_rpc_method_handler(fake.unary, request.FromString, response.SerializeToString)

    def _answer(self, requests: Sequence[Message], response: type[Message], context: grpc.ServicerContext) -> Message:
        if self._refusals:
            _abort(context, self._refusals.pop(0))
        self.requests += requests
        answer = response()
        if "receipts" in response.DESCRIPTOR.fields_by_name:
            answer.receipts.add(destination=FAKE, outcome=receipt_pb2.OUTCOME_RELEASED)  # type: ignore[attr-defined]  # it has some
        if "result" in response.DESCRIPTOR.fields_by_name:
            answer.result.accepted = sum(len(_values(request)) for request in requests)  # type: ignore[attr-defined]  # it has one
        return answer


class _FakeMethod:
    """A method of the fake, whose answers are of one type."""

    def __init__(
        self,
        answer: Callable[[Sequence[Message], type[Message], grpc.ServicerContext], Message],
        response: type[Message],
    ) -> None:
        self._answer = answer
        self._response = response

    def stream(self, requests: Iterator[Message], context: grpc.ServicerContext) -> Message:
        """Answer a stream of requests."""
        return self._answer(list(requests), self._response, context)

    def unary(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Answer one request."""
        return self._answer([request], self._response, context)


def _abort(context: grpc.ServicerContext, status: Status) -> None:
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    context.set_trailing_metadata(((DETAILS, status.SerializeToString()), NO_RETRY))
    context.abort(code, status.message)


def _retry(after: float) -> RetryInfo:
    delay = Duration()
    delay.FromNanoseconds(int(after * 1e9))
    return RetryInfo(retry_delay=delay)


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


def _items(request: Message, type: type[M]) -> Iterator[M]:
    for value in _values(request):
        unpacked = type()
        if isinstance(value, type):
            yield value
        elif isinstance(value, AnyMessage) and value.Unpack(unpacked):
            yield unpacked


def _values(request: Message) -> Sequence[Any]:
    """What field 2 of a request holds: an item, or several."""
    field = request.DESCRIPTOR.fields_by_number[2]
    value = getattr(request, field.name)
    return list(value) if field.is_repeated else [value]
