"""Groups of entries that an agent hands over: each is decided on again, stored whole, and acknowledged."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
from google.protobuf.duration_pb2 import Duration
from kannelle.privacy.v1 import delivery_pb2

from gateway.delivery import Delivery
from gateway.delivery.redecided_batch import RedecidedBatch
from gateway.delivery.redecider import Redecider
from gateway.entry_batch import EntryBatch, entries_at
from gateway.errors import CallReason, DeliveryReason, Reason, Refused, Rejected, Retryable
from gateway.model import Identifier
from gateway.pipeline.flows import Flows
from gateway.receivers.fields import MAX_TURN_SECONDS
from gateway.receivers.hub.handed_over import HandedOverBatch, HandedOverGroup
from gateway.receivers.hub.rollout import ObservedPolicy, Rollout
from gateway.receivers.receipts import reason_number
from gateway.receivers.statuses import DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS
from gateway.telemetry import Counts

log = logging.getLogger(__name__)

MAX_BATCH_ENTRIES: Final = 512
"""Entries that are made in one call, in which nothing else runs: as many as go into a row of an outbox."""

EntriesAgain = Callable[[Flows, str, EntryBatch, Sequence[frozenset[Identifier]] | None], EntryBatch]
"""The entries of an agent's releases: the flows that they were decided by, the agent, its entries as decided on again,
under its own keys, and the identifiers and addresses in each, None where they weren't looked for.
"""


class GroupStore(msgspec.Struct, frozen=True):
    """Stores what this hub's own policy leaves of one agent's groups."""

    agent: str
    rollout: Rollout
    redecider: Redecider
    entries_again: EntriesAgain
    delivery: Delivery
    counts: Counts

    async def store(self, raw: bytes) -> delivery_pb2.Acknowledgement:
        """Store a group and return its acknowledgement: whatever is wrong with one group ends that one only.

        Raises Refused where its ID can't be read.
        """
        group = HandedOverGroup(raw)
        group_id = await group.id()
        try:
            await self._store(await group.batches())
        except (Refused, Rejected) as error:
            return delivery_pb2.Acknowledgement(id=group_id, reason=reason_number(error.reason))
        except Retryable as error:
            return _retry_later(group_id, error.reason, DEFAULT_RETRY_SECONDS if error.after is None else error.after)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text goes nowhere
            log.error("a group of entries failed: %s", type(error).__name__)
            return _retry_later(group_id, CallReason.INTERNAL, DEFAULT_RETRY_SECONDS)
        return delivery_pb2.Acknowledgement(id=group_id)

    async def _store(self, batches: Sequence[HandedOverBatch]) -> None:
        """Store what may leave of a group, whole, then count what may not: all by one policy.

        One item that may not leave takes no other with it.
        """
        policy = self.rollout.observe()
        flows, named = policy.flows, self.delivery.stores({batch.destination for batch in batches})
        redecided = await self.redecider.deciding_by(flows).decide_all(batches, identifiers=named)
        entries: list[EntryBatch] = []
        purged: Counter[tuple[str, Reason]] = Counter()
        since = time.monotonic()
        for batch, again in zip(batches, redecided, strict=True):
            purged.update(self._purged(batch, again, policy))
            for given, subjects in _released(batch, again):
                entries.append(self.entries_again(flows, self.agent, given, subjects if named else None))
                if time.monotonic() - since > MAX_TURN_SECONDS:
                    await asyncio.sleep(0)
                    since = time.monotonic()
        if entries:
            await self.delivery.accept(entries)
        for (destination, reason), count in purged.items():
            self.counts.record_purge(destination, reason, count)

    def _purged(
        self, batch: HandedOverBatch, redecided: RedecidedBatch, policy: ObservedPolicy
    ) -> Iterator[tuple[str, Reason]]:
        """Yield for each item that may not leave its destination, empty if that is none here, and the reason.

        Raises Retryable where a policy may be under way by which more is left, and what went wrong with an item.
        """
        for place in sorted((*redecided.ended, *redecided.undecided)):
            if place in redecided.undecided:
                raise redecided.undecided[place]
            reason = redecided.ended[place]
            self.rollout.check(self.agent, reason, batch.plan.hex(), batch.age_ns(place), policy.plans)
            yield (batch.destination if reason is not DeliveryReason.CUT_OFF else "", reason)


def _released(
    batch: HandedOverBatch, redecided: RedecidedBatch
) -> Iterator[tuple[EntryBatch, Sequence[frozenset[Identifier]]]]:
    """Yield what may leave of a batch, under the agent's keys, and who is in each: so many entries at once."""
    if redecided.releases is None:
        return
    given = entries_at(batch, redecided.places, redecided.releases)
    if len(given) <= MAX_BATCH_ENTRIES:
        yield given, redecided.subjects
        return
    for start in range(0, len(given), MAX_BATCH_ENTRIES):
        rows = range(start, min(start + MAX_BATCH_ENTRIES, len(given)))
        yield given.select(rows), redecided.subjects[rows.start : rows.stop]


def _retry_later(group_id: int, reason: Reason, seconds: float) -> delivery_pb2.Acknowledgement:
    delay = Duration()
    delay.FromNanoseconds(int(min(max(0.0, seconds), MAX_RETRY_SECONDS) * 1e9))
    return delivery_pb2.Acknowledgement(id=group_id, reason=reason_number(reason), retry_after=delay)
