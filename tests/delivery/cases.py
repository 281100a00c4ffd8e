"""Deliveries for tests.

A real outbox on a volume, decisions and times that a test sets, and a recipient to watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

from gateway.config import Outbox
from gateway.delivery.attempt import AttemptDeps, Clock
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.delivery.redecider import MinimisedItem
from gateway.errors import CallReason, DeliveryReason, ItemReason, Reason, Refused, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, Outcome
from gateway.model import OutboxEntry, Release, Verdict, Withheld
from gateway.telemetry.counts import Counts

TIMEOUT_SECONDS: Final = 20
NOW_NS: Final = 1_700_000_000_000_000_000
"""When everything here is received."""

SECOND_NS: Final = 1_000_000_000


def entry(
    text: str, destination: str = "crm", *, key: bytes = b"", fingerprint: bytes = b"", received_ns: int = NOW_NS
) -> OutboxEntry:
    """An entry with a text for a payload, and for a key where none is given."""
    key = key or text.encode().ljust(16, b"\0")[:16]
    return OutboxEntry(Release(destination, "a.Type", "a-plan", text.encode()), key, fingerprint, received_ns)


def entries(count: int, destination: str = "crm") -> list[OutboxEntry]:
    """Entries with numbers for payloads."""
    return [entry(str(number), destination) for number in range(count)]


class ScriptedRedecider:
    """Decides as it is told: by the text of an item, else that it may leave."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict | Exception] = {}
        self.asked = 0
        self.plans: dict[str, str] = {}
        """What decisions go by, by destination."""
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens while something is decided."""

    def deciding_by(self, flows: object) -> Self:
        return self

    def terms(self, destination: str) -> object:
        return self.plans.get(destination)

    def is_current(self, release: Release) -> bool:
        return release.plan == "a-plan"

    async def decide_all(self, items: Sequence[MinimisedItem]) -> Sequence[Verdict | Exception]:
        return [await self.decide(item) for item in items]

    async def decide(self, item: MinimisedItem) -> Verdict | Exception:
        self.asked += 1
        self.meanwhile()
        verdict = self.verdicts.get(item.payload.decode())
        return verdict or Release(item.destination, item.type, "another-plan", item.payload)

    def withhold(self, text: str, reason: Reason = DeliveryReason.CUT_OFF) -> None:
        self.verdicts[text] = Withheld("crm", reason)

    def refuse(self, text: str) -> None:
        self.verdicts[text] = Refused(ItemReason.EVENT_NOT_PLANNED)

    def doubt(self, text: str) -> None:
        self.verdicts[text] = Retryable(CallReason.UNAVAILABLE)


class ManualClock:
    """A clock that goes when it is told to: so many seconds have `passed`, and by so many it was `set`."""

    def __init__(self) -> None:
        self.passed = self.set = 0.0
        self.clock = Clock(lambda: NOW_NS + int((self.passed + self.set) * SECOND_NS), lambda: self.passed, lambda: 1.0)


Reply = Callable[[Sequence[OutboxEntry]], Sequence[Outcome]]


def delivered(batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
    """All well."""
    return [DELIVERED] * len(batch)


class RecordingExporter:
    """An exporter that keeps what it gets and replies what it is told, while it is open."""

    def __init__(self, reply: Reply = delivered, limits: BatchLimits = BatchLimits(), *, shut: bool = False) -> None:  # noqa: B008 - it is frozen
        self.limits = limits
        self.reply = reply
        self.batches: list[Sequence[OutboxEntry]] = []
        self.in_flight = self.most_in_flight = self.closed = 0
        self._open = asyncio.Event()
        self._came = asyncio.Condition()
        if not shut:
            self._open.set()

    @property
    def texts(self) -> list[str]:
        """All that came, in order."""
        return [one.release.payload.decode() for batch in self.batches for one in batch]

    def open(self) -> None:
        self._open.set()

    async def wait_for(self, count: int) -> None:
        """Wait until so many entries have come."""
        async with asyncio.timeout(TIMEOUT_SECONDS), self._came:
            await self._came.wait_for(lambda: len(self.texts) >= count)

    async def send(self, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        self.batches.append(batch)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        async with self._came:
            self._came.notify_all()
        try:
            await self._open.wait()
            return self.reply(batch)
        finally:
            self.in_flight -= 1

    async def close(self) -> None:
        self.closed += 1


class DeliveryCase:
    """Deliveries, and what they are made of."""

    def __init__(self, folder: Path, settings: Outbox, *, keeps_dead_letters: bool) -> None:
        self.outbox = SqliteOutbox.open(folder / "outbox.db", settings)
        self.redecider = ScriptedRedecider()
        self.time = ManualClock()
        self.counts = Counts()
        self.deps = AttemptDeps(
            self.outbox, self.redecider, self.counts, self.time.clock, keeps_dead_letters=keeps_dead_letters
        )

    async def put(self, *held: OutboxEntry) -> None:
        """Store entries."""
        await self.outbox.accept(held, self.time.clock.now_ns())

    @property
    def waiting(self) -> int:
        """How many items are stored."""
        return sum(depth.items for depth in self.outbox.depths().values())

    @property
    def dead(self) -> int:
        """How many dead letters there are."""
        return sum(depth.dead for depth in self.outbox.depths().values())


@asynccontextmanager
async def delivery_case(
    folder: Path,
    settings: Outbox = Outbox(),  # noqa: B008 - it is frozen
    *,
    keeps_dead_letters: bool = True,
) -> AsyncIterator[DeliveryCase]:
    """Deliveries whose outbox is closed in the end."""
    case = DeliveryCase(folder, settings, keeps_dead_letters=keeps_dead_letters)
    try:
        yield case
    finally:
        await case.outbox.close()
