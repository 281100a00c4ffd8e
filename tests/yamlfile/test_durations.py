"""Durations: one grammar, in which the unit is always written."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Annotated, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from gateway.errors import BadConfig
from gateway.yamlfile import SECONDS, parse
from gateway.yamlfile.durations import EXPECTED, MAX_DURATION_SECONDS, UNITS, format_seconds

# Told apart from the code's own table, letter by letter.
SECONDS_OF: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800, "mo": 2592000, "y": 31536000}


NEITHER: Final = """
    10S 10M 10sec 10ms 1h30min s min .5s 5.s +5s 1_0s 1e3s 5sm m '' true [10s] {s:10}
    ٣s 1234567890123s 1234567 1e3 P1D 10:30 inf 0x1F -30m -10
""".split()
"""What is no duration, and isn't a short number either."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    seconds: Annotated[float, SECONDS] | None = None
    pause: Annotated[float, SECONDS, Meta(ge=0, le=3600)] = 0.0
    age: Annotated[float, SECONDS, Meta(gt=0, le=7 * 86400)] = 1.0
    span: timedelta | None = None


def held(text: str) -> Held:
    return parse(text, "held.yaml", Held, BadConfig)[0]


def fault(text: str) -> str:
    with pytest.raises(BadConfig) as caught:
        held(text)
    return str(caught.value).removeprefix("held.yaml:1: ")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10.0),
        ("0.5s", 0.5),
        ("0.1s", 0.1),
        ("0.000000001s", 1e-9),
        ("30min", 1800.0),
        ("1.5h", 5400.0),
        ("90d", 7776000.0),
        ("2w", 1209600.0),
        ("1mo", 2592000.0),
        ("2y", 63072000.0),
        ("007s", 7.0),
        ("'10s'", 10.0),
        ("0", 0.0),
        ("0.0", 0.0),
        ("0s", 0.0),
        ("0d", 0.0),
    ],
)
def test_a_duration_is_a_number_and_its_unit(text: str, seconds: float) -> None:
    assert held(f"seconds: {text}").seconds == seconds


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("seconds: 10", "seconds: must be 10s: a number needs its unit"),
        ("seconds: 0.5", "seconds: must be 0.5s: a number needs its unit"),
        ("seconds: '10'", "seconds: must be 10s: a number needs its unit"),
        ("span: 365", "span: must be 365d: a number needs its unit"),
        ("seconds: 30m", "seconds: must be 30min or 30mo: m alone is neither"),
        ("span: 30m", "span: must be 30min or 30mo: m alone is neither"),
        ("span: 1.5m", "span: must be 1.5min or 1.5mo: m alone is neither"),
        ("pause: -1s", "pause: must be 0 or more"),
        ("pause: -0.5min", "pause: must be 0 or more"),
        ("pause: 61min", "pause: must be 1h or less"),
        ("age: 0", "age: must be positive"),
        ("age: 0s", "age: must be positive"),
        ("age: 8d", "age: must be 7d or less"),
        ("span: 0", "span: must be positive"),
        ("span: -3d", "span: must be positive"),
        ("span: 0.0000001s", "span: must be positive"),
        ("seconds: 1001y", "seconds: must be 1000y or less"),
        ("span: 999999999y", "span: must be 1000y or less"),
        *[(f"{key}: {text}", f"{key}: must be {EXPECTED}") for key in ("seconds", "span") for text in NEITHER],
    ],
)
def test_anything_else_is_told_what_to_write(text: str, wanted: str) -> None:
    assert fault(text) == wanted


def test_every_unit_is_known_once() -> None:
    assert dict(UNITS) == SECONDS_OF


@given(st.decimals(0, 999, places=3), st.sampled_from(sorted(SECONDS_OF)))
def test_any_number_of_any_unit_is_that_many_seconds(number: object, unit: str) -> None:
    exact = Fraction(str(number)) * SECONDS_OF[unit]
    assert held(f"seconds: {number}{unit}").seconds == float(exact)
    if exact:
        assert held(f"span: {number}{unit}").span == timedelta(microseconds=int(exact * 10**6))


@given(
    st.integers(0, MAX_DURATION_SECONDS)
    | st.floats(0, MAX_DURATION_SECONDS, allow_subnormal=False).map(lambda seconds: round(seconds, 6))
)
def test_what_is_written_is_read_again(seconds: float) -> None:
    assert held(f"seconds: {format_seconds(seconds)}").seconds == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0"),
        (0.001, "0.001s"),
        (1, "1s"),
        (90, "90s"),
        (300, "5min"),
        (3600.0, "1h"),
        (7 * 86400, "7d"),
        (730 * 86400, "2y"),
    ],
)
def test_a_bound_is_written_in_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
