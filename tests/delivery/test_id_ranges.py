"""Sets of IDs by the range do what Python's sets do."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.outbox.id_ranges import IdSet, common, ranges_of, total, without

IDS = st.integers(0, 40)
RANGES = st.builds(lambda start, length: range(start, start + length), IDS, st.integers(0, 8))


def ids(ranges: list[range]) -> set[int]:
    """Their IDs, each in one range only, the ranges in order and none of them empty."""
    found = [number for one in ranges for number in one]
    assert found == sorted(set(found))
    assert all(ranges)
    return set(found)


@given(st.lists(IDS))
def test_ranges_are_of_the_ids_and_none_touches_the_next(numbers: list[int]) -> None:
    found = ranges_of(numbers)
    assert ids(found) == set(numbers)
    assert total(found) == len(set(numbers))
    assert all(one.stop < other.start for one, other in pairwise(found))


@given(RANGES, st.lists(IDS))
def test_what_two_have_in_common_and_what_is_left(whole: range, numbers: list[int]) -> None:
    others = ranges_of(numbers)
    assert ids(common(whole, others)) == set(whole) & set(numbers)
    assert ids(without(whole, others)) == set(whole) - set(numbers)


@given(st.lists(st.tuples(st.sampled_from(("add", "remove", "within")), RANGES)))
def test_a_set_of_ids_is_a_set(steps: list[tuple[str, range]]) -> None:
    model, found = set[int](), IdSet()
    for name, run in steps:
        match name:
            case "add":
                found.add(run)
                model |= set(run)
            case "remove":
                assert ids(found.remove(run)) == model & set(run)
                model -= set(run)
            case _:
                assert ids(found.within(run)) == model & set(run)
        assert (ids(list(found.ranges)), list(found), len(found)) == (model, sorted(model), len(model))
        assert all(one.stop < other.start for one, other in pairwise(found.ranges))
