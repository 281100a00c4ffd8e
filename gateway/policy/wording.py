"""Rules and reasons in words, for the trees and tables that people read. What a rule does is not decided here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from gateway.errors import FieldReason, Reason
from gateway.model import DETECTORS, Detector, FieldPrivacy
from gateway.patterns import TOKEN
from gateway.plan import (
    Attributes,
    Body,
    Content,
    FreeText,
    Keep,
    Length,
    Mask,
    Moment,
    Nested,
    Number,
    Payload,
    Properties,
    Rule,
    Span,
    SpanName,
    Text,
    UserId,
    Value,
    WorkEmail,
)
from gateway.policy.vocabulary import EXEMPTIBLE

MAX_SHORTLIST_NAMES: Final = 6
"""How many of many names are told."""

REASON_WORDING: Final[Mapping[Reason, str]] = {
    FieldReason.UNCLASSIFIED: "not classified",
    FieldReason.CATEGORY_NOT_ALLOWED: "its category is not allowed here",
    FieldReason.MAP_KEY_NOT_ALLOWED: "its keys may not leave, and no entry without its key",
    FieldReason.OPAQUE: "what is in it can't be judged, so it can't hold this category",
    FieldReason.NOT_CLOSED: "not closed: outside the EU it needs one_of, a pattern, or min and max",
    FieldReason.NOTHING_ALLOWED: "nothing in it may leave",
    FieldReason.WRONG_KIND: "a value of this kind can't hold this category",
}
"""Why a field is stripped, of the reasons that show when a plan is compiled."""

PatternNames = Mapping[str, str]
"""What is told of each pattern that has a name, instead of the pattern alone."""

NO_PATTERN_NAMES: Final[PatternNames] = {}

AS_IT_IS: Final = "as it is"
MASKED: Final = "any text, masked where something personal shows"
FIXED_WORDING: Final[Mapping[type, str]] = {
    Keep: AS_IT_IS,
    Payload: "its payload decides, by the payload's type",
    Nested: "what is in it decides",
    Attributes: "each entry by its key",
    Properties: "each entry by its key",
}
"""Rules without a part of their own."""


def reason_wording(reason: Reason) -> str:
    """A reason in words; its name where it shows only when items pass."""
    return REASON_WORDING.get(reason, reason.value)


def rule_wording(rule: Rule | None, named: PatternNames = NO_PATTERN_NAMES) -> str:
    """What a value must be to leave."""
    match rule:
        case None:
            return AS_IT_IS
        case UserId(pattern, text, detect):
            said = (f"a user ID, {_shown(pattern, named)}", *_own(text, named), *_not_searched(detect))
            return _joined(*said, *_echo(rule))
        case WorkEmail():
            return _joined(*_work_email(rule, named))
        case Text():
            return _joined(*_text(rule, named))
        case FreeText() | Content():
            return _of_prose(rule, named)
        case Mask():
            return _of_mask(rule)
        case Body() | SpanName():
            return _of_text(rule)
    return FIXED_WORDING.get(type(rule)) or _within(rule)


def _of_prose(rule: FreeText | Content, named: PatternNames) -> str:
    """Texts that hold what they hold."""
    if isinstance(rule, FreeText):
        return _joined(MASKED, *_own(rule.text, named))
    return _joined(AS_IT_IS, *_own(rule.text, named), f"{shortlist(rule.detect)} in it counted")


def _of_text(rule: Body | SpanName) -> str:
    """Texts that a policy lists."""
    if isinstance(rule, Body):
        return f"{_listed('text', rule.templates)}; of a list, each entry by its key"
    usual = "" if rule.forms is None else ", a method, a route, a service's method"
    return f"{_listed('name', rule.listed)}{usual}; for any other the kind of span"


def _of_mask(rule: Mask) -> str:
    if not rule.of:
        return "without paths only: the contract doesn't tell which message it speaks of"
    if not rule.answer and not rule.beside:
        return f"without paths only: nothing of {rule.of} may leave"
    return f"the paths to what may leave of {rule.of}; one of which none is left is refused"


def _listed(what: str, listed: Sequence[str]) -> str:
    return f"a listed {what}, word for word ({len(listed)} listed)"


def _within(rule: Rule) -> str:
    match rule:
        case Length(size):
            return f"exactly {size} bytes"
        case Moment(days):
            return _time(rule) if days is None else f"a time within {days} days of receipt"
        case Number(low, high):
            return "a number that is no phone, card or identity number" if low is None else f"{low} to {high}"
        case Span(low, high):
            return "a valid duration" if low is None else f"{low} to {high} seconds"
    raise TypeError(type(rule).__name__)


def _time(rule: Moment) -> str:
    if rule.min is None or rule.max is None:
        return "a valid time"
    first, last = (datetime.fromtimestamp(seconds, UTC).year for seconds in (rule.min, rule.max))
    return f"a time in the years {first} to {last}"


def value_wording(value: Value, named: PatternNames = NO_PATTERN_NAMES) -> str:
    """What a value whose kind shows late must be, kind by kind.

    Kinds of one rule share it, and an only kind goes unnamed.
    """
    given = {
        kind: rule_wording(rule, named)
        for kind in Value.__struct_fields__
        if (rule := getattr(value, kind)) is not None
    }
    if len(given) == 1:
        return next(iter(given.values()))
    kinds: dict[str, list[str]] = {}
    for kind, words in given.items():
        kinds.setdefault(words, []).append(kind)
    return "; ".join(f"{' or '.join(names)}: {words}" for words, names in kinds.items())


def classification_wording(privacy: FieldPrivacy) -> str:
    """A classification on one line, in the policy's own words."""
    category = privacy.category.name
    given = ((name, getattr(privacy, name)) for name in FieldPrivacy.__struct_fields__ if name != "category")
    default = FieldPrivacy()
    said = (f"{name} {_plain(value)}" for name, value in given if value != getattr(default, name))
    return _joined(category, *said)


