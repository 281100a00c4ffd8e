"""Counts the fields of a parsed message that its projection doesn't have, before they are discarded.

By category, or all alike. Which items are counted is the counter's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.engine.context import DecisionContext
from gateway.engine.interface import FieldCounter
from gateway.model import Category
from gateway.plan import FieldPlan, Form, MessagePlan, Presence
from gateway.protobuf.schema import attribute

MAX_COUNTED_BYTES: Final = 65_536
"""Bytes of a message in which fields are counted one by one: each costs a Python object."""

MAX_REMEMBERED_MESSAGES: Final = 1024
"""Messages that say who a person is of which it is remembered what they hold; when full all are forgotten."""

MAX_REMEMBERED_MESSAGE_BYTES: Final = 1024
"""The length of the longest of them."""

Count = Callable[[Message, DecisionContext], None]
"""Counts what a message holds, with the messages in it.

What is judged whole, by the rule of its field, counts for nothing.
"""


def field_counts(
    messages: Sequence[MessagePlan], counter: FieldCounter, telling: FieldPlan | None = None
) -> Sequence[Count]:
    """What counts in each of a plan's messages, and in the messages that it holds.

    `telling` is the field of an item's message that says who its person is.
    """
    counts: list[Count] = []
    for message in messages:
        if message.form is Form.MESSAGE:
            below = ((field, _below(field, messages, counts)) for field in message.fields)
            inner = [_TellingCount(add).add if field is telling else add for field, add in below if add is not None]
            categories = counter.categories(message.name)
            own = _count_total if categories is None else _CategoryCount(categories).add
            counts.append(_MessageCount(own, inner).add if inner else own)
        else:
            counts.append(_count_nothing)
    return counts


def _count_total(message: Message, context: DecisionContext) -> None:
    context.unplanned += len(UnknownFieldSet(message))


def _count_nothing(message: Message, context: DecisionContext) -> None:
    """Judged whole."""


class _CategoryCount:
    """Counts the fields of one message type by category."""

    __slots__ = ("_numbers",)

    def __init__(self, numbers: Mapping[int, Category]) -> None:
        self._numbers = numbers

    def add(self, message: Message, context: DecisionContext) -> None:
        counts = context.stripped_by_category
        if counts is None:
            return
        for field in cast("Iterable[Any]", UnknownFieldSet(message)):
            category = self._numbers.get(field.field_number, Category.UNSPECIFIED)
            counts[category] = counts.get(category, 0) + 1


class _MessageCount:
    """Adds up what a message itself holds and what its fields do."""

    __slots__ = ("_below", "_own")

    def __init__(self, own: Count, below: Sequence[Count]) -> None:
        self._own, self._below = own, below

    def add(self, message: Message, context: DecisionContext) -> None:
        self._own(message, context)
        for inner in self._below:
            inner(message, context)


class _Below:
    """Counts in the messages that a field holds. `counts` are looked up late: types may hold one another."""

    __slots__ = ("_counts", "_index", "_is_list", "_is_map", "_name")

    def __init__(self, field: FieldPlan, index: int, counts: Sequence[Count], *, is_map: bool) -> None:
        self._name, self._index, self._counts = attribute(field.number), index, counts
        self._is_map = is_map
        self._is_list = field.presence in (Presence.PACKED, Presence.EXPANDED)

    def add(self, message: Message, context: DecisionContext) -> None:
        if not self._is_map and not self._is_list:
            if message.HasField(self._name):
                self._counts[self._index](getattr(message, self._name), context)
            return
        values = getattr(message, self._name)
        for inner in values.values() if self._is_map else values:
            self._counts[self._index](inner, context)


class _TellingCount:
    """Counts in the message that says who the item's person is: the same one comes again and again."""

    __slots__ = ("_below", "_known")

    def __init__(self, below: Count) -> None:
        self._below = below
        self._known: dict[bytes, tuple[int, Mapping[Category, int]]] = {}

    def add(self, message: Message, context: DecisionContext) -> None:
        said, counts = context.person_message, context.stripped_by_category
        if said is None or counts is None:
            self._below(message, context)
            return
        unplanned, by_category = self._known.get(said) or self._count(message, said, context)
        context.unplanned += unplanned
        for category, count in by_category.items():
            counts[category] = counts.get(category, 0) + count

    def _count(self, message: Message, said: bytes, context: DecisionContext) -> tuple[int, Mapping[Category, int]]:
        apart, by_category = DecisionContext(context.facts), dict[Category, int]()
        apart.stripped_by_category = by_category
        self._below(message, apart)
        if len(said) <= MAX_REMEMBERED_MESSAGE_BYTES:
            if len(self._known) >= MAX_REMEMBERED_MESSAGES:
                self._known.clear()
            self._known[said] = apart.unplanned, by_category
        return apart.unplanned, by_category


def _below(field: FieldPlan, messages: Sequence[MessagePlan], counts: Sequence[Count]) -> Count | None:
    """What counts in the messages that a field holds; None where it holds none whose fields count."""
    index = field.message
    target = None if index is None else messages[index]
    is_map = target is not None and target.form is Form.MAP_ENTRY
    if target is not None and is_map:
        index = next((part.message for part in target.fields if part.number == 2), None)
    if index is None or messages[index].form is not Form.MESSAGE:
        return None
    return _Below(field, index, counts, is_map=is_map).add
