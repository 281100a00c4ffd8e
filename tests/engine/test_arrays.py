"""Arrays whose elements are parts of one value: what a value may be cut into, and what stands for itself."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.detect import find
from gateway.engine.arrays import check_joined, sought_of
from gateway.model import DETECTORS, Detector, Spare
from gateway.plan import FreeText, Keep, Number, Scalar, Text, UserId, WorkEmail

WHOLE = ("4111111111111111", "5555555555554444", "0612345678", "0033612345678", "FR7630006000011234567890189")


@given(st.sampled_from(WHOLE), st.sets(st.integers(1, 26), max_size=9))
def test_a_value_is_found_wherever_it_was_cut(whole: str, cuts: set[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    parts = [whole[start:end] for start, end in pairwise(places)]
    assert len(parts) == 1 or check_joined(parts, DETECTORS) is not None


@pytest.mark.parametrize("parts", [["48.8566", "2.3522"], ["-33.8688", "151.2093"], ["48.8566", "2.3522", "35.5"]])
def test_two_decimals_are_a_place(parts: list[str]) -> None:
    assert check_joined(parts, DETECTORS) is not None


@pytest.mark.parametrize(
    "parts",
    [
        [], ["4111111111111111"], ["a", "b"], ["80", "443", "8080"], ["200", "404", "500"], ["0.5", "0.9", "0.99"], ["0.41", "1.2", "0.95"],
        ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25"], ["1.4.0", "1.4.1", "latest"], ["2026-01-01", "2026-02-01"],
        ["2024", "2025", "2026"], ["1280", "720", "1920", "1080"], ["512", "1024", "2048", "4096"],
        "5 10 25 50 75 100 250 500 1000".split(), "0 5 10 25 50 75 100 250 500 750 1000 2500 5000 7500 10000".split(),
        "1 2 3 4 5 6 7 8 9 10".split(), ["8080", "8443", "9090"], ["40651", "55890"], "1 5 10 50 100 500".split(),
        ["fr-par-1", "fr-par-2"], ["h264", "hevc"],
    ],
)  # fmt: skip
def test_what_stands_for_itself_joins_nothing(parts: list[str]) -> None:
    assert check_joined(parts, DETECTORS) is None


@pytest.mark.parametrize(
    "parts",
    [
        ["4111", "1111", "1111", "1111"], ["06", "12", "34", "56", "78"], ["6", "12", "34", "56", "78"], ["212", "555", "2368"],
        ["1", "212", "555", "2368"], ["33", "6", "12", "34", "56", "78"], ["3782", "822463", "10005"], ["0612", "345678"],
        ["0", "6", "12", "34", "5678"], ["4", "11", "111", "1111", "111111"], list("4111111111111111"), ["4420", "4605", "4767", "5710"],
    ],
)  # fmt: skip
def test_numbers_that_do_not_rise_or_are_grouped_as_one_are_joined(parts: list[str]) -> None:
    assert check_joined(parts, DETECTORS) is not None


def test_only_what_is_sought_counts() -> None:
    assert find("06 12 34 56 78", (Detector.PHONE,)) is not None
    assert check_joined(["06", "12", "34", "56", "78"], (Detector.EMAIL,)) is None


@pytest.mark.parametrize(
    ("rule", "sought"),
    [
        (Text("a", detect=(Detector.CARD,)), (Detector.CARD,)),
        (Text(one_of=("a", "b"), detect=DETECTORS), ()),
        (Text("a", detect=(Detector.CARD, Detector.IBAN), spare=(next(iter(Spare)),)), (Detector.IBAN,)),
        (FreeText(), DETECTORS),
        (UserId("a", detect=DETECTORS), ()),
        (WorkEmail(outside=False, vendor=False), ()),
        (Number(), ()),
        (Keep(), ()),
        (None, ()),
    ],
)
def test_what_is_sought_is_what_the_rule_of_strings_looks_for(
    rule: Scalar | None, sought: tuple[Detector, ...]
) -> None:
    assert sought_of(rule) == sought
