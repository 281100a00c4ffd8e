"""A span's name: kept when it is of low cardinality, else its kind in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from gateway.engine.context import Masked
from gateway.engine.rules import RuleCheck, VerdictCache, check_of, masked
from gateway.errors import FieldReason
from gateway.plan import SpanName, Text
from gateway.protobuf.schema import attribute
from gateway.protobuf.wire import field

KIND: Final = attribute(6)
ATTRIBUTES: Final = attribute(9)

Named = Callable[[str, Any], Masked | None]
"""What takes the place of a span's name, by the name and the parsed span; None if it stays."""


def span_name(rule: SpanName) -> Named:
    """The judge of names."""
    listed = frozenset(rule.listed)
    forms, routed, made = _of(rule.forms), _of(rule.routed), _of(rule.made)
    routes, named = (tuple(key.encode() for key in keys) for keys in (rule.routes, rule.named))
    verbs = frozenset(rule.verbs)

    def check(name: str, span: Any) -> Masked | None:
        if (
            name in listed
            or forms(name) is None
            or (routed(name) is None and _is_said(name.partition(" ")[2], span, routes))
        ):
            return None
        if made(name) is None and all(word in verbs or _is_named(word, span, named) for word in name.split(" ")):
            return None
        if rule.free_text:
            return masked(name)
        kind = _kind(rule, span)
        # The name of its kind says nothing else: what was put there once stays.
        return None if name == kind else Masked(kind, FieldReason.NOT_LISTED)

    return check


def _of(rule: Text | None) -> RuleCheck:
    """None lets no name pass."""
    judge = None if rule is None else check_of(rule)
    return VerdictCache(lambda name: FieldReason.NOT_LISTED).__getitem__ if judge is None else judge


def _is_named(word: str, span: Any, keys: Sequence[bytes]) -> bool:
    """Whether attributes that stay say a word of a name: one of them, or two with a dot between them."""
    halves = ((word[:at], word[at + 1 :]) for at, char in enumerate(word) if char == ".")
    return _is_said(word, span, keys) or any(all(_is_said(half, span, keys) for half in both) for both in halves)


def _is_said(text: str, span: Any, keys: Sequence[bytes]) -> bool:
    """Whether a text is the string value of an attribute that stays."""
    held, value = getattr(span, ATTRIBUTES), field(2, field(1, text.encode()))
    return any(field(1, key) + value in held for key in keys)


def _kind(rule: SpanName, span: Any) -> str:
    kind = getattr(span, KIND)
    return rule.kinds[kind] if kind < len(rule.kinds) else rule.kinds[0]
