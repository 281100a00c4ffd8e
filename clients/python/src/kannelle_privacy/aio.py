"""The same as `kannelle_privacy`, for asyncio: as `grpc.aio` is to `grpc`."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import grpc
import grpc.aio
from kannelle.privacy.v1.activity_pb2_grpc import ActivityLogServiceStub
from kannelle.privacy.v1.analytics_pb2_grpc import AnalyticsServiceStub
from kannelle.privacy.v1.emit_pb2_grpc import EmitServiceStub
from kannelle.privacy.v1.privacy_pb2_grpc import PrivacyServiceStub
from kannelle.privacy.v1.support_pb2_grpc import SupportServiceStub
from kannelle_privacy.address import OPTIONS, check, local_address, outbound_address
from kannelle_privacy.calls import CHANNEL_OPTIONS, Asyncio, AsyncioStreams, declared_aio

if TYPE_CHECKING:
    from kannelle.privacy.v1.activity_pb2_grpc import ActivityLogServiceAsyncStub
    from kannelle.privacy.v1.analytics_pb2_grpc import AnalyticsServiceAsyncStub
    from kannelle.privacy.v1.emit_pb2_grpc import EmitServiceAsyncStub
    from kannelle.privacy.v1.privacy_pb2_grpc import PrivacyServiceAsyncStub
    from kannelle.privacy.v1.support_pb2_grpc import SupportServiceAsyncStub

INTERCEPTORS: Final = (Asyncio(), AsyncioStreams())
"""What a channel to the gateway's own services has for asyncio."""


class Gateway:
    """The gateway's services over one channel, which it owns. An async context manager, of one event loop.

    Every call of a stub takes `timeout` in seconds, and raises `kannelle_privacy.errors.GatewayError` when it goes
    wrong.
    """

    # The stubs' types choose the awaited form by the type of a channel, which a declaration hasn't.
    activity: ActivityLogServiceAsyncStub = declared_aio(ActivityLogServiceStub)  # type: ignore[assignment]
    analytics: AnalyticsServiceAsyncStub = declared_aio(AnalyticsServiceStub)  # type: ignore[assignment]
    emit: EmitServiceAsyncStub = declared_aio(EmitServiceStub)  # type: ignore[assignment]
    privacy: PrivacyServiceAsyncStub = declared_aio(PrivacyServiceStub)  # type: ignore[assignment]
    support: SupportServiceAsyncStub = declared_aio(SupportServiceStub)  # type: ignore[assignment]

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.activity = ActivityLogServiceStub(channel)
        self.analytics = AnalyticsServiceStub(channel)
        self.emit = EmitServiceStub(channel)
        self.privacy = PrivacyServiceStub(channel)
        self.support = SupportServiceStub(channel)

    async def close(self, grace: float | None = None) -> None:
        """End the connection; calls in flight have `grace` seconds, and are cancelled then.

        Closing again does nothing.
        """
        await self.channel.close(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def connect(address: str | None = None, credentials: grpc.ChannelCredentials | None = None) -> Gateway:
    """A gateway at `address`, as `kannelle_privacy.connect` has it; to be called where its event loop runs."""
    target = local_address() if address is None else address
    if credentials is None:
        return Gateway(grpc.aio.insecure_channel(check(target), options=CHANNEL_OPTIONS, interceptors=INTERCEPTORS))
    return Gateway(grpc.aio.secure_channel(target, credentials, options=CHANNEL_OPTIONS, interceptors=INTERCEPTORS))


def outbound_channel(
    authority: str, address: str | None = None, options: Sequence[tuple[str, Any]] = ()
) -> grpc.aio.Channel:
    """A channel to the service that `authority` names, as `kannelle_privacy.outbound_channel` has it."""
    target = outbound_address() if address is None else check(address)
    return grpc.aio.insecure_channel(target, options=(*options, ("grpc.default_authority", authority), *OPTIONS))
