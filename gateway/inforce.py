"""What is in force: one immutable value in one place, replaced in one statement. Whoever works by it asks for it once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway.contracts.contract import Contract
from gateway.depot import Depot
from gateway.errors import BadConfig
from gateway.exporters.base import Exporter
from gateway.exporters.opened import Opening
from gateway.loading import Loaded
from gateway.minimise.flows import Flows
from gateway.policy.document import Policy
from gateway.receivers.proxy.passage import Courses, Routing
from gateway.receivers.proxy.upstream import Upstreams
from gateway.telemetry import Telemetry
from gateway.tls import Certificates


class InForce(msgspec.Struct, frozen=True):
    """All that items and calls go by at one moment: nothing of it goes with anything of another moment.

    `exporters` by destination; `files`: those that all of it was read from.
    """

    policy: Policy
    contract: Contract
    flows: Flows
    courses: Courses
    routing: Routing
    exporters: Mapping[str, Exporter]
    digest: str
    files: frozenset[Path]


class Current:
    """Holds what is in force. For the event loop's thread, but for `files`."""

    def __init__(self) -> None:
        self._in_force: InForce | None = None

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

    def routing(self) -> Routing:
        """The routes in force now, with their connections."""
        return self.now.routing

    def exporters(self) -> Mapping[str, Exporter]:
        """The exporters in force now."""
        return self.now.exporters

    def files(self) -> frozenset[Path]:
        """The files of what is in force; none while nothing is."""
        return frozenset() if self._in_force is None else self._in_force.files


class Switch(msgspec.Struct, frozen=True):
    """Puts something else in force, and tells those who act on it by themselves; last of all `review`, for calls in flight."""

    current: Current
    depot: Depot
    upstreams: Upstreams
    telemetry: Telemetry
    tls: Certificates | None
    review: Callable[[], None]

    def put(self, loaded: Loaded) -> None:
        """Put something in force, and open its exporters here. Blocks: for the start. Raises BadConfig, and then nothing has changed."""
        self._put(loaded, self.depot.open(loaded.file.policy, loaded.contract))

    async def replace(self, loaded: Loaded) -> None:
        """Put something else in force. What may take a while is done before, in a thread.

        Raises BadConfig, and then nothing has changed.
        """
        opening = asyncio.create_task(asyncio.to_thread(self.depot.open, loaded.file.policy, loaded.contract))
        try:
            opened = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The gateway stops.
            with suppress(BadConfig):
                self.depot.discard(await opening)
            raise
        self._put(loaded, opened)

    def _put(self, loaded: Loaded, opened: Opening) -> None:
        """Nothing here waits, and nothing fails: whoever else runs finds either all as it was, or all as it is now."""
        policy, flows, routing = loaded.file.policy, loaded.flows, self._routing(loaded.courses)
        exporters = self.depot.adopt(opened)
        self.current.put(InForce(policy, loaded.contract, flows, loaded.courses, routing, exporters, loaded.digest, loaded.files))
        self.depot.replace(exporters, flows)
        self.upstreams.keep(routing.targets)
        self.telemetry.in_force(loaded.digest, policy.version, flows.compiler.flows, len({name for name, _ in flows.absent}))
        self.review()

    def reconnect(self) -> None:
        """Connect with another certificate from now on."""
        routing = self._routing(self.current.now.courses)
        self.current.put(msgspec.structs.replace(self.current.now, routing=routing))
        self.upstreams.keep(routing.targets)

    def _routing(self, courses: Courses) -> Routing:
        return Routing(courses, self.upstreams, 0 if self.tls is None else self.tls.generation)
