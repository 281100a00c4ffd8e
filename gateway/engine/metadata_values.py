"""What of one value of metadata may leave: by its rule, and by how it is written."""

from __future__ import annotations

import re
from typing import Final, Protocol
from urllib.parse import quote, unquote

from gateway.engine.context import DecisionContext, Masked, PersonalAccount, Reported, RuleResult
from gateway.engine.rules import RuleCheck, check_of, context_rule_of
from gateway.errors import Reason
from gateway.model import Facts
from gateway.plan import Rule

_BAGGAGE_SAFE: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"
_TRACESTATE_VALUE: Final = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")

Value = str | bytes
Pair = tuple[str, Value]


class KeyFilter(Protocol):
    """What may leave of a key's values."""

    def filter(self, value: Value, facts: Facts, /) -> Value | None:
        """Return what of a value may leave; None if nothing may."""
        ...


class TextFilter(Protocol):
    """What may leave of a text."""

    def filter(self, text: str, facts: Facts, /) -> str | None:
        """Return what of a text may leave; None if nothing may."""
        ...


class BaggageValue:
    """A value of https://www.w3.org/TR/baggage/: checked as what it says, without its properties.

    Of `user=usr%5F1;ttl=5`, `usr_1` is checked, and what passes is quoted again.
    """

    __slots__ = ("_filter",)

    def __init__(self, inner: TextFilter) -> None:
        self._filter = inner.filter

    def filter(self, text: str, facts: Facts) -> str | None:
        """Return the value without its properties, quoted, if it passes."""
        try:
            value = unquote(text.partition(";")[0].rstrip(), errors="strict")
        except UnicodeDecodeError:
            return None
        passed = self._filter(value, facts)
        return None if passed is None else quote(passed, safe=_BAGGAGE_SAFE)


class TracestateValue:
    """A value of https://www.w3.org/TR/trace-context/#tracestate-header."""

    __slots__ = ("_filter",)

    def __init__(self, inner: TextFilter) -> None:
        self._filter = inner.filter

    def filter(self, text: str, facts: Facts) -> str | None:
        """Return the value if it passes, and is one before and after."""
        passed = self._filter(text, facts) if _TRACESTATE_VALUE.fullmatch(text) else None
        return passed if passed is not None and _TRACESTATE_VALUE.fullmatch(passed) else None


def key_filter(key: str, rule: Rule | None) -> KeyFilter:
    """Return what filters a key's values. No rule reads bytes: where they may leave, they leave as they are."""
    if not key.endswith("-bin"):
        return PrintableText(rule_filter(rule))
    return AnyBytes() if rule is None else Nothing()


class AnyBytes:
    """Bytes pass as they are, and nothing else."""

    __slots__ = ()

    def filter(self, value: Value, _: Facts) -> bytes | None:
        """Return a value of bytes."""
        return value if isinstance(value, bytes) else None


class Nothing:
    """Nothing passes."""

    __slots__ = ()

    def filter(self, _value: Value, _: Facts) -> None:
        """Return None."""


class PrintableText:
    """What gRPC takes as a text: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests."""

    __slots__ = ("_filter",)

    def __init__(self, inner: TextFilter) -> None:
        self._filter = inner.filter

    def filter(self, value: Value, facts: Facts) -> str | None:
        """Return the text if it passes, and gRPC takes it before and after."""
        if not (isinstance(value, str) and is_printable(value)):
            return None
        passed = self._filter(value, facts)
        return passed if passed is not None and is_printable(passed) else None


def is_printable(value: Value) -> bool:
    """Return whether a value is a text that gRPC takes."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def rule_filter(rule: Rule | None) -> TextFilter:
    """Return what filters a text by a rule; without one it passes as it is."""
    if rule is None:
        return AnyText()
    check = check_of(rule)
    return FactsRule(rule) if check is None else ValueRule(check)


class AnyText:
    """A text passes as it is."""

    __slots__ = ()

    def filter(self, text: str, _: Facts) -> str | None:
        """Return the text."""
        return text


class ValueRule:
    """A rule that needs the text alone."""

    __slots__ = ("_check",)

    def __init__(self, check: RuleCheck) -> None:
        self._check = check

    def filter(self, text: str, _: Facts) -> str | None:
        """Return what the rule leaves of a text."""
        return passed_text(text, self._check(text))


class FactsRule:
    """A rule that needs the facts too."""

    __slots__ = ("_rule",)

    def __init__(self, rule: Rule) -> None:
        self._rule = context_rule_of(rule, None)

    def filter(self, text: str, facts: Facts) -> str | None:
        """Return what the rule leaves of a text; nothing of what is about a personal account."""
        try:
            return passed_text(text, self._rule(text, DecisionContext(facts)))
        except PersonalAccount:
            return None


def passed_text(text: str, result: RuleResult) -> str | None:
    """Return what a rule's result leaves of a text. Only free text is masked."""
    if result is None or isinstance(result, Reported):
        return text
    if isinstance(result, Reason):
        return None
    return result.text if isinstance(result, Masked) else str(result)
