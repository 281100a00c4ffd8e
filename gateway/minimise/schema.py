"""A plan's projection as message classes of the protobuf runtime.

The projected file is of edition 2023 whatever the original was: every feature is said at the field. Enums are closed, so that the parser
itself puts unknown numbers among the unknown fields; strings are checked to be UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf.descriptor_pb2 import (
    EDITION_2023,
    DescriptorProto,
    EnumDescriptorProto,
    FeatureSet,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from gateway.errors import Reason, Refused
from gateway.plan import FieldPlan, Form, MessagePlan, Presence

PACKAGE: Final = "projection"

_PRESENCE: Final[Mapping[Presence, int]] = {
    Presence.EXPLICIT: FeatureSet.EXPLICIT,
    Presence.IMPLICIT: FeatureSet.IMPLICIT,
    Presence.REQUIRED: FeatureSet.LEGACY_REQUIRED,
}
_ENCODING: Final[Mapping[Presence, int]] = {Presence.PACKED: FeatureSet.PACKED, Presence.EXPANDED: FeatureSet.EXPANDED}


def attribute(number: int) -> str:
    """The name that a field has in the projected classes."""
    return f"f{number}"


def build(messages: Sequence[MessagePlan]) -> list[Any]:
    """The classes of `messages`, in their order; None where a message is a map entry."""
    pool = DescriptorPool()
    pool.AddSerializedFile(_file(messages).SerializeToString())
    return [
        None if message.form is Form.MAP_ENTRY else GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.M{index}"))
        for index, message in enumerate(messages)
    ]


def parse(cls: Any, raw: bytes) -> Any:
    """The message of class `cls` that `raw` holds, without unknown fields. Raises Refused."""
    message = read(cls, raw)
    message.DiscardUnknownFields()
    return message


def read(cls: Any, raw: bytes) -> Any:
    """The same, with unknown fields. Raises Refused."""
    try:
        return cls.FromString(raw)
    except DecodeError as error:
        # The runtime tells the two apart by its text alone.
        raise Refused(Reason.TOO_DEEP if "MaxDepth" in str(error) else Reason.MALFORMED) from None


def _file(messages: Sequence[MessagePlan]) -> FileDescriptorProto:
    file = FileDescriptorProto(name="projection.proto", package=PACKAGE, syntax="editions", edition=EDITION_2023)
    file.options.features.enum_type = FeatureSet.CLOSED
    file.options.features.utf8_validation = FeatureSet.VERIFY
    enums: dict[tuple[int, ...], int] = {}
    for index, message in enumerate(messages):
        if message.form is not Form.MAP_ENTRY:
            file.message_type.append(_message(f"M{index}", message, messages, enums))
    file.enum_type.extend(_enum(f"E{index}", numbers) for numbers, index in enums.items())
    return file


def _message(name: str, message: MessagePlan, messages: Sequence[MessagePlan], enums: dict[tuple[int, ...], int]) -> DescriptorProto:
    proto = DescriptorProto(name=name)
    oneofs: dict[str, int] = {}
    for plan in message.fields:
        field = _field(plan, enums)
        if plan.oneof:
            field.oneof_index = oneofs.setdefault(plan.oneof, len(oneofs))
        if plan.message is not None and messages[plan.message].form is Form.MAP_ENTRY:
            entry = _message(f"F{plan.number}Entry", messages[plan.message], messages, enums)
            _as_entry(entry)
            proto.nested_type.append(entry)
            field.type_name = f".{PACKAGE}.{name}.{entry.name}"
        proto.field.append(field)
    for oneof in oneofs.values():
        proto.oneof_decl.add(name=f"o{oneof}")
    return proto


def _as_entry(entry: DescriptorProto) -> None:
    """The form that the runtime knows a map entry by."""
    entry.options.map_entry = True
    for field, name in zip(entry.field, ("key", "value"), strict=True):
        field.name = name
        field.ClearField("options")


def _field(plan: FieldPlan, enums: dict[tuple[int, ...], int]) -> FieldDescriptorProto:
    field = FieldDescriptorProto(name=attribute(plan.number), number=plan.number, type=_type(plan))
    repeated = plan.presence in _ENCODING
    field.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
    features = field.options.features
    if plan.kind == "group":
        features.message_encoding = FeatureSet.DELIMITED
    if plan.message is not None:
        field.type_name = f".{PACKAGE}.M{plan.message}"
    if plan.enum is not None:
        field.type_name = f".{PACKAGE}.E{enums.setdefault(plan.enum, len(enums))}"
    if repeated:
        features.repeated_field_encoding = _ENCODING[plan.presence]  # type: ignore[assignment]
    elif not plan.oneof and not (plan.message is not None and plan.presence is Presence.EXPLICIT):
        features.field_presence = _PRESENCE[plan.presence]  # type: ignore[assignment]
    return field


def _type(plan: FieldPlan) -> FieldDescriptorProto.Type.ValueType:
    kind = "message" if plan.kind == "group" else plan.kind
    return FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")


def _enum(name: str, numbers: Sequence[int]) -> EnumDescriptorProto:
    enum = EnumDescriptorProto(name=name)
    for number in numbers:
        enum.value.add(name=f"{name}_{number}".replace("-", "M"), number=number)
    return enum
