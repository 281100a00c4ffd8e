"""The listeners that a configuration names, each with its services.

Nothing listens yet: see `app.py` for how they start and stop.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from gateway.assembly import Assembly
from gateway.config import Delivery as HubListener
from gateway.delivery.agent_entries import AgentEntryBuilder
from gateway.listeners import MAX_LOCAL_CALLS, Listener
from gateway.otlp.signals import SIGNALS
from gateway.policy.document import TrafficDirection
from gateway.receivers import emit, otlp, privacy
from gateway.receivers.guard import Guard
from gateway.receivers.hub.agent_log import AgentLog
from gateway.receivers.hub.rollout import Rollout
from gateway.receivers.incoming import Context
from gateway.receivers.otlp_http import OtlpHttp
from gateway.receivers.proxy.proxy import CallerNames, Proxy, ProxyDeps
from gateway.receivers.proxy.upstream_failures import UpstreamFailures
from gateway.receivers.reflection import Reflection
from gateway.telemetry.calls import ListenerCalls

if TYPE_CHECKING:
    from gateway.receivers.hub.receiver import HubReceiver

OWN_SERVICES: Final = (*(service.full_name for service in emit.SERVICES), privacy.SERVICE.full_name)
"""The gateway's own services on `local`, OTLP apart."""

OTLP_SERVICES: Final = tuple(signal.service for signal in SIGNALS)


class Server(Protocol):
    """What listens on one address."""

    async def start(self) -> str:
        """Listen; the address with the port that was free where 0 was asked for. Raises BadConfig."""
        ...

    async def stop(self, grace: float) -> None:
        """Take no new calls, let those in flight take `grace` seconds more."""
        ...


class Service(msgspec.Struct, frozen=True):
    """A listener with its services.

    `name` is its key in the configuration. `guard`: that of a proxy, whose calls are logged when they end. `hub`: what
    takes entries from agents.
    """

    name: str
    server: Server
    guard: Guard | None = None
    hub: HubReceiver | None = None


class ServiceCaller:
    """Who calls on `outbound`: always the service beside the gateway."""

    def __init__(self, service: str) -> None:
        self._names = (service,)

    def names(self, context: Context) -> Sequence[str]:  # noqa: ARG002 - whatever the call
        """The name of the service."""
        return self._names


class CertifiedCaller:
    """Who calls on `inbound`, by the certificate of the connection."""

    def __init__(self) -> None:
        from gateway.receivers.caller import Callers  # noqa: PLC0415 without TLS a gateway needn't hold what reads certificates

        self._callers = Callers()

    def names(self, context: Context) -> Sequence[str]:
        """The names in the caller's certificate. Raises Refused."""
        return self._callers.caller(context.auth_context(), time.time())


def services(parts: Assembly) -> Iterator[Service]:
    """Yield the listeners of gRPC calls and OTLP/HTTP that the configuration names."""
    listeners = parts.config.listeners
    yield _local(parts)
    if listeners.outbound is not None:
        listener = Listener("outbound", listeners.outbound)
        names = ServiceCaller(parts.config.service).names
        yield _proxy(parts, listener, TrafficDirection.OUTBOUND, names, listeners.outbound.max_calls)
    if listeners.inbound is not None and parts.certificates is not None:
        listener = Listener("inbound", listeners.inbound, parts.certificates.server_credentials())
        names = CertifiedCaller().names
        yield _proxy(parts, listener, TrafficDirection.INBOUND, names, listeners.inbound.max_calls)
    if listeners.delivery is not None and parts.certificates is not None:
        listener = Listener("delivery", listeners.delivery, parts.certificates.server_credentials())
        yield _hub(parts, listener, listeners.delivery)
    yield from _local_http(parts)


def _local(parts: Assembly) -> Service:
    listener = Listener("local", parts.config.listeners.local)
    flows, telemetry, server = parts.current.flows, parts.telemetry, listener.server
    guard = Guard(MAX_LOCAL_CALLS, ListenerCalls("local", telemetry, parts.tracer))
    telemetry.add_resources({"local_calls": guard.use})
    telemetry.add_services("local", (*OWN_SERVICES, *OTLP_SERVICES))
    server.add_generic_rpc_handlers(tuple(emit.handlers(flows, parts.pipeline, guard, parts.streamed)))
    server.add_generic_rpc_handlers(tuple(otlp.handlers(flows, parts.pipeline, guard)))
    server.add_generic_rpc_handlers(tuple(privacy.handlers(flows, parts.decider, guard)))
    if parts.config.reflection:
        Reflection((*OWN_SERVICES, *OTLP_SERVICES), parts.current.pool).add_to(server)
    return Service("local", listener)


def _local_http(parts: Assembly) -> Iterator[Service]:
    settings, telemetry = parts.config.listeners.local_http, parts.telemetry
    if settings is not None:
        telemetry.add_services("local_http", OTLP_SERVICES)
        server = OtlpHttp(
            settings, parts.current.flows, parts.pipeline, MAX_LOCAL_CALLS, ListenerCalls("local_http", telemetry)
        )
        telemetry.add_resources(server.uses())
        yield Service("local_http", server)


def _proxy(
    parts: Assembly, listener: Listener, direction: TrafficDirection, caller_names: CallerNames, max_calls: int
) -> Service:
    guard = Guard(max_calls, turned_away=partial(parts.telemetry.record_overload, direction))
    parts.telemetry.add_resources({f"{direction}_calls": guard.use})
    deps = ProxyDeps(parts.decider, guard, parts.access, UpstreamFailures(parts.telemetry), parts.proxied, parts.tracer)
    listener.server.add_generic_rpc_handlers((Proxy(direction, parts.current.route_table, caller_names, deps),))
    return Service(listener.name, listener, guard=guard)


def _hub(parts: Assembly, listener: Listener, settings: HubListener) -> Service:
    from gateway.receivers.caller import Callers  # noqa: PLC0415 as above
    from gateway.receivers.hub import receiver  # noqa: PLC0415

    hub = receiver.HubReceiver(
        settings.agents,
        max(1, settings.max_calls // 2),
        Callers(),
        Rollout(parts.current.flows),
        parts.redecider,
        AgentEntryBuilder(parts.keys).entries_again,
        parts.delivery_setup.delivery,
        parts.telemetry,
        AgentLog(parts.telemetry),
    )
    guard = Guard(settings.max_calls, ListenerCalls(listener.name, parts.telemetry))
    parts.telemetry.add_resources({"delivery_calls": guard.use})
    parts.telemetry.add_services(listener.name, (receiver.SERVICE,))
    listener.server.add_generic_rpc_handlers(tuple(receiver.handlers(hub, guard)))
    return Service(listener.name, listener, hub=hub)
