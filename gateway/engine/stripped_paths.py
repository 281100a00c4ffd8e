"""What was stripped of the messages that a mask speaks of.

By the parser, which doesn't know it, and by the value rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final, Protocol

from google.protobuf.message import Message

from gateway.model import FieldPath, FieldVerdict, StripCounts
from gateway.plan import MaskField
from gateway.protobuf.schema import attribute
from gateway.protobuf.wire import numbers


class StrippedPaths(Protocol):
    """What was stripped of a message, or of several that a mask speaks of."""

    def any(self) -> bool:
        """Whether something was, here or below."""
        ...

    def gone(self, field: MaskField) -> bool:
        """Whether values of a field were."""
        ...

    def below(self, field: MaskField) -> StrippedPaths:
        """What was stripped below a field."""
        ...


class UnknownPaths:
    """What the parser didn't know, which is about to be discarded.

    Unknown fields, wrong wire types, unknown enum numbers.
    """

    def __init__(self, messages: Iterable[Message]) -> None:
        self._messages = tuple(messages)
        self._below: dict[int, UnknownPaths] = {}

    def any(self) -> bool:
        """Whether there is something."""
        return self._any

    def gone(self, field: MaskField) -> bool:
        """Whether some of it has a field's number."""
        return field.number in self._numbers

    def below(self, field: MaskField) -> UnknownPaths:
        """What there is below a field."""
        if field.number not in self._below:
            name = attribute(field.number)
            self._below[field.number] = UnknownPaths(
                held for message in self._messages for held in messages(message, name)
            )
        return self._below[field.number]

    @cached_property
    def _any(self) -> bool:
        return any(map(_has_unknown, self._messages))

    @cached_property
    def _numbers(self) -> frozenset[int]:
        return frozenset(number for message in self._messages for number in numbers(_unknown(message)))


class FailedPaths:
    """What the value rules stripped, as the names that lead to each value."""

    def __init__(self, places: Iterable[tuple[str, ...]]) -> None:
        self._places = frozenset(places)
        self._below: dict[str, FailedPaths] = {}

    def any(self) -> bool:
        """Whether there is something."""
        return bool(self._places)

    def gone(self, field: MaskField) -> bool:
        """Whether values of a field were stripped."""
        return (field.name,) in self._places

    def below(self, field: MaskField) -> FailedPaths:
        """What was stripped below a field."""
        if not self._places:
            return self
        if field.name not in self._below:
            self._below[field.name] = FailedPaths(
                place[1:] for place in self._places if place[0] == field.name and len(place) > 1
            )
        return self._below[field.name]


NOTHING: Final = FailedPaths(())


def messages(message: Message, name: str) -> Iterable[Message]:
    """The messages in a field: itself if it is there, a list's, or a map's in the order of its keys."""
    value = getattr(message, name)
    if isinstance(value, Message):
        return (value,) if message.HasField(name) else ()
    if isinstance(value, (str, bytes, int, float)):
        return ()
    held = [value[key] for key in sorted(value)] if hasattr(value, "values") else value
    return [one for one in held if isinstance(one, Message)]


def places(notes: StripCounts, at: FieldPath) -> Iterator[tuple[str, ...]]:
    """The names that lead from a place to each value that was stripped."""
    for path, _, verdict in notes:
        if verdict is FieldVerdict.STRIP:
            yield tuple(_names(path, at))


def _names(path: FieldPath, at: FieldPath) -> list[str]:
    names: list[str] = []
    while path is not None and path != at:
        path, name = path
        names.append(name.removesuffix("[*]"))
    return names[::-1]


def _has_unknown(message: Message) -> bool:
    """Whether there is something to discard, in a message or below it."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    return len(copy.SerializePartialToString()) != len(message.SerializePartialToString())


def _unknown(message: Message) -> bytes:
    """What a message itself holds to discard.

    An `UnknownFieldSet` of millions would be made by one call that lets nobody else run.
    """
    copy = type(message)()
    copy.CopyFrom(message)
    for field, _ in copy.ListFields():
        copy.ClearField(field.name)
    return copy.SerializePartialToString()
