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
from gateway.errors import FieldReason, Reason
from gateway.minimise import addresses
from gateway.minimise.names import judge_name
from gateway.minimise.run import Masked, PersonalAccount, Reported, Ruled, Run
from gateway.minimise.schema import attribute
from gateway.model import Detector, Spare
from gateway.patterns import compile_pattern
from gateway.plan import Content, FreeText, Keep, Length, Moment, Number, Rule, Span, Text, UserId, WorkEmail

Judge = Callable[[Any], Ruled]
"""Judges a value by itself: its answers may be remembered."""

Factual = Callable[[Any, Run], Ruled]
"""Judges a value by the facts of the moment too."""

REMEMBERED: Final = 8192
"""How many values a rule remembers."""

LONGEST: Final = 256
"""The length of the longest value that is remembered, so that what is remembered stays small."""

_SPARED: Final[Mapping[Spare, Callable[[str], bool]]] = {
    Spare.PHONE: is_whole_phone,
    Spare.COMPANY_NUMBER: is_company_number,
}
"""Whether a text is, as a whole, what its digits may be beside a card's."""

_WHOLE_NUMBER: Final = re.compile("0|-?[1-9][0-9]{0,18}")
"""A whole number of 64 bits as JSON writes it. Zeros before it, a plus or blanks are a phone number's."""

SECOND: Final = 10**9
DAY: Final = 86_400 * SECOND
# The bounds that the well-known types state: https://protobuf.dev/reference/protobuf/google.protobuf/.
FIRST: Final = -62_135_596_800
LAST: Final = 253_402_300_799
LONGEST_SPAN: Final = 315_576_000_000
SECONDS: Final = attribute(1)
NANOS: Final = attribute(2)


class Seen(dict[Any, Ruled]):
    """A judge that remembers. When full it forgets all: what is common comes back soon."""

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, value: Any) -> Ruled:
        ruled = self._judge(value)
        if not isinstance(value, (str, bytes)) or len(value) <= LONGEST:
            if len(self) >= REMEMBERED:
                self.clear()
            self[value] = ruled
        return ruled


def judge_of(rule: Rule) -> Judge | None:
    """The judge of a rule that needs the value alone, remembering what costs more to judge than to look up.

    None for other rules.
    """
    make = _JUDGES.get(type(rule))
    return None if make is None else make(rule)


def factual_of(rule: Rule, judge: Judge | None) -> Factual:
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


def _user_id(rule: UserId) -> Judge:
    pattern = compile_pattern(rule.pattern)
    own = _own(rule.text)

    def judge(value: Any) -> Ruled:
        text = str(value)
        if not pattern.fullmatch(text):
            return FieldReason.PATTERN_MISMATCH
        return (find(text, rule.detect) if rule.detect else None) or own(text)

    return judge


def _own(rule: Text | None) -> Judge:
    """The bounds that a field sets on its strings by itself."""
    return _keep if rule is None else _text(rule)


def _text(rule: Text) -> Judge:
    """A listed value in which something personal hides is as good as not listed: nothing else is asked of it."""
    search = _search(rule)
    if rule.one_of:
        listed = frozenset(value for value in rule.one_of if not search(value))
        return lambda text: None if text in listed else FieldReason.NOT_LISTED
    pattern = compile_pattern(rule.pattern) if rule.pattern else None
    look = partial(judge_name, search=search) if rule.name else search

    def judge(text: str) -> Ruled:
        if rule.max_length and len(text) > rule.max_length:
            return FieldReason.TOO_LONG
        if pattern and not pattern.fullmatch(text):
            return FieldReason.PATTERN_MISMATCH
        return look(text)

    return judge


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


def _free_text(rule: FreeText) -> Judge:
    own = _own(rule.text)

    def judge(text: str) -> Ruled:
        # A text that its bounds don't allow once it is masked would be stripped when it is judged again.
        left = masked(text)
        return own(text) or (left and (own(left.text) or left))

    return judge


def _content(rule: Content) -> Judge:
    """What can't be judged, since it is longer than detectors look at or hides what it says, is told of too."""
    own = _own(rule.text)

    def judge(text: str) -> Ruled:
        return own(text) or ((found := find(text, rule.detect)) and Reported(found))

    return judge


