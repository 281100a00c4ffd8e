"""Older and newer versions of the gateway's own files, as contracts bring them.

Whether they agree with ours, and what is new in them.

They agree if all that both define is the same: fields, by number and by name, enum values, extensions, methods. Ours
counts; a field or a value that only theirs has is unknown here, and goes nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol, TypeVar

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer


class Named(Protocol):
    """What has a name in a file of descriptors."""

    name: str


N = TypeVar("N", bound=Named)

Types = DescriptorProto | FileDescriptorProto
"""What holds message types and enums."""

_METHOD_ATTRIBUTES: Final = ("input_type", "output_type", "client_streaming", "server_streaming")


def incompatibility(ours: FileDescriptorProto, theirs: FileDescriptorProto) -> str:
    """The first thing that both files define, and not alike: its name, and what it is in each.

    Empty if there is none.
    """
    if ours.package != theirs.package:
        return f"package: {theirs.package}, and here {ours.package}"
    return next(_of_types(ours.package, ours, theirs), "") or next(_of_services(ours, theirs), "")


def combined(ours: FileDescriptorProto, theirs: FileDescriptorProto) -> FileDescriptorProto:
    """Our file, with the message types and enums that only theirs has.

    Other files of that version may speak of them.
    """
    both = FileDescriptorProto.FromString(ours.SerializeToString())
    if _merge(both, theirs):
        both.dependency.extend(name for name in theirs.dependency if name not in ours.dependency)
    return both


def _merge(into: Types, theirs: Types) -> bool:
    """Add what is new to a file or a message type; whether anything was."""
    known = {one.name: one for one in _messages(into)}
    new = [one for one in _messages(theirs) if one.name not in known and not one.options.map_entry]
    _messages(into).extend(new)
    enums = [one for one in theirs.enum_type if one.name not in {held.name for held in into.enum_type}]
    into.enum_type.extend(enums)
    below = [_merge(known[one.name], one) for one in _messages(theirs) if one.name in known]
    return bool(new or enums) or any(below)


def _messages(held: Types) -> RepeatedCompositeFieldContainer[DescriptorProto]:
    return held.message_type if isinstance(held, FileDescriptorProto) else held.nested_type


def _of_types(scope: str, ours: Types, theirs: Types) -> Iterator[str]:
    yield from _of_extensions(scope, ours.extension, theirs.extension)
    kinds: tuple[tuple[Iterable[Named], Iterable[Named]], ...] = (
        (_messages(ours), theirs.enum_type),
        (ours.enum_type, _messages(theirs)),
    )
    for messages, enums in kinds:
        for name in sorted({one.name for one in messages} & {one.name for one in enums}):
            yield f"{scope}.{name}: a message type in one, an enum in the other"
    for name, (own, other) in _pairs(_messages(ours), _messages(theirs)).items():
        yield from _of_fields(f"{scope}.{name}", own.field, other.field)
        yield from _of_types(f"{scope}.{name}", own, other)
    for name, (own_enum, other_enum) in _pairs(ours.enum_type, theirs.enum_type).items():
        yield from _of_values(f"{scope}.{name}", own_enum, other_enum)


def _pairs(ours: Iterable[N], theirs: Iterable[N]) -> Mapping[str, tuple[N, N]]:
    """What both have, by name."""
    named = {one.name: one for one in theirs}
    return {one.name: (one, named[one.name]) for one in ours if one.name in named}


def _of_fields(
    scope: str, ours: Iterable[FieldDescriptorProto], theirs: Iterable[FieldDescriptorProto]
) -> Iterator[str]:
    numbered, named = {one.number: one for one in theirs}, {one.name: one for one in theirs}
    for own in ours:
        for other in (numbered.get(own.number), named.get(own.name)):
            if other is not None and _field(own) != _field(other):
                yield f"{scope}.{own.name}: {_declaration(other)}, and here {_declaration(own)}"


def _field(field: FieldDescriptorProto) -> tuple[object, ...]:
    return field.name, field.number, field.type, field.type_name, field.label == FieldDescriptorProto.LABEL_REPEATED


def _declaration(field: FieldDescriptorProto) -> str:
    kind = field.type_name.removeprefix(".") or FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    many = "repeated " if field.label == FieldDescriptorProto.LABEL_REPEATED else ""
    return f"{many}{kind} {field.name} = {field.number}"


def _of_extensions(
    scope: str, ours: Iterable[FieldDescriptorProto], theirs: Iterable[FieldDescriptorProto]
) -> Iterator[str]:
    for extended in dict.fromkeys(one.extendee for one in ours):
        own, others = ([one for one in all_ if one.extendee == extended] for all_ in (ours, theirs))
        yield from _of_fields(scope, own, others)
    for name, (one, other) in _pairs(ours, theirs).items():
        if one.extendee != other.extendee:
            yield (
                f"{scope}.{name}: extends {other.extendee.removeprefix('.')}, and here {one.extendee.removeprefix('.')}"
            )


def _of_values(scope: str, ours: EnumDescriptorProto, theirs: EnumDescriptorProto) -> Iterator[str]:
    """A number may have several names, if both have one of them."""
    for own in ours.value:
        named = {one.name: one.number for one in theirs.value}
        others = {one.name for one in theirs.value if one.number == own.number}
        mine = {one.name for one in ours.value if one.number == own.number}
        if named.get(own.name, own.number) != own.number:
            yield f"{scope}.{own.name}: {named[own.name]}, and here {own.number}"
        elif others and not others & mine:
            yield f"{scope}: {own.number} is {min(others)}, and here {own.name}"


def _of_services(ours: FileDescriptorProto, theirs: FileDescriptorProto) -> Iterator[str]:
    for service, pair in _pairs(ours.service, theirs.service).items():
        yield from (
            f"{ours.package}.{service}.{name}: takes or returns something else here" for name in _changed_methods(*pair)
        )


def _changed_methods(ours: ServiceDescriptorProto, theirs: ServiceDescriptorProto) -> Iterator[str]:
    """The methods that both have, and not alike."""
    for name, pair in _pairs(ours.method, theirs.method).items():
        if len({tuple(getattr(one, part) for part in _METHOD_ATTRIBUTES) for one in pair}) > 1:
            yield name
