"""What is in force: one immutable value in one place, replaced in one statement.

Each call reads it once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.delivery.setup import DeliverySetup, Recipients
from gateway.detectors.data import VERSION
from gateway.errors import BadConfig
from gateway.exporters.base import Exporter
from gateway.exporters.pool import OpenedExporters
from gateway.loading import LoadedPolicy
from gateway.pipeline.flows import Flows
from gateway.policy.document import TrafficDirection
from gateway.receivers.emit_call import EmitCall
from gateway.receivers.inflight import InFlight
from gateway.receivers.proxy.compiled_routes import CompiledRoutes
from gateway.receivers.proxy.route_table import BoundRoute, RouteTable
from gateway.receivers.proxy.upstream import Upstreams
from gateway.telemetry import Telemetry
from gateway.telemetry.log import LogFields

if TYPE_CHECKING:
    from gateway.tls import Certificates

log = logging.getLogger(__name__)


class InForce(msgspec.Struct, frozen=True):
    """All that items and calls are decided by at one moment: nothing of it is used with anything of another moment.

    A policy with its contracts and flows, the routes with their connections, the exporters by destination.
    """

    loaded: LoadedPolicy
    route_table: RouteTable
    exporters: Mapping[str, Exporter]


class Current:
    """Holds what is in force. For the event loop's thread, but for `files`."""

    def __init__(self, in_force: InForce) -> None:
        self._in_force = in_force

    @property
    def now(self) -> InForce:
        """What is in force now."""
        return self._in_force

    def put(self, in_force: InForce) -> None:
        """Put this in force."""
        self._in_force = in_force

    def flows(self) -> Flows:
        """The flows in force now."""
        return self._in_force.loaded.flows

    def route_table(self) -> RouteTable:
        """The routes in force now, with their connections."""
        return self._in_force.route_table

    def exporters(self) -> Mapping[str, Exporter]:
        """The exporters in force now."""
        return self._in_force.exporters

    def files(self) -> frozenset[Path]:
        """The files of what is in force."""
        return self._in_force.loaded.files

    def pool(self) -> DescriptorPool:
        """The descriptors of the contracts in force now."""
        return self._in_force.loaded.contract.pool

    def allows(self, bound_route: BoundRoute) -> bool:
        """Whether a proxied call may go on by the route of an earlier moment."""
        return self._in_force.route_table.allows(bound_route)

    def keeps(self, call: EmitCall) -> bool:
        """Whether a stream of items would be decided on as by the flows of its start."""
        return call.lasts(self._in_force.loaded.flows)


class Opener(msgspec.Struct, frozen=True):
    """Makes of a loaded policy what can be put in force: its exporters and connections are opened.

    `directions`: whose calls the gateway's listeners take.
    """

    recipients: Recipients
    upstreams: Upstreams
    tls: Certificates | None
    directions: frozenset[TrafficDirection]

    def open(self, loaded: LoadedPolicy) -> OpenedExporters:
        """Open a policy's exporters; none is in use yet. Blocks. Raises BadConfig."""
        return self.recipients.open(loaded.file.policy, loaded.contract, loaded.file.origin)

    def adopt(self, loaded: LoadedPolicy, opened: OpenedExporters) -> InForce:
        """Return a policy with its exporters and connections, in use from now on. Raises nothing."""
        return InForce(loaded, self._bind(loaded.compiled_routes), self.recipients.adopt(opened))

    def reconnected(self, in_force: InForce) -> InForce:
        """Return the same with connections by the certificate of now."""
        return InForce(in_force.loaded, self._bind(in_force.loaded.compiled_routes), in_force.exporters)

    def _bind(self, compiled_routes: CompiledRoutes) -> RouteTable:
        generation = 0 if self.tls is None else self.tls.generation
        return RouteTable(compiled_routes, self.upstreams, generation, self.directions)


