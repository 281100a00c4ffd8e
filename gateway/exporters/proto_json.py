"""Messages as proto-JSON: https://protobuf.dev/programming-guides/json/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from gateway.protobuf.descriptors import descriptor_of

SERIALIZATION_ERRORS: Final = (DecodeError, json_format.Error, OverflowError, RecursionError, TypeError, ValueError)
"""What the library raises on a message without a JSON form: a timestamp out of range, an `Any` of an unknown type, …"""


def proto_json(message: Message) -> Mapping[str, object]:
    """A message as JSON has it; what is in an `Any` is found in the pool that the message's own type is of.

    Raises one of SERIALIZATION_ERRORS.
    """
    return json_format.MessageToDict(message, descriptor_pool=descriptor_of(message).file.pool)
