"""Whom a minimised item is about: every identifier and address in it, wherever its plan can keep one.

Only what can hold one is read, with a projection of its own. For values whose rule depends on a key see
`identifiers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from google.protobuf.message import Message

from gateway.engine.apply_rule import INNER
from gateway.engine.identifiers import CATEGORY, FindIdentifiers, holds, identifiers_of, names, properties
from gateway.engine.lone_records import Shell
from gateway.engine.message_cache import MAX_CACHED_MESSAGE_BYTES
from gateway.engine.rules import VerdictCache
from gateway.model import NOBODY, Category, Identifier
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
        self.read_message(0, payload, found)
        return frozenset(found)

    def add(self, message: Message, found: set[Identifier], shell: Shell | None = None) -> None:
        """Add what an item holds that the plan's own projection has read, and its checks have left as it is.

        With a shell, `message` is the item's record, and what is left around it is added too.
        """
        if shell is not None:
            if shell.subjects is None:
                shell.subjects = self.read(shell.payload)
            found.update(shell.subjects)
        if (walk := self._walks.get(0 if shell is None else shell.record)) is not None:
            walk(message, found)

    def read_message(self, index: int, raw: bytes, found: set[Identifier]) -> None:
        """Add what a serialised message of the projection at an index holds. Raises Refused."""
        self._walks[index](read(self._schemas[index], raw), found)

    def read_any(self, raw: bytes, found: set[Identifier]) -> None:
        """Add what a serialised `Any` holds. Raises Refused."""
        name, value = open_any(raw)
        while name == ANY:
            name, value = open_any(value)
        index = self._plan.anys.get(name)
        if index is not None and index in self._holding:
            self.read_message(index, value, found)

    def _walk(self, message: MessagePlan) -> Walk:
        walks = [self._field(field) for field in message.fields if _holds(self._plan, field, self._holding)]
        return walks[0] if len(walks) == 1 else _AllFields(walks).add

    def _field(self, field: FieldPlan) -> Walk:
        target = None if field.message is None else self._plan.messages[field.message]
        if target is not None and target.form is Form.MAP_ENTRY:
            return _Entries(field, *map(self._part, target.fields)).add
        rule = _rule(self._plan, field)
        if isinstance(rule, Properties):
            return _EventProperties(field, rule).add
        if isinstance(rule, Attributes) and field.presence in _REPEATED:
            return _KeyedValues(field, identifiers_of(rule)).add
        if field.presence is Presence.IMPLICIT and field.message is None and type(rule) in CATEGORY:
            return _ScalarField(field, CATEGORY[type(rule)]).add
        each = self._value(field, rule)
        return _Values(field, each).add if field.presence in _REPEATED else _Value(field, each).add

    def _part(self, field: FieldPlan) -> Walk | None:
        """One half of a map's entries; None if it holds nothing."""
        return self._value(field, _rule(self._plan, field)) if _holds(self._plan, field, self._holding) else None

    def _value(self, field: FieldPlan, rule: Rule | None) -> Walk:
        if (category := CATEGORY.get(type(rule))) is not None:
            return _Scalar(category).add if field.message is None else _Wrapper(category).add
        match rule:
            case Payload():
                return self.read_any
            case Nested():
                return _NestedMessage(self, rule.message).add
            case Attributes() | Body():
                return _KeyedValue(identifiers_of(rule)).add
        return _InnerMessage(self._walks, field).add


class _Scalar:
    """Adds a value itself."""

    __slots__ = ("_category",)

    def __init__(self, category: Category) -> None:
        self._category = category

    def add(self, value: str | int, found: set[Identifier]) -> None:
        found.add((self._category, str(value)))


class _ScalarField:
    """Adds the one value of a field, where it has one."""

    __slots__ = ("_category", "_name")

    def __init__(self, field: FieldPlan, category: Category) -> None:
        self._name, self._category = attribute(field.number), category

    def add(self, parsed: Message, found: set[Identifier]) -> None:
        if value := getattr(parsed, self._name):
            found.add((self._category, str(value)))


class _Wrapper:
    """Adds what a wrapper holds."""

    __slots__ = ("_category",)

    def __init__(self, category: Category) -> None:
        self._category = category

    def add(self, wrapper: Message, found: set[Identifier]) -> None:
        found.add((self._category, str(getattr(wrapper, INNER))))