def masked(text: str) -> Masked | None:
    """A free text of which something was masked; None if nothing was."""
    left = mask(text)
    return None if left == text else Masked(left, find(text) or FieldReason.UNREADABLE)


def _bounded(rule: Number) -> Judge | None:
    if rule.min is None or rule.max is None:
        return None
    low, high = rule.min, rule.max

    def judge(value: Any) -> Ruled:
        if isinstance(value, str):
            if not _WHOLE_NUMBER.fullmatch(value):
                return FieldReason.PATTERN_MISMATCH
            value = int(value)
        return None if low <= value <= high else FieldReason.OUT_OF_RANGE

    return judge


def _length(rule: Length) -> Judge:
    return lambda value: None if len(value) == rule.bytes else FieldReason.OUT_OF_RANGE


def _span(rule: Span) -> Judge:
    low = -LONGEST_SPAN if rule.min is None else max(rule.min, -LONGEST_SPAN)
    high = LONGEST_SPAN if rule.max is None else min(rule.max, LONGEST_SPAN)

    def judge(span: Any) -> Ruled:
        seconds, nanos = getattr(span, SECONDS), getattr(span, NANOS)
        whole = abs(nanos) < SECOND and seconds * nanos >= 0
        return None if whole and low * SECOND <= seconds * SECOND + nanos <= high * SECOND else FieldReason.OUT_OF_RANGE

    return judge


def _moment(rule: Moment) -> Judge:
    fits = _era(rule)
    return lambda moment: None if fits(_instant(moment)) else FieldReason.OUT_OF_RANGE


def _recent(rule: Moment, days: int) -> Factual:
    fits, most = _era(rule), days * DAY

    def judge(moment: Any, run: Run) -> Ruled:
        run.lasting = False
        instant = _instant(moment)
        near = instant is not None and abs(instant - run.facts.received_ns) <= most
        return None if near and fits(instant) else FieldReason.OUT_OF_RANGE

    return judge


def _era(rule: Moment) -> Callable[[int | None], bool]:
    """Whether nanoseconds since 1970 lie within a rule's bounds; None never does."""
    low = FIRST if rule.min is None else max(rule.min, FIRST)
    high = LAST if rule.max is None else min(rule.max, LAST)
    return lambda instant: instant is not None and low <= instant // SECOND <= high


def _instant(moment: Any) -> int | None:
    """Nanoseconds since 1970, of a number or a `Timestamp`; None if it is not a valid one."""
    if isinstance(moment, int):
        return moment if moment // SECOND <= LAST else None
    seconds, nanos = getattr(moment, SECONDS), getattr(moment, NANOS)
    return seconds * SECOND + nanos if FIRST <= seconds <= LAST and 0 <= nanos < SECOND else None


def _work_email(rule: WorkEmail) -> Factual:
    """The truth table of design rule 2, for the address; the directory's part of it applies outside the EU only."""
    own, read = _own(rule.text), addresses.reader(rule.personal, rule.business)

    def judge(text: str, run: Run) -> Ruled:
        address = read(text)
        if address.kind is addresses.Kind.MALFORMED:
            return FieldReason.EMAIL_MALFORMED
        if address.kind is addresses.Kind.PERSONAL:
            if rule.vendor:
                raise PersonalAccount
            return FieldReason.EMAIL_PERSONAL
        if rule.outside and run.facts.directory:
            run.lasting = False
            if address.domain not in run.facts.verified:
                return FieldReason.EMAIL_UNVERIFIED
        return own(address.normalised) or (None if address.normalised == text else address.normalised)

    return judge


_JUDGES: Final[Mapping[type, Callable[[Any], Judge | None]]] = {
    UserId: lambda rule: Seen(_user_id(rule)).__getitem__,
    Text: lambda rule: Seen(_text(rule)).__getitem__,
    FreeText: lambda rule: Seen(_free_text(rule)).__getitem__,
    Content: lambda rule: Seen(_content(rule)).__getitem__,
    Number: lambda rule: _bounded(rule) or Seen(find_number).__getitem__,
    Keep: lambda rule: _keep,
    Length: _length,
    Span: _span,
    Moment: lambda rule: _moment(rule) if rule.days is None else None,
}
