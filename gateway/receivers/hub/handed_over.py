"""What agents hand over, read from its bytes: in batches, and entry by entry from agents of an older version.

Neighbours of one flow and one plan become one batch, however they came. See `delivery/hub/encoding.py` for the agent's
end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from itertools import chain, groupby
from typing import Final, TypeVar

import msgspec
from google.protobuf.message import DecodeError, Message
from kannelle.privacy.v1 import delivery_pb2

from gateway.delivery.hub.encoding import MAX_BATCH_BYTES, NO_FINGERPRINT
from gateway.entry_batch import FINGERPRINT_BYTES, KEY_BYTES
from gateway.errors import ItemReason, Refused
from gateway.model import MAX_ITEM_BYTES
from gateway.receivers.fields import MAX_TURN_SECONDS, Repeated

_SAID_BYTES: Final = 64 * 1024
"""What is said of items beside what they are, at most."""

MAX_MESSAGE_BYTES: Final = MAX_ITEM_BYTES + _SAID_BYTES
"""Of an item that may be decided on, and what is said of it.

Parsing a message is one call, in which nothing else runs.
"""

MAX_SHARED_BYTES: Final = MAX_BATCH_BYTES + _SAID_BYTES
"""The same of several entries in one message: of small ones the runtime makes many times what they take."""

MAX_GROUP_ENTRIES: Final = 65_536
"""In a group: an agent counts 256 bytes and more for each, and sends no more than 15 MiB."""

PLAN_BYTES: Final = 32

_ID_FIELD: Final = delivery_pb2.EntryGroup.ID_FIELD_NUMBER
_ENTRIES_FIELD: Final = delivery_pb2.EntryGroup.ENTRIES_FIELD_NUMBER
_BATCHES_FIELD: Final = delivery_pb2.EntryGroup.BATCHES_FIELD_NUMBER
_PAYLOADS_FIELD: Final = delivery_pb2.EntryBatch.PAYLOADS_FIELD_NUMBER

_M = TypeVar("_M", bound=Message)


class HandedOverBatch(msgspec.Struct, frozen=True, gc=False):
    """Entries of one flow and one plan that an agent handed over at a time, `handed_over_ns`; its columns are by place.

    What comes from the future has come now, or it would never be too old. `fingerprints` are empty where the agent
    can't send any of them again under these keys; one of an older version doesn't say so of single entries.
    """

    destination: str
    type: str
    plan: bytes
    payloads: Sequence[bytes]
    keys: bytes
    fingerprints: bytes
    received_ns: Sequence[int]
    personal: Collection[int]
    handed_over_ns: int

    def __repr__(self) -> str:
        return f"HandedOverBatch({len(self.payloads)} of {self.type} for {self.destination})"

    def age_ns(self, place: int) -> int:
        """Return how long ago an item was received when it was handed over, in nanoseconds."""
        return self.handed_over_ns - self.received_ns[place]


class HandedOverGroup:
    """A group of entries, as bytes. Reading it lets others have their turn."""

    def __init__(self, raw: bytes) -> None:
        self._fields = Repeated(raw, _ENTRIES_FIELD, _BATCHES_FIELD, max_messages=MAX_GROUP_ENTRIES)

    async def id(self) -> int:
        """Return its ID. Raises Refused."""
        return await self._fields.integer(_ID_FIELD)

    async def batches(self) -> Sequence[HandedOverBatch]:
        """Return its entries, in order. Raises Refused where any can't be read, or there are too many."""
        found: list[HandedOverBatch] = []
        count, since = 0, time.monotonic()
        async for number, raw in self._fields.numbered_messages():
            if number == _BATCHES_FIELD:
                await _check_size(raw)
                found.append(_read_batch(raw, MAX_GROUP_ENTRIES - count))
            else:
                found.append(_read_entry(raw))
            count += len(found[-1].payloads)
            if time.monotonic() - since > MAX_TURN_SECONDS:
                await asyncio.sleep(0)
                since = time.monotonic()
        if count > MAX_GROUP_ENTRIES:
            raise Refused(ItemReason.TOO_MANY_ITEMS)
        return [_joined(list(run)) for _, run in groupby(found, _kind)]


async def _check_size(raw: bytes) -> None:
    """Raise Refused for a batch that is too large for its entries, before any is made."""
    if len(raw) > MAX_SHARED_BYTES:
        async for _ in Repeated(raw, _PAYLOADS_FIELD, max_messages=1).messages():
            pass


def _read_batch(raw: bytes, max_entries: int) -> HandedOverBatch:
    """Read a batch. Nothing is made of a column that is longer than it should be. Raises Refused."""
    one = _parsed(delivery_pb2.EntryBatch, raw)
    count = len(one.payloads)
    if count > max_entries:
        raise Refused(ItemReason.TOO_MANY_ITEMS)
    if (
        not count
        or len(one.plan) != PLAN_BYTES
        or len(one.keys) != count * KEY_BYTES
        or len(one.fingerprints) not in (0, count * FINGERPRINT_BYTES)
        or len(one.received_at_ns) not in (1, count)
        or max(one.received_at_ns) >= 2**63
        or len(one.personal) > count
        or any(place >= count for place in one.personal)
    ):
        raise Refused(ItemReason.MALFORMED)
    now_ns = time.time_ns()
    received_ns = [min(received_ns, now_ns) for received_ns in one.received_at_ns]
    return HandedOverBatch(
        one.destination,
        one.type,
        one.plan,
        list(one.payloads),
        one.keys,
        one.fingerprints,
        received_ns if len(received_ns) == count else received_ns * count,
        frozenset(one.personal),
        now_ns,
    )


def _read_entry(raw: bytes) -> HandedOverBatch:
    """Read an entry that came alone. Raises Refused."""
    one = _parsed(delivery_pb2.Entry, raw)
    if (
        len(one.plan) != PLAN_BYTES
        or len(one.key) != KEY_BYTES
        or len(one.fingerprint) not in (0, FINGERPRINT_BYTES)
        or one.received_at_ns >= 2**63
    ):
        raise Refused(ItemReason.MALFORMED)
    now_ns = time.time_ns()
    return HandedOverBatch(
        one.destination,
        one.type,
        one.plan,
        [one.payload],
        one.key,
        one.fingerprint or NO_FINGERPRINT,
        [min(one.received_at_ns, now_ns)],
        (0,) if one.personal else (),
        now_ns,
    )


def _parsed(kind: type[_M], raw: bytes) -> _M:
    if len(raw) > MAX_MESSAGE_BYTES:
        raise Refused(ItemReason.TOO_LARGE)
    try:
        return kind.FromString(raw)
    except DecodeError:
        raise Refused(ItemReason.MALFORMED) from None


def _kind(batch: HandedOverBatch) -> tuple[str, str, bytes, bool]:
    """Return what all entries of a batch have in common."""
    return batch.destination, batch.type, batch.plan, bool(batch.fingerprints)


def _joined(run: Sequence[HandedOverBatch]) -> HandedOverBatch:
    """Return batches of one kind as one."""
    first = run[0]
    if len(run) == 1:
        return first
    personal, count = list[int](), 0
    for batch in run:
        personal += [count + place for place in batch.personal]
        count += len(batch.payloads)
    return HandedOverBatch(
        first.destination,
        first.type,
        first.plan,
        list(chain.from_iterable(batch.payloads for batch in run)),
        b"".join([batch.keys for batch in run]),
        b"".join([batch.fingerprints for batch in run]),
        list(chain.from_iterable(batch.received_ns for batch in run)),
        frozenset(personal),
        run[-1].handed_over_ns,
    )
