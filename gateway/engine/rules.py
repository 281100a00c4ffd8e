"""Value rules: a right label is not enough, the value must look the part.

A rule of the plan becomes an object whose `check` answers on one value: None where it stays as it is, a reason where it
is stripped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from gateway.detectors.companies import is_company_number
from gateway.detectors.detect import find, find_number, mask
from gateway.detectors.whole_phones import is_whole_phone
from gateway.engine import addresses
from gateway.engine.context import DecisionContext, Masked, PersonalAccount, Reported, RuleResult
from gateway.engine.echo import Person
from gateway.engine.names import check_name
from gateway.engine.times import DurationCheck, RecentTimestampCheck, TimestampCheck
from gateway.errors import FieldReason, Reason
from gateway.model import Detector, Spare
from gateway.patterns import compile_pattern
from gateway.plan import Content, FreeText, Keep, Length, Moment, Number, Rule, Span, Text, UserId, WorkEmail

K = TypeVar("K")
V = TypeVar("V")

RuleCheck = Callable[[Any], RuleResult]
"""Checks a value by itself: its answers may be remembered."""

ContextRule = Callable[[Any, DecisionContext], RuleResult]
"""Checks a value by the facts of the moment too."""

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


class VerdictCache(dict[K, V]):
    """Answers of a check by value, asked for when first looked up: `cache[value]`, as fast as a dict where it is known.

    When full it forgets all: what is common comes back soon. A text of more than `MAX_CACHED_VALUE_CHARS` is checked
    each time. With room for two:

        cache["a"]  -> checked, remembered          {a}
        cache["a"]  -> looked up                    {a}
        cache["b"]  -> checked, remembered          {a, b}
        cache["c"]  -> forgets all, then as above   {c}
    """

    def __init__(
        self,
        check: Callable[[K], V],
        max_entries: int = MAX_CACHED_VERDICTS,
        max_chars: int = MAX_CACHED_VALUE_CHARS,
    ) -> None:
        super().__init__()
        self._check = check
        self._max_entries, self._max_chars = max_entries, max_chars

    def __missing__(self, value: K) -> V:
        answer = self._check(value)
        if not isinstance(value, (str, bytes)) or len(value) <= self._max_chars:
            if len(self) >= self._max_entries:
                self.clear()
            self[value] = answer
        return answer


def check_of(rule: Rule) -> RuleCheck | None:
    """The check of a rule that needs the value alone, remembering what costs more to check than to look up.

    None for other rules.
    """
    costly = _costly_check(rule)
    return _cheap_check(rule) if costly is None else VerdictCache(costly).__getitem__


def _costly_check(rule: Rule) -> RuleCheck | None:
    match rule:
        case UserId():
            return UserIdCheck(rule).check
        case Text():
            return text_check(rule)
        case FreeText():
            return FreeTextCheck(rule).check
        case Content():
            return ContentCheck(rule).check
        case Number(min=None) | Number(max=None):
            return find_number
    return None


def _cheap_check(rule: Rule) -> RuleCheck | None:
    match rule:
        case Number(min=int(low), max=int(high)):
            return RangeCheck(low, high).check
        case Keep():
            return keep
        case Length():
            return LengthCheck(rule).check
        case Span():
            return DurationCheck(rule).check
        case Moment(days=None):
            return TimestampCheck(rule).check
    return None


def context_rule_of(rule: Rule, check: RuleCheck | None) -> ContextRule:
    """The check of a rule on single values, in the form that takes a context; `check` is what `check_of` returns.

    Raises TypeError for other rules.
    """
    if check is not None:
        return WithoutContext(check).check if (echo := echo_of(rule)) is None else EchoRule(check, echo).check
    match rule:
        case WorkEmail():
            return WorkEmailCheck(rule).check
        case Moment(days=int(days)):
            return RecentTimestampCheck(rule, days).check
    raise TypeError(f"{type(rule).__name__} judges no single value")


def echo_of(rule: Rule) -> EchoCheck | None:
    """The check whether a value repeats the item's own person; None where a rule asks for none."""
    if isinstance(rule, (Text, UserId)) and rule.echo is not None:
        return EchoCheck(rule.echo, user_id=isinstance(rule, UserId))
    return None


