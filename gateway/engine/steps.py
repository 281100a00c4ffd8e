"""A plan's rules as steps: what to look at in each message type after the parse, in the order of its fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import Any, Final, cast

from gateway.engine import apply_rule as settle
from gateway.engine import attributes as keyed
from gateway.engine.apply_rule import ApplyRule, apply_result
from gateway.engine.context import DecisionContext
from gateway.engine.masks import MaskNarrower, narrowers
from gateway.engine.message_cache import MAX_CACHED_MESSAGE_BYTES, CachedResult, CleanSet, MessageCache, MessageResult
from gateway.engine.payload import Minimise, nested, payload
from gateway.engine.rules import RuleCheck, check_of, context_rule_of
from gateway.engine.spans import span_name
from gateway.errors import FieldReason, ItemReason, Reason, Refused
from gateway.model import FieldPath, StripCounts
from gateway.plan import (
    Attributes,
    Body,
    FieldPlan,
    Form,
    Mask,
    MessagePlan,
    Nested,
    Payload,
    Plan,
    Presence,
    Properties,
    Rule,
    SpanName,
)
from gateway.protobuf.descriptors import with_holders
from gateway.protobuf.schema import attribute

Check = Callable[[Any, DecisionContext, FieldPath], None]
"""Judges what a parsed message, at a place, holds; strips from it what fails. Raises Refused, PersonalAccount."""

REPEATED: Final = frozenset({Presence.PACKED, Presence.EXPANDED})


FEW: Final = 64


def checks(plan: Plan, minimise: Minimise) -> list[Check | None]:
    """The check of each of the plan's messages; None where there is nothing to check."""
    made: list[Check | None] = [None] * len(plan.messages)
    active = _active(plan.messages)
    builder = _Builder(plan, minimise, active, made)
    for index in active:
        made[index] = builder.check(plan.messages[index])
    return made


def _active(messages: Sequence[MessagePlan]) -> frozenset[int]:
    """The messages that have a rule, or lead to one."""
    holders: dict[int, list[int]] = {}
    for index, message in enumerate(messages):
        for field in message.fields:
            if field.message is not None:
                holders.setdefault(field.message, []).append(index)
    ruled = (index for index, message in enumerate(messages) if any(field.rule is not None for field in message.fields))
    return with_holders(ruled, holders)


