"""Counting what a projection doesn't have: every unknown field, at every depth that the engine parses."""

from __future__ import annotations

from typing import Final

import pytest

from gateway.minimise.census import LONGEST
from gateway.minimise.engine import MAX_BYTES, Minimiser
from gateway.model import Release
from tests.build import UNKNOWN, compiler
from tests.calls import field

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
def minimiser() -> Minimiser:
    return Minimiser(compiler(BODY).plan("t.Outer", "eu-log"), counting=True)


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
        (field(99, bytes(LONGEST)), 0),
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
def test_each_field_that_the_plan_does_not_have_counts(raw: bytes, expected: int, minimiser: Minimiser) -> None:
    verdict = minimiser.decide(raw, UNKNOWN)
    assert isinstance(verdict, Release)
    assert verdict.unplanned == expected


def test_without_counting_nothing_is_counted() -> None:
    verdict = Minimiser(compiler(BODY).plan("t.Outer", "eu-log"), MAX_BYTES).decide(LOST, UNKNOWN)
    assert isinstance(verdict, Release)
    assert verdict.unplanned == 0
