"""What of a message's field goes into a vendor's body, as JSON has it.

Each class renders one form of field, and returns None for what is left out: null is in no body.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import msgspec
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.contract import message_of
from gateway.exporters.template.body_schema import NO_RESERVED_KEYS, ReservedKeys
from gateway.exporters.template.markup import Escape
from gateway.exporters.template.placeholders import FieldKind, kind_of

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue]"

TimestampFormat = Callable[[Timestamp], str | int]
"""A timestamp in the form that a vendor reads. Raises ValueError or OverflowError for one that is out of range."""

RenderValue: TypeAlias = "Callable[[Any], JsonValue | None]"
"""One value of a field, as protobuf's runtime hands it out: of a type that only the field's descriptor tells."""


class Renderer(Protocol):
    """Something of a message in a vendor's body."""

    def render(self, message: Message) -> JsonValue | None:
        """Return what a message has of it, as JSON has it; None for what is left out."""
        ...


class ValueFormat(msgspec.Struct, frozen=True):
    """How what is in a field is rendered: times, texts, and which keys of a map aren't."""

    timestamp: TimestampFormat
    escape: Escape = str
    reserved: ReservedKeys = NO_RESERVED_KEYS


def rfc3339(time: Timestamp) -> str:
    """A time as RFC 3339 has it, in UTC: `2026-01-02T03:04:05.678Z`."""
    return time.ToJsonString()


def milliseconds(time: Timestamp) -> int:
    """A time in milliseconds since 1970."""
    return time.ToMilliseconds()


def field_renderer(field: FieldDescriptor, format: ValueFormat) -> Renderer:
    """What renders a field that a placeholder leads to."""
    match kind_of(field):
        case FieldKind.ENTRIES:
            value = message_of(field).fields_by_name["value"]
            return _MapField(field.name, _entry_value(value, format), format.reserved)
        case FieldKind.LIST:
            return _ListField(field.name, _value(field, format))
    return _SingleField(field.name, _value(field, format))


class _SingleField:
    __slots__ = ("_name", "_render_value")

    def __init__(self, name: str, render_value: RenderValue) -> None:
        self._name = name
        self._render_value = render_value

    def render(self, message: Message) -> JsonValue | None:
        return self._render_value(getattr(message, self._name))


class _ListField:
    __slots__ = ("_name", "_render_value")

    def __init__(self, name: str, render_value: RenderValue) -> None:
        self._name = name
        self._render_value = render_value

    def render(self, message: Message) -> JsonValue | None:
        rendered = map(self._render_value, getattr(message, self._name))
        return [value for value in rendered if value is not None] or None


class _MapField:
    """A map, without the keys that the vendor gives a meaning of its own: those of a map are data, and may be any."""

    __slots__ = ("_is_reserved", "_name", "_render_value")

    def __init__(self, name: str, render_value: RenderValue, reserved: ReservedKeys) -> None:
        self._name = name
        self._render_value = render_value
        self._is_reserved = reserved.contains

    def render(self, message: Message) -> JsonValue | None:
        entries = getattr(message, self._name).items()
        kept = ((key, self._render_value(value)) for key, value in entries if not self._is_reserved(key))
        return {key: value for key, value in kept if value is not None} or None


class _OneofValue:
    """A message that is one of several values, such as an event's property."""

    __slots__ = ("_oneof", "_renderers")

    def __init__(self, message: FieldDescriptor, format: ValueFormat) -> None:
        oneof = message_of(message).oneofs[0]
        self._oneof = oneof.name
        self._renderers = {field.name: field_renderer(field, format) for field in oneof.fields}

    def render(self, message: Message) -> JsonValue | None:
        chosen = message.WhichOneof(self._oneof)
        return None if chosen is None else self._renderers[chosen].render(message)


def _entry_value(value: FieldDescriptor, format: ValueFormat) -> RenderValue:
    """The value of a map's entry: one of several, or itself."""
    if value.message_type is not None and value.message_type.oneofs:
        return _OneofValue(value, format).render
    return _value(value, format)


def _value(field: FieldDescriptor, format: ValueFormat) -> RenderValue:
    if field.message_type is not None:
        return format.timestamp
    if field.enum_type is not None:
        return _names(field.enum_type).get
    return format.escape if field.type == FieldDescriptor.TYPE_STRING else _finite


def _names(enum: EnumDescriptor) -> dict[int, str]:
    return {number: value.name for number, value in enum.values_by_number.items()}


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None
