"""What the options of a contract's fields say: the annotations, and whether all of them can be read here.

An annotation of a newer version may say what this gateway doesn't know: another category, a further bound, another
option. What it knows of it still tells whom an item is about; but nobody can tell what else was meant, so the field
goes nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from kannelle.privacy.v1 import annotations_pb2

from gateway.errors import BadContract
from gateway.model import Category, FieldPrivacy

ANNOTATION_PACKAGE: Final = annotations_pb2.DESCRIPTOR.package
_NO_ANNOTATION: Final = annotations_pb2.FieldPrivacy()
FIELD_OPTIONS: Final = ".google.protobuf.FieldOptions"


class Options:
    """The options that contracts' versions of the gateway's files define and this gateway doesn't know."""

    def __init__(self) -> None:
        self._newer: dict[str, dict[int, str]] = {}

    def add(self, file: FileDescriptorProto) -> None:
        """Note those of one file."""
        known = set(annotations_pb2.DESCRIPTOR.extensions_by_name)
        for extension in _extensions(file.extension, file.message_type) if file.package == ANNOTATION_PACKAGE else ():
            if extension.name not in known:
                self._newer.setdefault(extension.extendee, {})[extension.number] = (
                    f"{ANNOTATION_PACKAGE}.{extension.name}"
                )

    def is_readable(self, field: FieldDescriptorProto) -> bool:
        """Whether all that annotations say of a field is known here."""
        if self._unknown_options(field.options, FIELD_OPTIONS):
            return False
        given = field.options.Extensions[annotations_pb2.field] if is_annotated(field) else _NO_ANNOTATION
        return {given.category, given.map_key} <= Category._value2member_map_.keys() and not len(UnknownFieldSet(given))

    def check(self, file: FileDescriptorProto) -> None:
        """Raise BadContract if a file says of more than a field what isn't known here."""
        for name, options in _options_beyond_fields(file) if self._newer else ():
            found = self._unknown_options(options, f".{options.DESCRIPTOR.full_name}")
            if found:
                raise BadContract(f"{file.name}: {name}: this gateway is too old to know the option {found[0]}")

    def _unknown_options(self, options: Message, extended: str) -> list[str]:
        newer = self._newer.get(extended, {})
        unknown = UnknownFieldSet(options) if newer else ()
        numbers = (unknown[index].field_number for index in range(len(unknown)))
        return [newer[number] for number in numbers if number in newer]


def _extensions(
    here: Iterable[FieldDescriptorProto], messages: Iterable[DescriptorProto]
) -> Iterator[FieldDescriptorProto]:
    """Yield the extensions declared in a file, and in message types within it."""
    yield from here
    for message in messages:
        yield from _extensions(message.extension, message.nested_type)


def _options_beyond_fields(file: FileDescriptorProto) -> Iterator[tuple[str, Message]]:
    """Yield the options of all but fields, each with the name of what has them."""
    yield file.package, file.options
    yield from _of_enums(file.enum_type)
    yield from _of_messages(file.message_type)
    for service in file.service:
        yield service.name, service.options
        yield from ((method.name, method.options) for method in service.method)


def _of_messages(messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, Message]]:
    for message in messages:
        yield message.name, message.options
        yield from ((oneof.name, oneof.options) for oneof in message.oneof_decl)
        yield from _of_enums(message.enum_type)
        yield from _of_messages(message.nested_type)


def _of_enums(enums: Iterable[EnumDescriptorProto]) -> Iterator[tuple[str, Message]]:
    for enum in enums:
        yield enum.name, enum.options
        yield from ((value.name, value.options) for value in enum.value)


def is_annotated(field: FieldDescriptorProto) -> bool:
    """Whether a field has an annotation."""
    return field.options.HasExtension(annotations_pb2.field)


def privacy_of(field: FieldDescriptorProto) -> FieldPrivacy:
    """What a field's annotation says, as far as it is known here."""
    given = field.options.Extensions[annotations_pb2.field]
    return FieldPrivacy(
        category=_category(given.category),
        map_key=_category(given.map_key),
        subject=given.subject,
        pattern=given.pattern,
        max_length=given.max_length,
        one_of=tuple(given.one_of),
        min=given.min,
        max=given.max,
        workspace=given.workspace,
    )


def _category(number: int) -> Category:
    """A number that isn't known here, from a newer contract, classifies nothing."""
    return Category(number) if number in Category._value2member_map_ else Category.UNSPECIFIED
