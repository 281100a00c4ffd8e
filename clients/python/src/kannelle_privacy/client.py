"""A connection to the gateway, and the request that carries a message of one's own contract.

Blocking calls only; for asyncio, give a `grpc.aio` channel to the stubs of `kannelle.privacy.v1`.
"""

from __future__ import annotations

import uuid
from types import TracebackType
from typing import Final, Self

import grpc
from google.protobuf.message import Message
from kannelle.privacy.v1.activity_pb2_grpc import ActivityLogServiceStub
from kannelle.privacy.v1.analytics_pb2_grpc import AnalyticsServiceStub
from kannelle.privacy.v1.emit_pb2 import EmitRequest
from kannelle.privacy.v1.emit_pb2_grpc import EmitServiceStub
from kannelle.privacy.v1.privacy_pb2_grpc import PrivacyServiceStub
from kannelle.privacy.v1.support_pb2_grpc import SupportServiceStub

DEFAULT_ADDRESS: Final = "127.0.0.1:4317"
"""Where the gateway's listener `local` is unless configured otherwise."""

# What is sent here is not minimised yet: no proxy of the environment may come between.
OPTIONS: Final = (("grpc.enable_http_proxy", 0),)


class Gateway:
    """The gateway's services over one channel, which it owns. Shared freely between threads; a context manager.

    Every call of a stub takes `timeout` in seconds, and raises grpc.RpcError with the status of a call that went wrong.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.activity = ActivityLogServiceStub(channel)
        self.analytics = AnalyticsServiceStub(channel)
        self.emit = EmitServiceStub(channel)
        self.privacy = PrivacyServiceStub(channel)
        self.support = SupportServiceStub(channel)

    def close(self) -> None:
        """End the connection; calls in flight are cancelled."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def connect(address: str = DEFAULT_ADDRESS, credentials: grpc.ChannelCredentials | None = None) -> Gateway:
    """A gateway at `address`, `host:port` or `unix:PATH`. Connects at the first call; plaintext without `credentials`."""
    if credentials is None:
        return Gateway(grpc.insecure_channel(address, options=OPTIONS))
    return Gateway(grpc.secure_channel(address, credentials, options=OPTIONS))


def pack(item: Message, request_id: str = "") -> EmitRequest:
    """The request that emits `item`, a message of any contract the gateway knows.

    Send the same request again to retry: its `request_id`, a fresh one unless given, makes that harmless.
    """
    request = EmitRequest(request_id=request_id or uuid.uuid4().hex)
    request.item.Pack(item)
    return request
