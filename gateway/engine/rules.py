"""Value rules: a right label is not enough, the value must look the part.

Each function turns a rule into a judge of values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from gateway.detectors.companies import is_company_number
from gateway.detectors.detect import find, find_number, mask
from gateway.detectors.phones import is_whole_phone
from gateway.engine import addresses
from gateway.engine.context import DecisionContext, Masked, PersonalAccount, Reported, RuleResult
from gateway.engine.names import check_name
from gateway.errors import FieldReason, Reason
from gateway.model import Detector, Spare
from gateway.patterns import compile_pattern
from gateway.plan import Content, FreeText, Keep, Length, Moment, Number, Rule, Span, Text, UserId, WorkEmail
from gateway.protobuf.schema import attribute

RuleCheck = Callable[[Any], RuleResult]
"""Judges a value by itself: its answers may be remembered."""

ContextRule = Callable[[Any, DecisionContext], RuleResult]
"""Judges a value by the facts of the moment too."""

MAX_CACHED_VERDICTS: Final = 8192
"""How many values a rule remembers."""

MAX_CACHED_VALUE_CHARS: Final = 256
"""The length of the longest value that is remembered, so that what is remembered stays small."""

_SPARED: Final[Mapping[Spare, Callable[[str], bool]]] = {
    Spare.PHONE: is_whole_phone,
    Spare.COMPANY_NUMBER: is_company_number,
}
"""Whether a text is, as a whole, what its digits may be beside a card's."""

_WHOLE_NUMBER: Final = re.compile("0|-?[1-9][0-9]{0,18}")
"""A whole number of 64 bits as JSON writes it. Zeros before it, a plus or blanks are a phone number's."""

NANOS_PER_SECOND: Final = 10**9
NANOS_PER_DAY: Final = 86_400 * NANOS_PER_SECOND
# The bounds that the well-known types state: https://protobuf.dev/reference/protobuf/google.protobuf/.
MIN_TIMESTAMP_SECONDS: Final = -62_135_596_800
MAX_TIMESTAMP_SECONDS: Final = 253_402_300_799
MAX_DURATION_SECONDS: Final = 315_576_000_000
SECONDS_FIELD: Final = attribute(1)
NANOS_FIELD: Final = attribute(2)


class VerdictCache(dict[Any, RuleResult]):
    """A judge that remembers. When full it forgets all: what is common comes back soon."""

    def __init__(self, check: RuleCheck) -> None:
        super().__init__()
        self._check = check

    def __missing__(self, value: Any) -> RuleResult:
        ruled = self._check(value)
        if not isinstance(value, (str, bytes)) or len(value) <= MAX_CACHED_VALUE_CHARS:
            if len(self) >= MAX_CACHED_VERDICTS:
                self.clear()
            self[value] = ruled
        return ruled


def check_of(rule: Rule) -> RuleCheck | None:
    """The judge of a rule that needs the value alone, remembering what costs more to judge than to look up.

    None for other rules.
    """
    make = _CHECKS.get(type(rule))
    return None if make is None else make(rule)


def context_rule_of(rule: Rule, judge: RuleCheck | None) -> ContextRule:
    """The judge of a rule on single values, in the form that takes a run; `judge` is its `judge_of`.

    Raises TypeError for other rules.
    """
    if judge is not None:
        return lambda value, run: judge(value)
    match rule:
        case WorkEmail():
            return _work_email(rule)
        case Moment(days=int(days)):
            return _recent(rule, days)
    raise TypeError(f"{type(rule).__name__} judges no single value")


def _keep(value: Any) -> None:
    return None


def _user_id(rule: UserId) -> RuleCheck:
    pattern = compile_pattern(rule.pattern)
    own = _own(rule.text)

    def check(value: Any) -> RuleResult:
        text = str(value)
        if not pattern.fullmatch(text):
            return FieldReason.PATTERN_MISMATCH
        return (find(text, rule.detect) if rule.detect else None) or own(text)

    return check


def _own(rule: Text | None) -> RuleCheck:
    """The bounds that a field sets on its strings by itself."""
    return _keep if rule is None else _text(rule)


def _text(rule: Text) -> RuleCheck:
    """A listed value in which something personal hides is as good as not listed: nothing else is asked of it."""
    search = _search(rule)
    if rule.one_of:
        listed = frozenset(value for value in rule.one_of if not search(value))
        return lambda text: None if text in listed else FieldReason.NOT_LISTED
    pattern = compile_pattern(rule.pattern) if rule.pattern else None
    look = partial(check_name, search=search) if rule.name else search

    def check(text: str) -> RuleResult:
        if rule.max_length and len(text) > rule.max_length:
            return FieldReason.TOO_LONG
        if pattern and not pattern.fullmatch(text):
            return FieldReason.PATTERN_MISMATCH
        return look(text)

    return check


def _search(rule: Text) -> Callable[[str], Reason | None]:
    """What looks for something in a text. Only what is found as a card is looked at again: it may be what is spared."""
    if not rule.detect:
        return _keep
    rest = tuple(kind for kind in rule.detect if kind is not Detector.CARD)
    spared = tuple(_SPARED[kind] for kind in rule.spare)

    def search(text: str) -> Reason | None:
        found = find(text, rule.detect)
        if found is FieldReason.LOOKS_LIKE_CARD and any(is_one(text) for is_one in spared):
            return find(text, rest)
        return found

    return search


