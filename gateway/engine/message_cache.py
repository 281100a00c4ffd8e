"""Deciding on raw sub-messages once: what a rule made of some bytes is what it makes of the same bytes again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.engine.context import DecisionContext, levels
from gateway.engine.echo import MAX_REMEMBERED_RESULTS, Person
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

MIN_JOINED_VALUES: Final = 2
"""Fewer values are looked at one by one."""

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

    Of an item that says who its person is, results are remembered with that person's words, and go when these go.
    """

    def __init__(
        self,
        rewrite: Rewrite,
        max_cached_bytes: int = MAX_CACHED_VALUE_CHARS,
        reject: QuickReject | None = None,
        *,
        echoes: bool = True,
    ) -> None:
        """`reject` tells what is stripped whatever it holds, cheaply: that isn't remembered.

        Without `echoes`, a person's words have no say in it.
        """
        self._echoes = echoes
        self._rewrite = rewrite
        self._max_cached_bytes = max_cached_bytes
        self._reject = reject
        self._known: tuple[dict[bytes, MessageResult], dict[bytes, MessageResult]] = ({}, {})
        self._numbers = tuple(map(id, self._known))

    def known(self, context: DecisionContext) -> dict[bytes, MessageResult]:
        """What is remembered for facts like these, and beside the same words; nothing inside an `Any`.

        The depth matters there too.
        """
        if context.depth:
            return {}
        person = context.person
        if person is None or not self._echoes:
            return self._known[context.facts.directory]
        return person.known[self._numbers[context.facts.directory]]

    def expect(
        self, values: Sequence[bytes], results: Sequence[MessageResult | None], context: DecisionContext, person: Person
    ) -> Sequence[MessageResult | None]:
        """Return the results of values that come together, with those that are known without a person's words.

        Only where these stand in none of the values.
        """
        alone = {} if context.depth else self._known[context.facts.directory]
        new = {
            value: found
            for value, result in zip(values, results, strict=True)
            if result is None and (found := alone.get(value)) is not None
        }
        if len(new) < MIN_JOINED_VALUES or person.may_be_in(b"\0".join(new)):
            return results
        beside = self.known(context)
        for value, result in new.items():
            self._remember(beside, value, result, MAX_REMEMBERED_RESULTS)
        return [new.get(value) if one is None else one for value, one in zip(values, results, strict=True)]

    def decide(self, raw: bytes, context: DecisionContext, at: FieldPath) -> MessageResult:
        """Decide on what isn't remembered, at a place. Raises Refused, PersonalAccount."""
        person = context.person if self._echoes else None
        if self._reject is not None and (reason := self._reject(raw)) is not None:
            if person is not None and len(raw) <= self._max_cached_bytes:
                self._remember(self.known(context), raw, reason, MAX_REMEMBERED_RESULTS)
            return reason
        known = {} if context.depth else self._known[context.facts.directory]
        result = None if person is None else known.get(raw)
        cacheable = True
        if result is None:
            result, cacheable = self._decide(raw, context, at, None)
            if cacheable and len(raw) <= self._max_cached_bytes:
                self._remember(known, raw, result, MAX_CACHED_VERDICTS)
        if person is None:
            return result
        kept = result.kept if isinstance(result, CachedResult) else result
        if isinstance(kept, bytes) and person.may_be_in(kept):
            result, cacheable = self._decide(raw, context, at, person)
        if cacheable and len(raw) <= self._max_cached_bytes:
            self._remember(self.known(context), raw, result, MAX_REMEMBERED_RESULTS)
        return result

    def _decide(
        self, raw: bytes, context: DecisionContext, at: FieldPath, person: Person | None
    ) -> tuple[MessageResult, bool]:
        """What becomes of raw bytes, and whether it is the same whenever they come."""
        below = DecisionContext(context.facts, context.depth and context.depth + levels(at), context.budget, person)
        kept = self._rewrite(raw, below)
        context.cacheable &= below.cacheable
        if person is None:  # what is decided on twice is counted once
            context.budget = below.budget
        return CachedResult(kept, below.strip_counts) if below.strip_counts else kept, below.cacheable

    def _remember(self, known: dict[bytes, MessageResult], raw: bytes, result: MessageResult, max_results: int) -> None:
        if len(known) >= max_results:
            known.clear()
        known[raw] = result


class CleanSet:
    """Remembers messages in which every value passed, beside the words of a person where there are some.

    Projected already, so that nothing is kept in memory that may not leave.
    """

    def __init__(self) -> None:
        self._known: tuple[dict[bytes, bool], dict[bytes, bool]] = ({}, {})
        self._numbers = tuple(map(id, self._known))

    def has(self, message: bytes, context: DecisionContext) -> bool:
        """Whether a message is remembered, for contexts with facts like these."""
        directory, person = context.facts.directory, context.person
        if person is None:
            return message in self._known[directory]
        if message in person.known[self._numbers[directory]]:
            return True
        if message not in self._known[directory] or person.may_be_in(message):
            return False
        self.add(message, context)
        return True

    def add(self, message: bytes, context: DecisionContext) -> None:
        """Remember one more."""
        if len(message) > MAX_CACHED_MESSAGE_BYTES:
            return
        known, max_messages = self._known[context.facts.directory], MAX_CACHED_VERDICTS
        if context.person is not None:
            known = context.person.known[self._numbers[context.facts.directory]]
            max_messages = MAX_REMEMBERED_RESULTS
        if len(known) >= max_messages:
            known.clear()
        known[message] = True
