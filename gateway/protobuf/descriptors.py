"""What is asked of message types, whoever has them: their class, and which of them lead to others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message

T = TypeVar("T")

_METACLASS: Final[Any] = type(FileDescriptorProto)


def class_of(message: Descriptor) -> type[Message]:
    """The class of a message type. Those of the types that it leads to are made when they are first met.

    `message_factory.GetMessageClass` makes them all at once, each within the one before, and ends in a RecursionError
    where many types follow one another.
    """
    known = getattr(message, "_concrete_class", None)
    return cast(
        "type[Message]", known or _METACLASS(message.name, (Message,), {"DESCRIPTOR": message, "__module__": None})
    )


def descriptor_of(message: Message | type[Message]) -> Descriptor:
    """The descriptor of a message, or of a class of messages."""
    descriptor = message.DESCRIPTOR
    if not isinstance(descriptor, Descriptor):
        raise TypeError(f"{type(descriptor)}: is no descriptor")  # its type is wider in types-protobuf than in protobuf
    return descriptor


def with_holders(start: Iterable[T], holders: Mapping[T, Iterable[T]]) -> frozenset[T]:
    """What is in `start`, and all that leads to it by `holders`. Looks at each holder once."""
    found = {*start}
    waiting = list(found)
    while waiting:
        more = {one for one in holders.get(waiting.pop(), ()) if one not in found}
        found |= more
        waiting += more
    return frozenset(found)
