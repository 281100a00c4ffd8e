"""Settling one value by its rule: what is kept of it, or the reason why nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.engine.context import DecisionContext, Masked, Reported, RuleResult
from gateway.engine.message_cache import CachedResult, MessageCache
from gateway.engine.rules import ContextRule
from gateway.errors import Reason
from gateway.model import FieldPath, FieldVerdict
from gateway.protobuf.schema import attribute

ApplyRule = Callable[[Any, DecisionContext, FieldPath], Any]
"""Takes a value, the run and the value's place.

Returns the value itself if it stays as it is, another to put in its place, or a Reason.
"""

INNER: Final = attribute(1)
"""A wrapper's value."""


def plain(judge: ContextRule) -> ApplyRule:
    """Settle a scalar, or a message that counts as one."""
    return lambda value, run, at: apply_result(value, judge(value, run), run, at)


def wrapped(judge: ContextRule) -> ApplyRule:
    """Settle a wrapper; a changed value is put into it."""

    def apply(wrapper: Any, run: DecisionContext, at: FieldPath) -> Any:
        inner = getattr(wrapper, INNER)
        kept = apply_result(inner, judge(inner, run), run, at)
        if isinstance(kept, Reason):
            return kept
        if kept is not inner:
            setattr(wrapper, INNER, kept)
        return wrapper

    return apply


def raw(memo: MessageCache) -> ApplyRule:
    """Settle a message that is read as raw bytes."""

    def apply(value: bytes, run: DecisionContext, at: FieldPath) -> Any:
        fate = memo.known(run).get(value)
        if fate is None:
            fate = memo.decide(value, run, at)
        if isinstance(fate, CachedResult):
            run.repeat(fate.notes, at)
            fate = fate.kept
        return value if fate == value else fate

    return apply


def apply_result(value: Any, ruled: RuleResult, run: DecisionContext, at: FieldPath) -> Any:
    """The value that a ruling leaves, or the reason.

    What was masked is counted, and what shows in a value that stays.
    """
    if ruled is None:
        return value
    if isinstance(ruled, Masked):
        run.note(at, ruled.reason, FieldVerdict.MASK)
        return ruled.text
    if isinstance(ruled, Reported):
        run.note(at, ruled.reason, FieldVerdict.KEEP)
        return value
    return ruled