def keep(value: object) -> None:
    """Return None: any value stays."""


def masked(text: str) -> Masked | None:
    """A free text of which something was masked; None if nothing was."""
    rest = mask(text)
    return None if rest == text else Masked(rest, find(text) or FieldReason.UNREADABLE)


def text_check(rule: Text) -> RuleCheck:
    """The check of strings."""
    search = TextSearch(rule).find if rule.detect else keep
    if rule.one_of:
        return ListedCheck(frozenset(rule.one_of), search).check
    return TextCheck(rule, partial(check_name, search=search) if rule.name else search).check


def _bounds(rule: Text | None) -> RuleCheck:
    """The bounds that a field sets on its strings by itself."""
    return keep if rule is None else text_check(rule)


class WithoutContext:
    """A check that needs no context, in the form that takes one."""

    __slots__ = ("_check",)

    def __init__(self, check: RuleCheck) -> None:
        self._check = check

    def check(self, value: Any, _context: DecisionContext) -> RuleResult:
        """Check a value by itself."""
        return self._check(value)


class EchoCheck:
    """Checks whether the variable part of a value, behind its literal prefix, repeats a word of a person."""

    __slots__ = ("_prefix", "_user_id")

    def __init__(self, prefix: str, *, user_id: bool) -> None:
        self._prefix, self._user_id = prefix, user_id

    def check(self, value: str | int, person: Person) -> Reason | None:
        """Check one value that passes its rule."""
        text = str(value).removeprefix(self._prefix)
        return FieldReason.ECHO if person.repeats(text, self, user_id=self._user_id) else None


class EchoRule:
    """A check that needs no context, and then the words of the item's own person, where it says any."""

    __slots__ = ("_check", "_echo")

    def __init__(self, check: RuleCheck, echo: EchoCheck) -> None:
        self._check, self._echo = check, echo.check

    def check(self, value: Any, context: DecisionContext) -> RuleResult:
        """Check a value by itself, then beside the person."""
        result = self._check(value)
        if context.person is None or result is not None:
            return result
        return self._echo(value, context.person)


class UserIdCheck:
    """Checks identifiers, of strings and of numbers: the policy's pattern, the detectors, the field's own bounds."""

    __slots__ = ("_bounds", "_detect", "_matches")

    def __init__(self, rule: UserId) -> None:
        self._matches = compile_pattern(rule.pattern).fullmatch
        self._detect = rule.detect
        self._bounds = _bounds(rule.text)

    def check(self, value: str | int) -> RuleResult:
        """Check one identifier."""
        text = str(value)
        if not self._matches(text):
            return FieldReason.PATTERN_MISMATCH
        return (find(text, self._detect) if self._detect else None) or self._bounds(text)


class TextSearch:
    """Looks for something personal in a text. What is found as a card is looked at again: it may be what is spared."""

    __slots__ = ("_detect", "_rest", "_spared")

    def __init__(self, rule: Text) -> None:
        self._detect = rule.detect
        self._rest = tuple(kind for kind in rule.detect if kind is not Detector.CARD)
        self._spared = tuple(_SPARED[kind] for kind in rule.spare)

    def find(self, text: str) -> Reason | None:
        """Return why a text can't stay."""
        found = find(text, self._detect)
        if found is FieldReason.LOOKS_LIKE_CARD and any(is_spared(text) for is_spared in self._spared):
            return find(text, self._rest)
        return found


