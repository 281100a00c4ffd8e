"""A plan's projection as message classes of the protobuf runtime.

The projected file is of edition 2023 whatever the original was: every feature is said at the field. Enums are closed,
so that the parser itself puts unknown numbers among the unknown fields; strings are checked to be UTF-8.

The runtime's parser takes 100 messages inside one another, its `DiscardUnknownFields()` stops below 64 without a word.
So what a schema reads is never deeper than `MAX_DEPTH`, and the import of this module fails where the runtime doesn't
strip all of that.
"""

from __future__ import annotations

import sys
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

from gateway.errors import ItemReason, Refused
from gateway.plan import FieldPlan, Form, MessagePlan, Presence
from gateway.protobuf.descriptors import class_of
from gateway.protobuf.weight import Scales
from gateway.protobuf.wire import field as record
from gateway.protobuf.wire import varint

PACKAGE: Final = "projection"

MAX_DEPTH: Final = 60
"""Messages inside one another below the outermost that are accepted.

An entry of a map is one too, and its value another.
"""

_PARSER_DEPTH: Final = 100
"""Messages inside one another, the outermost among them, that the runtime's parser takes."""

_AROUND: Final = _PARSER_DEPTH - MAX_DEPTH - 1
"""Groups put around a message, so that the parser itself refuses what is deeper than `MAX_DEPTH`."""

_SHALLOW_BYTES: Final = 2 * MAX_DEPTH + 1
"""Bytes of the longest message that can't be deeper: each level takes two, a tag and a length, or two tags."""

_PRESENCE: Final[Mapping[Presence, int]] = {
    Presence.EXPLICIT: FeatureSet.EXPLICIT,
    Presence.IMPLICIT: FeatureSet.IMPLICIT,
    Presence.REQUIRED: FeatureSet.LEGACY_REQUIRED,
}
_ENCODING: Final[Mapping[Presence, int]] = {Presence.PACKED: FeatureSet.PACKED, Presence.EXPANDED: FeatureSet.EXPANDED}


def attribute(number: int) -> str:
    """The name that a field has in the projected classes."""
    return f"f{number}"


class Schema:
    """One message type of a projection. `build` makes it, `read` and `parse` use it."""

    __slots__ = ("_index", "_opening", "_probe", "_scales", "light_bytes", "message", "shallow_bytes")

    def __init__(self, message: Any, index: int, scales: Scales, probe: Any, number: int | None) -> None:
        """`probe` is the class whose field `number` holds such messages within groups.

        None where none can be too deep.
        """
        self.message = message
        self.light_bytes = scales.light_bytes
        self._index, self._scales, self._probe = index, scales, probe
        self._opening = b"" if number is None else b"\x0b" * _AROUND + varint(number << 3 | 2)
        self.shallow_bytes = sys.maxsize if number is None else _SHALLOW_BYTES

    def weigh(self, raw: bytes) -> None:
        """Raise Refused if `raw` asks too much of the runtime; what has `light_bytes` at most doesn't."""
        self._scales.weigh(self._index, raw)

    def is_too_deep(self, raw: bytes) -> bool:
        """Whether `raw`, which the parser takes, is deeper than `MAX_DEPTH`, as none of `shallow_bytes` is.

        Unknown groups count too.
        """
        try:
            self._probe.FromString(b"%b%b%b%b" % (self._opening, varint(len(raw)), raw, _CLOSING))
        except DecodeError:
            return True
        return False


_PROBE: Final = "Probe"
_CLOSING: Final = b"\x0c" * _AROUND
"""The tags that end groups in field 1; `0b` begins one."""


def build(messages: Sequence[MessagePlan]) -> list[Schema]:
    """The schemas of `messages`, in their order. Of a map's entry, which is read with its map, it is an empty one."""
    file, deep = _file(messages), sorted(_deep(messages))
    if deep:
        file.message_type.append(_probe(deep))
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    probe = class_of(pool.FindMessageTypeByName(f"{PACKAGE}.{_PROBE}")) if deep else None
    numbers, scales = {index: number for number, index in enumerate(deep, 2)}, Scales(messages)
    return [
        Schema(
            None if message.form is Form.MAP_ENTRY else _class(pool, index), index, scales, probe, numbers.get(index)
        )
        for index, message in enumerate(messages)
    ]


def parse(schema: Schema, raw: bytes) -> Any:
    """The message that `raw` holds, without unknown fields at any depth. Raises Refused."""
    message = read(schema, raw)
    message.DiscardUnknownFields()
    return message


def read(schema: Schema, raw: bytes) -> Any:
    """The same, with unknown fields, which `DiscardUnknownFields()` removes. Raises Refused."""
    if len(raw) > schema.light_bytes:
        schema.weigh(raw)
    try:
        message = schema.message.FromString(raw)
    except DecodeError as error:
        # The runtime tells the two apart by its text alone.
        raise Refused(ItemReason.TOO_DEEP if "MaxDepth" in str(error) else ItemReason.MALFORMED) from None
    if len(raw) > schema.shallow_bytes and schema.is_too_deep(raw):
        raise Refused(ItemReason.TOO_DEEP)
    return message


def _class(pool: DescriptorPool, index: int) -> Any:
    return class_of(pool.FindMessageTypeByName(f"{PACKAGE}.M{index}"))


def _deep(messages: Sequence[MessagePlan]) -> frozenset[int]:
    """The messages that can be deeper than `MAX_DEPTH`: those that lead to another that does, and so on."""
    below = {index: {field.message for field in message.fields} - {None} for index, message in enumerate(messages)}
    leading = frozenset(below)
    for _ in range(MAX_DEPTH + 1):
        before, leading = leading, frozenset(index for index in leading if not leading.isdisjoint(below[index]))
        if leading in (before, frozenset()):
            break
    return frozenset(index for index in leading if messages[index].form is not Form.MAP_ENTRY)


def _probe(indices: Sequence[int]) -> DescriptorProto:
    """A message of groups of its own type, of which the innermost holds a message to be probed."""
    probe = DescriptorProto(name=_PROBE)
    optional, message = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.TYPE_MESSAGE
    around = probe.field.add(
        name=attribute(1), number=1, label=optional, type=message, type_name=f".{PACKAGE}.{_PROBE}"
    )
    around.options.features.message_encoding = FeatureSet.DELIMITED
    for number, index in enumerate(indices, 2):
        probe.field.add(
            name=attribute(number), number=number, label=optional, type=message, type_name=f".{PACKAGE}.M{index}"
        )
    return probe


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


def _message(
    name: str, message: MessagePlan, messages: Sequence[MessagePlan], enums: dict[tuple[int, ...], int]
) -> DescriptorProto:
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


def _verify() -> None:
    """Raise ImportError unless this runtime strips all that `parse` accepts."""
    unknown = b"\x10\x01"
    (nested,) = build((MessagePlan("Nested", (FieldPlan(1, "nested", "message", Presence.EXPLICIT, message=0),)),))
    raw = unknown
    for depth in range(1, 2 * _PARSER_DEPTH):
        # An unknown field beside each message: none is too short to be probed.
        raw = record(1, raw) + unknown
        try:
            left = parse(nested, raw).SerializePartialToString()
        except Refused:
            left = b""
        if (depth <= MAX_DEPTH) != bool(left) or unknown in left:
            raise ImportError(f"this version of protobuf's runtime doesn't strip messages {depth} deep")


_verify()
