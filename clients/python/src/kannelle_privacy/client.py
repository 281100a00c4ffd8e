"""A connection to the gateway, one through it to other services, and the request that carries an own message.

Blocking calls only; for asyncio see `aio.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, cast

import grpc
from google.protobuf.message import Message
from kannelle.privacy.v1.activity_pb2_grpc import ActivityLogServiceStub
from kannelle.privacy.v1.analytics_pb2_grpc import AnalyticsServiceStub
from kannelle.privacy.v1.emit_pb2 import EmitRequest
from kannelle.privacy.v1.emit_pb2_grpc import EmitServiceStub
from kannelle.privacy.v1.privacy_pb2_grpc import PrivacyServiceStub
from kannelle.privacy.v1.support_pb2_grpc import SupportServiceStub
from kannelle_privacy.address import OPTIONS, check, local_address, outbound_address
from kannelle_privacy.calls import CHANNEL_OPTIONS, Blocking, declared


class Gateway:
    """The gateway's services over one channel, which it owns. Shared freely between threads; a context manager.

    Every call of a stub takes `timeout` in seconds, and raises `kannelle_privacy.errors.GatewayError` when it goes
    wrong.
    """

    activity: ActivityLogServiceStub = declared(ActivityLogServiceStub)
    analytics: AnalyticsServiceStub = declared(AnalyticsServiceStub)
    emit: EmitServiceStub = declared(EmitServiceStub)
    privacy: PrivacyServiceStub = declared(PrivacyServiceStub)
    support: SupportServiceStub = declared(SupportServiceStub)

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        calls = cast(grpc.Channel, Blocking(channel))
        self.activity = ActivityLogServiceStub(calls)
        self.analytics = AnalyticsServiceStub(calls)
        self.emit = EmitServiceStub(calls)
        self.privacy = PrivacyServiceStub(calls)
        self.support = SupportServiceStub(calls)

    def close(self) -> None:
        """End the connection; calls in flight are cancelled."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(address: str | None = None, credentials: grpc.ChannelCredentials | None = None) -> Gateway:
    """A gateway at `address`, `host:port` or `unix:PATH`.

    Connects at the first call; plaintext without `credentials`.

    A call with one request that finds no gateway is tried again for some five seconds, as long as its timeout lets it:
    that is harmless, since a request without a request ID is given one. A stream is not tried again.

    Without an address: the one in PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS, as the gateway itself has it, or
    127.0.0.1:4317. Raises ValueError for an address that is not on this machine, in that variable, or without
    `credentials`.
    """
    target = local_address() if address is None else address
    if credentials is None:
        return Gateway(grpc.insecure_channel(check(target), options=CHANNEL_OPTIONS))
    return Gateway(grpc.secure_channel(target, credentials, options=CHANNEL_OPTIONS))


def outbound_channel(
    authority: str, address: str | None = None, options: Sequence[tuple[str, Any]] = ()
) -> grpc.Channel:
    """A channel to the service that `authority` names, through the gateway.

    Its listener `outbound`, at `address` on this machine.

    Without an address: the one in PRIVACY_GATEWAY__LISTENERS__OUTBOUND__ADDRESS, or 127.0.0.1:14001. `options` are
    gRPC's. Raises ValueError for an address that is not on this machine.
    """
    target = outbound_address() if address is None else check(address)
    return grpc.insecure_channel(target, options=(*options, ("grpc.default_authority", authority), *OPTIONS))


def pack(item: Message, request_id: str = "") -> EmitRequest:
    """The request that emits `item`, a message of any contract the gateway knows.

    Send the same request again to retry: its `request_id`, a fresh one unless given, makes that harmless.
    """
    request = EmitRequest(request_id=request_id or uuid.uuid4().hex)
    request.item.Pack(item)
    return request
