"""A contract: the descriptors of all message types there are, and what their annotations say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import EncodeError, Message

from gateway.contracts.bounds import check_bounds
from gateway.contracts.options import Options, is_annotated, privacy_of
from gateway.errors import BadContract
from gateway.model import FieldPrivacy
from gateway.protobuf.descriptors import class_of

MAX_ERROR_CHARS: Final = 500
MAX_REPORTED_IMPORTS: Final = 6


class Contract:
    """Descriptors in a pool of their own, built whole or not at all."""

    def __init__(self, files: Iterable[FileDescriptorProto], options: Options | None = None) -> None:
        """Build the pool from `files`, in any order. Raises BadContract if one doesn't fit the others.

        `options` are those that the files define and use, and this gateway doesn't know.
        """
        given = [*files]
        check_bounds(given)
        self.files = {file.name: file for file in given}
        self._options = options or Options()
        self.pool = DescriptorPool()
        for name in _in_order(self.files):
            self._build(self.files[name])

    def _build(self, file: FileDescriptorProto) -> None:
        for message in file.message_type:
            _refuse_message_sets(message, file.name)
        self._options.check(file)
        try:
            self.pool.AddSerializedFile(file.SerializeToString())
        except (TypeError, EncodeError) as error:
            raise BadContract(f"{file.name}: {_one_line(str(error))}") from error

    def message(self, name: str) -> Descriptor:
        """The descriptor of the message type with this full name. Raises KeyError."""
        return self.pool.FindMessageTypeByName(name)

    def message_class(self, name: str) -> type[Message]:
        """The class of the message type with this full name. Raises KeyError."""
        return class_of(self.message(name))

    def fields(self, message: Descriptor) -> tuple[FieldDescriptor, ...]:
        """A message's fields and the extensions of it that the contract declares, by number."""
        name = message.full_name
        found = self._fields.get(name)
        if found is None:
            extensions = self._extensions.get(name, ())
            found = self._fields[name] = tuple(sorted((*message.fields, *extensions), key=attrgetter("number")))
        return found

    def fields_of(self, name: str) -> tuple[FieldDescriptor, ...]:
        """The same of the message type with this full name. Raises KeyError."""
        return self._fields.get(name) or self.fields(self.message(name))

    @cached_property
    def _fields(self) -> dict[str, tuple[FieldDescriptor, ...]]:
        """What `fields` found, since it is asked again and again."""
        return {}

    @cached_property
    def _extensions(self) -> Mapping[str, list[FieldDescriptor]]:
        """All extensions, by the full name of the type that they extend."""
        found: dict[str, list[FieldDescriptor]] = {}
        for file in self.files.values():
            for name in _extensions(file.package, file.extension, file.message_type):
                extension = self.pool.FindExtensionByName(name)
                found.setdefault(_extended(extension), []).append(extension)
        return found

    @cached_property
    def messages(self) -> KeysView[str]:
        """The full names of all message types but map entries, sorted."""
        found = (name for file in self.files.values() for name in _messages(file.package, file.message_type))
        return dict.fromkeys(sorted(found)).keys()

    @cached_property
    def annotations(self) -> Mapping[str, FieldPrivacy]:
        """What the annotations say, by the field's full name."""
        return {name: privacy_of(field) for name, field in self._declared if is_annotated(field)}

    @cached_property
    def unreadable_fields(self) -> frozenset[str]:
        """The full names of the fields of which annotations say more than is known here.

        Whatever that is, they go nowhere.
        """
        return frozenset(name for name, field in self._declared if not self._options.is_readable(field))

    def file_of(self, field: str) -> str:
        """The name of the file that declares the field or extension with this full name; empty if none does."""
        return next((file.name for file in self.files.values() if any(name == field for name, _ in _fields(file))), "")

    @property
    def _declared(self) -> Iterator[tuple[str, FieldDescriptorProto]]:
        return (found for file in self.files.values() for found in _fields(file))


def _extended(extension: FieldDescriptor) -> str:
    """The full name of the type that an extension extends."""
    return "" if extension.containing_type is None else extension.containing_type.full_name


def message_of(field: FieldDescriptor) -> Descriptor:
    """The message type of a field that holds messages. Raises TypeError for a field of scalars."""
    message = field.message_type
    if message is None:
        raise TypeError(f"{field.full_name}: holds no messages")
    return message


def _in_order(files: Mapping[str, FileDescriptorProto]) -> Iterator[str]:
    """Yield the names of files, each after those that it imports.

    Raises BadContract for an import that isn't there, or leads back.
    """
    done: set[str] = set()
    for first in files:
        above: dict[str, Iterator[str]] = {} if first in done else {first: iter(files[first].dependency)}
        while above:
            name, imports = next(reversed(above.items()))
            imported = next((one for one in imports if one not in done), None)
            if imported is None:
                del above[name]
                done.add(name)
                yield name
            elif imported not in files:
                raise BadContract(f"{name}: imports {imported}, which no contract holds")
            elif imported in above:
                raise BadContract(f"{imported}: imports itself by way of {_import_path([*above], imported)}")
            else:
                above[imported] = iter(files[imported].dependency)


def _import_path(above: Sequence[str], name: str) -> str:
    return " and ".join(above[above.index(name) + 1 :][:MAX_REPORTED_IMPORTS]) or "nothing else"


def _one_line(text: str) -> str:
    """The runtime's words, which repeat what stands in a file."""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_ERROR_CHARS])


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


def _extensions(scope: str, here: Iterable[FieldDescriptorProto], messages: Iterable[DescriptorProto]) -> Iterator[str]:
    """Yield the full names of the extensions declared in a scope, a file's or a message's, and in messages within."""
    yield from (_join(scope, field.name) for field in here)
    for message in messages:
        yield from _extensions(_join(scope, message.name), message.extension, message.nested_type)


def _fields(file: FileDescriptorProto) -> Iterator[tuple[str, FieldDescriptorProto]]:
    yield from ((_join(file.package, field.name), field) for field in file.extension)
    yield from _fields_below(file.package, file.message_type)


def _fields_below(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, FieldDescriptorProto]]:
    for message in messages:
        name = _join(scope, message.name)
        yield from ((_join(name, field.name), field) for field in (*message.field, *message.extension))
        yield from _fields_below(name, message.nested_type)
