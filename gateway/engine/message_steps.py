"""Steps on messages in messages: one, many, the entries of a map; and what makes one step of a message's own.

Types may hold one another, so that a step looks up the check of the message below it where all are filled in later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, TypeAlias

from google.protobuf.message import Message

from gateway.engine.apply_rule import ApplyRule
from gateway.engine.context import DecisionContext
from gateway.engine.masks import MaskNarrower
from gateway.engine.message_cache import CleanSet
from gateway.engine.value_steps import Check
from gateway.errors import FieldReason, Reason
from gateway.model import FieldPath, StripCounts
from gateway.plan import FieldPlan
from gateway.protobuf.schema import attribute

MAX_COPIED_MESSAGES: Final = 64
"""Messages in a list that is copied to walk it: that is faster, but holds an object for each."""

MAX_REMEMBERED_MESSAGES: Final = 2048
"""How many messages that say who a person is are remembered; when full all are forgotten."""

MAX_REMEMBERED_MESSAGE_BYTES: Final = 1024
"""Bytes of the longest of them."""

MovedEntry: TypeAlias = tuple[Any, Any, StripCounts]
"""An entry of a map under its changed key: key, value, and what was stripped in it."""


MessageChecks = Mapping[int, Check]
"""The checks of a plan's messages by their index, of those that have one."""


class AllSteps:
    """The steps of one message, in their order."""

    __slots__ = ("_steps",)

    def __init__(self, steps: Sequence[Check]) -> None:
        self._steps = tuple(steps)

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Run them."""
        for step in self._steps:
            step(parsed, context, at)


class MaskedSteps:
    """The steps of a message with masks, which then lose the paths to what the steps have stripped."""

    __slots__ = ("_masks", "_steps")

    def __init__(self, steps: Sequence[Check], masks: Sequence[MaskNarrower]) -> None:
        self._steps, self._masks = steps, masks

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Run the steps, then narrow the masks."""
        asking = [mask for mask in self._masks if mask.asks(parsed)]
        # What is stripped of this message, apart from its like: the masks of a list's messages are each their own.
        trial = context.trial()
        for step in self._steps:
            step(parsed, trial, at)
        notes = dict(trial.strip_counts)
        for mask in asking:
            mask.narrow_failed(parsed, notes, trial, at)
        context.adopt(trial)
        context.repeat(trial.strip_counts, None)


class InnerMessage:
    """One message. The same user comes again and again: what was clean once is only looked up.

    At the top only: looked up at each level, what is deep inside would be serialised as often.
    """

    __slots__ = ("_checks", "_clean", "_index", "_label", "_name")

    def __init__(self, field: FieldPlan, index: int, checks: MessageChecks) -> None:
        self._name, self._label = attribute(field.number), field.name
        self._checks, self._index = checks, index
        self._clean = CleanSet()

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Check the message, where there is one."""
        if not parsed.HasField(self._name):
            return
        message = getattr(parsed, self._name)
        if at is not None or context.depth:
            self._checks[self._index](message, context, (at, self._label))
            return
        before = message.SerializePartialToString()
        if not self._clean.has(before, context) and _is_clean(
            self._checks[self._index], message, before, context, self._label
        ):
            self._clean.add(before, context)


class TellingMessage:
    """The one message that says who the item's person is: what was clean once, beside its own words, is looked up."""

    __slots__ = ("_checks", "_clean", "_index", "_label", "_name")

    def __init__(self, field: FieldPlan, index: int, checks: MessageChecks) -> None:
        self._name, self._label = attribute(field.number), field.name
        self._checks, self._index = checks, index
        self._clean: set[tuple[bool, bytes]] = set()

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Check the message, where there is one."""
        if at is None and not context.depth and context.person_message is not None:
            if (context.facts.directory, context.person_message) not in self._clean:
                self._check(getattr(parsed, self._name), context.person_message, context)
        elif parsed.HasField(self._name):
            self._checks[self._index](getattr(parsed, self._name), context, (at, self._label))

    def _check(self, message: Message, said: bytes, context: DecisionContext) -> None:
        before = message.SerializePartialToString()
        if _is_clean(self._checks[self._index], message, before, context, self._label):
            if len(self._clean) >= MAX_REMEMBERED_MESSAGES:
                self._clean.clear()
            if len(said) <= MAX_REMEMBERED_MESSAGE_BYTES:
                self._clean.add((context.facts.directory, said))


def _is_clean(check: Check, message: Message, before: bytes, context: DecisionContext, label: str) -> bool:
    """Check a message at the top; whether it stays as it is, serialised as `before`, whenever it comes."""
    cacheable, context.cacheable, reported = context.cacheable, True, context.reported
    check(message, context, (None, label))
    # What was told of is told of again.
    clean = context.cacheable and context.reported == reported and message.SerializePartialToString() == before
    context.cacheable &= cacheable
    return clean


class InnerMessages:
    """Each of many messages."""

    __slots__ = ("_checks", "_index", "_label", "_name")

    def __init__(self, field: FieldPlan, index: int, checks: MessageChecks) -> None:
        self._name, self._label = attribute(field.number), f"{field.name}[*]"
        self._checks, self._index = checks, index

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Check each."""
        messages = getattr(parsed, self._name)
        if not messages:
            return
        check, there = self._checks[self._index], (at, self._label)
        context.spend(len(messages))
        for message in messages[:] if len(messages) < MAX_COPIED_MESSAGES else messages:
            check(message, context, there)


