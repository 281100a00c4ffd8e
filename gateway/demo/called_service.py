"""The service that is called: it keeps what it gets, and answers with all it has."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

import grpc
from google.protobuf.message import Message

from gateway.contracts.contract import Contract
from gateway.demo.backends import ReceivedData
from gateway.demo.service import Reply
from gateway.demo.service_call import ANSWER, METHOD, REQUEST, RESPONSE, SERVICE

GRPC_KEY: Final = "user-agent"
"""Metadata that gRPC writes itself."""


class CalledService(grpc.GenericRpcHandler):
    """Serves one method on loopback, behind its gateway. Used as `async with CalledService(answer) as service`."""

    def __init__(self, answer: Message) -> None:
        self._answer = answer.SerializeToString()
        self.requests: list[bytes] = []
        self.metadata: list[tuple[str, str | bytes]] = []
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The method, and no other."""
        if handler_call_details.method != f"/{METHOD}":
            return None
        self.metadata += [
            (key, value) for key, value in handler_call_details.invocation_metadata or () if key != GRPC_KEY
        ]
        return grpc.unary_unary_rpc_method_handler(self._serve)

    def metadata_keys(self) -> tuple[str, ...]:
        """What came beside the message, by key."""
        return tuple(key for key, _ in self.metadata)

    def received(self, reply: Reply, contract: Contract) -> ReceivedData:
        """What both sides have: the service the request, and who called it the reply."""
        request, response = (contract.message_class(item.type) for item in (REQUEST, RESPONSE))
        messages = {
            SERVICE: tuple(map(request.FromString, self.requests)),
            ANSWER: tuple(map(response.FromString, reply.messages)),
        }
        raw = {
            SERVICE: b"\n".join((*self.requests, repr(self.metadata).encode())),
            ANSWER: b"\n".join((*reply.messages, repr(reply.metadata).encode())),
        }
        return ReceivedData(messages, raw, {})

    async def _serve(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:  # noqa: ARG002
        self.requests.append(request)
        return self._answer

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(0)
