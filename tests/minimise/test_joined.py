"""Arrays whose elements are parts of one value: what a value may be cut into, and what stands for itself."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.detect import find
from gateway.minimise.joined import judge_joined, sought_of
from gateway.model import DETECTORS, Detector, Spare
from gateway.plan import FreeText, Keep, Number, Scalar, Text, UserId, WorkEmail

WHOLE = ("4111111111111111", "5555555555554444", "0612345678", "0033612345678", "FR7630006000011234567890189")


@given(st.sampled_from(WHOLE), st.sets(st.integers(1, 26), max_size=9))
def test_a_value_is_found_wherever_it_was_cut(whole: str, cuts: set[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    parts = [whole[start:end] for start, end in pairwise(places)]
    assert len(parts) == 1 or judge_joined(parts, DETECTORS) is not None


@pytest.mark.parametrize("parts", [["48.8566", "2.3522"], ["-33.8688", "151.2093"], ["48.8566", "2.3522", "35.5"]])
def test_two_decimals_are_a_place(parts: list[str]) -> None:
    assert judge_joined(parts, DETECTORS) is not None


@pytest.mark.parametrize(
    "parts",
    [
        [], ["4111111111111111"], ["a", "b"], ["80", "443", "8080"], ["200", "404", "500"], ["0.5", "0.9", "0.99"], ["0.41", "1.2", "0.95"],
        ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25"], ["1.4.0", "1.4.1", "latest"], ["2026-01-01", "2026-02-01"],
        ["2024", "2025", "2026"], ["1280", "720", "1920", "1080"], ["512", "1024", "2048", "4096"],
        ["fr-par-1", "fr-par-2"], ["h264", "hevc"],
    ],
)  # fmt: skip
def test_what_stands_for_itself_joins_nothing(parts: list[str]) -> None:
    assert judge_joined(parts, DETECTORS) is None


def test_only_what_is_sought_counts() -> None:
    assert find("06 12 34 56 78", (Detector.PHONE,)) is not None
    assert judge_joined(["06", "12", "34", "56", "78"], (Detector.EMAIL,)) is None


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
def test_what_is_sought_is_what_the_rule_of_strings_looks_for(rule: Scalar | None, sought: tuple[Detector, ...]) -> None:
    assert sought_of(rule) == sought
