"""Counts the fields of a parsed message that its projection doesn't have, before they are discarded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.minimise.schema import attribute
from gateway.plan import FieldPlan, Form, MessagePlan, Presence

LONGEST: Final = 65_536
"""Bytes of a message in which fields are counted one by one: each costs a Python object."""

Count = Callable[[Any], int]
"""How many unknown fields a message holds, with the messages in it. What is judged whole, by the rule of its field, counts for nothing."""


def census(messages: Sequence[MessagePlan]) -> Sequence[Count]:
    """The counters of `messages`, in their order."""
    counters: list[Count] = []
    for message in messages:
        below = [found for field in message.fields if (found := _below(field, messages, counters)) is not None]
        counters.append(_counter(below))
    return counters


def _counter(below: Sequence[Count]) -> Count:
    """Adds up what the message itself holds and what its fields do."""
    if not below:
        return lambda message: len(UnknownFieldSet(message))

    def count(message: Any) -> int:
        found = len(UnknownFieldSet(message))
        for inner in below:
            found += inner(message)
        return found

    return count


def _below(field: FieldPlan, messages: Sequence[MessagePlan], counters: Sequence[Count]) -> Count | None:
    """Counts in the messages that a field holds; None if it holds none. `counters` are looked up late: types may hold one another."""
    name, held = attribute(field.number), field.message
    if held is not None and messages[held].form is Form.MAP_ENTRY:
        value = next((part.message for part in messages[held].fields if part.number == 2), None)
        if value is None or messages[value].form is not Form.MESSAGE:
            return None
        return lambda message: sum(map(counters[value], getattr(message, name).values()))
    if held is None or messages[held].form is not Form.MESSAGE:
        return None
    if field.presence in (Presence.PACKED, Presence.EXPANDED):
        return lambda message: sum(map(counters[held], getattr(message, name)))
    return lambda message: counters[held](getattr(message, name)) if message.HasField(name) else 0
