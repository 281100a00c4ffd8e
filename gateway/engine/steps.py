"""A plan's rules as steps: what to look at in each message type after the parse, in the order of its fields.

For a message with a name, many tags and a mask beside an address:

    CheckedValue(name), AppliedValues(tags), InnerMessage(address), then the mask is narrowed: MaskedSteps
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from gateway.engine.apply_rule import ApplyRule, PlainValue, RawMessage, WrappedValue, keep
from gateway.engine.attributes import BodyRewrite, KeyReject, KeyValueRewrite
from gateway.engine.lone_records import Level, LoneRecords, can_be_put_together, only_list
from gateway.engine.masks import narrowers
from gateway.engine.message_cache import MAX_CACHED_MESSAGE_BYTES, MessageCache
from gateway.engine.message_steps import AllSteps, InnerMessage, InnerMessages, MapEntries, MaskedSteps, TellingMessage
from gateway.engine.payload import AnyRewrite, Minimise, NestedRewrite
from gateway.engine.persons import person_field
from gateway.engine.raw_steps import EventProperties, RawValue, RawValues
from gateway.engine.rules import RuleCheck, check_of, context_rule_of, echo_of
from gateway.engine.value_steps import (
    REPEATED,
    AppliedValue,
    AppliedValues,
    Check,
    CheckedValue,
    EchoedValue,
    RuledValue,
    SpanNameStep,
)
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
    Properties,
    Rule,
    SpanName,
    has_echo,
)
from gateway.protobuf.descriptors import with_holders


def checks(plan: Plan, minimise: Minimise) -> tuple[Mapping[int, Check], LoneRecords | None]:
    """The check of each of the plan's messages in which there is something to check.

    And what decides on items of one record by the record; None where the plan's aren't such.
    """
    builder = _Builder(plan, minimise)
    for index in builder.active:
        builder.made[index] = builder.check(plan.messages[index])
    return builder.made, builder.lone_records()


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

    def __init__(self, plan: Plan, minimise: Minimise) -> None:
        self.active = _active(plan.messages)
        self.made: dict[int, Check] = {}
        self._plan = plan
        self._minimise = minimise
        self._telling = person_field(plan)
        # Fields of one rule share what it remembers.
        self._message_cache = cache(self._new_message_cache)
        self._check_of = cache(self._new_check)

    def check(self, message: MessagePlan) -> Check:
        """The steps of a message's fields, as one."""
        steps = [step for _, step in self._steps(message)]
        if masks := narrowers(message, self._plan):
            return MaskedSteps(steps, masks).run
        return steps[0] if len(steps) == 1 else AllSteps(steps).run

    def lone_records(self) -> LoneRecords | None:
        """What decides on items of one record by the record, where lists of messages lead to records and nothing else.

        Where the message that says who the person is stands beside them, items are looked up by that one.
        """
        plan = self._plan
        if self._telling is not None or not can_be_put_together(plan):
            return None
        outer = only_list(plan, 0)
        inner = None if outer is None else only_list(plan, outer.message or 0)
        if outer is None or inner is None or inner.message not in self.made:
            return None
        levels = self._level(0, outer), self._level(outer.message or 0, inner)
        return LoneRecords(*levels, inner.message, self.made)

    def _level(self, index: int, holder: FieldPlan) -> Level:
        steps = self._steps(self._plan.messages[index])
        at = [field for field, _ in steps].index(holder)
        return Level(holder, [step for _, step in steps[:at]], [step for _, step in steps[at + 1 :]])

    def _steps(self, message: MessagePlan) -> list[tuple[FieldPlan, Check]]:
        # A span's name last: what it is judged by must have stayed, or it would fare otherwise when it is judged again.
        fields = sorted(
            (field for field in message.fields if not self._is(field, Mask)),
            key=lambda field: self._is(field, SpanName),
        )
        return [(field, step) for field in fields if (step := self._step(field)) is not None]

    def _is(self, field: FieldPlan, kind: type[Rule]) -> bool:
        return field.rule is not None and isinstance(self._plan.rules[field.rule], kind)

    def _step(self, field: FieldPlan) -> Check | None:
        target = None if field.message is None else self._plan.messages[field.message]
        if field.rule is None and field.message not in self.active:
            return None
        if target is not None and target.form is Form.MAP_ENTRY:
            return self._map(field, target)
        if field.rule is not None:
            return self._ruled(field, field.rule)
        if field.message is None:
            return None
        if field.presence in REPEATED:
            return InnerMessages(field, field.message, self.made).run
        inner = TellingMessage if field is self._telling else InnerMessage
        return inner(field, field.message, self.made).run

    def _ruled(self, field: FieldPlan, index: int) -> Check:
        """The step of a field with a rule."""
        rule, repeated = self._plan.rules[index], field.presence in REPEATED
        if isinstance(rule, Properties):
            return EventProperties(field, rule).run
        if isinstance(rule, SpanName):
            return SpanNameStep(field, rule).run
        if (messages := self._message_cache(index)) is not None:
            return RawValues(field, messages).run if repeated else RawValue(field, messages).run
        if repeated:
            return AppliedValues(field, self._apply(field)).run
        if self._is_wrapper(field):
            return AppliedValue(field, self._apply(field)).run
        check = self._check_of(index)
        if check is None:
            return RuledValue(field, context_rule_of(rule, None)).run
        return (
            CheckedValue(field, check).run
            if echo_of(rule) is None
            else EchoedValue(field, check, context_rule_of(rule, check)).run
        )

    def _apply(self, field: FieldPlan) -> ApplyRule:
        """How the rule is applied to a field's values, each by itself."""
        if field.rule is None:
            return keep
        if (messages := self._message_cache(field.rule)) is not None:
            return RawMessage(messages).apply
        rule = context_rule_of(self._plan.rules[field.rule], self._check_of(field.rule))
        return WrappedValue(rule).apply if self._is_wrapper(field) else PlainValue(rule).apply

    def _is_wrapper(self, field: FieldPlan) -> bool:
        return field.message is not None and self._plan.messages[field.message].form is Form.WRAPPER

    def _new_check(self, index: int) -> RuleCheck | None:
        return check_of(self._plan.rules[index])

    def _new_message_cache(self, index: int) -> MessageCache | None:
        """What remembers the results of a rule that reads raw bytes."""
        rule = self._plan.rules[index]
        echoes = has_echo(rule)
        match rule:
            case Payload():
                return MessageCache(AnyRewrite(self._plan.anys, self._minimise).rewrite)
            case Nested():
                return MessageCache(NestedRewrite(rule.message, self._minimise).rewrite, MAX_CACHED_MESSAGE_BYTES)
            case Attributes():
                return MessageCache(KeyValueRewrite(rule).rewrite, reject=KeyReject(rule).reason, echoes=echoes)
            case Body():
                return MessageCache(BodyRewrite(rule).rewrite, echoes=echoes)
        return None

    def _map(self, field: FieldPlan, entry: MessagePlan) -> Check:
        key, value = map(self._apply, entry.fields)
        below = entry.fields[1].message
        return MapEntries(field, key, value, below if below in self.active else None, self.made).run
