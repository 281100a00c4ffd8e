"""A message as its values: each with its path, as people read it.

Knows protobuf and OTLP's shapes, and nothing of what may leave.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar, runtime_checkable

import msgspec
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)

Step = tuple[str, int | str | None]
"""A field, and in it the index of a list or the key of a map; None where it is neither."""

SINGLE_VALUE_TYPES: Final = frozenset(
    {
        "google.protobuf.Duration",
        "google.protobuf.Timestamp",
        "kannelle.privacy.v1.PropertyValue",
        "opentelemetry.proto.common.v1.AnyValue",
        "opentelemetry.proto.common.v1.KeyValue",
    }
)
"""Message types that are one value."""

# An item of OTLP logs is a record in a scope in a resource: the way there is the same for all, and says nothing.
_WRAPPING: Final = ("scope_logs[*].log_records[*].", "scope_logs[*].")

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


Value = str | bytes | int | float | Message

FieldContent = Value | Sequence[Value] | Mapping[str, Value]
"""What a field holds, one value or many."""


@runtime_checkable
class JsonText(Protocol):
    """A message that protobuf's JSON writes as a text: a duration, a time."""

    def ToJsonString(self) -> str:  # noqa: N802 - protobuf's name
        """The text."""
        ...


class Leaf(msgspec.Struct, frozen=True):
    """A value in a message. In `path` list indices are `[*]`; `route` leads there exactly."""

    path: str
    value: str | bytes
    route: tuple[Step, ...]


def leaves(message: Message) -> list[Leaf]:
    """All values of a message, in the order of its fields."""
    return list(_leaves(message, "", ()))


def only_leaf(message: M, route: tuple[Step, ...]) -> M:
    """A message of the same type with nothing but the value at the end of `route`."""
    part = type(message)()
    (name, key), *rest = route
    value = getattr(message, name) if key is None else getattr(message, name)[key]
    if rest:
        value = only_leaf(value, tuple(rest))
    if isinstance(key, int):
        getattr(part, name).append(value)
    elif key is not None and isinstance(value, Message):
        getattr(part, name)[key].CopyFrom(value)
    elif key is not None:
        getattr(part, name)[key] = value
    elif isinstance(value, Message):
        getattr(part, name).CopyFrom(value)
    else:
        setattr(part, name, value)
    return part


def _leaves(message: Message, path: str, route: tuple[Step, ...]) -> Iterator[Leaf]:
    for field, held in message.ListFields():
        for step, label, value in _parts(field, held):
            below, way = f"{path}{label}", (*route, step)
            if isinstance(value, Message) and value.DESCRIPTOR.full_name not in SINGLE_VALUE_TYPES:
                yield from _leaves(value, f"{below}.", way)
            else:
                yield Leaf(_short(below), _plain(field, value), way)


def _parts(field: FieldDescriptor, held: FieldContent) -> Iterator[tuple[Step, str, Value]]:
    if isinstance(held, Mapping):
        yield from (((field.name, key), f"{field.name}[{key}]", held[key]) for key in sorted(held))
    elif isinstance(held, str | bytes | Message) or not isinstance(held, Sequence):
        yield (field.name, None), field.name, held
    else:
        yield from (
            ((field.name, index), f"{field.name}[{getattr(value, 'key', '*')}]", value)
            for index, value in enumerate(held)
        )


def _short(path: str) -> str:
    for wrapping in _WRAPPING:
        path = path.removeprefix(wrapping)
    return path


def _plain(field: FieldDescriptor, value: Value) -> str | bytes:
    if isinstance(value, Message):
        return _plain_message(field, value)
    if isinstance(value, bytes):
        return value.hex() if field.name in {"trace_id", "span_id"} else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int):
        return str(value)
    if field.enum_type is not None:
        return _name(field.enum_type, value)
    if field.name.endswith("time_unix_nano"):
        return f"{datetime.fromtimestamp(value // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{value % 10**9:09d}Z"
    return str(value)


def _name(enum: EnumDescriptor, number: int) -> str:
    """An enum value's name, without the prefix that all names of the enum have."""
    known = enum.values_by_number.get(number)
    prefix = f"{_WORD.sub('_', enum.name).upper()}_"
    return str(number) if known is None else str(known.name).removeprefix(prefix)


def _plain_message(field: FieldDescriptor, message: Message) -> str | bytes:
    if isinstance(message, JsonText):
        return message.ToJsonString()
    values = message.ListFields()
    if message.DESCRIPTOR.name == "KeyValue":
        values = [(inner, value) for inner, value in values if inner.name == "value"]
    # An AnyValue or PropertyValue: what its one oneof holds.
    return _plain(*values[0]) if values else ""