class _Builder:
    """Builds the checks of one plan. `made` is filled in while recursive types already refer to it."""

    def __init__(self, plan: Plan, minimise: Minimise, active: frozenset[int], made: list[Check | None]) -> None:
        self._plan = plan
        self._minimise = minimise
        self._active = active
        self._made = made
        # Fields of one rule share what it remembers.
        self._memo = cache(self._new_memo)
        self._judge = cache(self._new_judge)

    def check(self, message: MessagePlan) -> Check:
        """The steps of a message's fields, as one."""
        # A span's name last: what it is judged by must have stayed, or it would fare otherwise when it is judged again.
        fields = sorted(
            (field for field in message.fields if not self._is(field, Mask)),
            key=lambda field: self._is(field, SpanName),
        )
        steps = [step for field in fields if (step := self._step(field)) is not None]
        if masks := narrowers(message, self._plan):
            return _masked(steps, masks)
        if len(steps) == 1:
            return steps[0]

        def check(parsed: Any, run: DecisionContext, at: FieldPath) -> None:
            for step in steps:
                step(parsed, run, at)

        return check

    def _is(self, field: FieldPlan, kind: type[Rule]) -> bool:
        return field.rule is not None and isinstance(self._plan.rules[field.rule], kind)

    def _step(self, field: FieldPlan) -> Check | None:
        if field.rule is None and field.message not in self._active:
            return None
        target = None if field.message is None else self._plan.messages[field.message]
        repeated = field.presence in REPEATED
        if target is not None and target.form is Form.MAP_ENTRY:
            return self._map(field, target)
        if field.rule is None:
            return self._messages(field) if repeated else self._message(field)
        rule = self._plan.rules[field.rule]
        if isinstance(rule, Properties):
            return _properties(field, rule)
        if isinstance(rule, SpanName):
            return _span_name(field, rule)
        memo = self._memo(field.rule)
        if memo is not None:
            return _each_raw(field, lambda _: memo) if repeated else _one_raw(field, memo)
        if repeated or (target is not None and target.form is Form.WRAPPER):
            return (_each if repeated else _one)(field, self._settle(field))
        judge = self._judge(field.rule)
        return _one(field, self._settle(field)) if judge is None else _one_alone(field, judge)

    def _settle(self, field: FieldPlan) -> ApplyRule:
        """How a field's values are settled, each by itself."""
        if field.rule is None:
            return _as_it_is
        if (memo := self._memo(field.rule)) is not None:
            return settle.raw(memo)
        factual = context_rule_of(self._plan.rules[field.rule], self._judge(field.rule))
        wrapper = field.message is not None and self._plan.messages[field.message].form is Form.WRAPPER
        return settle.wrapped(factual) if wrapper else settle.plain(factual)

    def _new_judge(self, index: int) -> RuleCheck | None:
        return check_of(self._plan.rules[index])

    def _new_memo(self, index: int) -> MessageCache | None:
        """What remembers the outcomes of a rule that reads raw bytes."""
        match rule := self._plan.rules[index]:
            case Payload():
                return MessageCache(payload(self._plan.anys, self._minimise))
            case Nested():
                return MessageCache(nested(rule.message, self._minimise), MAX_CACHED_MESSAGE_BYTES)
            case Attributes():
                return MessageCache(keyed.attributes(rule), dismiss=keyed.quick_reject(rule))
            case Body():
                return MessageCache(keyed.body(rule))
        return None

    def _message(self, field: FieldPlan) -> Check:
        """One message. The same user comes again and again: what was sound once is only looked up.

        At the top only: looked up at each level, what is deep inside would be serialised as often.
        """
        name, label, made, index = attribute(field.number), field.name, self._made, cast(int, field.message)
        sound = CleanSet()

        def step(parsed: Any, run: DecisionContext, at: FieldPath) -> None:
            if parsed.HasField(name):
                message = getattr(parsed, name)
                if at is not None or run.depth:
                    made[index](message, run, (at, label))  # type: ignore[misc]  # made by now
                    return
                before = message.SerializePartialToString()
                if before not in sound.known(run):
                    lasting, run.cacheable, reported = run.cacheable, True, run.reported
                    made[index](message, run, (at, label))  # type: ignore[misc]  # made by now
                    # What was told of is told of again.
                    if run.cacheable and run.reported == reported and message.SerializePartialToString() == before:
                        sound.add(before, run)
                    run.cacheable &= lasting

        return step

    def _messages(self, field: FieldPlan) -> Check:
        name, label, made, index = attribute(field.number), f"{field.name}[*]", self._made, cast(int, field.message)

        def step(parsed: Any, run: DecisionContext, at: FieldPath) -> None:
            check, there, items = cast(Check, made[index]), (at, label), getattr(parsed, name)
            run.spend(len(items))
            # A copied list is faster to walk, but holds an object for each message.
            for item in items[:] if len(items) < FEW else items:
                check(item, run, there)

        return step

    def _map(self, field: FieldPlan, entry: MessagePlan) -> Check:
        """Entries whose key or value fails go.

        Where a changed key equals another, its entry stays; of several, the last one's in order.

        The others count as stripped.
        """
        name, label, made = attribute(field.number), f"{field.name}[*]", self._made
        key, value = map(self._settle, entry.fields)
        below = entry.fields[1].message if entry.fields[1].message in self._active else None

        def step(parsed: Any, run: DecisionContext, at: FieldPath) -> None:
            entries, there = getattr(parsed, name), (at, label)
            moved: list[Moved] = []
            run.spend(len(entries))
            for old in sorted(entries):
                held = entries[old]
                # What is stripped or masked in an entry counts only if the entry stays.
                trial = DecisionContext(run.facts, run.depth, run.budget)
                new = key(old, trial, there)
                kept = new if isinstance(new, Reason) else value(held, trial, there)
                if below is not None and not isinstance(kept, Reason):
                    made[below](held, trial, there)  # type: ignore[misc]  # made by now
                run.cacheable, run.budget = run.cacheable & trial.cacheable, trial.budget
                if isinstance(kept, Reason):
                    del entries[old]
                    run.note(there, kept)
                    continue
                if new != old:
                    moved.append((new, deepcopy(kept), trial.strip_counts))
                    del entries[old]
                    continue
                run.repeat(trial.strip_counts, None)
                if kept is not held:
                    entries[old] = kept
            if moved:
                _move(entries, moved, run, there)

        return step


