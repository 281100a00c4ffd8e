"""What is in force: one immutable value in one place, replaced in one statement.

Whoever works by it asks for it once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from gateway.contracts.contract import Contract
from gateway.delivery.setup import DeliverySetup
from gateway.detectors.data import VERSION
from gateway.errors import BadConfig
from gateway.exporters.base import Exporter
from gateway.exporters.pool import OpenedExporters
from gateway.loading import LoadedPolicy
from gateway.pipeline.flows import Flows
from gateway.policy.document import Policy
from gateway.receivers.proxy.compiled_routes import CompiledRoutes
from gateway.receivers.proxy.route_table import RouteTable
from gateway.receivers.proxy.upstream import Upstreams
from gateway.telemetry import Telemetry
from gateway.telemetry.log import LogFields
from gateway.tls import Certificates

log = logging.getLogger(__name__)


class InForce(msgspec.Struct, frozen=True):
    """All that items and calls go by at one moment: nothing of it goes with anything of another moment.

    `exporters` by destination; `files`: those that all of it was read from.
    """

    policy: Policy
    contract: Contract
    flows: Flows
    compiled_routes: CompiledRoutes
    route_table: RouteTable
    exporters: Mapping[str, Exporter]
    digest: str
    files: frozenset[Path]


class Current:
    """Holds what is in force. For the event loop's thread, but for `files`."""

    def __init__(self) -> None:
        self._in_force: InForce | None = None

    @property
    def earlier(self) -> InForce | None:
        """What is in force now, if anything is yet."""
        return self._in_force

    @property
    def now(self) -> InForce:
        """What is in force now."""
        assert self._in_force is not None, "the first policy comes into force before anything listens"
        return self._in_force

    def put(self, in_force: InForce) -> None:
        """Have this in force from now on."""
        self._in_force = in_force

    def flows(self) -> Flows:
        """The flows in force now."""
        return self.now.flows

    def route_table(self) -> RouteTable:
        """The routes in force now, with their connections."""
        return self.now.route_table

    def exporters(self) -> Mapping[str, Exporter]:
        """The exporters in force now."""
        return self.now.exporters

    def files(self) -> frozenset[Path]:
        """The files of what is in force; none while nothing is."""
        return frozenset() if self._in_force is None else self._in_force.files


class Switch(msgspec.Struct, frozen=True):
    """Puts something else in force, and tells those who act on it by themselves.

    Last of all `review`, for calls in flight.
    """

    current: Current
    delivery_setup: DeliverySetup
    upstreams: Upstreams
    telemetry: Telemetry
    tls: Certificates | None
    review: Callable[[], None]

    def put(self, loaded: LoadedPolicy) -> None:
        """Put something in force, and open its exporters here.

        Blocks: for the start. Raises BadConfig, and then nothing has changed.
        """
        self._put(loaded, self.delivery_setup.open(loaded.file.policy, loaded.contract, loaded.file.origin))

    async def replace(self, loaded: LoadedPolicy) -> None:
        """Put something else in force. What may take a while is done before, in a thread.

        Raises BadConfig, and then nothing has changed.
        """
        opening = asyncio.create_task(
            asyncio.to_thread(self.delivery_setup.open, loaded.file.policy, loaded.contract, loaded.file.origin)
        )
        try:
            opened = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The gateway stops.
            with suppress(BadConfig):
                self.delivery_setup.discard(await opening)
            raise
        self._put(loaded, opened)

    def _put(self, loaded: LoadedPolicy, opened: OpenedExporters) -> None:
        """Nothing here waits, and nothing fails: whoever else runs finds either all as it was, or all as it is now."""
        policy, flows, route_table = loaded.file.policy, loaded.flows, self._bind(loaded.compiled_routes)
        exporters = self.delivery_setup.adopt(opened)
        before = self.current.earlier
        self.current.put(
            InForce(
                policy,
                loaded.contract,
                flows,
                loaded.compiled_routes,
                route_table,
                exporters,
                loaded.plans_digest,
                loaded.files,
            )
        )
        self.delivery_setup.replace(exporters, flows)
        self.upstreams.retire_others(route_table.targets)
        self.telemetry.set_policy(
            loaded.plans_digest,
            policy.version,
            flows.compiler.flows,
            file_sha256=loaded.file.sha256,
            absent_flows=len({name for name, _ in flows.absent}),
        )
        self.telemetry.add_routes(
            (route.listener, route.authority, route.destination, route.mode)
            for route in loaded.compiled_routes.table.routes
        )
        self.review()
        log.info("in force", extra=description(loaded, None if before is None else changes(before, self.current.now)))

    def reconnect(self) -> None:
        """Connect with another certificate from now on."""
        route_table = self._bind(self.current.now.compiled_routes)
        self.current.put(msgspec.structs.replace(self.current.now, route_table=route_table))
        self.upstreams.retire_others(route_table.targets)

    def _bind(self, compiled_routes: CompiledRoutes) -> RouteTable:
        return RouteTable(compiled_routes, self.upstreams, 0 if self.tls is None else self.tls.generation)


# What is logged of it.


def description(loaded: LoadedPolicy, changed: Sequence[str] | None) -> LogFields:
    """What is said of a policy that comes into force: which it is, how much it comes to, and what of it is new."""
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


def changes(before: InForce, now: InForce) -> list[str]:
    """What came, went or does otherwise, by name: destinations, flows and routes."""
    kinds = {"destination": _destinations, "flow": _flows, "route": _routes}
    return [
        f"{kind} {name} {how}" for kind, named in kinds.items() for name, how in _compare(named(before), named(now))
    ]


def _compare(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name in sorted(before.keys() | now.keys()):
        if name not in before:
            yield name, "added"
        elif name not in now:
            yield name, "removed"
        elif before[name] != now[name]:
            yield name, "changed"


def _destinations(held: InForce) -> Mapping[str, object]:
    return {name: (destination, held.flows.terms(name)) for name, destination in held.policy.destinations.items()}


def _flows(held: InForce) -> Mapping[str, object]:
    return {key: held.flows.of(key).terms for key in held.flows.compiler.flows}


def _routes(held: InForce) -> Mapping[str, object]:
    """By listener and authority, which several routes may share: the routes, and the digests of their plans."""
    found: dict[str, list[Any]] = {}
    names = [f"{route.listener} {route.authority}" for route in held.compiled_routes.table.routes]
    for name, route in zip(names, held.compiled_routes.table.routes, strict=True):
        found.setdefault(name, []).append(route)
    for compiled in held.compiled_routes.routes:
        found[names[compiled.route_index]].append(
            (compiled.method.path, compiled.caller, compiled.request_policy.digest, compiled.response_policy.digest)
        )
    return found
