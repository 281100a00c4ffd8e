"""Deciding on raw sub-messages once: what a rule made of some bytes is what it makes of the same bytes again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.engine.context import DecisionContext, Person, levels
from gateway.engine.rules import MAX_CACHED_VALUE_CHARS, MAX_CACHED_VERDICTS
from gateway.errors import Reason
from gateway.model import FieldPath, StripCounts

Rewrite = Callable[[bytes, DecisionContext], bytes | Reason]
"""Minimises a raw sub-message: what is left of it, or the reason why nothing is."""

QuickReject = Callable[[bytes], Reason | None]
"""The reason why a raw sub-message is stripped, if a look at it is enough to tell."""


class CachedResult(msgspec.Struct, frozen=True):
    """What became of a raw sub-message in which something was stripped or masked."""

    kept: bytes | Reason
    notes: StripCounts

    def __repr__(self) -> str:
        return "CachedResult(…)"


MessageResult = bytes | Reason | CachedResult
"""What became of a raw sub-message.

The bytes that are left of it, the reason why none are, or either with what was stripped inside.
"""

MAX_CACHED_MESSAGE_BYTES: Final = 4096
"""The length of the longest message that is remembered where whole messages come again: a user, a resource."""


class MessageCache:
    """Remembers results that depend on the bytes alone, apart for contexts with a directory and without one.

    Of one attribute that stays, one that goes, one in which something is masked, and one with an address whose domain
    the directory must know:

        b"…codec…h264"   -> b"…codec…h264"          remembered
        b"…note…Ada"     -> FieldReason             remembered
        b"…text…+33 6…"  -> CachedResult(b"…[PHONE]", {…: 1})    remembered, its count with it
        b"…mail…ada@…"   -> b"…" or FieldReason     not `cacheable`: decided on each time

    What is remembered here was decided without a person's words: `echoed` has the last word where there are some.
    """

    def __init__(
        self,
        rewrite: Rewrite,
        max_cached_bytes: int = MAX_CACHED_VALUE_CHARS,
        reject: QuickReject | None = None,
    ) -> None:
        """`reject` tells what is stripped whatever it holds, cheaply: that isn't remembered."""
        self._rewrite = rewrite
        self._max_cached_bytes = max_cached_bytes
        self._reject = reject
        self._known: tuple[dict[bytes, MessageResult], dict[bytes, MessageResult]] = ({}, {})

    def known(self, context: DecisionContext) -> dict[bytes, MessageResult]:
        """What is remembered for facts like these; nothing inside an `Any`, where the depth matters too."""
        return {} if context.depth else self._known[context.facts.directory]

    def decide(self, raw: bytes, context: DecisionContext, at: FieldPath) -> MessageResult:
        """Decide on what isn't remembered, at a place. Raises Refused, PersonalAccount."""
        if self._reject is not None and (reason := self._reject(raw)) is not None:
            return reason
        below = DecisionContext(context.facts, context.depth and context.depth + levels(at), context.budget)
        kept = self._rewrite(raw, below)
        result: MessageResult = CachedResult(kept, below.strip_counts) if below.strip_counts else kept
        if below.cacheable and len(raw) <= self._max_cached_bytes:
            self._remember(self.known(context), raw, result)
        context.adopt(below)
        return result

    def beside_person(
        self,
        values: Sequence[bytes],
        results: Sequence[MessageResult | None],
        context: DecisionContext,
        at: FieldPath,
    ) -> Sequence[MessageResult]:
        """What becomes of many, beside the words of the item's own person; `results` is what is known without them."""
        told = [
            self.decide(value, context, at) if one is None else one for value, one in zip(values, results, strict=True)
        ]
        return [self.echoed(value, one, context, at) for value, one in zip(values, told, strict=True)]

    def echoed(self, raw: bytes, result: MessageResult, context: DecisionContext, at: FieldPath) -> MessageResult:
        """What becomes of raw bytes beside the words of the item's own person; `result` is what does without them.

        Decided on anew only where what is kept may hold one of the words, and remembered with the words alone.
        """
        kept, person = result.kept if isinstance(result, CachedResult) else result, context.person
        if person is None or not isinstance(kept, bytes) or not kept:
            return result
        if not person.may_be_in(kept):
            return result
        key = (self, context.facts.directory, raw)
        known: MessageResult | None = None if context.depth else person.known.get(key)
        return self._decide_beside(person, raw, context, at) if known is None else known

    def _decide_beside(self, person: Person, raw: bytes, context: DecisionContext, at: FieldPath) -> MessageResult:
        below = DecisionContext(context.facts, context.depth and context.depth + levels(at), person=person)
        kept = self._rewrite(raw, below)
        result: MessageResult = CachedResult(kept, below.strip_counts) if below.strip_counts else kept
        if below.cacheable and not context.depth and len(raw) <= self._max_cached_bytes:
            person.remember((self, context.facts.directory, raw), result)
        context.cacheable &= below.cacheable
        return result

    def _remember(self, known: dict[bytes, MessageResult], raw: bytes, result: MessageResult) -> None:
        if len(known) >= MAX_CACHED_VERDICTS:
            known.clear()
        known[raw] = result


class CleanSet:
    """Remembers messages in which every value passed.

    Projected already, so that nothing is kept in memory that may not leave.
    """

    def __init__(self) -> None:
        self._known: tuple[set[bytes], set[bytes]] = (set(), set())

    def known(self, context: DecisionContext) -> set[bytes]:
        """Those remembered, for contexts with facts like these."""
        return self._known[context.facts.directory]

    def add(self, message: bytes, context: DecisionContext) -> None:
        """Remember one more."""
        known = self.known(context)
        if len(known) >= MAX_CACHED_VERDICTS:
            known.clear()
        if len(message) <= MAX_CACHED_MESSAGE_BYTES:
            known.add(message)
