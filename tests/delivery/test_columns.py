"""What a row holds of its entries, compared with the entries one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batch_verdict import ReleaseBatch
from gateway.delivery.outbox.arrivals import rows_of
from gateway.delivery.outbox.columns import PERSONAL_MARKER, Columns, blanks, places_about
from gateway.delivery.outbox.rows import MAX_ROW_BYTES, MAX_ROW_ENTRIES
from gateway.entry_batch import EntryBatch

LENGTHS: Final = st.sampled_from((0, 1, 15, 16, 255, 256, 300, 65_535, 65_536, 70_000))
"""Of payloads: where MessagePack writes lengths otherwise, and beside."""

NAMES: Final = tuple(bytes([letter]) * 16 for letter in b"abc")


@st.composite
def batches(draw: st.DrawFn, most: int = 20) -> EntryBatch:
    count = draw(st.integers(1, most))
    payloads = [bytes([place + 1]) * draw(LENGTHS) for place in range(count)]
    subjects: Sequence[bytes] = ()
    if draw(st.booleans()):
        subjects = [b"".join(draw(st.lists(st.sampled_from(NAMES), max_size=20))) for _ in range(count)]
    personal = frozenset(draw(st.lists(st.integers(0, count - 1), max_size=2)))
    return EntryBatch(
        ReleaseBatch("crm", "a.Type", "a-plan", payloads, personal),
        b"".join((place + 1).to_bytes(16, "big") for place in range(count)),
        draw(st.lists(st.integers(0, 2**63 - 1), min_size=count, max_size=count)),
        subjects,
        draw(st.sampled_from((b"", b"the mark" * count))),
    )


def names_of(batch: EntryBatch, place: int) -> bytes:
    own = batch.subjects[place] if batch.subjects else b""
    return own + (PERSONAL_MARKER if place in batch.releases.personal else b"")


@given(batches(), st.integers(0, 2**31))
def test_a_batch_is_read_as_it_was_written_and_each_entry_has_a_checksum_of_all_of_it(
    batch: EntryBatch, kind: int
) -> None:
    found = Columns.decode(len(batch), *Columns.of(batch, kind).encode())
    assert (found.payloads, found.keys, found.fingerprints) == (
        batch.releases.payloads,
        batch.keys,
        batch.fingerprints,
    )
    assert (found.received, set(found.personal())) == (batch.received_ns, batch.releases.personal)
    assert found.damaged(kind) == ()
    for place, payload in enumerate(batch.releases.payloads):
        start = (batch.received_ns[place] ^ batch.received_ns[place] >> 32 ^ kind << 16) & 0xFFFFFFFF
        beside = batch.key(place) + batch.fingerprint(place) + names_of(batch, place)
        assert found.sums[place] == crc32(payload, crc32(beside, start))


@given(batches(), st.data())
def test_a_part_is_the_entries_from_one_place_to_another(batch: EntryBatch, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(batch) - 1))
    stop = data.draw(st.integers(start + 1, len(batch)))
    expected = Columns.of(batch.select(range(start, stop)), 7)
    # A part of which none is about anybody says so for each.
    assert Columns.of(batch, 7).part(start, stop).encode()[1] == expected.encode()[1]
    assert Columns.of(batch, 7).part(start, stop).damaged(7) == ()


@settings(max_examples=200, deadline=None)
@given(batches(), st.data())
def test_of_what_is_blanked_nothing_is_left_and_its_neighbours_are_as_they_were(
    batch: EntryBatch, data: st.DataObject
) -> None:
    places = sorted(data.draw(st.sets(st.integers(0, len(batch) - 1), min_size=1)))
    columns = Columns.of(batch, 7)
    before = [bytearray(column) for column in columns.encode()]
    subjects, body = map(bytes, before)
    found = blanks(len(batch), subjects, body, places)
    assert found is not None
    for column, ranges in zip(before, (found.subjects, found.body), strict=True):
        for one in ranges:
            column[one.start : one.stop] = bytes(len(one))
    after = Columns.decode(len(batch), *map(bytes, before))
    assert found.sizes == [len(columns.payloads[place]) for place in places]
    for place in range(len(batch)):
        blank = place in places
        assert after.payloads[place] == (bytes(len(columns.payloads[place])) if blank else columns.payloads[place])
        assert after.keys[place * 16 : (place + 1) * 16] == (bytes(16) if blank else batch.key(place))
        if columns.subjects:
            assert after.subjects[place] == (bytes(len(columns.subjects[place])) if blank else columns.subjects[place])
    assert set(after.damaged(7)) == set(places)


@given(batches(), st.sets(st.sampled_from((*NAMES, b"z" * 16)), min_size=1))
def test_who_is_looked_for_is_found_where_an_entry_is_about_them(batch: EntryBatch, names: set[bytes]) -> None:
    expected = [
        place
        for place, held in enumerate(batch.subjects)
        if names & {held[at : at + 16] for at in range(0, len(held), 16)}
    ]
    assert list(places_about(len(batch), Columns.of(batch, 7).encode()[0], names)) == expected


SIZES: Final = st.one_of(
    st.tuples(st.integers(1, 1200), st.sampled_from((0, 10))),
    st.tuples(st.integers(1, 400), st.just(2000)),
    st.tuples(st.integers(1, 3), st.just(600_000)),
)
"""How many entries come at once, and of how many bytes."""


@settings(deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=5))
def test_batches_that_come_together_share_rows_within_bounds(sizes: list[tuple[int, int]]) -> None:
    columns = [_of_size(number, count, length) for number, (count, length) in enumerate(sizes)]
    rows = list(rows_of(columns))
    assert b"".join(row.keys for row in rows) == b"".join(one.keys for one in columns)
    assert all(row.damaged(7) == () for row in rows)
    for row in rows:
        assert 1 <= len(row) <= MAX_ROW_ENTRIES
        assert row.size <= MAX_ROW_BYTES or len(row) == 1
    if sum(count for count, _ in sizes) <= MAX_ROW_ENTRIES and sum(one.size for one in columns) <= MAX_ROW_BYTES:
        assert len(rows) == 1


def _of_size(number: int, count: int, length: int) -> Columns:
    keys = b"".join((number * 10_000 + place).to_bytes(16, "big") for place in range(count))
    releases = ReleaseBatch("crm", "a.Type", "a-plan", [b"x" * length] * count)
    return Columns.of(EntryBatch(releases, keys, list(range(count))), 7)
