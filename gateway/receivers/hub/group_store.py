"""Groups of entries that an agent hands over: each is decided on again, stored whole, and acknowledged."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from kannelle.privacy.v1 import delivery_pb2

from gateway.delivery import Delivery
from gateway.delivery.redecider import Redecider
from gateway.errors import CallReason, DeliveryReason, ItemReason, Reason, Refused, Rejected, Retryable
from gateway.model import MAX_ITEM_BYTES, OutboxEntry, Release, Verdict, Withheld
from gateway.pipeline.flows import Flows
from gateway.receivers.fields import MAX_TURN_SECONDS, Repeated
from gateway.receivers.hub.rollout import ObservedPolicy, Rollout
from gateway.receivers.receipts import reason_number
from gateway.receivers.statuses import DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS
from gateway.telemetry import Counts

log = logging.getLogger(__name__)

MAX_ENTRY_BYTES: Final = MAX_ITEM_BYTES + 64 * 1024
"""Of an item that may be decided on, and what is said of it.

Parsing an entry is one call, in which nothing else runs.
"""

MAX_GROUP_ENTRIES: Final = 65_536
"""In a group: an agent counts 256 bytes and more for each, and sends no more than 15 MiB."""

_ID_FIELD: Final = delivery_pb2.EntryGroup.ID_FIELD_NUMBER
_ENTRIES_FIELD: Final = delivery_pb2.EntryGroup.ENTRIES_FIELD_NUMBER

EntryAgain = Callable[[Flows, str, Release, bytes, bytes, int], OutboxEntry]
"""The entry of an agent's release: the flows that it was decided by, agent, release, the agent's key and fingerprint,
time of receipt.
"""


class GroupStore(msgspec.Struct, frozen=True):
    """Stores what this hub's own policy leaves of one agent's groups."""

    agent: str
    rollout: Rollout
    redecider: Redecider
    entry_again: EntryAgain
    delivery: Delivery
    counts: Counts

    async def store(self, group: bytes) -> delivery_pb2.Acknowledgement:
        """Store a group and return its acknowledgement: whatever is wrong with one group ends that one only.

        Raises Refused where its ID can't be read.
        """
        entries = Repeated(group, _ENTRIES_FIELD, MAX_GROUP_ENTRIES)
        group_id = await entries.integer(_ID_FIELD)
        try:
            await self._store(entries)
        except (Refused, Rejected) as error:
            return delivery_pb2.Acknowledgement(id=group_id, reason=reason_number(error.reason))
        except Retryable as error:
            return _retry_later(group_id, error.reason, DEFAULT_RETRY_SECONDS if error.after is None else error.after)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text goes nowhere
            log.error("a group of entries failed: %s", type(error).__name__)
            return _retry_later(group_id, CallReason.INTERNAL, DEFAULT_RETRY_SECONDS)
        return delivery_pb2.Acknowledgement(id=group_id)

    async def _store(self, group: Repeated) -> None:
        """Store what may leave of a group, whole, then count what may not: all by one policy."""
        policy = self.rollout.observe()
        handed: list[_HandedOver] = []
        since = time.monotonic()
        async for raw in group.messages():
            handed.append(_handed_over(_parsed(raw)))
            if time.monotonic() - since > MAX_TURN_SECONDS:
                await asyncio.sleep(0)
                since = time.monotonic()
        entries: list[OutboxEntry] = []
        purged: Counter[tuple[str, Reason]] = Counter()
        outcomes = await self.redecider.deciding_by(policy.flows).decide_all(handed)
        since = time.monotonic()
        for one, outcome in zip(handed, outcomes, strict=True):
            decided = self._entry_or_reason(one, outcome, policy)
            if isinstance(decided, OutboxEntry):
                entries.append(decided)
            else:
                purged[decided] += 1
            if time.monotonic() - since > MAX_TURN_SECONDS:
                await asyncio.sleep(0)
                since = time.monotonic()
        if entries:
            await self.delivery.accept(entries)
        for (destination, reason), count in purged.items():
            self.counts.record_purge(destination, reason, count)

    def _entry_or_reason(
        self, one: _HandedOver, outcome: Verdict | Exception, policy: ObservedPolicy
    ) -> OutboxEntry | tuple[str, Reason]:
        """Return what this hub's own policy leaves of an entry, whatever plan made it.

        Or the destination, empty if it is none here, and the reason: one item that may not leave takes no other with
        it. Raises Retryable where a policy may be under way by which more is left, and what went wrong.
        """
        match outcome:
            case Release():
                return self.entry_again(policy.flows, self.agent, outcome, one.key, one.fingerprint, one.received_ns)
            case Withheld() | Refused():
                self.rollout.check(self.agent, outcome.reason, one.plan.hex(), one.age_ns, policy.plans)
                return (one.destination if outcome.reason is not DeliveryReason.CUT_OFF else "", outcome.reason)
        raise outcome


class _HandedOver(msgspec.Struct, frozen=True, gc=False):
    """An entry that an agent handed over. What comes from the future has come now, or it would never be too old."""

    destination: str
    type: str
    plan: bytes
    payload: bytes
    key: bytes
    fingerprint: bytes
    received_ns: int
    age_ns: int
    personal: bool

    def __repr__(self) -> str:
        return f"_HandedOver({self.type} for {self.destination})"


def _handed_over(one: delivery_pb2.Entry) -> _HandedOver:
    """Read an entry. Raises Refused."""
    if len(one.key) != 16 or len(one.plan) != 32 or len(one.fingerprint) not in (0, 8) or one.received_at_ns >= 2**63:
        raise Refused(ItemReason.MALFORMED)
    now_ns = time.time_ns()
    received_ns = min(one.received_at_ns, now_ns)
    return _HandedOver(
        one.destination,
        one.type,
        one.plan,
        one.payload,
        one.key,
        one.fingerprint,
        received_ns,
        now_ns - received_ns,
        one.personal,
    )


def _parsed(raw: bytes) -> delivery_pb2.Entry:
    if len(raw) > MAX_ENTRY_BYTES:
        raise Refused(ItemReason.TOO_LARGE)
    try:
        return delivery_pb2.Entry.FromString(raw)
    except DecodeError:
        raise Refused(ItemReason.MALFORMED) from None


def _retry_later(group_id: int, reason: Reason, seconds: float) -> delivery_pb2.Acknowledgement:
    delay = Duration()
    delay.FromNanoseconds(int(min(max(0.0, seconds), MAX_RETRY_SECONDS) * 1e9))
    return delivery_pb2.Acknowledgement(id=group_id, reason=reason_number(reason), retry_after=delay)
