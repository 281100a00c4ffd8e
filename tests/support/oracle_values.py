"""What the slow oracle leaves of one value: each rule as the design says it, asked anew each time."""

from __future__ import annotations

from typing import Any

from gateway.detectors.detect import find, find_number, mask
from gateway.detectors.prohibited import is_prohibited
from gateway.engine import addresses
from gateway.model import Facts
from gateway.patterns import compile_pattern
from gateway.plan import FreeText, Moment, Number, Span, Text, UserId, WorkEmail


class Personal(Exception):
    """No vendor gets this item."""


def allowed_value(rule: Any, value: Any, facts: Facts) -> Any:
    """What is left of a value; None if nothing is. Raises Personal."""
    if rule is None:
        return value
    if isinstance(rule, WorkEmail):
        return _address(rule, value, facts)
    if not _passes(rule, value, facts):
        return None
    if not isinstance(rule, FreeText):
        return value
    return mask(value) if _passes(rule, mask(value), facts) else None


def _passes(rule: Any, value: Any, facts: Facts) -> bool:
    match rule:
        case UserId():
            said = str(value)
            hides = rule.detect and find(said, rule.detect)
            return bool(compile_pattern(rule.pattern).fullmatch(said)) and not hides and _fits(rule.text, said)
        case Text():
            return _fits(rule, value)
        case FreeText():
            return _fits(rule.text, value)
        case Number():
            return (
                not find_number(value) if rule.min is None or rule.max is None else bool(rule.min <= value <= rule.max)
            )
        case Moment():
            return _is_near(value, rule, facts)
        case Span():
            return _is_within(value, rule.min, rule.max)
    raise TypeError(rule)


def _address(rule: WorkEmail, value: str, facts: Facts) -> str | None:
    address = addresses.reader(rule.personal, rule.business)(value)
    if address.kind is addresses.Kind.PERSONAL and rule.vendor:
        raise Personal
    if address.kind is not addresses.Kind.BUSINESS:
        return None
    if rule.outside and facts.directory and address.domain not in facts.verified:
        return None
    return address.normalised if _fits(rule.text, address.normalised) else None


def _fits(rule: Text | None, value: str) -> bool:
    if rule is None:
        return True
    if rule.one_of:
        return value in rule.one_of and not (rule.detect and find(value, rule.detect))
    long = rule.max_length and len(value) > rule.max_length
    odd = rule.pattern and not compile_pattern(rule.pattern).fullmatch(value)
    said = rule.name and is_prohibited(value)
    return not long and not odd and not said and not (rule.detect and find(value, rule.detect))


def _is_near(value: Any, rule: Moment, facts: Facts) -> bool:
    if not (-62_135_596_800 <= value.seconds <= 253_402_300_799 and 0 <= value.nanos < 10**9):
        return False
    if (rule.min is not None and value.seconds < rule.min) or (rule.max is not None and value.seconds > rule.max):
        return False
    return rule.days is None or bool(abs(_nanos(value) - facts.received_ns) <= rule.days * 86_400 * 10**9)


def _is_within(value: Any, low: int | None, high: int | None) -> bool:
    valid = (
        abs(value.nanos) < 10**9 and value.seconds * value.nanos >= 0 and abs(_nanos(value)) <= 315_576_000_000 * 10**9
    )
    return bool(valid and (low is None or high is None or low * 10**9 <= _nanos(value) <= high * 10**9))


def _nanos(value: Any) -> int:
    return int(value.seconds * 10**9 + value.nanos)


def drop_unknown_numbers(message: Any) -> None:
    """Clear what an enum doesn't have, in a `Value` and below it: null has one number."""
    for field, value in message.ListFields():
        if field.enum_type is not None and value not in field.enum_type.values_by_number:
            message.ClearField(field.name)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            for one in value.values():
                drop_unknown_numbers(one)
        elif field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                drop_unknown_numbers(one)
