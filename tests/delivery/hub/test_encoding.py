"""What an agent writes is what a hub reads, in batches or entry by entry, and what a hub can't read it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kannelle.privacy.v1 import delivery_pb2

from gateway.batch_verdict import ReleaseBatch
from gateway.delivery.hub.client import MAX_GROUP_BYTES, groups_of
from gateway.delivery.hub.encoding import MAX_BATCH_BYTES, counted_bytes, encode_group
from gateway.entry_batch import FINGERPRINT_BYTES, KEY_BYTES, EntryBatch, entries_at
from gateway.errors import ItemReason, RefusalReason, Refused
from gateway.receivers.hub.handed_over import MAX_GROUP_ENTRIES, MAX_MESSAGE_BYTES, MAX_SHARED_BYTES, HandedOverGroup
from tests.delivery.cases import NOW_NS
from tests.delivery.hub.hubs import joined

Row = tuple[str, str, str, bytes, bytes, bytes, int, bool]
"""Destination, type, plan, payload, key, fingerprint, time of receipt, whether it is about a personal account."""


def rows(batches: Sequence[EntryBatch], without: bytes = b"") -> list[Row]:
    """What is said of each entry; `without` a fingerprint of its own, it has that."""
    return [
        (
            batch.destination,
            batch.releases.type,
            batch.releases.plan,
            payload,
            batch.key(place),
            batch.fingerprint(place) or without,
            batch.received_ns[place],
            place in batch.releases.personal,
        )
        for batch in batches
        for place, payload in enumerate(batch.releases.payloads)
    ]


async def read(raw: bytes) -> tuple[int, list[Row]]:
    """What a hub reads of the only group in a request: its ID and its entries."""
    (group,) = delivery_pb2.AcceptRequest.FromString(raw).groups
    found = HandedOverGroup(group.SerializeToString())
    again = [
        entries_at(
            batch,
            range(len(batch.payloads)),
            ReleaseBatch(batch.destination, batch.type, batch.plan.hex(), batch.payloads, batch.personal),
        )
        for batch in await found.batches()
    ]
    return await found.id(), rows(again)


def batch_of(  # noqa: PLR0917 - columns
    destination: str, plan: int, payloads: list[bytes], times: list[int], personal: set[int], named: bool
) -> EntryBatch:
    count = len(payloads)
    keys = [bytes([number]) * KEY_BYTES for number in range(count)]
    marks = [bytes([number + 1]) * FINGERPRINT_BYTES for number in range(count)]
    return EntryBatch(
        ReleaseBatch(
            destination, "a.Type", f"{plan:02x}" * 32, payloads, frozenset(at for at in personal if at < count)
        ),
        b"".join(keys),
        [NOW_NS + times[number % len(times)] for number in range(count)],
        fingerprints=b"".join(marks) if named else b"",
    )


BATCHES: Final = st.lists(
    st.builds(
        batch_of,
        st.sampled_from(["crm", "log"]),
        st.integers(0, 1),
        st.lists(st.binary(max_size=8), min_size=1, max_size=5),
        st.lists(st.integers(0, 2), min_size=1, max_size=3),
        st.sets(st.integers(0, 4)),
        st.booleans(),
    ),
    max_size=6,
)


@pytest.mark.parametrize("takes_batches", [True, False])
@given(number=st.integers(0, 2**64 - 1), batches=BATCHES)
async def test_what_is_written_is_read(takes_batches: bool, number: int, batches: list[EntryBatch]) -> None:
    raw = encode_group(number, batches, takes_batches=takes_batches)
    if not number and not batches:
        assert raw == b""
        return
    # Of single entries an agent of an older version doesn't say whether they may come again.
    assert await read(raw) == (number, rows(batches, b"" if takes_batches else bytes(FINGERPRINT_BYTES)))


async def test_neighbours_of_one_flow_and_plan_are_one_batch() -> None:
    """So that what many small calls left at an agent is decided on and stored together."""
    given_ = [batch_of(*one, [b"a"], [0], set(), True) for one in [("crm", 0), ("crm", 0), ("log", 0), ("log", 1)]]
    for takes_batches in (True, False):
        (group,) = delivery_pb2.AcceptRequest.FromString(encode_group(1, given_, takes_batches=takes_batches)).groups
        found = await HandedOverGroup(group.SerializeToString()).batches()
        assert [(one.destination, len(one.payloads)) for one in found] == [("crm", 2), ("log", 1), ("log", 1)]


@pytest.mark.parametrize(
    "sizes",
    [[4 * 1024 * 1024], [MAX_BATCH_BYTES // 2 - 64] * 6, [300_000] * 20, [0] * 50_000],
    ids=["one", "two and two", "some", "many"],
)
async def test_what_is_large_is_cut_into_messages_that_a_hub_reads(sizes: list[int]) -> None:
    whole = EntryBatch(
        ReleaseBatch("crm", "a.Type", "00" * 32, [bytes(size) for size in sizes]),
        bytes(KEY_BYTES * len(sizes)),
        range(NOW_NS, NOW_NS + len(sizes)),
        fingerprints=bytes(FINGERPRINT_BYTES * len(sizes)),
    )
    raw = encode_group(1, [whole], takes_batches=True)
    (group,) = delivery_pb2.AcceptRequest.FromString(raw).groups
    assert all(
        one.ByteSize() <= (MAX_SHARED_BYTES if len(one.payloads) > 1 else MAX_MESSAGE_BYTES) for one in group.batches
    )
    assert await read(raw) == (1, rows([whole]))


# What isn't an agent's.


def filled(**changed: Any) -> delivery_pb2.EntryBatch:
    """A batch of two entries, of which some columns are others."""
    columns = {
        "destination": "crm",
        "type": "a.Type",
        "plan": bytes(32),
        "payloads": [b"a", b"b"],
        "keys": bytes(32),
        "fingerprints": bytes(16),
        "received_at_ns": [NOW_NS, NOW_NS],
    }
    return delivery_pb2.EntryBatch(**{**columns, **changed})


async def reason(*batches: delivery_pb2.EntryBatch, entries: int = 0) -> RefusalReason | None:
    """Why a group of these is refused, and of so many entries beside."""
    alone = [delivery_pb2.Entry(plan=bytes(32), key=bytes(16))] * entries
    raw = delivery_pb2.EntryGroup(id=1, batches=batches, entries=alone).SerializeToString()
    try:
        await HandedOverGroup(raw).batches()
    except Refused as error:
        return error.reason
    return None


@pytest.mark.parametrize(
    "changed",
    [
        {"payloads": []},
        {"payloads": [b"a"]},
        {"payloads": [b"a", b"b", b"c"]},
        {"keys": b""},
        {"keys": bytes(31)},
        {"keys": bytes(48)},
        {"fingerprints": bytes(8)},
        {"fingerprints": bytes(24)},
        {"plan": b""},
        {"plan": bytes(31)},
        {"received_at_ns": []},
        {"received_at_ns": [NOW_NS] * 3},
        {"received_at_ns": [NOW_NS, 2**63]},
        {"received_at_ns": [2**64 - 1]},
        {"personal": [2]},
        {"personal": [0, 1, 1]},
        {"personal": [2**32 - 1]},
        {"payloads": [], "keys": b"", "fingerprints": b"", "received_at_ns": []},
    ],
    ids=str,
)
async def test_columns_that_do_not_agree_are_malformed(changed: dict[str, Any]) -> None:
    assert await reason(filled(**changed)) is ItemReason.MALFORMED
    assert await reason(filled(), filled(**changed)) is ItemReason.MALFORMED


@pytest.mark.parametrize(
    "changed", [{}, {"fingerprints": b""}, {"received_at_ns": [1]}, {"personal": [0, 1]}, {"personal": [1]}], ids=str
)
async def test_columns_that_agree_are_read(changed: dict[str, Any]) -> None:
    assert await reason(filled(**changed)) is None


HALF: Final = MAX_GROUP_ENTRIES // 2


def empty(count: int) -> delivery_pb2.EntryBatch:
    """A batch of so many empty payloads."""
    return filled(payloads=[b""] * count, keys=bytes(16 * count), fingerprints=b"", received_at_ns=[NOW_NS])


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([HALF, HALF], None),
        ([HALF, HALF - 1, 1], None),
        ([HALF, HALF + 1], ItemReason.TOO_MANY_ITEMS),
        ([HALF, HALF, 1], ItemReason.TOO_MANY_ITEMS),
        ([HALF] * 3, ItemReason.TOO_MANY_ITEMS),
    ],
    ids=str,
)
async def test_a_group_has_so_many_entries_however_they_come(counts: list[int], expected: ItemReason | None) -> None:
    assert await reason(*map(empty, counts)) is expected
    assert await reason(*map(empty, counts[:-1]), entries=counts[-1]) is expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([MAX_MESSAGE_BYTES - 1024], None),
        ([MAX_MESSAGE_BYTES], ItemReason.TOO_LARGE),
        ([MAX_SHARED_BYTES // 2 - 1024] * 2, None),
        ([MAX_SHARED_BYTES // 2] * 2, ItemReason.TOO_MANY_ITEMS),
        ([MAX_MESSAGE_BYTES, 1], ItemReason.TOO_MANY_ITEMS),
    ],
    ids=str,
)
async def test_a_message_has_so_many_bytes(sizes: list[int], expected: ItemReason | None) -> None:
    count = len(sizes)
    batch = filled(payloads=map(bytes, sizes), keys=bytes(16 * count), fingerprints=b"", received_at_ns=[NOW_NS])
    assert await reason(batch) is expected


# Groups of whole items.


def item(number: int, sizes: tuple[int, int]) -> list[EntryBatch]:
    """The releases of one item at two destinations."""
    return [
        EntryBatch(
            ReleaseBatch(name, "a.Type", "00" * 32, [bytes(size)]), bytes([number]) * KEY_BYTES, [NOW_NS + number]
        )
        for name, size in zip(("crm", "log"), sizes, strict=True)
    ]


MIB: Final = 1024 * 1024
SIZES: Final = st.tuples(*[st.sampled_from([0, 1, 3, 6]).map(MIB.__mul__)] * 2)


@settings(max_examples=50)
@given(sizes=st.lists(SIZES, min_size=1, max_size=6))
def test_items_are_whole_in_groups_that_are_as_few_as_fit(sizes: list[tuple[int, int]]) -> None:
    """Packed one after the other, as if each were put into the last group where it fits."""
    items = [item(number, one) for number, one in enumerate(sizes)]
    expected: list[set[int]] = []
    room = 0
    for number, one in enumerate(items):
        if not expected or counted_bytes(one) > room:
            expected.append(set())
            room = MAX_GROUP_BYTES
        expected[-1].add(number)
        room -= counted_bytes(one)
    by_destination = [joined([one[at] for one in items]) for at in (0, 1)]
    groups = groups_of(by_destination)
    assert [
        {batch.received_ns[place] - NOW_NS for batch in group for place in range(len(batch))} for group in groups
    ] == (expected)
    assert sorted(rows([batch for group in groups for batch in group])) == sorted(rows(by_destination))
    assert all(counted_bytes(group) <= MAX_GROUP_BYTES for group in groups)


def test_nothing_is_no_group() -> None:
    assert groups_of([]) == []
