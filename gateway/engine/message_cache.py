"""Judging raw sub-messages once: what a rule made of some bytes is what it makes of the same bytes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from gateway.engine.context import DecisionContext, levels
from gateway.engine.rules import MAX_CACHED_VALUE_CHARS, MAX_CACHED_VERDICTS
from gateway.errors import Reason
from gateway.model import FieldPath, StripCounts

Rewrite = Callable[[bytes, DecisionContext], bytes | Reason]
"""Minimises a raw sub-message: what is left of it, or the reason why nothing is."""

Dismiss = Callable[[bytes], Reason | None]
"""The reason why a raw sub-message is stripped, if a look at it is enough to tell."""


class CachedResult(msgspec.Struct, frozen=True):
    """What became of a raw sub-message in which something was stripped or masked."""

    kept: bytes | Reason
    notes: StripCounts

    def __repr__(self) -> str:
        return "Noted(…)"


MessageResult = bytes | Reason | CachedResult
"""What became of a raw sub-message.

The bytes that are left of it, the reason why none are, or either with what was stripped inside.
"""

MAX_CACHED_MESSAGE_BYTES: Final = 4096
"""The length of the longest message that is remembered where whole messages come again: a user, a resource."""


class MessageCache:
    """Remembers fates that depend on the bytes alone, apart for runs with a directory and without one."""

    def __init__(self, rewrite: Rewrite, longest: int = MAX_CACHED_VALUE_CHARS, dismiss: Dismiss | None = None) -> None:
        """`dismiss` tells what is stripped whatever it holds, cheaply: that isn't remembered."""
        self._rewrite = rewrite
        self._longest = longest
        self._dismiss = dismiss
        self._known: tuple[dict[bytes, MessageResult], dict[bytes, MessageResult]] = ({}, {})

    def known(self, run: DecisionContext) -> dict[bytes, MessageResult]:
        """What is remembered, for runs with facts like these; nothing inside an `Any`, where the depth matters too."""
        return {} if run.depth else self._known[run.facts.directory]

    def decide(self, raw: bytes, run: DecisionContext, at: FieldPath) -> MessageResult:
        """Judge what isn't remembered, at a place. Raises Refused, PersonalAccount."""
        if self._dismiss is not None and (reason := self._dismiss(raw)) is not None:
            return reason
        below = DecisionContext(run.facts, run.depth and run.depth + levels(at), run.budget)
        kept = self._rewrite(raw, below)
        run.budget = below.budget
        fate: MessageResult = CachedResult(kept, below.strip_counts) if below.strip_counts else kept
        if below.cacheable and len(raw) <= self._longest:
            self._remember(self.known(run), raw, fate)
        run.cacheable &= below.cacheable
        return fate

    def _remember(self, known: dict[bytes, MessageResult], raw: bytes, fate: MessageResult) -> None:
        if len(known) >= MAX_CACHED_VERDICTS:
            known.clear()
        known[raw] = fate


class CleanSet:
    """Remembers messages in which every value passed.

    Projected already, so that nothing is kept in memory that may not leave.
    """

    def __init__(self) -> None:
        self._known: tuple[set[bytes], set[bytes]] = (set(), set())

    def known(self, run: DecisionContext) -> set[bytes]:
        """Those remembered, for runs with facts like these."""
        return self._known[run.facts.directory]

    def add(self, message: bytes, run: DecisionContext) -> None:
        """Remember one more."""
        known = self.known(run)
        if len(known) >= MAX_CACHED_VERDICTS:
            known.clear()
        if len(message) <= MAX_CACHED_MESSAGE_BYTES:
            known.add(message)
