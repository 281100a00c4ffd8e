"""Of leased batches, each entry ends by its own outcome, whatever becomes of its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.delivery.attempt import AttemptDeps, DeliveryAttempt
from gateway.delivery.outbox.interface import LeasedBatch
from gateway.errors import CallReason, DeliveryReason, ItemReason, Reason, Refused, Rejected, Retryable
from gateway.exporters.base import DELIVERED, Outcome
from gateway.model import OutboxEntry, Withheld
from gateway.telemetry.counts import Counts
from tests.delivery.cases import NOW_NS, SECOND_NS, ManualClock, RecordingExporter, ScriptedRedecider

OUTCOMES: Final[Mapping[str, Outcome]] = {
    "delivered": DELIVERED,
    "rejected": Rejected(DeliveryReason.REJECTED),
    "wait": Retryable(after=7.0),
}
DECISIONS: Final[Mapping[str, Withheld | Exception]] = {
    "withheld": Withheld("crm", DeliveryReason.CUT_OFF),
    "refused": Refused(ItemReason.EVENT_NOT_PLANNED),
    "no facts": Retryable(CallReason.UNAVAILABLE),
    "fault": KeyError("x"),
}
FATES: Final = (*OUTCOMES, *DECISIONS, "damaged", "erased")
ENDS: Final[Mapping[str, object]] = {
    "delivered": "acked",
    "rejected": ("dead", DeliveryReason.REJECTED),
    "wait": ("deferred", NOW_NS + 7 * SECOND_NS, True),
    "withheld": ("purged", DeliveryReason.CUT_OFF),
    "refused": ("purged", ItemReason.EVENT_NOT_PLANNED),
    "no facts": ("deferred", NOW_NS + SECOND_NS, False),
    "fault": ("deferred", NOW_NS + SECOND_NS, False),
    "damaged": ("dead", DeliveryReason.DAMAGED),
    "erased": ("deferred", NOW_NS + SECOND_NS, False),
}
"""What becomes of the lease of an entry by its fate."""


class NotedOutbox:
    """Notes how each lease ends; each ends once."""

    def __init__(self, gone: Collection[int]) -> None:
        self.gone = gone
        self.ends: dict[int, object] = {}

    def note(self, ids: Iterable[int], end: object) -> None:
        for number in ids:
            assert number not in self.ends
            self.ends[number] = end

    def erased(self, ids: Iterable[int]) -> Collection[int]:
        return self.gone & {*ids} if self.gone else ()  # type: ignore[operator]

    async def ack(self, ids: Iterable[int]) -> None:
        self.note(ids, "acked")

    async def defer(self, ids: Iterable[int], due_ns: int, *, failed: bool = True) -> None:
        self.note([*ids], ("deferred", due_ns, failed))

    async def dead_letter(self, reasons: Mapping[int, Reason], now_ns: int) -> None:
        for number, reason in reasons.items():
            self.note([number], ("dead", reason))

    async def purge(self, destination: str, reasons: Mapping[int, Reason], now_ns: int) -> None:
        for number, reason in reasons.items():
            self.note([number], ("purged", reason))


def leased(fates: Sequence[Sequence[str]]) -> tuple[list[LeasedBatch], dict[int, str]]:
    """Batches of entries with these fates, and the fate of each by its ID."""
    numbers, batches, by_id = count(1), list[LeasedBatch](), dict[int, str]()
    for batch in fates:
        next(numbers)  # IDs of batches needn't follow one another
        ids = [next(numbers) for _ in batch]
        by_id.update(zip(ids, batch, strict=True))
        batches.append(
            LeasedBatch(
                range(ids[0], ids[-1] + 1),
                "crm",
                "a.Type",
                "a-plan",
                [f"{fate} {number}".encode() for number, fate in zip(ids, batch, strict=True)],
                b"".join([number.to_bytes(16, "big") for number in ids]),
                [NOW_NS + number for number in ids],
                b"".join([number.to_bytes(8, "big") for number in ids]),
                damaged=frozenset(place for place, fate in enumerate(batch) if fate == "damaged"),
            )
        )
    return batches, by_id


def reply(batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
    return [OUTCOMES[one.payload.decode().partition(" ")[0]] for one in batch]


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from([*FATES, "delivered", "delivered"]), min_size=1, max_size=7), max_size=5))
def test_each_lease_ends_once_and_by_its_own_outcome(fates: Sequence[Sequence[str]]) -> None:
    batches, by_id = leased(fates)
    outbox = NotedOutbox({number for number, fate in by_id.items() if fate == "erased"})
    redecider = ScriptedRedecider()
    for number, fate in by_id.items():
        if fate in DECISIONS:
            redecider.verdicts[f"{fate} {number}"] = DECISIONS[fate]
    given_outbox: Any = outbox
    deps = AttemptDeps(given_outbox, redecider, Counts(), ManualClock().clock)
    recipient = RecordingExporter(reply)
    asyncio.run(DeliveryAttempt("crm", batches, deps).run(recipient))
    assert outbox.ends == {number: ENDS[fate] for number, fate in by_id.items()}
    sent = [number for number, fate in by_id.items() if fate in OUTCOMES]
    columns = [(one.key, one.received_ns) for batch in recipient.batches for one in batch]
    assert columns == [(number.to_bytes(16, "big"), NOW_NS + number) for number in sent]
    fingerprints = b"".join([batch.fingerprints for call in recipient.sent for batch in call])
    assert fingerprints == b"".join([number.to_bytes(8, "big") for number in sent])