def shortlist(names: Iterable[str]) -> str:
    """Some names as a list, the rest as a count."""
    every = list(names)
    rest = len(every) - MAX_SHORTLIST_NAMES
    return ", ".join(every) if rest <= 1 else f"{', '.join(every[:MAX_SHORTLIST_NAMES])} and {rest} more"


def list_change(gained: Iterable[str], lost: Iterable[str]) -> str:
    """What a list gains and loses; nothing if it does neither."""
    told = ((verb, shortlist(map(printable, names))) for verb, names in (("gains", gained), ("loses", lost)))
    return "; ".join(f"{verb} {names}" for verb, names in told if names)


def printable(text: str) -> str:
    """A text of an operator's file, fit for a terminal: what doesn't print is escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _shown(pattern: str, named: PatternNames) -> str:
    if pattern in named:
        return f"matches {named[pattern]}"
    return "a token" if pattern == TOKEN else f"matches {printable(pattern)}"


def _joined(*parts: str) -> str:
    return ", ".join(parts)


def _own(text: Text | None, named: PatternNames) -> Iterator[str]:
    if text is not None:
        yield from _text(text, named)


def _text(rule: Text, named: PatternNames) -> Iterator[str]:
    if rule.one_of:
        yield f"one of {shortlist(map(printable, rule.one_of))}"
        return
    if rule.pattern:
        yield _shown(rule.pattern, named)
    if rule.max_length:
        yield f"at most {rule.max_length} characters"
    if {*DETECTORS} - {*rule.detect} <= {*EXEMPTIBLE}:
        yield "nothing personal in it"
        yield from _not_searched(rule.detect)
    elif rule.detect:
        spared = f" (a {shortlist(kind.replace('_', ' ') for kind in rule.spare)} is no card)" if rule.spare else ""
        yield f"no {shortlist(rule.detect)} in it{spared}"
    if rule.name:
        yield "no name of what is never collected"
    yield from _echo(rule)


def _echo(rule: Text | UserId) -> Iterator[str]:
    if rule.echo is not None:
        yield "no name or address of the item's own person"


def _not_searched(detect: Collection[Detector]) -> Iterator[str]:
    """What isn't looked for where all else is."""
    if missing := [kind for kind in DETECTORS if kind not in detect]:
        yield f"{' and '.join(missing)} not looked for"


def _work_email(rule: WorkEmail, named: PatternNames) -> Iterator[str]:
    yield "a business address"
    if rule.outside:
        yield "of a verified domain where there is a directory"
    if rule.vendor:
        yield "a personal one withholds the item"
    yield from (f"of {name} too" for name in [shortlist(rule.business)] if name)
    yield from (f"not of {name}" for name in [shortlist(rule.personal)] if name)
    yield from _own(rule.text, named)


def _plain(value: object) -> str:
    match value:
        case bool():
            return "yes"
        case tuple():
            return shortlist(map(printable, map(str, value)))
    return printable(getattr(value, "name", None) or str(value))