class MapEntries:
    """The entries of a map: those whose key or value fails go.

    Where a changed key equals another, its entry stays; of several, the last one's in order. The others count as
    stripped. Where keys are addresses, which are normalised:

        {"Ada@Acme.example": 1, "ada@acme.example": 2, "x": 3}
        x is no address: stripped                              EMAIL_MALFORMED
        Ada@… moves to ada@…, whose entry goes: stripped       DUPLICATE_KEY
        {"ada@acme.example": 1}
    """

    __slots__ = ("_below", "_checks", "_key", "_label", "_name", "_value")

    def __init__(
        self, field: FieldPlan, key: ApplyRule, value: ApplyRule, below: int | None, checks: MessageChecks
    ) -> None:
        """`below` is the index of the message that a value is, where it has a check."""
        self._name, self._label = attribute(field.number), f"{field.name}[*]"
        self._key, self._value = key, value
        self._below, self._checks = below, checks

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Check each entry."""
        entries, there = getattr(parsed, self._name), (at, self._label)
        moved: list[MovedEntry] = []
        context.spend(len(entries))
        for key in sorted(entries):
            self._entry(entries, key, moved, context, there)
        if moved:
            _move(entries, moved, context, there)

    def _entry(self, entries: Any, key: Any, moved: list[MovedEntry], context: DecisionContext, at: FieldPath) -> None:
        # What is stripped or masked in an entry counts only if the entry stays.
        value, trial = entries[key], context.trial()
        new = self._key(key, trial, at)
        kept = new if isinstance(new, Reason) else self._value(value, trial, at)
        if self._below is not None and not isinstance(kept, Reason):
            self._checks[self._below](value, trial, at)
        context.adopt(trial)
        if isinstance(kept, Reason):
            del entries[key]
            context.note(at, kept)
        elif new != key:
            moved.append((new, deepcopy(kept), trial.strip_counts))
            del entries[key]
        else:
            context.repeat(trial.strip_counts, None)
            if kept is not value:
                entries[key] = kept


def _move(entries: Any, moved: Sequence[MovedEntry], context: DecisionContext, at: FieldPath) -> None:
    """Put entries under their changed keys; those whose places they take count as stripped."""
    last = {key: (value, notes) for key, value, notes in moved}
    if gone := len(moved) - len(last) + sum(key in entries for key in last):
        context.note(at, FieldReason.DUPLICATE_KEY, count=gone)
    for key, (value, notes) in last.items():
        if isinstance(value, Message):
            entries[key].CopyFrom(value)
        else:
            entries[key] = value
        context.repeat(notes, None)