class Switch(msgspec.Struct, frozen=True):
    """Puts another policy in force, and tells those who act on it by themselves.

    Last of all, calls in flight are reviewed.
    """

    current: Current
    opener: Opener
    delivery_setup: DeliverySetup
    telemetry: Telemetry
    proxied: InFlight[BoundRoute]
    streamed: InFlight[EmitCall]

    def begin(self) -> None:
        """Tell of what is in force from the start."""
        self._tell(self.current.now, None)

    async def replace(self, loaded: LoadedPolicy) -> None:
        """Put another policy in force. What may take a while is done before, in a thread.

        Raises BadConfig, and then nothing has changed.
        """
        opening = asyncio.create_task(asyncio.to_thread(self.opener.open, loaded))
        try:
            opened = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The gateway stops.
            with suppress(BadConfig):
                self.opener.recipients.discard(await opening)
            raise
        self._put(loaded, opened)

    def _put(self, loaded: LoadedPolicy, opened: OpenedExporters) -> None:
        """Swap all at once: nothing here waits or fails, so nothing else ever finds a part of it."""
        before, now = self.current.now, self.opener.adopt(loaded, opened)
        self.current.put(now)
        self._tell(now, changes(before.loaded, now.loaded))

    def reconnect(self) -> None:
        """Connect with another certificate from now on."""
        now = self.opener.reconnected(self.current.now)
        self.current.put(now)
        self.opener.upstreams.retire_others(now.route_table.targets)

    def _tell(self, now: InForce, changed: Sequence[str] | None) -> None:
        loaded, flows = now.loaded, now.loaded.flows
        self.delivery_setup.replace(now.exporters, flows)
        self.opener.upstreams.retire_others(now.route_table.targets)
        self.telemetry.set_policy(
            loaded.plans_digest,
            loaded.file.policy.version,
            flows.compiler.flows,
            file_sha256=loaded.file.sha256,
            absent_flows=len({name for name, _ in flows.absent}),
        )
        self.telemetry.add_routes(
            (route.listener, route.authority, route.destination, route.mode)
            for route in loaded.compiled_routes.table.routes
        )
        self.proxied.review()
        self.streamed.review()
        log.info("in force", extra=description(loaded, changed))


# What is logged of it.


def description(loaded: LoadedPolicy, changed: Sequence[str] | None) -> LogFields:
    """What the log says of a policy that comes into force: which it is, its size, and what of it is new."""
    flows = loaded.flows.compiler
    fields = LogFields(
        policy=str(loaded.file.path),
        policy_version=loaded.file.policy.version,
        policy_sha256=loaded.file.sha256,
        plans_sha256=loaded.plans_digest,
        contracts_sha256=loaded.contracts_digest,
        detectors=VERSION,
        flows=len(flows.flows),
        plans=len(flows.plans()),
        routes=len(loaded.file.policy.routes),
    )
    if changed is not None:
        fields["changes"] = changed
    return fields


def changes(before: LoadedPolicy, now: LoadedPolicy) -> list[str]:
    """What was added, removed or changed, by name: destinations, flows and routes."""
    kinds = {"destination": _destinations, "flow": _flows, "route": _routes}
    return [
        f"{kind} {name} {how}" for kind, terms in kinds.items() for name, how in _compare(terms(before), terms(now))
    ]


def _compare(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name in sorted(before.keys() | now.keys()):
        if name not in before:
            yield name, "added"
        elif name not in now:
            yield name, "removed"
        elif before[name] != now[name]:
            yield name, "changed"


def _destinations(loaded: LoadedPolicy) -> Mapping[str, object]:
    return {
        name: (destination, loaded.flows.terms(name)) for name, destination in loaded.file.policy.destinations.items()
    }


def _flows(loaded: LoadedPolicy) -> Mapping[str, object]:
    return {key: loaded.flows.of(key).terms for key in loaded.flows.compiler.flows}


def _routes(loaded: LoadedPolicy) -> Mapping[str, object]:
    """By listener and authority, which several routes may share: the routes, and the digests of their plans."""
    found: dict[str, list[object]] = {}
    names = [f"{route.listener} {route.authority}" for route in loaded.compiled_routes.table.routes]
    for name, route in zip(names, loaded.compiled_routes.table.routes, strict=True):
        found.setdefault(name, []).append(route)
    for compiled in loaded.compiled_routes.routes:
        found[names[compiled.route_index]].append(
            (compiled.method.path, compiled.caller, compiled.request_policy.digest, compiled.response_policy.digest)
        )
    return found
