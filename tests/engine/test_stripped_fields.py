"""Counting what a projection doesn't have: every unknown field, at every depth that the engine parses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from gateway.engine.persons import person_field
from gateway.engine.reference import ReferenceEngine
from gateway.engine.stripped_fields import MAX_COUNTED_BYTES, MAX_REMEMBERED_MESSAGE_BYTES
from gateway.model import MAX_ITEM_BYTES, Category, FieldPath, Release
from gateway.pipeline.categories import Categories
from gateway.pipeline.field_counters import EXACT_ITEMS, SAMPLING_STRIDE, CategorySampler, TotalCounter
from tests.support.contracts import UNKNOWN_FACTS, compiler
from tests.support.engines import decide_one
from tests.support.requests import field

BODY: Final = """
message Inner { string id = 1 @USER_ID; string ip = 2 @NETWORK; Inner more = 3; }
message Outer {
  string id = 1 @USER_ID;
  string ip = 2 @NETWORK;
  Inner one = 3;
  repeated Inner many = 4;
  map<string, Inner> named = 5 [(kannelle.privacy.v1.field).map_key = DATA_CATEGORY_OPERATIONAL];
  google.protobuf.Timestamp at = 6 @OPERATIONAL;
}
"""
LOST: Final = field(2, b"192.0.2.1")
INNER: Final = field(1, b"usr_a") + LOST
DEEP: Final = field(3, LOST + field(3, LOST))
ENTRY: Final = field(1, b"key") + field(2, INNER)


@pytest.fixture(scope="module")
def minimiser() -> ReferenceEngine:
    return ReferenceEngine(compiler(BODY).plan("t.Outer", "eu-store"), counter=TotalCounter())


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", 0),
        (field(1, b"usr_a"), 0),
        (LOST, 1),
        (LOST + LOST, 2),
        (LOST + field(99, b"x"), 2),
        (field(3, INNER), 1),
        (DEEP, 2),
        (field(4, INNER) * 3, 3),
        (field(5, ENTRY), 1),
        (LOST + field(3, INNER) + field(4, INNER) * 2 + field(5, ENTRY), 5),
        (field(6, field(9, b"judged whole")), 0),
        (field(99, bytes(MAX_COUNTED_BYTES)), 0),
    ],
    ids=[
        "nothing",
        "kept",
        "one",
        "twice",
        "unheard of",
        "inside",
        "deep",
        "repeated",
        "in a map",
        "all",
        "in a timestamp",
        "too long to count",
    ],
)
def test_each_field_that_the_plan_does_not_have_counts(raw: bytes, expected: int, minimiser: ReferenceEngine) -> None:
    verdict = decide_one(minimiser, raw, UNKNOWN_FACTS)
    assert isinstance(verdict, Release)
    assert verdict.unplanned == expected


COMPILER: Final = compiler(BODY)
CATEGORIES: Final = Categories(COMPILER.contract, COMPILER.classifications)


def sampling() -> ReferenceEngine:
    return ReferenceEngine(COMPILER.plan("t.Outer", "eu-store"), counter=CategorySampler(CATEGORIES.numbers))


def lost(minimiser: ReferenceEngine, raw: bytes) -> Mapping[Category, int]:
    verdict = decide_one(minimiser, raw, UNKNOWN_FACTS)
    assert isinstance(verdict, Release)
    return verdict.stripped_by_category


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", {}),
        (LOST, {Category.NETWORK: 1}),
        (LOST + field(99, b"x"), {Category.NETWORK: 1, Category.UNSPECIFIED: 1}),
        (DEEP, {Category.NETWORK: 2}),
        (LOST + field(3, INNER) + field(4, INNER) * 2 + field(5, ENTRY), {Category.NETWORK: 5}),
        (field(99, bytes(MAX_COUNTED_BYTES)), {}),
    ],
    ids=["nothing", "one", "unheard of", "deep", "all", "too long to count"],
)
def test_what_an_item_loses_is_told_by_category(raw: bytes, expected: Mapping[Category, int]) -> None:
    assert lost(sampling(), raw) == expected


TELLING: Final = compiler("""
message User { string id = 1 @USER_ID; string name = 2 @NAME; string ip = 3 @NETWORK; User of = 4; }
message Event {
  User user = 1;
  string token = 2 @{category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"};
  string ip = 3 @NETWORK;
}
""")
ADA: Final = field(1, b"usr_a") + field(2, b"Ada")
ADDRESS: Final = field(3, b"192.0.2.1")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (field(1, ADA), {Category.NAME: 1}),
        (field(1, ADA + ADDRESS), {Category.NAME: 1, Category.NETWORK: 1}),
        (field(1, ADA) + ADDRESS * 2, {Category.NETWORK: 2, Category.NAME: 1}),
        (field(1, ADA + field(4, ADA + field(4, ADDRESS))), {Category.NAME: 2, Category.NETWORK: 1}),
        (field(1, ADA + field(9, bytes(MAX_REMEMBERED_MESSAGE_BYTES))), {Category.NAME: 1, Category.UNSPECIFIED: 1}),
        (ADDRESS, {Category.NETWORK: 1}),
    ],
    ids=["a name", "more of the same person", "beside it", "deep", "too long to remember", "nobody"],
)
def test_what_says_who_the_person_is_counts_each_time_it_comes(raw: bytes, expected: Mapping[Category, int]) -> None:
    numbers = Categories(TELLING.contract, TELLING.classifications).numbers
    plan = TELLING.plan("t.Event", "eu-log")
    assert person_field(plan) is not None
    by_category = ReferenceEngine(plan, counter=CategorySampler(numbers))
    in_all = ReferenceEngine(plan, counter=TotalCounter())
    for _ in range(3):
        assert lost(by_category, raw) == expected
        verdict = decide_one(in_all, raw, UNKNOWN_FACTS)
        assert isinstance(verdict, Release)
        assert verdict.unplanned == sum(expected.values())


def test_after_the_first_items_one_stands_for_many() -> None:
    minimiser = sampling()
    counted = [lost(minimiser, LOST).get(Category.NETWORK, 0) for _ in range(EXACT_ITEMS + 10 * SAMPLING_STRIDE)]
    assert counted[:EXACT_ITEMS] == [1] * EXACT_ITEMS
    assert sum(counted) == len(counted)
    assert sorted(set(counted[EXACT_ITEMS:])) == [0, SAMPLING_STRIDE]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (None, Category.UNSPECIFIED),
        ((None, "ip"), Category.NETWORK),
        (((None, "many[*]"), "id"), Category.USER_ID),
        (((None, "named[*]"), "ip"), Category.NETWORK),
        ((((None, "one"), "more"), "ip"), Category.NETWORK),
        ((None, "at"), Category.OPERATIONAL),
        ((None, "nothing"), Category.UNSPECIFIED),
        (((None, "ip"), "[*]"), Category.UNSPECIFIED),
    ],
    ids=["the item", "a field", "in a list", "in a map", "deep", "a timestamp", "no field", "below a value"],
)
def test_a_place_has_its_fields_category(at: FieldPath, expected: Category) -> None:
    assert CATEGORIES.places("t.Outer")[at] is expected


def test_without_counting_nothing_is_counted() -> None:
    verdict = decide_one(
        ReferenceEngine(compiler(BODY).plan("t.Outer", "eu-store"), MAX_ITEM_BYTES), LOST, UNKNOWN_FACTS
    )
    assert isinstance(verdict, Release)
    assert verdict.unplanned == 0
