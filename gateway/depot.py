"""What stores and sends, by role: an outbox with its couriers, a hub that has one, or both. Put together here, used by `app.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import grpc
import msgspec

from gateway.config import Config
from gateway.config import Outbox as Kept
from gateway.delivery import Delivery, file
from gateway.delivery.again import Again
from gateway.delivery.carry import Desk
from gateway.delivery.sqlite import SqliteOutbox
from gateway.delivery.stored import Stored
from gateway.delivery.sweep import Sweep
from gateway.delivery.uplink import Fallback, HubExporter, Uplink
from gateway.exporters.base import Exporter, MessageClass
from gateway.exporters.opened import Opened
from gateway.exporters.web import Web
from gateway.minimise.flows import Flows
from gateway.policy.document import Policy
from gateway.telemetry.counts import Counts, Waiting

Credentials = Callable[[], tuple[int, grpc.ChannelCredentials]]
"""The generation of the gateway's certificate, and credentials with it."""


class Around(msgspec.Struct, frozen=True):
    """What the rest of the gateway has: flows in force, classes of messages, what decides again, what counts, the way to a hub."""

    flows: Callable[[], Flows]
    message_class: MessageClass
    again: Again
    counts: Counts
    credentials: Credentials


class Recipients:
    """Where releases go: to the policy's exporters, or from an agent to its hub, whatever the policy says."""

    def __init__(self, config: Config, message_class: MessageClass, uplink: Uplink | None) -> None:
        self._web = Web(insecure_loopback=config.insecure_loopback)
        self._opened = Opened(config.state, message_class, self._web, config.insecure_loopback)
        self._hub = None if uplink is None else HubExporter(uplink)

    def of(self, policy: Policy) -> Mapping[str, Exporter]:
        """The exporter of each destination that a flow feeds. Raises BadConfig."""
        if self._hub is None:
            return self._opened.of(policy)
        return dict.fromkeys(sorted({name for names in policy.flows.values() for name in names}), self._hub)

    async def close(self) -> None:
        """Let go of what exporters share; they themselves are closed by who uses them."""
        await self._web.close()


class Store:
    """An outbox on the gateway's own volume, with couriers, and swept on schedule."""

    def __init__(self, config: Config, kept: Kept, around: Around) -> None:
        """Raises BadConfig if it can't be opened."""
        self.exporters: Mapping[str, Exporter] = {}
        self._every = kept.sweep
        self._outbox = SqliteOutbox.open(config.state / file.NAME, kept)
        desk = Desk(self._outbox, around.again, around.counts)
        self.delivery = Stored(desk)
        self._sweep = Sweep(desk, around.flows, lambda: self.exporters, kept.max_age)
        self._sweeping: asyncio.Task[None] | None = None
        around.counts.ask(self._waiting)

    def replace(self, exporters: Mapping[str, Exporter]) -> None:
        """Send by these from now on."""
        self.exporters = exporters
        self.delivery.replace(exporters)

    def start(self) -> None:
        """Begin to sweep."""
        self._sweeping = asyncio.create_task(self._sweep.run(self._every))

    async def stop(self) -> None:
        """Sweep no more."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])

    def _waiting(self) -> Waiting:
        return Waiting(self.delivery.depths(), frozenset(self.delivery.broken()), self._outbox.set_aside)


class Depot:
    """All of it. `delivery` is what receivers hand their parcels to."""

    def __init__(self, config: Config, around: Around, given: Delivery | None = None) -> None:
        """`given` takes the place of all that the configuration says. Raises BadConfig if something can't be opened."""
        uplink = None if config.hub is None else Uplink(config.hub, around.credentials)
        self._recipients = Recipients(config, around.message_class, uplink)
        self._store = None if given is not None or config.outbox is None else Store(config, config.outbox, around)
        self.delivery = given or _delivery(uplink, self._store)

    def replace(self, policy: Policy) -> None:
        """Send by this policy from now on. Raises BadConfig, and then nothing has changed."""
        if self._store is not None:
            self._store.replace(self._recipients.of(policy))

    def start(self) -> None:
        """Begin what happens on schedule."""
        if self._store is not None:
            self._store.start()

    async def close(self, within: float) -> None:
        """Take no more, send what can be sent for `within` seconds at most, and let go of everything."""
        if self._store is not None:
            await self._store.stop()
        await self.delivery.close(within)
        await self._recipients.close()


def _delivery(uplink: Uplink | None, store: Store | None) -> Delivery:
    match uplink, store:
        case Uplink(), Store():
            return Fallback(uplink, store.delivery)
        case Uplink(), None:
            return uplink
        case None, Store():
            return store.delivery
    raise AssertionError("neither a hub nor an outbox: `config.py` doesn't let that through")
