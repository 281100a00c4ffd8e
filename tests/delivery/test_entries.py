"""Entries by the batch: what each has is what it would have alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from gateway.batch_verdict import BatchVerdict
from gateway.delivery.entries import BatchSource, EntryBuilder
from gateway.delivery.keys import Keys
from gateway.entry_batch import KEY_BYTES, EntryBatch
from gateway.errors import ItemReason
from gateway.model import Category, Identifier, Withheld
from gateway.pipeline.batch_decision import BatchDecision
from tests.support.joined_batches import joined

SECRET: Final = bytes(range(32))
KEYS: Final = Keys(SECRET)
PEOPLE: Final = [(Category.USER_ID, "usr_1"), (Category.USER_ID, "usr_2"), (Category.WORK_EMAIL, "a@acme.example")]

Item = tuple[bytes, Sequence[bool], frozenset[Identifier], bool]
"""An item's bytes, at which of two destinations it is withheld, who is in it, whether its account is personal."""

ITEMS = st.lists(
    st.tuples(
        st.binary(max_size=9),
        st.tuples(st.booleans(), st.booleans()),
        st.frozensets(st.sampled_from(PEOPLE)),
        st.booleans(),
    ),
    max_size=12,
)


def decided(items: Sequence[Item], refused: frozenset[int]) -> BatchDecision:
    """What became of items at two destinations; some were refused."""
    indices = [index for index in range(len(items)) if index not in refused]
    verdicts = []
    for number, destination in enumerate(("crm", "log")):
        ended = {
            place: Withheld(destination, ItemReason.PERSONAL_ACCOUNT)
            for place, index in enumerate(indices)
            if items[index][1][number]
        }
        verdicts.append(
            BatchVerdict(
                destination,
                "a.Type",
                "a-plan",
                [None if place in ended else items[index][0] for place, index in enumerate(indices)],
                [items[index][2] for index in indices],
                ended,
                personal=frozenset(place for place, index in enumerate(indices) if items[index][3]),
            )
        )
    return BatchDecision(indices, verdicts, dict.fromkeys(refused, ItemReason.MALFORMED))


def key_alone(caller: str, request_id: str, index: int, destination: str) -> bytes:
    """The key of one item of a request: retries find it across versions of this program."""
    parts = [caller.encode(), request_id.encode(), index.to_bytes(8, "big"), destination.encode()]
    text = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return blake2b(text, digest_size=16, key=SECRET, person=b"request").digest()


def fingerprint_alone(item: bytes) -> bytes:
    text = len(item).to_bytes(8, "big") + item
    return blake2b(text, digest_size=8, key=SECRET, person=b"item").digest()


@given(ITEMS, st.frozensets(st.integers(0, 11)), st.sampled_from(["", "r1"]), st.integers(0, 3))
def test_each_entry_has_what_it_would_have_alone(
    items: Sequence[Item], refused: frozenset[int], request_id: str, first: int
) -> None:
    decision = decided(items, frozenset(index for index in refused if index < len(items)))
    received_ns = [1_000 + index for index in range(len(items))]
    sent = BatchSource([item for item, *_ in items], request_id, first)
    batches = EntryBuilder(KEYS, "web").entries_of(decision, received_ns, sent)
    keys, found = list[bytes](), list[object]()
    for batch in batches:
        for place, entry in enumerate(batch.entries()):
            index = entry.received_ns - 1_000
            subjects = batch.subjects[place] if batch.subjects else b""
            hashes = sorted(subjects[at : at + 16] for at in range(0, len(subjects), 16))
            found.append((entry.destination, index, entry.payload, hashes, entry.personal, batch.fingerprint(place)))
            keys.append(entry.key)
    wanted = [
        (
            destination,
            index,
            item,
            sorted(KEYS.subject(*who) for who in people),
            personal,
            fingerprint_alone(item) if request_id else b"",
        )
        for number, destination in enumerate(("crm", "log"))
        for index, (item, withheld, people, personal) in enumerate(items)
        if index in decision.indices and not withheld[number]
    ]
    assert found == wanted
    assert len(set(keys)) == len(keys)
    if request_id:
        assert keys == [key_alone("web", "r1", first + index, destination) for destination, index, *_ in wanted]


def test_whom_nobody_was_looked_for_in_is_told_once_it_is_asked() -> None:
    items: list[Item] = [(b"a", (False, True), frozenset(), False), (b"b", (False, False), frozenset(), False)]
    found = {b"a": frozenset(PEOPLE[:1]), b"b": frozenset(PEOPLE[1:2])}
    asked: list[str] = []

    def later(destination: str) -> Callable[[bytes], frozenset[Identifier]]:
        def identifiers_in(payload: bytes) -> frozenset[Identifier]:
            asked.append(destination)
            return found[payload]

        return identifiers_in

    crm, log = EntryBuilder(KEYS, "web").entries_of(decided(items, frozenset()), [0, 0], later=later)
    assert asked == []
    assert list(log.subjects) == [KEYS.subject(*PEOPLE[1])]
    assert list(crm.subjects) == [KEYS.subject(*PEOPLE[0]), KEYS.subject(*PEOPLE[1])]
    assert asked == ["log", "crm", "crm"]


def test_without_an_id_no_key_comes_twice() -> None:
    decision = decided([(b"a", (False, False), frozenset(), False)] * 100, frozenset())
    batches = [batch for _ in range(20) for batch in EntryBuilder(KEYS, "web").entries_of(decision, [0] * 100)]
    keys = [entry.key for batch in batches for entry in batch.entries()]
    assert len(set(keys)) == len(keys) == 4000
    assert {len(key) for key in keys} == {KEY_BYTES}


@given(
    st.lists(st.tuples(ITEMS, st.sampled_from(["", "r1"]), st.sampled_from(["crm", "log"])), max_size=5), st.booleans()
)
def test_batches_that_are_joined_have_the_same_entries(
    given_items: Sequence[tuple[Sequence[Item], str, str]], subjects: bool
) -> None:
    batches: list[EntryBatch] = []
    for items, request_id, destination in given_items:
        people = [(item, withheld, who if subjects else frozenset(), own) for item, withheld, who, own in items]
        sent = BatchSource([item for item, *_ in items], request_id)
        made = EntryBuilder(KEYS, "web").entries_of(decided(people, frozenset()), [*range(len(items))], sent)
        batches += [batch for batch in made if batch.destination == destination]
    together = joined(batches)
    assert shown(together) == shown(batches)
    kinds = [(batch.destination, bool(batch.fingerprints)) for batch in together]
    assert all(one != other for one, other in pairwise(kinds))


def shown(batches: Sequence[EntryBatch]) -> list[object]:
    """All that is known of each entry."""
    return [
        (entry, batch.fingerprint(place), batch.subjects[place] if batch.subjects else b"")
        for batch in batches
        for place, entry in enumerate(batch.entries())
    ]


@given(ITEMS, st.data())
def test_a_selection_has_those_entries(items: Sequence[Item], data: st.DataObject) -> None:
    sent = BatchSource([item for item, *_ in items], "r1")
    for batch in EntryBuilder(KEYS, "web").entries_of(decided(items, frozenset()), [*range(len(items))], sent):
        places = data.draw(st.lists(st.sampled_from(range(len(batch))), unique=True))
        assert shown([batch.select(places)]) == [shown([batch])[place] for place in places]