class _KeyedValue:
    """Adds what a raw `KeyValue` or log body holds."""

    __slots__ = ("_find",)

    def __init__(self, find: FindIdentifiers) -> None:
        self._find = find

    def add(self, raw: bytes, found: set[Identifier]) -> None:
        found.update(self._find(raw))


class _KeyedValues:
    """Adds what many raw `KeyValue`s hold: most hold nothing."""

    __slots__ = ("_find", "_name")

    def __init__(self, field: FieldPlan, find: FindIdentifiers) -> None:
        self._name, self._find = attribute(field.number), find

    def add(self, parsed: Message, found: set[Identifier]) -> None:
        for identifiers in filter(None, map(self._find, getattr(parsed, self._name)[:])):
            found.update(identifiers)


class _NestedMessage:
    """Adds what a raw message of the projection at an index holds. The same ones come again and again."""

    __slots__ = ("_index", "_known", "_reader")

    def __init__(self, reader: SubjectIndex, index: int) -> None:
        self._reader, self._index = reader, index
        self._known = VerdictCache(self._read, max_chars=MAX_CACHED_MESSAGE_BYTES)

    def add(self, raw: bytes, found: set[Identifier]) -> None:
        found.update(self._known[raw])

    def _read(self, raw: bytes) -> frozenset[Identifier]:
        found: set[Identifier] = set()
        self._reader.read_message(self._index, raw, found)
        return frozenset(found) if found else NOBODY


class _InnerMessage:
    """Adds what a parsed message holds."""

    __slots__ = ("_index", "_walks")

    def __init__(self, walks: Mapping[int, Walk], field: FieldPlan) -> None:
        self._walks, self._index = walks, -1 if field.message is None else field.message

    def add(self, message: Message, found: set[Identifier]) -> None:
        self._walks[self._index](message, found)


class _AllFields:
    """Adds what the fields of a message hold."""

    __slots__ = ("_walks",)

    def __init__(self, walks: Sequence[Walk]) -> None:
        self._walks = walks

    def add(self, parsed: Message, found: set[Identifier]) -> None:
        for walk in self._walks:
            walk(parsed, found)


class _Value:
    """Adds what one value of a field holds."""

    __slots__ = ("_each", "_implicit", "_name")

    def __init__(self, field: FieldPlan, each: Walk) -> None:
        self._name, self._implicit = attribute(field.number), field.presence is Presence.IMPLICIT
        self._each = each

    def add(self, parsed: Message, found: set[Identifier]) -> None:
        value = getattr(parsed, self._name)
        if value if self._implicit else parsed.HasField(self._name):
            self._each(value, found)


class _Values:
    """Adds what many values of a field hold."""

    __slots__ = ("_each", "_name")

    def __init__(self, field: FieldPlan, each: Walk) -> None:
        self._name, self._each = attribute(field.number), each

    def add(self, parsed: Message, found: set[Identifier]) -> None:
        for value in getattr(parsed, self._name):
            self._each(value, found)


class _Entries:
    """Adds what the entries of a map hold."""

    __slots__ = ("_key", "_name", "_value")

    def __init__(self, field: FieldPlan, key: Walk | None, value: Walk | None) -> None:
        self._name, self._key, self._value = attribute(field.number), key, value

    def add(self, parsed: Message, found: set[Identifier]) -> None:
        entries = getattr(parsed, self._name)
        for key in entries:
            if self._key is not None:
                self._key(key, found)
            if self._value is not None:
                self._value(entries[key], found)


class _EventProperties:
    """Adds what the properties of an event hold, which a field beside them names."""

    __slots__ = ("_events", "_name", "_selector")

    def __init__(self, field: FieldPlan, rule: Properties) -> None:
        self._name, self._selector = attribute(field.number), attribute(rule.selector)
        self._events = {
            event: properties(rules) for event, rules in rule.events.items() if any(map(holds, rules.values()))
        }

    def add(self, parsed: Message, found: set[Identifier]) -> None:
        find = self._events.get(getattr(parsed, self._selector, ""))
        if find is not None:
            for identifiers in filter(None, map(find, getattr(parsed, self._name)[:])):
                found.update(identifiers)


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
