"""Settling one value by its rule: what is kept of it, or the reason why nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.errors import Reason
from gateway.minimise.memo import Memo, Noted
from gateway.minimise.rules import Factual
from gateway.minimise.run import Masked, Reported, Ruled, Run
from gateway.minimise.schema import attribute
from gateway.model import FieldVerdict, Trail

Settle = Callable[[Any, Run, Trail], Any]
"""Takes a value, the run and the value's place.

Returns the value itself if it stays as it is, another to put in its place, or a Reason.
"""

INNER: Final = attribute(1)
"""A wrapper's value."""


def plain(judge: Factual) -> Settle:
    """Settle a scalar, or a message that counts as one."""
    return lambda value, run, at: settled(value, judge(value, run), run, at)


def wrapped(judge: Factual) -> Settle:
    """Settle a wrapper; a changed value is put into it."""

    def settle(wrapper: Any, run: Run, at: Trail) -> Any:
        inner = getattr(wrapper, INNER)
        kept = settled(inner, judge(inner, run), run, at)
        if isinstance(kept, Reason):
            return kept
        if kept is not inner:
            setattr(wrapper, INNER, kept)
        return wrapper

    return settle


def raw(memo: Memo) -> Settle:
    """Settle a message that is read as raw bytes."""

    def settle(value: bytes, run: Run, at: Trail) -> Any:
        fate = memo.known(run).get(value)
        if fate is None:
            fate = memo.judge(value, run, at)
        if isinstance(fate, Noted):
            run.repeat(fate.notes, at)
            fate = fate.kept
        return value if fate == value else fate

    return settle


def settled(value: Any, ruled: Ruled, run: Run, at: Trail) -> Any:
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
