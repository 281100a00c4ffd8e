"""Value rules, each on its own: what passes, what is stripped and why, and what is remembered of it."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.context import DecisionContext, Masked, PersonalAccount
from gateway.engine.rules import MAX_CACHED_VALUE_CHARS, MAX_CACHED_VERDICTS, VerdictCache, check_of, context_rule_of
from gateway.errors import FieldReason, Reason
from gateway.model import DETECTORS, Facts
from gateway.patterns import TOKEN
from gateway.plan import (
    Attributes,
    Body,
    FieldPlan,
    FreeText,
    Keep,
    Length,
    MessagePlan,
    Moment,
    Nested,
    Number,
    Payload,
    Presence,
    Properties,
    Rule,
    Span,
    Text,
    UserId,
    WorkEmail,
)
from gateway.protobuf.schema import build
from tests.support.contracts import NOW_SECONDS, UNKNOWN_FACTS

ID: Final = UserId("usr_[A-Za-z0-9@.]{1,32}", detect=DETECTORS)
OPEN: Final = Text(TOKEN, detect=DETECTORS)
(_TIME,) = build(
    (MessagePlan("t", tuple(FieldPlan(n, "x", "int64" if n == 1 else "int32", Presence.IMPLICIT) for n in (1, 2))),)
)


def moment(seconds: int, nanos: int = 0) -> Any:
    return _TIME.message(f1=seconds, f2=nanos)


def ruled(rule: Rule, value: Any, facts: Facts = UNKNOWN_FACTS) -> Any:
    """The answer of a rule, the same when it is asked again."""
    judge = context_rule_of(rule, check_of(rule))
    first = judge(value, DecisionContext(facts))
    assert judge(value, DecisionContext(facts)) == first
    return first


@pytest.mark.parametrize(
    ("rule", "value", "wanted"),
    [
        (ID, "usr_1", None),
        (ID, "usr_", FieldReason.PATTERN_MISMATCH),
        (ID, "usr_1\n", FieldReason.PATTERN_MISMATCH),
        (ID, " usr_1", FieldReason.PATTERN_MISMATCH),
        (ID, "xusr_1", FieldReason.PATTERN_MISMATCH),
        (ID, "usr_anna@acme.example", FieldReason.LOOKS_LIKE_EMAIL),
        (ID, "", FieldReason.PATTERN_MISMATCH),
        (UserId("[0-9]{1,9}"), 12, None),
        (UserId("[0-9]{1,9}"), -12, FieldReason.PATTERN_MISMATCH),
        (UserId("[A-Za-z0-9+/=]{1,99}", detect=DETECTORS), "YW5uYUBhY21lLmV4YW1wbGU=", FieldReason.LOOKS_LIKE_EMAIL),
        (UserId("[a-z0-9_]{1,32}", Text(max_length=4)), "usr_1", FieldReason.TOO_LONG),
        (UserId("[a-z0-9_]{1,32}", Text(one_of=("usr_1",))), "usr_2", FieldReason.NOT_LISTED),
        (UserId("[a-z0-9_]{1,32}", Text(pattern="usr_[0-9]")), "usr_a", FieldReason.PATTERN_MISMATCH),
        (Text(), "anything @ all", None),
        (Text("[a-z]{1,3}"), "abc", None),
        (Text("[a-z]{1,3}"), "abcd", FieldReason.PATTERN_MISMATCH),
        (Text("[a-z]{1,3}|[0-9]"), "abc1", FieldReason.PATTERN_MISMATCH),
        (Text(max_length=3), "äöü", None),
        (Text(max_length=3), "äöüß", FieldReason.TOO_LONG),
        (Text(one_of=("a", "b")), "b", None),
        (Text(one_of=("a", "b")), "c", FieldReason.NOT_LISTED),
        (Text(one_of=("a", "b")), "", FieldReason.NOT_LISTED),
        (Text(one_of=("anna@acme.example",), detect=DETECTORS), "anna@acme.example", FieldReason.NOT_LISTED),
        (Text(one_of=("anna@acme.example",)), "anna@acme.example", None),
        (OPEN, "v1.2.3", None),
        (OPEN, "a" * 64, None),
        (OPEN, "a" * 65, FieldReason.PATTERN_MISMATCH),
        (OPEN, "-a", FieldReason.PATTERN_MISMATCH),
        (OPEN, "a b", FieldReason.PATTERN_MISMATCH),
        (OPEN, "a@b.example", FieldReason.PATTERN_MISMATCH),
        (OPEN, "4111-1111-1111-1111", FieldReason.LOOKS_LIKE_CARD),
        (OPEN, "192.168.1.77", FieldReason.LOOKS_LIKE_IP_ADDRESS),
        (OPEN, "YW5uYUBhY21lLmV4YW1wbGU", FieldReason.LOOKS_LIKE_EMAIL),
        (OPEN, "616e6e614061636d652e6578616d706c65", FieldReason.LOOKS_LIKE_EMAIL),
        (Text("(?s).{0,99}", detect=DETECTORS), "anna%40acme.example", FieldReason.LOOKS_LIKE_EMAIL),
        (FreeText(), "hello", None),
        (FreeText(), "to anna@acme.example", Masked("to [EMAIL]", FieldReason.LOOKS_LIKE_EMAIL)),
        (FreeText(Text(max_length=5)), "hello!", FieldReason.TOO_LONG),
        (FreeText(Text(pattern="[a-z]{1,9}")), "Hello", FieldReason.PATTERN_MISMATCH),
        (Number(0, 5), 0, None),
        (Number(0, 5), 5, None),
        (Number(0, 5), 6, FieldReason.OUT_OF_RANGE),
        (Number(0, 5), -1, FieldReason.OUT_OF_RANGE),
        (Number(-(2**63), 2**63 - 1), 2**63, FieldReason.OUT_OF_RANGE),
        (Number(0, 5), 4.5, None),
        (Number(0, 5), float("nan"), FieldReason.OUT_OF_RANGE),
        (Number(0, 5), float("inf"), FieldReason.OUT_OF_RANGE),
        (Number(), 7, None),
        (Number(), 4111111111111111, FieldReason.LOOKS_LIKE_CARD),
        (Number(), 33612345678, FieldReason.LOOKS_LIKE_PHONE),
        (Keep(), object(), None),
        (Length(16), b"x" * 16, None),
        (Length(16), b"x" * 15, FieldReason.OUT_OF_RANGE),
        (Length(16), b"", FieldReason.OUT_OF_RANGE),
        (Moment(), moment(0), None),
        (Moment(), moment(-62_135_596_800), None),
        (Moment(), moment(-62_135_596_801), FieldReason.OUT_OF_RANGE),
        (Moment(), moment(253_402_300_799, 999_999_999), None),
        (Moment(), moment(253_402_300_800), FieldReason.OUT_OF_RANGE),
        (Moment(), moment(0, -1), FieldReason.OUT_OF_RANGE),
        (Moment(), moment(0, 10**9), FieldReason.OUT_OF_RANGE),
        (Moment(), NOW_SECONDS * 10**9, None),
        (Moment(min=0, max=9), moment(9, 999_999_999), None),
        (Moment(min=0, max=9), moment(10), FieldReason.OUT_OF_RANGE),
        (Moment(min=0, max=9), moment(-1, 999_999_999), FieldReason.OUT_OF_RANGE),
        (Moment(min=5, max=9), 5 * 10**9 - 1, FieldReason.OUT_OF_RANGE),
        (Moment(min=5, max=9), 5 * 10**9, None),
        (Moment(7, max=NOW_SECONDS), moment(NOW_SECONDS + 1), FieldReason.OUT_OF_RANGE),
        (Moment(7, max=NOW_SECONDS), moment(NOW_SECONDS), None),
        (Moment(7), moment(NOW_SECONDS), None),
        (Moment(7), moment(NOW_SECONDS + 7 * 86_400), None),
        (Moment(7), moment(NOW_SECONDS + 7 * 86_400, 1), FieldReason.OUT_OF_RANGE),
        (Moment(7), moment(NOW_SECONDS - 7 * 86_400), None),
        (Moment(7), moment(NOW_SECONDS - 7 * 86_400 - 1, 999_999_999), FieldReason.OUT_OF_RANGE),
        (Moment(7), NOW_SECONDS * 10**9, None),
        (Moment(7), 1, FieldReason.OUT_OF_RANGE),
        (Span(), moment(315_576_000_000), None),
        (Span(), moment(315_576_000_000, 1), FieldReason.OUT_OF_RANGE),
        (Span(), moment(-315_576_000_001), FieldReason.OUT_OF_RANGE),
        (Span(), moment(1, -1), FieldReason.OUT_OF_RANGE),
        (Span(), moment(-1, -1), None),
        (Span(), moment(0, 10**9), FieldReason.OUT_OF_RANGE),
        (Span(0, 5), moment(5), None),
        (Span(0, 5), moment(5, 1), FieldReason.OUT_OF_RANGE),
        (Span(0, 5), moment(0, -1), FieldReason.OUT_OF_RANGE),
        (Span(0, 10**12), moment(10**12), FieldReason.OUT_OF_RANGE),
    ],
)
def test_a_value_passes_or_is_stripped_for_a_reason(rule: Rule, value: Any, wanted: object) -> None:
    assert ruled(rule, value) == wanted


WITH: Final = Facts(NOW_SECONDS * 10**9, directory=True, verified=frozenset({"acme.example", "xn--bcher-kva.example"}))
WITHOUT: Final = Facts(NOW_SECONDS * 10**9, directory=True)
INSIDE: Final = WorkEmail(outside=False, vendor=False)
OUTSIDE: Final = WorkEmail(outside=True, vendor=False)


@pytest.mark.parametrize(
    ("rule", "value", "facts", "wanted"),
    [
        (INSIDE, "anna@acme.example", UNKNOWN_FACTS, None),
        (INSIDE, "anna@acme.example", WITHOUT, None),
        (OUTSIDE, "anna@acme.example", UNKNOWN_FACTS, None),
        (OUTSIDE, "anna@acme.example", WITH, None),
        (OUTSIDE, "anna@acme.example", WITHOUT, FieldReason.EMAIL_UNVERIFIED),
        (OUTSIDE, "anna@sub.acme.example", WITH, FieldReason.EMAIL_UNVERIFIED),
        (OUTSIDE, "anna@acme.example.evil.example", WITH, FieldReason.EMAIL_UNVERIFIED),
        (OUTSIDE, "ANNA+x@ACME.Example", WITH, "anna@acme.example"),
        (OUTSIDE, "anna@BÜCHER.example", WITH, "anna@xn--bcher-kva.example"),
        (OUTSIDE, "anna@gmail.com", WITH, FieldReason.EMAIL_PERSONAL),
        (INSIDE, "anna", WITH, FieldReason.EMAIL_MALFORMED),
        (INSIDE, "", UNKNOWN_FACTS, FieldReason.EMAIL_MALFORMED),
        (INSIDE, "PATTERN_MISMATCH", UNKNOWN_FACTS, FieldReason.EMAIL_MALFORMED),
        (
            WorkEmail(outside=False, vendor=False, text=Text(max_length=10)),
            "anna@acme.example",
            UNKNOWN_FACTS,
            FieldReason.TOO_LONG,
        ),
        (
            WorkEmail(outside=False, vendor=False, text=Text(pattern="[a-z]{1,9}@acme\\.example")),
            "Anna+x@acme.example",
            UNKNOWN_FACTS,
            "anna@acme.example",
        ),
    ],
)
def test_a_work_address_passes_normalised_or_is_stripped(
    rule: WorkEmail, value: str, facts: Facts, wanted: object
) -> None:
    answer = ruled(rule, value, facts)
    assert (type(answer), answer) == (type(wanted), wanted)


@pytest.mark.parametrize("facts", [UNKNOWN_FACTS, WITH, WITHOUT])
@pytest.mark.parametrize("outside", [True, False])
def test_a_personal_address_stops_the_item_at_a_vendor(facts: Facts, outside: bool) -> None:
    with pytest.raises(PersonalAccount):
        ruled(WorkEmail(outside=outside, vendor=True), "anna@gmail.com", facts)


@pytest.mark.parametrize(
    ("rule", "value", "facts", "lasting"),
    [
        (OUTSIDE, "anna@acme.example", WITH, False),
        (OUTSIDE, "anna@acme.example", WITHOUT, False),
        (OUTSIDE, "anna@acme.example", UNKNOWN_FACTS, True),
        (INSIDE, "anna@acme.example", WITH, True),
        (OUTSIDE, "anna@gmail.com", WITH, True),
        (Moment(7), moment(NOW_SECONDS), UNKNOWN_FACTS, False),
        (Moment(7), moment(0), UNKNOWN_FACTS, False),
        (Moment(), moment(0), UNKNOWN_FACTS, True),
        (OPEN, "a", WITH, True),
    ],
)
def test_an_answer_that_depends_on_facts_does_not_last(rule: Rule, value: Any, facts: Facts, lasting: bool) -> None:
    run = DecisionContext(facts)
    context_rule_of(rule, check_of(rule))(value, run)
    assert run.cacheable is lasting


@pytest.mark.parametrize(
    "rule",
    [Payload(), Nested(0), Attributes({}, {}), Body((), Attributes({}, {})), Properties(1, {})],
)
def test_a_rule_on_whole_messages_judges_no_single_value(rule: Rule) -> None:
    assert check_of(rule) is None
    with pytest.raises(TypeError, match="judges no single value"):
        context_rule_of(rule, None)


def test_answers_are_remembered_up_to_a_number_and_a_length() -> None:
    asked: list[Any] = []

    def judge(value: Any) -> Reason:
        asked.append(value)
        return FieldReason.TOO_LONG

    seen = VerdictCache(judge)
    for value in (
        "a",
        "a",
        "x" * MAX_CACHED_VALUE_CHARS,
        "x" * MAX_CACHED_VALUE_CHARS,
        "y" * (MAX_CACHED_VALUE_CHARS + 1),
        "y" * (MAX_CACHED_VALUE_CHARS + 1),
    ):
        assert seen[value] is FieldReason.TOO_LONG
    assert [value[0] for value in asked] == ["a", "x", "y", "y"]
    for index in range(MAX_CACHED_VERDICTS * 2):
        assert seen[index] is FieldReason.TOO_LONG
        assert len(seen) <= MAX_CACHED_VERDICTS


@given(st.text())
def test_any_text_at_all_is_judged(text: str) -> None:
    for rule in (ID, OPEN, Text(), Text("[a-z]{1,3}"), FreeText(), INSIDE, OUTSIDE):
        answer = ruled(rule, text)
        assert answer is None or isinstance(answer, (str, Masked))


@given(st.integers(-(2**63), 2**64 - 1))
def test_any_number_at_all_is_judged(number: int) -> None:
    assert ruled(Number(), number) is None or isinstance(ruled(Number(), number), Reason)


@given(st.emails(domains=st.sampled_from(["acme.example", "b\u00fccher.example", "x.co"])))
def test_a_normal_form_is_its_own_normal_form(address: str) -> None:
    first = ruled(INSIDE, address)
    if not isinstance(first, Reason):
        assert ruled(INSIDE, first or address) is None