Moved = tuple[Any, Any, StripCounts]
"""An entry of a map under its changed key: key, value, and what was stripped in it."""


def _move(entries: Any, moved: Sequence[Moved], run: DecisionContext, at: FieldPath) -> None:
    """Put entries under their changed keys; those whose places they take count as stripped."""
    last = {key: (value, notes) for key, value, notes in moved}
    if gone := len(moved) - len(last) + sum(key in entries for key in last):
        run.note(at, FieldReason.DUPLICATE_KEY, count=gone)
    for key, (value, notes) in last.items():
        _put(entries, key, value)
        run.repeat(notes, None)


def _masked(steps: Sequence[Check], masks: Sequence[MaskNarrower]) -> Check:
    """The steps of a message with masks, which then lose the paths to what the steps have stripped."""

    def check(parsed: Any, run: DecisionContext, at: FieldPath) -> None:
        asked = [mask for mask in masks if mask.asks(parsed)]
        # What is stripped of this message, apart from its like: the masks of a list's messages are each their own.
        trial = DecisionContext(run.facts, run.depth, run.budget)
        for step in steps:
            step(parsed, trial, at)
        notes = dict(trial.strip_counts)
        for mask in asked:
            mask.settle(parsed, notes, trial, at)
        run.cacheable, run.budget = run.cacheable & trial.cacheable, trial.budget
        run.repeat(trial.strip_counts, None)

    return check


def _as_it_is(value: Any, run: DecisionContext, at: FieldPath) -> Any:
    return value


def _put(entries: Any, key: Any, value: Any) -> None:
    if hasattr(value, "DESCRIPTOR"):
        entries[key].CopyFrom(value)
    else:
        entries[key] = value


def _one_alone(field: FieldPlan, judge: RuleCheck) -> Check:
    """One value whose rule needs nothing else: the common case."""
    name, label, implicit = attribute(field.number), field.name, field.presence is Presence.IMPLICIT

    def step(parsed: Any, run: DecisionContext, at: FieldPath) -> None:
        value = getattr(parsed, name)
        if (value if implicit else parsed.HasField(name)) and (ruled := judge(value)) is not None:
            there = (at, label)
            _replace(parsed, name, apply_result(value, ruled, run, there), run, there)

    return step


def _one(field: FieldPlan, settle_value: ApplyRule) -> Check:
    """One value of any other kind."""
    name, label, implicit = attribute(field.number), field.name, field.presence is Presence.IMPLICIT

    def step(parsed: Any, run: DecisionContext, at: FieldPath) -> None:
        value = getattr(parsed, name)
        if value if implicit else parsed.HasField(name):
            there = (at, label)
            kept = settle_value(value, run, there)
            if kept is not value:
                _replace(parsed, name, kept, run, there)

    return step


def _one_raw(field: FieldPlan, memo: MessageCache) -> Check:
    """One raw message: the common case, that it is known and stays, is kept short."""
    name, label, settle_value = attribute(field.number), field.name, settle.raw(memo)

    def step(parsed: Any, run: DecisionContext, at: FieldPath) -> None:
        value = getattr(parsed, name)
        if (value or parsed.HasField(name)) and memo.known(run).get(value) != value:
            there = (at, label)
            kept = settle_value(value, run, there)
            if kept is not value:
                _replace(parsed, name, kept, run, there)

    return step


