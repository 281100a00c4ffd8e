"""Deliveries for tests.

A real outbox on a volume, decisions and times that a test sets, and a recipient to watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

from gateway.batch_verdict import ReleaseBatch
from gateway.config import Outbox
from gateway.delivery.attempt import AttemptDeps, Clock
from gateway.delivery.outbox.interface import LeasedBatch
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.delivery.redecided_batch import MinimisedBatch, RedecidedBatch
from gateway.entry_batch import EntryBatch
from gateway.errors import CallReason, DeliveryReason, ItemReason, Reason, Refused, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, Outcome
from gateway.model import NOBODY, OutboxEntry, Verdict, Withheld
from gateway.telemetry.counts import Counts
from tests.support.joined_batches import joined

TIMEOUT_SECONDS: Final = 20
NOW_NS: Final = 1_700_000_000_000_000_000
"""When everything here is received."""

SECOND_NS: Final = 1_000_000_000


def entry(
    text: str,
    destination: str = "crm",
    *,
    key: bytes = b"",
    fingerprint: bytes = b"",
    received_ns: int = NOW_NS,
    plan: str = "a-plan",
) -> EntryBatch:
    """An entry alone, with a text for a payload, and for a key where none is given."""
    key = key or text.encode().ljust(16, b"\0")[:16]
    return EntryBatch(
        ReleaseBatch(destination, "a.Type", plan, [text.encode()]), key, [received_ns], fingerprints=fingerprint
    )


def entries(count: int, destination: str = "crm") -> list[EntryBatch]:
    """Entries with numbers for payloads, each alone."""
    return [entry(str(number), destination) for number in range(count)]


def together(*texts: str, destination: str = "crm") -> EntryBatch:
    """Entries with texts for payloads, in one batch."""
    (batch,) = joined([entry(text, destination) for text in texts])
    return batch


def ids(leased: Iterable[LeasedBatch]) -> list[int]:
    """The IDs of all entries."""
    return [number for batch in leased for number in batch.ids]


class ScriptedRedecider:
    """Decides as it is told: by the text of an item, else that it may leave."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict | Exception] = {}
        self.asked = 0
        self.plans: dict[str, str] = {}
        """What decisions go by, by destination."""
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens while something is decided."""
        self.decides_by: object = None
        """The flows that it was told to decide by last."""

    def deciding_by(self, flows: object) -> Self:
        self.decides_by = flows
        return self

    def terms(self, destination: str) -> object:
        return self.plans.get(destination)

    def is_current(self, releases: ReleaseBatch) -> bool:
        return releases.plan == "a-plan"

    async def decide_all(
        self, batches: Sequence[MinimisedBatch], *, identifiers: bool = False
    ) -> Sequence[RedecidedBatch]:
        return [self._decide(batch, identifiers=identifiers) for batch in batches]

    def _decide(self, batch: MinimisedBatch, *, identifiers: bool) -> RedecidedBatch:
        ended: dict[int, Reason] = {}
        undecided: dict[int, Exception] = {}
        for place, payload in enumerate(batch.payloads):
            self.asked += 1
            self.meanwhile()
            match self.verdicts.get(payload.decode()):
                case Withheld(reason=reason) | Refused(reason=reason):
                    ended[place] = reason
                case Exception() as error:
                    undecided[place] = error
        places = [place for place in range(len(batch.payloads)) if place not in ended and place not in undecided]
        personal = frozenset(row for row, place in enumerate(places) if place in batch.personal) or ()
        payloads = [batch.payloads[place] for place in places]
        releases = ReleaseBatch(batch.destination, batch.type, "another-plan", payloads, personal) if places else None
        subjects = [NOBODY for _ in places] if identifiers else ()
        return RedecidedBatch(places, releases, subjects, ended, undecided)

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
        """The entries of each call."""
        self.sent: list[Sequence[EntryBatch]] = []
        """The same as they came."""
        self.in_flight = self.most_in_flight = self.closed = 0
        self._open = asyncio.Event()
        self._came = asyncio.Condition()
        if not shut:
            self._open.set()

    @property
    def texts(self) -> list[str]:
        """All that came, in order."""
        return [one.payload.decode() for batch in self.batches for one in batch]

    def open(self) -> None:
        self._open.set()

    async def wait_for(self, count: int) -> None:
        """Wait until so many entries have come."""
        async with asyncio.timeout(TIMEOUT_SECONDS), self._came:
            await self._came.wait_for(lambda: len(self.texts) >= count)

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        batch = [one for group in batches for one in group.entries()]
        self.batches.append(batch)
        self.sent.append(batches)
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

    async def put(self, *held: EntryBatch) -> None:
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
