"""What happens again and again is said once a period, with how often, and takes bounded memory."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.throttle import LogThrottle


def test_it_is_said_at_once_and_then_once_a_period_with_its_number() -> None:
    now = [0.0]
    repeats = LogThrottle(10.0, lambda: now[0])
    said = []
    for now[0] in (0.0, 1.0, 9.9, 10.0, 11.0, 30.0):
        said.append(repeats.count("a"))
    assert said == [1, 0, 0, 3, 0, 2]
    assert repeats.count("b") == 1


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from("abc"))))
def test_what_is_said_adds_up_to_what_happened(steps: list[tuple[float, str]]) -> None:
    now, happened, said = [0.0], Counter[str](), Counter[str]()
    repeats = LogThrottle(3.0, lambda: now[0])
    for after, key in steps:
        now[0] += after
        happened[key] += 1
        said[key] += repeats.count(key)
    now[0] += 4.0
    for key in happened:
        happened[key] += 1
        said[key] += repeats.count(key)
    assert said == happened


def test_no_more_is_said_in_a_period_than_so_many_keys_and_the_oldest_makes_room() -> None:
    now = [0.0]
    repeats = LogThrottle(10.0, lambda: now[0], max_keys=3)
    assert [repeats.count(key) for key in range(100)] == [1, 1, 1, *[0] * 97]
    now[0] = 10.0
    assert [repeats.count(key) for key in (7, 1, 8, 9, 7)] == [1, 1, 1, 0, 0]
