"""How large a contract may be: what is compiled of it, for each destination, stays affordable.

Counted before anything is built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

from gateway.errors import BadContract

MAX_FILES: Final = 10_000
MAX_NAME_CHARS: Final = 500
"""Characters of a file's name, and of one name in it."""

MAX_COUNT_BY_KIND: Final = {
    "message types": 20_000,
    "fields and extensions": 50_000,
    "enum values": 50_000,
    "methods": 20_000,
}
"""What a contract may have of each, in all its files together."""

MAX_NESTED_TYPES: Final = 90
"""Message types within one another. The runtime reads descriptors 100 messages deep."""


def check_bounds(files: Iterable[FileDescriptorProto]) -> None:
    """Raise BadContract, naming the file and what is too much, if `files` come to more than a contract may have."""
    totals: Counter[str] = Counter()
    for number, file in enumerate(files):
        _check_names(file)
        if number >= MAX_FILES:
            raise BadContract(
                f"{file.name}: is one of more than {MAX_FILES} files; leave out what no flow or route needs"
            )
        for what, count in _counts(file):
            totals[what] += count
            if totals[what] > MAX_COUNT_BY_KIND[what]:
                raise BadContract(
                    f"{file.name}: with it the contract has more than {MAX_COUNT_BY_KIND[what]} {what}; leave out what no "
                    "flow or route needs"
                )


def _check_names(file: FileDescriptorProto) -> None:
    """A proto2 string that isn't UTF-8 comes as bytes."""
    names: Iterable[object] = (file.name, file.package, *file.dependency)
    for name in names:
        if not isinstance(name, str) or len(name) > MAX_NAME_CHARS or not name.isprintable():
            raise BadContract(
                f"{ascii(name)[:MAX_NAME_CHARS]}: is no name of at most {MAX_NAME_CHARS} printable characters"
            )


def _counts(file: FileDescriptorProto) -> Iterator[tuple[str, int]]:
    """Yield how many there are of what, before they are looked at one by one."""
    yield "methods", len(file.service)
    for service in file.service:
        yield "methods", len(service.method)
    yield "fields and extensions", len(file.extension)
    yield from _enum_values(file.enum_type)
    waiting = [(file.message_type, 1)]
    while waiting:
        messages, depth = waiting.pop()
        yield "message types", len(messages)
        if messages and depth > MAX_NESTED_TYPES:
            raise BadContract(f"{file.name}: has message types within one another more than {MAX_NESTED_TYPES} deep")
        for message in messages:
            yield from _fields_of(message)
            _check_texts(file.name, message)
            waiting.append((message.nested_type, depth + 1))


def _fields_of(message: DescriptorProto) -> Iterator[tuple[str, int]]:
    yield "fields and extensions", len(message.field) + len(message.extension)
    yield from _enum_values(message.enum_type)


def _check_texts(file: str, message: DescriptorProto) -> None:
    """Of what is read before the runtime has checked it."""
    fields = (*message.field, *message.extension)
    texts: Iterable[object] = (message.name, *(text for field in fields for text in (field.name, field.json_name)))
    if not all(isinstance(text, str) for text in texts):
        raise BadContract(f"{file}: has a name that is not UTF-8")


def _enum_values(enums: Iterable[EnumDescriptorProto]) -> Iterator[tuple[str, int]]:
    for enum in enums:
        yield "enum values", 1 + len(enum.value)
