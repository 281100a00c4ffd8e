"""Applying a rule to one value: what is kept of it, or the reason why nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import Message

from gateway.engine.context import DecisionContext, Masked, Reported, RuleResult
from gateway.engine.message_cache import CachedResult, MessageCache
from gateway.engine.rules import ContextRule
from gateway.errors import Reason
from gateway.model import FieldPath, FieldVerdict
from gateway.protobuf.schema import attribute

ApplyRule = Callable[[Any, DecisionContext, FieldPath], Any]
"""Takes a value, the context and the value's place.

Returns the value itself if it stays as it is, another to put in its place, or a Reason.
"""

INNER: Final = attribute(1)
"""A wrapper's value."""


def keep(value: Any, context: DecisionContext, at: FieldPath) -> Any:
    """Return the value: it has no rule."""
    return value


class PlainValue:
    """Applies a rule to a scalar, or to a message that counts as one."""

    __slots__ = ("_rule",)

    def __init__(self, rule: ContextRule) -> None:
        self._rule = rule

    def apply(self, value: Any, context: DecisionContext, at: FieldPath) -> Any:
        """Apply it to one value."""
        return apply_result(value, self._rule(value, context), context, at)


class WrappedValue:
    """Applies a rule to what a wrapper holds; a changed value is put into it."""

    __slots__ = ("_rule",)

    def __init__(self, rule: ContextRule) -> None:
        self._rule = rule

    def apply(self, wrapper: Message, context: DecisionContext, at: FieldPath) -> Message | Reason:
        """Apply it to one wrapper."""
        inner = getattr(wrapper, INNER)
        kept = apply_result(inner, self._rule(inner, context), context, at)
        if isinstance(kept, Reason):
            return kept
        if kept is not inner:
            setattr(wrapper, INNER, kept)
        return wrapper


class RawMessage:
    """Applies a rule to a message that is read as raw bytes, and remembers what became of it."""

    __slots__ = ("_cache",)

    def __init__(self, cache: MessageCache) -> None:
        self._cache = cache

    def apply(self, value: bytes, context: DecisionContext, at: FieldPath) -> bytes | Reason:
        """Apply it to one message."""
        result = self._cache.known(context).get(value)
        if result is None:
            result = self._cache.decide(value, context, at)
        if isinstance(result, CachedResult):
            context.repeat(result.notes, at)
            result = result.kept
        return value if result == value else result


def apply_result(value: Any, result: RuleResult, context: DecisionContext, at: FieldPath) -> Any:
    """The value that a rule's answer leaves, or the reason.

    What was masked is counted, and what shows in a value that stays.
    """
    if result is None:
        return value
    if isinstance(result, Masked):
        context.note(at, result.reason, FieldVerdict.MASK)
        return result.text
    if isinstance(result, Reported):
        context.note(at, result.reason, FieldVerdict.KEEP)
        return value
    return result
