"""Steps on the values of one field: one value, many, a span's name. For raw messages see `raw_steps.py`.

A step's `run` takes a parsed message, the context of the decision and the message's place. It strips from the message
what fails, counts it, and raises Refused or PersonalAccount where the item can't leave at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from gateway.engine.apply_rule import ApplyRule, apply_result
from gateway.engine.context import DecisionContext
from gateway.engine.rules import ContextRule, RuleCheck
from gateway.engine.spans import SpanNameCheck
from gateway.errors import Reason
from gateway.model import FieldPath
from gateway.plan import FieldPlan, Presence, SpanName
from gateway.protobuf.schema import attribute

Check = Callable[[Message, DecisionContext, FieldPath], None]
"""The `run` of a step."""

REPEATED: Final = frozenset({Presence.PACKED, Presence.EXPANDED})


class CheckedValue:
    """One value whose rule needs nothing else: the common case."""

    __slots__ = ("_check", "_implicit", "_label", "_name")

    def __init__(self, field: FieldPlan, check: RuleCheck) -> None:
        self._name, self._label = attribute(field.number), field.name
        self._implicit = field.presence is Presence.IMPLICIT
        self._check = check

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Check the value, where there is one."""
        name = self._name
        value = getattr(parsed, name)
        if (value if self._implicit else parsed.HasField(name)) and (result := self._check(value)) is not None:
            there = (at, self._label)
            replace(parsed, name, apply_result(value, result, context, there), context, there)


class EchoedValue:
    """One value whose rule needs nothing but the words of the item's own person, where it says any."""

    __slots__ = ("_check", "_implicit", "_label", "_name", "_rule")

    def __init__(self, field: FieldPlan, check: RuleCheck, rule: ContextRule) -> None:
        """`check` is the rule without a person."""
        self._name, self._label = attribute(field.number), field.name
        self._implicit = field.presence is Presence.IMPLICIT
        self._check, self._rule = check, rule

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Check the value, where there is one."""
        name = self._name
        value = getattr(parsed, name)
        if not (value if self._implicit else parsed.HasField(name)):
            return
        result = self._check(value) if context.person is None else self._rule(value, context)
        if result is not None:
            there = (at, self._label)
            replace(parsed, name, apply_result(value, result, context, there), context, there)


class RuledValue:
    """One value whose rule asks for the facts of the moment."""

    __slots__ = ("_implicit", "_label", "_name", "_rule")

    def __init__(self, field: FieldPlan, rule: ContextRule) -> None:
        self._name, self._label = attribute(field.number), field.name
        self._implicit = field.presence is Presence.IMPLICIT
        self._rule = rule

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Check the value, where there is one."""
        name = self._name
        value = getattr(parsed, name)
        if (value if self._implicit else parsed.HasField(name)) and (result := self._rule(value, context)) is not None:
            there = (at, self._label)
            replace(parsed, name, apply_result(value, result, context, there), context, there)


class AppliedValue:
    """One value of any other kind."""

    __slots__ = ("_apply", "_implicit", "_label", "_name")

    def __init__(self, field: FieldPlan, apply: ApplyRule) -> None:
        self._name, self._label = attribute(field.number), field.name
        self._implicit = field.presence is Presence.IMPLICIT
        self._apply = apply

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Apply the rule to the value, where there is one."""
        name = self._name
        value = getattr(parsed, name)
        if value if self._implicit else parsed.HasField(name):
            there = (at, self._label)
            kept = self._apply(value, context, there)
            if kept is not value:
                replace(parsed, name, kept, context, there)


class AppliedValues:
    """Each of many values."""

    __slots__ = ("_apply", "_label", "_name")

    def __init__(self, field: FieldPlan, apply: ApplyRule) -> None:
        self._name, self._label = attribute(field.number), f"{field.name}[*]"
        self._apply = apply

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Apply the rule to each, and leave in the list those that stay."""
        field = getattr(parsed, self._name)
        if not field:
            return
        there, apply = (at, self._label), self._apply
        context.spend(len(field))
        values = field[:]
        kept = [apply(value, context, there) for value in values]
        if any(new is not old for new, old in zip(kept, values, strict=True)):
            self._refill(parsed, kept, context, there)

    def _refill(self, parsed: Message, kept: Sequence[Any], context: DecisionContext, at: FieldPath) -> None:
        """Put what was kept in the place of what there was, and count the rest."""
        parsed.ClearField(self._name)
        getattr(parsed, self._name).extend([one for one in kept if not isinstance(one, Reason)])
        for reason, count in Counter(one for one in kept if isinstance(one, Reason)).items():
            context.note(at, reason, count=count)


class SpanNameStep:
    """A span's name, which its kind and its attributes have a say in."""

    __slots__ = ("_check", "_label", "_name")

    def __init__(self, field: FieldPlan, rule: SpanName) -> None:
        self._name, self._label = attribute(field.number), field.name
        self._check = SpanNameCheck(rule).check

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Put another name in its place where it can't stay."""
        value = getattr(parsed, self._name)
        if value and (result := self._check(value, parsed, context.person)) is not None:
            setattr(parsed, self._name, apply_result(value, result, context, (at, self._label)))


def replace(parsed: Message, name: str, kept: Any, context: DecisionContext, at: FieldPath) -> None:
    """Put what a rule left in the place of a value; a reason clears it and is counted."""
    if isinstance(kept, Reason):
        parsed.ClearField(name)
        context.note(at, kept)
    else:
        setattr(parsed, name, kept)
