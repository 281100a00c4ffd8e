"""What stores and sends, by role: an outbox with its workers, a hub that has one, or both.

Put together here, used by `assembly.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Self

import grpc
import msgspec

from gateway.config import Config
from gateway.config import Outbox as OutboxSettings
from gateway.contracts.contract import Contract
from gateway.delivery import Delivery
from gateway.delivery.attempt import AttemptDeps
from gateway.delivery.dispatcher import OutboxDispatcher
from gateway.delivery.hub.client import HubClient
from gateway.delivery.hub.exporter import HubExporter
from gateway.delivery.hub.fallback import FallbackDelivery
from gateway.delivery.outbox import file
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.delivery.redecider import Redecider
from gateway.delivery.retention import Retention
from gateway.exporters.base import Exporter
from gateway.exporters.http_client import HttpClient
from gateway.exporters.pool import ExporterPool, OpenedExporters
from gateway.pipeline.flows import Flows
from gateway.policy.document import Policy
from gateway.telemetry.checks import Check
from gateway.telemetry.counts import Counts, OutboxStatus
from gateway.yamlfile import NO_ORIGIN, Origin

Credentials = Callable[[], tuple[int, grpc.ChannelCredentials]]
"""The generation of the gateway's certificate, and credentials with it."""


NO_EXPORTERS: Final = OpenedExporters({})
"""What is opened where nothing is sent from here."""


class DeliveryDeps(msgspec.Struct, frozen=True):
    """What the rest of the gateway has: what is in force, what decides again, what counts."""

    flows: Callable[[], Flows]
    exporters: Callable[[], Mapping[str, Exporter]]
    redecider: Redecider
    counts: Counts


class Recipients:
    """Where releases go: to the policy's exporters, or from an agent to its hub, whatever the policy says."""

    def __init__(self, config: Config, hub_client: HubClient | None, *, has_outbox: bool) -> None:
        """Without an outbox there are none: nothing is sent from here."""
        self._http = HttpClient(insecure_loopback=config.insecure_loopback)
        self._exporters = ExporterPool(config.state, self._http, config.insecure_loopback)
        self._hub = None if hub_client is None else HubExporter(hub_client)
        self._has_outbox = has_outbox

    def open(self, policy: Policy, contract: Contract, origin: Origin = NO_ORIGIN) -> OpenedExporters:
        """The exporter of each destination that a flow feeds, not yet in use.

        Blocks: use it from a thread, one at a time. Raises BadConfig.
        """
        if not self._has_outbox:
            return NO_EXPORTERS
        if self._hub is None:
            return self._exporters.open(policy, contract, origin)
        return OpenedExporters(
            dict.fromkeys(sorted({name for names in policy.flows.values() for name in names}), self._hub)
        )

    def adopt(self, opening: OpenedExporters) -> Mapping[str, Exporter]:
        """Use these from now on. Raises nothing."""
        return self._exporters.adopt(opening)

    def discard(self, opening: OpenedExporters) -> None:
        """Close what was opened in vain."""
        self._exporters.discard(opening)

    async def close(self) -> None:
        """Close what exporters share; they themselves are closed by who uses them."""
        await self._http.close()


class DeliveryBase(msgspec.Struct, frozen=True):
    """What delivery needs whatever policy is in force: the outbox's file, the way to a hub, what opens exporters."""

    outbox: SqliteOutbox | None
    hub_client: HubClient | None
    recipients: Recipients

    @classmethod
    def open(cls, config: Config, credentials: Credentials, counts: Counts) -> Self:
        """Open what the configuration says. Raises BadConfig if something can't be opened."""
        hub_client = None if config.hub is None else HubClient(config.hub, credentials, counts)
        outbox = None if config.outbox is None else SqliteOutbox.open(config.state / file.NAME, config.outbox)
        return cls(outbox, hub_client, Recipients(config, hub_client, has_outbox=outbox is not None))

    @classmethod
    def empty(cls, config: Config) -> Self:
        """Nothing is opened: a substitute takes the place of all."""
        return cls(None, None, Recipients(config, None, has_outbox=False))


class OutboxService:
    """An outbox on the gateway's own volume, with workers, and retention on schedule."""

    def __init__(
        self, outbox: SqliteOutbox, settings: OutboxSettings, deps: DeliveryDeps, *, keeps_dead_letters: bool
    ) -> None:
        self._retention_seconds = settings.sweep
        self._outbox = outbox
        attempt_deps = AttemptDeps(outbox, deps.redecider, deps.counts, keeps_dead_letters=keeps_dead_letters)
        self.delivery = OutboxDispatcher(attempt_deps)
        self._retention = Retention(attempt_deps, deps.flows, deps.exporters, settings.max_age)
        self._retaining: asyncio.Task[None] | None = None
        deps.counts.set_outbox_source(self._waiting)
        deps.counts.add_resources(outbox.uses())

    def start(self) -> None:
        """Begin to delete what is too old."""
        self._retaining = asyncio.create_task(self._retention.run(self._retention_seconds))

    async def stop(self) -> None:
        """Delete no more."""
        if self._retaining is not None:
            self._retaining.cancel()
            await asyncio.wait([self._retaining])

    @property
    def check(self) -> Check:
        """Whether the outbox can be written."""
        return self._outbox.check

    def _waiting(self) -> OutboxStatus:
        return OutboxStatus(
            self.delivery.depths(),
            frozenset(self.delivery.broken()),
            self._outbox.quarantined,
            self._outbox.removed_by_operator(),
        )


class DeliverySetup:
    """Everything that stores and sends. `delivery` is what receivers hand their entries to."""

    def __init__(
        self, config: Config, base: DeliveryBase, deps: DeliveryDeps, substitute: Delivery | None = None
    ) -> None:
        """`substitute` takes the place of all that `base` has."""
        self._hub_client = base.hub_client
        self._recipients = base.recipients
        self._redecider = deps.redecider
        self._store = (
            None
            if base.outbox is None or config.outbox is None
            else OutboxService(base.outbox, config.outbox, deps, keeps_dead_letters=config.role != "agent")
        )
        self.delivery = substitute or _delivery(base.hub_client, self._store)

    def replace(self, exporters: Mapping[str, Exporter], flows: Flows) -> None:
        """Send by these, and decide by these flows, from this moment on. Raises nothing."""
        if self._store is not None:
            direct = frozenset(filter(flows.is_direct, exporters if self._hub_client is None else ()))
            self._store.delivery.replace(exporters, self._redecider.deciding_by(flows), direct)

    def start(self) -> None:
        """Begin what happens on schedule."""
        if self._hub_client is not None:
            self._hub_client.start()
        if self._store is not None:
            self._store.start()

    def checks(self) -> Iterator[Check]:
        """Yield how the outbox and an agent's hub are."""
        if self._hub_client is not None:
            yield self._hub_client.status.check
        if self._store is not None:
            yield self._store.check

    async def close(self, within: float) -> None:
        """Take no more, send what can be sent for `within` seconds at most, and close everything."""
        if self._store is not None:
            await self._store.stop()
        await self.delivery.close(within)
        await self._recipients.close()


def _delivery(hub_client: HubClient | None, store: OutboxService | None) -> Delivery:
    match hub_client, store:
        case HubClient(), OutboxService():
            return FallbackDelivery(hub_client, store.delivery)
        case HubClient(), None:
            return hub_client
        case None, OutboxService():
            return store.delivery
    raise AssertionError("neither a hub nor an outbox: `config.py` doesn't let that through")
