"""A rule that is said to narrow another lets through nothing that the other didn't."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.rules import check_of
from gateway.model import DETECTORS, Detector
from gateway.patterns import TOKEN
from gateway.plan import Attributes, Body, FreeText, Keep, Length, Moment, Number, Rule, Span, Text, UserId, WorkEmail
from gateway.policy.narrower import is_narrower

VALUES = (
    "",
    "a",
    "ab",
    "abc",
    "b-1",
    "x y",
    "jean@acme.fr",
    "12345",
    "+33 6 12 34 56 78",
    "usr_1",
    "a" * 70,
    "age",
    "user_age",
)
TEXTS = st.builds(
    Text,
    pattern=st.sampled_from(["", "a{1,3}", "[a-z]{1,9}", TOKEN]),
    max_length=st.sampled_from([0, 1, 2, 5]),
    one_of=st.lists(st.sampled_from(VALUES[1:]), max_size=4, unique=True).map(tuple),
    detect=st.sets(st.sampled_from(DETECTORS)).map(tuple),
    name=st.booleans(),
)
STRINGS = (
    TEXTS
    | st.builds(FreeText, st.none() | TEXTS)
    | st.builds(UserId, st.just("[a-z0-9_]{1,9}"), st.none() | TEXTS, st.sets(st.sampled_from(DETECTORS)).map(tuple))
    | st.just(Keep())
    | st.none()
)
INTEGERS = st.builds(lambda low, more: Number(low, low + more), st.integers(-5, 5), st.integers(0, 9)) | st.just(
    Number()
)


def left(rule: Rule | None, value: Any) -> Any:
    """What a rule leaves of a value: the value, a masked one, or a reason."""
    judge = None if rule is None else check_of(rule)
    ruled = None if judge is None else judge(value)
    return value if ruled is None else ruled


@settings(max_examples=400)
@given(STRINGS, STRINGS)
def test_what_passes_a_narrower_rule_passed_before(old: Rule | None, new: Rule | None) -> None:
    if is_narrower(old, new):
        assert all(left(old, value) == value for value in VALUES if left(new, value) == value)


@settings(max_examples=200)
@given(INTEGERS, INTEGERS)
def test_a_number_that_passes_a_narrower_rule_passed_before(old: Number, new: Number) -> None:
    if is_narrower(old, new):
        assert all(left(old, value) == value for value in range(-10, 20) if left(new, value) == value)


@given(STRINGS)
def test_a_rule_narrows_itself_and_the_absence_of_one(rule: Rule | None) -> None:
    assert is_narrower(rule, rule)
    assert is_narrower(None, rule)


WORK: Final = WorkEmail(outside=False, vendor=False)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (Text(pattern="a"), None, False),
        (Text(pattern="a"), Keep(), False),
        (Text(one_of=("a", "b")), Text(one_of=("a",)), True),
        (Text(one_of=("a",)), Text(one_of=("a", "b")), False),
        (Text(pattern="[ab]"), Text(one_of=("a", "b")), True),
        (Text(pattern="[ab]"), Text(one_of=("a", "c")), False),
        (Text(one_of=("a",)), Text(pattern="a"), False),
        (Text(detect=DETECTORS), Text(pattern="a"), False),
        (Text(max_length=4), Text(), False),
        (Text(), Text(max_length=4), True),
        (FreeText(), Text(detect=DETECTORS), True),
        (FreeText(), Text(), False),
        (FreeText(), WorkEmail(outside=False, vendor=False), False),
        (UserId("a"), UserId("b"), True),
        (UserId("a", Text(max_length=3)), UserId("a"), False),
        (UserId("a", detect=(Detector.CARD,)), UserId("a"), False),
        (UserId("a"), UserId("a", detect=(Detector.CARD,)), True),
        (WorkEmail(outside=False, vendor=False), WorkEmail(outside=True, vendor=True), True),
        (WorkEmail(outside=True, vendor=True), WorkEmail(outside=True, vendor=False), False),
        (WORK, WorkEmail(outside=False, vendor=False, personal=("a.example",)), True),
        (WorkEmail(outside=False, vendor=False, personal=("a.example",)), WORK, False),
        (WORK, WorkEmail(outside=False, vendor=False, business=("eclipso.de",)), False),
        (WorkEmail(outside=False, vendor=False, business=("eclipso.de",)), WORK, True),
        (Moment(), Moment(7), True),
        (Moment(7), Moment(), False),
        (Moment(7), Moment(8), False),
        (Moment(8), Moment(7), True),
        (Moment(), Moment(min=1, max=9), True),
        (Moment(min=1, max=9), Moment(), False),
        (Moment(min=1, max=9), Moment(min=2, max=8), True),
        (Moment(min=1, max=9), Moment(7, min=0, max=9), False),
        (Moment(min=1, max=9), Moment(7, min=1, max=10), False),
        (Text("a", name=True), Text("a"), False),
        (Text("a"), Text("a", name=True), True),
        (Text("[a-z]{1,9}", name=True), Text(one_of=("gender",)), False),
        (Text("[a-z]{1,9}", name=True), Text(one_of=("codec",)), True),
        (Span(), Span(0, 9), True),
        (Span(0, 9), Span(1, 8), True),
        (Span(0, 9), Span(), False),
        (Number(), Number(0, 9), False),
        (Number(0, 9), Number(), False),
        (Number(0, 9), Number(0, 10), False),
        (Number(0, 9), Span(0, 9), False),
        (Length(16), Length(8), False),
        (Body((), Attributes({}, {})), Keep(), False),
    ],
)
def test_the_table(old: Rule | None, new: Rule | None, expected: bool) -> None:
    assert is_narrower(old, new) is expected
