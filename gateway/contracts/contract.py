"""A contract: the descriptors of all message types there are, and what their annotations say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from kannelle.privacy.v1 import annotations_pb2

from gateway.errors import BadContract
from gateway.model import Category, FieldPrivacy


class Contract:
    """Descriptors in a pool of their own, built whole or not at all."""

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        """Build the pool from `files`, in any order. Raises BadContract if one doesn't fit the others."""
        self.files = {file.name: file for file in files}
        self.pool = DescriptorPool()
        added: set[str] = set()
        for name in self.files:
            self._add(name, added, ())

    def _add(self, name: str, added: set[str], above: tuple[str, ...]) -> None:
        if name in added:
            return
        if name not in self.files:
            raise BadContract(f"{above[-1]}: imports {name}, which no contract holds")
        if name in above:
            raise BadContract(f"{name}: imports itself by way of {' and '.join(above[above.index(name) + 1 :])}")
        file = self.files[name]
        for imported in file.dependency:
            self._add(imported, added, (*above, name))
        self._build(file)
        added.add(name)

    def _build(self, file: FileDescriptorProto) -> None:
        for message in file.message_type:
            _refuse_message_sets(message, file.name)
        try:
            self.pool.AddSerializedFile(file.SerializeToString())
        except TypeError as error:
            raise BadContract(f"{file.name}: {error}") from error

    def message(self, name: str) -> Descriptor:
        """The descriptor of the message type with this full name. Raises KeyError."""
        return self.pool.FindMessageTypeByName(name)

    def message_class(self, name: str) -> type[Message]:
        """The class of the message type with this full name. Raises KeyError."""
        return GetMessageClass(self.message(name))

    def fields(self, message: Descriptor) -> tuple[FieldDescriptor, ...]:
        """A message's fields and the extensions of it that the contract declares, by number."""
        extensions = self.pool.FindAllExtensions(message) if message.is_extendable else ()
        return tuple(sorted((*message.fields, *extensions), key=lambda field: field.number))

    @cached_property
    def messages(self) -> tuple[str, ...]:
        """The full names of all message types but map entries, sorted."""
        found = (name for file in self.files.values() for name in _messages(file.package, file.message_type))
        return tuple(sorted(found))

    @cached_property
    def annotations(self) -> Mapping[str, FieldPrivacy]:
        """What the annotations say, by the field's full name."""
        return {name: _privacy(field) for file in self.files.values() for name, field in _fields(file) if _annotated(field)}


def message_of(field: FieldDescriptor) -> Descriptor:
    """The message type of a field that holds messages."""
    return cast(Descriptor, field.message_type)


def _refuse_message_sets(message: DescriptorProto, file: str) -> None:
    if message.options.message_set_wire_format:
        raise BadContract(f"{file}: {message.name}: message_set_wire_format is not supported")
    for nested in message.nested_type:
        _refuse_message_sets(nested, file)


def _join(*names: str) -> str:
    return ".".join(filter(None, names))


def _messages(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[str]:
    for message in messages:
        if not message.options.map_entry:
            name = _join(scope, message.name)
            yield name
            yield from _messages(name, message.nested_type)


def _fields(file: FileDescriptorProto) -> Iterator[tuple[str, FieldDescriptorProto]]:
    yield from ((_join(file.package, field.name), field) for field in file.extension)
    yield from _fields_below(file.package, file.message_type)


def _fields_below(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, FieldDescriptorProto]]:
    for message in messages:
        name = _join(scope, message.name)
        yield from ((_join(name, field.name), field) for field in (*message.field, *message.extension))
        yield from _fields_below(name, message.nested_type)


def _annotated(field: FieldDescriptorProto) -> bool:
    return field.options.HasExtension(annotations_pb2.field)


def _privacy(field: FieldDescriptorProto) -> FieldPrivacy:
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
    )


def _category(number: int) -> Category:
    """A number that isn't known here, from a newer contract, classifies nothing."""
    return Category(number) if number in Category._value2member_map_ else Category.UNSPECIFIED
