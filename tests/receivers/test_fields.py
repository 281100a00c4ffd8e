"""Fields that are read one by one are those that the runtime reads, and what it refuses is refused."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kannelle.privacy.v1 import delivery_pb2

from gateway.errors import ItemReason, Refused
from gateway.plan import FieldPlan, MessagePlan, Presence
from gateway.protobuf.schema import attribute, build
from gateway.protobuf.wire import varint
from gateway.receivers.fields import MAX_OTHER_FIELDS, Repeated, fields

(PARSED,) = build(
    (
        MessagePlan(
            "ParcelGroup",
            (FieldPlan(1, "id", "uint64", Presence.IMPLICIT), FieldPlan(2, "entries", "bytes", Presence.EXPANDED)),
        ),
    )
)
"""The runtime's own reading of a group whose entries are bytes: the oracle."""

Read = tuple[int, list[bytes]] | None
"""The ID and the entries; None where it is malformed."""


def parsed(raw: bytes) -> Read:
    try:
        message = PARSED.message.FromString(raw)
    except DecodeError:
        return None
    return getattr(message, attribute(1)), list(getattr(message, attribute(2)))


def walked(raw: bytes) -> Read:
    number, entries = 0, []
    try:
        for name, value in fields(raw):
            if name == 1 and isinstance(value, int):
                number = value
            elif name == 2 and isinstance(value, bytes):
                entries.append(value)
    except Refused:
        return None
    return number, entries


def tag(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)


NUMBERS: Final = st.sampled_from((0, 1, 2, 3, 15, 16, 2047, 2**29 - 1, 2**29, 2**32))
VARINTS: Final = st.one_of(
    st.integers(0, 2**64 - 1).map(varint),
    st.integers(0, 300).map(varint),
    st.builds(lambda size, last: b"\x80" * size + bytes((last,)), st.integers(0, 11), st.integers(0, 255)),
)
ONE: Final = st.one_of(
    st.builds(lambda number, value: tag(number, 0) + value, NUMBERS, VARINTS),
    st.builds(lambda number, value: tag(number, 2) + varint(len(value)) + value, NUMBERS, st.binary(max_size=20)),
    st.builds(lambda number, value: tag(number, 2) + value, NUMBERS, VARINTS),
    st.builds(lambda number: tag(number, 1) + bytes(8), NUMBERS),
    st.builds(lambda number: tag(number, 5) + bytes(4), NUMBERS),
    st.builds(tag, NUMBERS, st.sampled_from((3, 4, 6, 7))),
    st.builds(
        lambda number, depth: tag(number, 3) * depth + tag(number, 4) * depth,
        NUMBERS,
        st.sampled_from((1, 2, 98, 99, 100, 101)),
    ),
    st.binary(max_size=6),
)


@settings(max_examples=2_000, deadline=None)
@given(st.lists(ONE, max_size=8).map(b"".join), st.integers(0, 40))
@example(b"\x0a\x00" * 3, 0)
@example(b"\x08\x80", 0)
@example(tag(3, 3) * 100 + tag(3, 4) * 100, 0)
@example(tag(3, 3) * 101 + tag(3, 4) * 101, 0)
@example(b"\x88\x80\x80\x80\x00\x01", 0)
@example(b"\x88\x80\x80\x80\x80\x00\x01", 0)
@example(b"\x12\xff\xff\xff\xff\x07", 0)
@example(b"\x12\x80\x80\x80\x80\x80\x00", 0)
@example(b"\x08" + b"\xff" * 9 + b"\x01", 0)
@example(b"\x08" + b"\xff" * 9 + b"\x02", 0)
@example(b"\x08" + b"\x80" * 9 + b"\x7f", 0)
def test_what_is_read_is_what_the_runtime_reads(raw: bytes, cut: int) -> None:
    whole = raw[: len(raw) - cut] if cut else raw
    assert walked(whole) == parsed(whole)


def test_all_fields_of_a_group_are_read() -> None:
    group = delivery_pb2.EntryGroup(
        id=2**64 - 1, entries=[delivery_pb2.Entry(destination=str(number)) for number in range(1000)]
    )
    raw = group.SerializeToString()

    async def read() -> tuple[int, list[bytes]]:
        held = Repeated(raw, 2)
        return await held.integer(1), [one async for one in held.messages()]

    assert asyncio.run(read()) == (group.id, [one.SerializeToString() for one in group.entries])


@pytest.mark.parametrize(
    "raw", [b"\x78\x00", b"\x7a\x00", b"\x7b\x7c", b"\x7d\0\0\0\0"], ids=["varints", "bytes", "groups", "fixed"]
)
async def test_of_other_fields_a_few_are_passed_over_and_thousands_refused(raw: bytes) -> None:
    few = MAX_OTHER_FIELDS // 2
    assert [one async for one in Repeated(raw * few + b"\x0a\x01a", 1).messages()] == [b"a"]
    with pytest.raises(Refused, match="MALFORMED"):
        await anext(Repeated(raw * 10 * few, 1).messages())


async def test_no_more_are_read_than_there_may_be() -> None:
    assert len([one async for one in Repeated(b"\x0a\x00" * 9, 1, max_messages=9).messages()]) == 9
    with pytest.raises(Refused, match="TOO_MANY_ITEMS"):
        [one async for one in Repeated(b"\x0a\x00" * 10, 1, max_messages=9).messages()]


async def test_others_have_their_turn_while_many_are_read() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting, begun = asyncio.create_task(count()), time.process_time()
    async for _ in Repeated(b"\x0a\x00" * 1_000_000, 1).messages():
        pass
    counting.cancel()
    assert turns >= (time.process_time() - begun) / 0.05


async def test_what_comes_before_a_fault_is_read_first() -> None:
    found = Repeated(b"\x0a\x01a\x0a\x01b\x0a\x05", 1).messages()
    assert [await anext(found), await anext(found)] == [b"a", b"b"]
    with pytest.raises(Refused) as caught:
        await anext(found)
    assert caught.value.reason is ItemReason.MALFORMED