class ListedCheck:
    """Checks strings by the list of those that may stay.

    A listed value in which something personal hides is as good as not listed. It is looked at when it first comes:
    what is costly to check is remembered.
    """

    __slots__ = ("_listed", "_search")

    def __init__(self, listed: frozenset[str], search: RuleCheck) -> None:
        self._listed, self._search = listed, search

    def check(self, text: str) -> RuleResult:
        """Check one string."""
        return FieldReason.NOT_LISTED if text not in self._listed or self._search(text) else None


class TextCheck:
    """Checks strings by length, pattern, and what hides in them."""

    __slots__ = ("_find", "_matches", "_max_chars")

    def __init__(self, rule: Text, search: Callable[[str], Reason | None]) -> None:
        self._max_chars = rule.max_length
        self._matches = compile_pattern(rule.pattern).fullmatch if rule.pattern else None
        self._find = search

    def check(self, text: str) -> RuleResult:
        """Check one string."""
        if self._max_chars and len(text) > self._max_chars:
            return FieldReason.TOO_LONG
        if self._matches is not None and not self._matches(text):
            return FieldReason.PATTERN_MISMATCH
        return self._find(text)


class FreeTextCheck:
    """Masks what the detectors find."""

    __slots__ = ("_bounds",)

    def __init__(self, rule: FreeText) -> None:
        self._bounds = _bounds(rule.text)

    def check(self, text: str) -> RuleResult:
        """Check one text. One that its bounds don't allow once it is masked would be stripped when it comes again."""
        rest = masked(text)
        return self._bounds(text) or (rest and (self._bounds(rest.text) or rest))


class ContentCheck:
    """Lets content pass as it is, and tells of what shows in it.

    What can't be judged, since it is longer than detectors look at or hides what it says, is told of too.
    """

    __slots__ = ("_bounds", "_detect")

    def __init__(self, rule: Content) -> None:
        self._bounds = _bounds(rule.text)
        self._detect = rule.detect

    def check(self, text: str) -> RuleResult:
        """Check one text."""
        return self._bounds(text) or ((found := find(text, self._detect)) and Reported(found))


class RangeCheck:
    """Checks whole numbers, and strings that JSON has in the place of large ones, by the least and the largest."""

    __slots__ = ("_max", "_min")

    def __init__(self, min: int, max: int) -> None:
        self._min, self._max = min, max

    def check(self, value: str | float) -> RuleResult:
        """Check one number."""
        if isinstance(value, str):
            if not _WHOLE_NUMBER.fullmatch(value):
                return FieldReason.PATTERN_MISMATCH
            value = int(value)
        return None if self._min <= value <= self._max else FieldReason.OUT_OF_RANGE


class LengthCheck:
    """Checks bytes by their exact number."""

    __slots__ = ("_bytes",)

    def __init__(self, rule: Length) -> None:
        self._bytes = rule.bytes

    def check(self, value: bytes) -> RuleResult:
        """Check one value."""
        return None if len(value) == self._bytes else FieldReason.OUT_OF_RANGE


class WorkEmailCheck:
    """The truth table of addresses, address × what the directory knows × destination, for one destination.

    The directory's part of it applies outside the EU only.
    """

    __slots__ = ("_bounds", "_outside", "_read", "_vendor")

    def __init__(self, rule: WorkEmail) -> None:
        self._outside, self._vendor = rule.outside, rule.vendor
        self._bounds = _bounds(rule.text)
        self._read = addresses.reader(rule.personal, rule.business)

    def check(self, text: str, context: DecisionContext) -> RuleResult:
        """Check one address. Raises PersonalAccount."""
        address = self._read(text)
        if address.kind is addresses.Kind.MALFORMED:
            return FieldReason.EMAIL_MALFORMED
        if address.kind is addresses.Kind.PERSONAL:
            if self._vendor:
                raise PersonalAccount
            return FieldReason.EMAIL_PERSONAL
        if self._outside and context.facts.directory:
            context.cacheable = False
            if address.domain not in context.facts.verified:
                return FieldReason.EMAIL_UNVERIFIED
        return self._bounds(address.normalised) or (None if address.normalised == text else address.normalised)