def _free_text(rule: FreeText) -> RuleCheck:
    own = _own(rule.text)

    def check(text: str) -> RuleResult:
        # A text that its bounds don't allow once it is masked would be stripped when it is judged again.
        left = masked(text)
        return own(text) or (left and (own(left.text) or left))

    return check


def _content(rule: Content) -> RuleCheck:
    """What can't be judged, since it is longer than detectors look at or hides what it says, is told of too."""
    own = _own(rule.text)

    def check(text: str) -> RuleResult:
        return own(text) or ((found := find(text, rule.detect)) and Reported(found))

    return check


def masked(text: str) -> Masked | None:
    """A free text of which something was masked; None if nothing was."""
    left = mask(text)
    return None if left == text else Masked(left, find(text) or FieldReason.UNREADABLE)


def _bounded(rule: Number) -> RuleCheck | None:
    if rule.min is None or rule.max is None:
        return None
    low, high = rule.min, rule.max

    def check(value: Any) -> RuleResult:
        if isinstance(value, str):
            if not _WHOLE_NUMBER.fullmatch(value):
                return FieldReason.PATTERN_MISMATCH
            value = int(value)
        return None if low <= value <= high else FieldReason.OUT_OF_RANGE

    return check


def _length(rule: Length) -> RuleCheck:
    return lambda value: None if len(value) == rule.bytes else FieldReason.OUT_OF_RANGE


def _span(rule: Span) -> RuleCheck:
    low = -MAX_DURATION_SECONDS if rule.min is None else max(rule.min, -MAX_DURATION_SECONDS)
    high = MAX_DURATION_SECONDS if rule.max is None else min(rule.max, MAX_DURATION_SECONDS)

    def check(span: Any) -> RuleResult:
        seconds, nanos = getattr(span, SECONDS_FIELD), getattr(span, NANOS_FIELD)
        whole = abs(nanos) < NANOS_PER_SECOND and seconds * nanos >= 0
        return (
            None
            if whole and low * NANOS_PER_SECOND <= seconds * NANOS_PER_SECOND + nanos <= high * NANOS_PER_SECOND
            else FieldReason.OUT_OF_RANGE
        )

    return check


def _moment(rule: Moment) -> RuleCheck:
    fits = _era(rule)
    return lambda moment: None if fits(_instant(moment)) else FieldReason.OUT_OF_RANGE


def _recent(rule: Moment, days: int) -> ContextRule:
    fits, most = _era(rule), days * NANOS_PER_DAY

    def check(moment: Any, run: DecisionContext) -> RuleResult:
        run.cacheable = False
        instant = _instant(moment)
        near = instant is not None and abs(instant - run.facts.received_ns) <= most
        return None if near and fits(instant) else FieldReason.OUT_OF_RANGE

    return check


def _era(rule: Moment) -> Callable[[int | None], bool]:
    """Whether nanoseconds since 1970 lie within a rule's bounds; None never does."""
    low = MIN_TIMESTAMP_SECONDS if rule.min is None else max(rule.min, MIN_TIMESTAMP_SECONDS)
    high = MAX_TIMESTAMP_SECONDS if rule.max is None else min(rule.max, MAX_TIMESTAMP_SECONDS)
    return lambda instant: instant is not None and low <= instant // NANOS_PER_SECOND <= high


def _instant(moment: Any) -> int | None:
    """Nanoseconds since 1970, of a number or a `Timestamp`; None if it is not a valid one."""
    if isinstance(moment, int):
        return moment if moment // NANOS_PER_SECOND <= MAX_TIMESTAMP_SECONDS else None
    seconds, nanos = getattr(moment, SECONDS_FIELD), getattr(moment, NANOS_FIELD)
    return (
        seconds * NANOS_PER_SECOND + nanos
        if MIN_TIMESTAMP_SECONDS <= seconds <= MAX_TIMESTAMP_SECONDS and 0 <= nanos < NANOS_PER_SECOND
        else None
    )


def _work_email(rule: WorkEmail) -> ContextRule:
    """The truth table of design rule 2, for the address; the directory's part of it applies outside the EU only."""
    own, read = _own(rule.text), addresses.reader(rule.personal, rule.business)

    def check(text: str, run: DecisionContext) -> RuleResult:
        address = read(text)
        if address.kind is addresses.Kind.MALFORMED:
            return FieldReason.EMAIL_MALFORMED
        if address.kind is addresses.Kind.PERSONAL:
            if rule.vendor:
                raise PersonalAccount
            return FieldReason.EMAIL_PERSONAL
        if rule.outside and run.facts.directory:
            run.cacheable = False
            if address.domain not in run.facts.verified:
                return FieldReason.EMAIL_UNVERIFIED
        return own(address.normalised) or (None if address.normalised == text else address.normalised)

    return check


_CHECKS: Final[Mapping[type, Callable[[Any], RuleCheck | None]]] = {
    UserId: lambda rule: VerdictCache(_user_id(rule)).__getitem__,
    Text: lambda rule: VerdictCache(_text(rule)).__getitem__,
    FreeText: lambda rule: VerdictCache(_free_text(rule)).__getitem__,
    Content: lambda rule: VerdictCache(_content(rule)).__getitem__,
    Number: lambda rule: _bounded(rule) or VerdictCache(find_number).__getitem__,
    Keep: lambda rule: _keep,
    Length: _length,
    Span: _span,
    Moment: lambda rule: _moment(rule) if rule.days is None else None,
}
