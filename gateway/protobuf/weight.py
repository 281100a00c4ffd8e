"""How much a message asks of the runtime before it is parsed: bytes alone don't tell.

An empty message takes two bytes on the wire, and as much time and memory as its type has fields; a map's entry takes
ten times as much. Each call of the runtime holds the interpreter, so what weighs too much isn't parsed at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.errors import ItemReason, Refused
from gateway.plan import Form, MessagePlan
from gateway.protobuf.wire import read_varint, value_end

MAX_WEIGHT: Final = 1_000_000
"""The weight of the heaviest message that is parsed; one takes the runtime some 25 nanoseconds and 64 bytes."""

_FIELDS_PER_WEIGHT: Final = 8
"""Fields of a type that weigh as much as one value."""

_ENTRY_WEIGHT: Final = 8
"""Of a map's entry, which is hashed, and sorted when it is written."""

_MIN_BYTES: Final = 2
"""Bytes of the shortest field: a tag, and a length or a value."""

_MAX_LEVELS: Final = 128
"""Messages and groups in one another: more than the runtime's parser takes."""

_LENGTH, _START, _END = 2, 3, 4
"""Wire types: https://protobuf.dev/programming-guides/encoding/#structure."""


class _Type(msgspec.Struct):
    """One message type: its weight, and the types of its fields that hold messages, by tag."""

    weight: float
    below: dict[int, _Type] = {}


_UNKNOWN: Final = _Type(0.0)


class Scales:
    """Weighs messages of the types of one projection."""

    def __init__(self, messages: Sequence[MessagePlan]) -> None:
        self._types = [_Type(_weight(message)) for message in messages]
        for type_, message in zip(self._types, messages, strict=True):
            fields = [(_tag(field.number, field.kind), field.message) for field in message.fields]
            type_.below = {tag: self._types[held] for tag, held in fields if held is not None}
        heaviest = max((type_.weight for type_ in self._types), default=1.0)
        self.light_bytes: Final = int(_MIN_BYTES * MAX_WEIGHT / (1 + heaviest))
        """No message of so many bytes can weigh too much."""

    def weigh(self, index: int, raw: bytes) -> float:
        """Return the weight of a message of type `index`.

        Raises Refused if it is too heavy, too deep, or ends early.
        """
        try:
            return self._weighed(index, raw)
        except IndexError:
            raise Refused(ItemReason.MALFORMED) from None

    def _weighed(self, index: int, raw: bytes) -> float:
        levels = [(len(raw), self._types[index])]
        weight, at = self._types[index].weight, 0
        while levels:
            end, type_ = levels[-1]
            if at >= end:
                levels.pop()
                continue
            tag, at = read_varint(raw, at)
            wire, below = tag & 7, type_.below.get(tag)
            weight += 1.0 if below is None else 1.0 + below.weight
            if weight > MAX_WEIGHT:
                raise Refused(ItemReason.TOO_LARGE)
            if wire == _END:
                levels.pop()
            elif wire == _START:
                levels.append((end, below or _UNKNOWN))
            elif wire == _LENGTH and below is not None:
                size, at = read_varint(raw, at)
                levels.append((at + size, below))
            else:
                at = value_end(raw, at, wire)
            if len(levels) > _MAX_LEVELS:
                raise Refused(ItemReason.TOO_DEEP)
        return weight


def _weight(message: MessagePlan) -> float:
    return _ENTRY_WEIGHT if message.form is Form.MAP_ENTRY else len(message.fields) / _FIELDS_PER_WEIGHT


def _tag(number: int, kind: str) -> int:
    return number << 3 | (_START if kind == "group" else _LENGTH)
