"""Messages as proto-JSON: https://protobuf.dev/programming-guides/json/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from gateway.exporters.base import MessageClass
from gateway.exporters.json_forms import PROTO_JSON, Form, JsonDialect, message_form
from gateway.protobuf.descriptors import descriptor_of

SERIALIZATION_ERRORS: Final = (DecodeError, json_format.Error, OverflowError, RecursionError, TypeError, ValueError)
"""What is raised on a message without a JSON form: a timestamp out of range, an `Any` of an unknown type, …"""


class MessageJson:
    """Makes JSON of serialised messages of one contract."""

    def __init__(self, message_class: MessageClass, dialect: JsonDialect = PROTO_JSON) -> None:
        self._message_class = message_class
        self._dialect = dialect
        self._by_type: dict[str, tuple[Callable[[bytes], Message], Form]] = {}

    def of(self, type: str, payload: bytes) -> object:
        """Return what JSON has of a message.

        Raises KeyError for a type in no contract, else one of SERIALIZATION_ERRORS.
        """
        known = self._by_type.get(type)
        if known is None:
            cls = self._message_class(type)
            known = self._by_type[type] = cls.FromString, message_form(descriptor_of(cls), self._dialect)
        parse, form = known
        return form(parse(payload))


def proto_json(message: Message) -> object:
    """A message as JSON has it; what is in an `Any` is found in the pool that the message's own type is of.

    Raises one of SERIALIZATION_ERRORS.
    """
    return message_form(descriptor_of(message), PROTO_JSON)(message)
