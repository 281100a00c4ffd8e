"""Whom a minimised item is about: every identifier and address in it, wherever its plan can keep one.

Only what can hold one is read, with a projection of its own. Values whose rule depends on a key are `identifiers.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from gateway.engine.apply_rule import INNER
from gateway.engine.identifiers import CATEGORY, Identifier, holds, identifiers_of, names, properties
from gateway.model import Category
from gateway.plan import (
    Attributes,
    Body,
    FieldPlan,
    Form,
    MessagePlan,
    Nested,
    Payload,
    Plan,
    Presence,
    Properties,
    Rule,
)
from gateway.protobuf.any_message import ANY, open_any
from gateway.protobuf.descriptors import with_holders
from gateway.protobuf.schema import attribute, build, read

Walk = Callable[[Any, set[Identifier]], None]
"""Adds what a message, or one value, holds."""

NOBODY: Final[frozenset[Identifier]] = frozenset()

_ANY: Final = -1
"""In place of a message's index: any of those that an `Any` may hold."""
_NONE: Final = -2

_REPEATED: Final = frozenset({Presence.PACKED, Presence.EXPANDED})


class SubjectIndex:
    """Reads the payloads that one plan makes."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._holding = _holding(plan)
        self._schemas = (
            build([_pruned(plan, index, self._holding) for index in range(len(plan.messages))]) if self._holding else []
        )
        # Filled in while recursive types already refer to it.
        self._walks: dict[int, Walk] = {}
        self._walks |= {index: self._walk(plan.messages[index]) for index in self._holding}

    def read(self, payload: bytes) -> frozenset[Identifier]:
        """Each USER_ID and WORK_EMAIL kept, as it stands there; numbers as decimals.

        Raises Refused if it is no payload of the plan.
        """
        if not self._holding:
            return NOBODY
        found: set[Identifier] = set()
        self._read(0, payload, found)
        return frozenset(found)

    def _read(self, index: int, raw: bytes, found: set[Identifier]) -> None:
        self._walks[index](read(self._schemas[index], raw), found)

    def _walk(self, message: MessagePlan) -> Walk:
        walks = [self._field(field) for field in message.fields if _holds(self._plan, field, self._holding)]
        if len(walks) == 1:
            return walks[0]

        def walk(parsed: Any, found: set[Identifier]) -> None:
            for one in walks:
                one(parsed, found)

        return walk

    def _field(self, field: FieldPlan) -> Walk:
        target = None if field.message is None else self._plan.messages[field.message]
        if target is not None and target.form is Form.MAP_ENTRY:
            return _entries(attribute(field.number), *map(self._part, target.fields))
        rule = _rule(self._plan, field)
        if isinstance(rule, Properties):
            return _selected(attribute(field.number), attribute(rule.selector), rule)
        each = self._value(field, rule)
        return _many(attribute(field.number), each) if field.presence in _REPEATED else _one(field, each)

    def _part(self, field: FieldPlan) -> Walk | None:
        """One half of a map's entries; None if it holds nothing."""
        return self._value(field, _rule(self._plan, field)) if _holds(self._plan, field, self._holding) else None

    def _value(self, field: FieldPlan, rule: Rule | None) -> Walk:
        if type(rule) in CATEGORY:
            return _scalar(CATEGORY[type(rule)], wrapped=field.message is not None)
        match rule:
            case Payload():
                return self._any
            case Nested():
                return lambda raw, found: self._read(rule.message, raw, found)
            case Attributes() | Body():
                held = identifiers_of(rule)
                return lambda raw, found: found.update(held(raw))
        return self._message(field.message)  # type: ignore[arg-type]  # a message, as `_holds` says

    def _message(self, index: int) -> Walk:
        walks = self._walks

        def walk(message: Any, found: set[Identifier]) -> None:
            walks[index](message, found)

        return walk

    def _any(self, raw: bytes, found: set[Identifier]) -> None:
        name, value = open_any(raw)
        while name == ANY:
            name, value = open_any(value)
        if (index := self._plan.anys.get(name)) in self._holding:
            self._read(index, value, found)


def _scalar(category: Category, *, wrapped: bool) -> Walk:
    if wrapped:
        return lambda wrapper, found: found.add((category, str(getattr(wrapper, INNER))))
    return lambda value, found: found.add((category, str(value)))


def _one(field: FieldPlan, each: Walk) -> Walk:
    name, implicit = attribute(field.number), field.presence is Presence.IMPLICIT

    def walk(parsed: Any, found: set[Identifier]) -> None:
        if getattr(parsed, name) if implicit else parsed.HasField(name):
            each(getattr(parsed, name), found)

    return walk


def _many(name: str, each: Walk) -> Walk:
    def walk(parsed: Any, found: set[Identifier]) -> None:
        for value in getattr(parsed, name):
            each(value, found)

    return walk


def _entries(name: str, key: Walk | None, value: Walk | None) -> Walk:
    def walk(parsed: Any, found: set[Identifier]) -> None:
        entries = getattr(parsed, name)
        for held in entries:
            if key is not None:
                key(held, found)
            if value is not None:
                value(entries[held], found)

    return walk


def _selected(name: str, selector: str, rule: Properties) -> Walk:
    """The properties of an event, which a field beside them names."""
    events = {event: properties(rules) for event, rules in rule.events.items()}

    def walk(parsed: Any, found: set[Identifier]) -> None:
        held = events.get(getattr(parsed, selector, ""))
        if held is not None:
            for raw in getattr(parsed, name):
                found.update(held(raw))

    return walk


def _holding(plan: Plan) -> frozenset[int]:
    """The messages that can hold an identifier or an address, themselves or in what they lead to.

    None if the first can't.
    """
    holders: dict[int, list[int]] = {index: [_ANY] for index in plan.anys.values()}
    for index, message in enumerate(plan.messages):
        for field in message.fields:
            holders.setdefault(_led_to(plan, field), []).append(index)
    starts = (
        index
        for index, message in enumerate(plan.messages)
        if any(_holds(plan, field, frozenset()) for field in message.fields)
    )
    holding = with_holders(starts, holders) - {_ANY, _NONE}
    return holding if 0 in holding else frozenset()


def _led_to(plan: Plan, field: FieldPlan) -> int:
    """The message that a field leads to."""
    rule = _rule(plan, field)
    if isinstance(rule, Payload):
        return _ANY
    index = rule.message if isinstance(rule, Nested) else field.message
    return _NONE if index is None else index


def _holds(plan: Plan, field: FieldPlan, holding: frozenset[int]) -> bool:
    """Whether a field's values can, so far as it is known of messages."""
    match rule := _rule(plan, field):
        case Payload():
            return not holding.isdisjoint(plan.anys.values())
        case Nested():
            return rule.message in holding
        case Attributes() | Body():
            return names(rule)
        case Properties():
            return any(holds(value) for rules in rule.events.values() for value in rules.values())
    return type(rule) in CATEGORY or field.message in holding


def _rule(plan: Plan, field: FieldPlan) -> Rule | None:
    return None if field.rule is None else plan.rules[field.rule]


def _pruned(plan: Plan, index: int, holding: frozenset[int]) -> MessagePlan:
    """A message with the fields that must be read. Entries of maps and wrappers stay whole."""
    message = plan.messages[index]
    if message.form is not Form.MESSAGE:
        return message
    wanted = [field for field in message.fields if index in holding and _holds(plan, field, holding)]
    numbers = {field.number for field in wanted}
    numbers |= {rule.selector for field in wanted if isinstance(rule := _rule(plan, field), Properties)}
    return msgspec.structs.replace(message, fields=tuple(one for one in message.fields if one.number in numbers))
