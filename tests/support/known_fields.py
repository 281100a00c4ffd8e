"""Fields of messages by what they hold, and copies of messages without unknown fields."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from tests.support.oracle_masks import MASK

F = FieldDescriptor

ANY: Final = "google.protobuf.Any"

ENDS: Final = {
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
    "google.protobuf.Struct": "opaque",
    "google.protobuf.Value": "opaque",
    "google.protobuf.ListValue": "opaque",
    "google.protobuf.StringValue": "string",
    "google.protobuf.BytesValue": "bytes",
    "google.protobuf.BoolValue": "bool",
    "google.protobuf.DoubleValue": "float",
    "google.protobuf.FloatValue": "float",
    **{f"google.protobuf.{name}Value": "integer" for name in ("Int32", "Int64", "UInt32", "UInt64")},
}
"""Messages that count as scalars."""

TYPES: Final = {
    F.TYPE_STRING: "string",
    F.TYPE_BYTES: "bytes",
    F.TYPE_BOOL: "bool",
    F.TYPE_ENUM: "enum",
    F.TYPE_DOUBLE: "float",
    F.TYPE_FLOAT: "float",
}


def without_unknown_fields(message: Any) -> Any:
    """A message with the fields that its type has, at every depth. What isn't listed isn't copied."""
    copy = type(message)()
    _copy_known(message, copy)
    return copy


def _copy_known(source: Any, target: Any) -> None:
    for field, value in source.ListFields():
        held = target.Extensions[field] if field.is_extension else getattr(target, field.name)
        if is_map(field):
            _copy_entries(value, held)
        elif field.is_repeated:
            _copy_list(value, held)
        elif isinstance(value, Message):
            held.SetInParent()
            _copy_known(value, held)
        elif field.is_extension:
            target.Extensions[field] = value
        else:
            setattr(target, field.name, value)


def _copy_entries(source: Any, target: Any) -> None:
    for key, value in source.items():
        if isinstance(value, Message):
            _copy_known(value, target[key])
        else:
            target[key] = value


def _copy_list(source: Any, target: Any) -> None:
    for value in source:
        if isinstance(value, Message):
            _copy_known(value, target.add())
        else:
            target.append(value)


def kind_of_type(type: Descriptor) -> str:
    return {ANY: "any", MASK: "mask"}.get(type.full_name) or ENDS.get(type.full_name, "message")


def kind_of(field: FieldDescriptor) -> str:
    return TYPES.get(field.type, "integer") if field.message_type is None else kind_of_type(field.message_type)


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def message_type_of(field: FieldDescriptor) -> Descriptor | None:
    """The message type of a field's values."""
    return (
        field.message_type.fields_by_name["value"].message_type
        if field.message_type is not None and is_map(field)
        else field.message_type
    )


def clear_field(message: Any, field: FieldDescriptor) -> None:
    message.ClearExtension(field) if field.is_extension else message.ClearField(field.name)


def copy_of(value: Any) -> Any:
    if not isinstance(value, Message):
        return value
    copy = type(value)()
    copy.CopyFrom(value)
    return copy
