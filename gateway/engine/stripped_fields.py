"""Counts the fields of a parsed message that its projection doesn't have, before they are discarded.

All, or a sample by category.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final, Protocol, cast

from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.engine.context import DecisionContext
from gateway.model import Category
from gateway.plan import FieldPlan, Form, MessagePlan, Presence
from gateway.protobuf.schema import attribute

MAX_COUNTED_BYTES: Final = 65_536
"""Bytes of a message in which fields are counted one by one: each costs a Python object."""

EXACT_ITEMS: Final = 1_024
"""Items of which each is counted by category; small numbers are exact."""

SAMPLING_STRIDE: Final = 32
"""From then on one item in so many is counted, and stands for all of them.

Telling fields apart costs more than minimising does.
"""

Count = Callable[[Any, DecisionContext], None]
"""Counts what a message holds, with the messages in it.

What is judged whole, by the rule of its field, counts for nothing.
"""

Numbers = Callable[[str], Mapping[int, Category]]
"""The categories of a message type's fields, by number."""


class StrippedFieldCounter(Protocol):
    """What is counted, and of which items."""

    def weight(self) -> int:
        """How many items the next one stands for; 0 if it isn't counted. Any thread may ask."""
        ...

    def counts(self, messages: Sequence[MessagePlan]) -> Sequence[Count]:
        """The counters of a plan's messages, in their order."""
        ...


class TotalCounter:
    """Of each item, how many fields there are."""

    def weight(self) -> int:
        """Each stands for itself."""
        return 1

    def counts(self, messages: Sequence[MessagePlan]) -> Sequence[Count]:
        """Adds to `unplanned`."""
        return _counters(messages, lambda _: _total)


class CategorySampler:
    """Of some items, how many fields there are of each category."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._items = count()

    def weight(self) -> int:
        """Each of the first ones for itself, then one in `STRIDE` for all."""
        number = next(self._items)
        return 1 if number < EXACT_ITEMS else 0 if number % SAMPLING_STRIDE else SAMPLING_STRIDE

    def counts(self, messages: Sequence[MessagePlan]) -> Sequence[Count]:
        """Adds to `lost`."""
        return _counters(messages, lambda message: _by_category(self._numbers(message.name)))


def _total(message: Any, run: DecisionContext) -> None:
    run.unplanned += len(UnknownFieldSet(message))


def _by_category(numbers: Mapping[int, Category]) -> Count:
    def add(message: Any, run: DecisionContext) -> None:
        for field in cast(Iterable[Any], UnknownFieldSet(message)):
            category = numbers.get(field.field_number, Category.UNSPECIFIED)
            run.stripped_by_category[category] = run.stripped_by_category.get(category, 0) + 1  # type: ignore[index,union-attr]  # it is this item's turn

    return add


def _counters(messages: Sequence[MessagePlan], own: Callable[[MessagePlan], Count]) -> Sequence[Count]:
    """`own` counts what a message itself holds."""
    counters: list[Count] = []
    for message in messages:
        if message.form is not Form.MESSAGE:
            counters.append(_nothing)
            continue
        below = [found for field in message.fields if (found := _below(field, messages, counters)) is not None]
        counters.append(_counter(own(message), below))
    return counters


def _nothing(message: Any, run: DecisionContext) -> None:
    """Judged whole."""


def _counter(own: Count, below: Sequence[Count]) -> Count:
    """Adds up what the message itself holds and what its fields do."""
    if not below:
        return own

    def add(message: Any, run: DecisionContext) -> None:
        own(message, run)
        for inner in below:
            inner(message, run)

    return add


def _below(field: FieldPlan, messages: Sequence[MessagePlan], counters: Sequence[Count]) -> Count | None:
    """Counts in the messages that a field holds; None if it holds none.

    `counters` are looked up late: types may hold one another.
    """
    name, held = attribute(field.number), field.message
    if held is not None and messages[held].form is Form.MAP_ENTRY:
        value = next((part.message for part in messages[held].fields if part.number == 2), None)
        if value is None or messages[value].form is not Form.MESSAGE:
            return None
        return lambda message, run: _each(getattr(message, name).values(), counters[value], run)
    if held is None or messages[held].form is not Form.MESSAGE:
        return None
    if field.presence in (Presence.PACKED, Presence.EXPANDED):
        return lambda message, run: _each(getattr(message, name), counters[held], run)
    return lambda message, run: counters[held](getattr(message, name), run) if message.HasField(name) else None


def _each(messages: Any, add: Count, run: DecisionContext) -> None:
    for message in messages:
        add(message, run)