def _replace(parsed: Any, name: str, kept: Any, run: DecisionContext, at: FieldPath) -> None:
    if isinstance(kept, Reason):
        parsed.ClearField(name)
        run.note(at, kept)
    else:
        setattr(parsed, name, kept)


def _each(field: FieldPlan, settle_value: ApplyRule) -> Check:
    """Each of many values."""
    name, label = attribute(field.number), f"{field.name}[*]"

    def step(parsed: Any, run: DecisionContext, at: FieldPath) -> None:
        held, there = getattr(parsed, name), (at, label)
        run.spend(len(held))
        values = held[:]
        kept = [settle_value(value, run, there) for value in values]
        if any(new is not old for new, old in zip(kept, values, strict=True)):
            _refill(parsed, name, kept, run, there)

    return step


def _each_raw(field: FieldPlan, memo_of: Callable[[Any], MessageCache]) -> Check:
    """Each of many raw messages: the common case, that all are known and stay, is kept short."""
    name, label = attribute(field.number), f"{field.name}[*]"

    def step(parsed: Any, run: DecisionContext, at: FieldPath) -> None:
        memo, held = memo_of(parsed), getattr(parsed, name)
        run.spend(len(held))
        values = held[:]
        fates = [*map(memo.known(run).get, values)]
        if fates != values:
            held[:] = _sorted_out(values, fates, memo, run, (at, label))

    return step


def _sorted_out(
    values: Sequence[bytes],
    fates: Sequence[MessageResult | None],
    memo: MessageCache,
    run: DecisionContext,
    at: FieldPath,
) -> list[bytes]:
    """What is kept of raw messages, of which some aren't known or don't stay."""
    kept: list[bytes] = []
    stripped: dict[Reason, int] = {}
    for value, known in zip(values, fates, strict=True):
        fate = memo.decide(value, run, at) if known is None else known
        if type(fate) is CachedResult:
            run.repeat(fate.notes, at)
            fate = fate.kept
        if type(fate) is bytes:
            kept.append(fate)
        else:
            stripped[fate] = stripped.get(fate, 0) + 1  # type: ignore[index,arg-type]  # a reason
    for reason, count in stripped.items():
        run.note(at, reason, count=count)
    return kept


def _refill(parsed: Any, name: str, kept: Sequence[Any], run: DecisionContext, at: FieldPath) -> None:
    """Put what was kept in the place of what there was, and count the rest."""
    parsed.ClearField(name)
    getattr(parsed, name).extend([one for one in kept if not isinstance(one, Reason)])
    for reason, count in Counter(one for one in kept if isinstance(one, Reason)).items():
        run.note(at, reason, count=count)


def _properties(field: FieldPlan, rule: Properties) -> Check:
    """Each property, by its event's rules."""
    selector = attribute(rule.selector)
    memos: Mapping[str, MessageCache] = {
        event: MessageCache(keyed.properties(rules)) for event, rules in rule.events.items()
    }

    def memo_of(parsed: Any) -> MessageCache:
        memo = memos.get(getattr(parsed, selector, ""))
        if memo is None:
            raise Refused(ItemReason.EVENT_NOT_PLANNED)
        return memo

    return _each_raw(field, memo_of)


def _span_name(field: FieldPlan, rule: SpanName) -> Check:
    """A span's name, which its kind and its attributes have a say in."""
    name, label, of_span = attribute(field.number), field.name, span_name(rule)

    def step(parsed: Any, run: DecisionContext, at: FieldPath) -> None:
        value = getattr(parsed, name)
        if value and (ruled := of_span(value, parsed)) is not None:
            there = (at, label)
            setattr(parsed, name, apply_result(value, ruled, run, there))

    return step
