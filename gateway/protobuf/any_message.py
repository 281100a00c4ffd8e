"""`google.protobuf.Any` by hand: opened and made without a pool of types.

See https://protobuf.dev/reference/protobuf/google.protobuf/#any.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.plan import FieldPlan, MessagePlan, Presence
from gateway.protobuf.schema import attribute, build, parse

PREFIX: Final = "type.googleapis.com/"
ANY: Final = "google.protobuf.Any"

(_ANY,) = build(
    (
        MessagePlan(
            ANY,
            (FieldPlan(1, "type_url", "string", Presence.IMPLICIT), FieldPlan(2, "value", "bytes", Presence.IMPLICIT)),
        ),
    )
)
TYPE_URL: Final = attribute(1)
VALUE: Final = attribute(2)


def open_any(raw: bytes) -> tuple[str, bytes]:
    """The type and the value of what a serialised `Any` holds. Raises Refused if it is malformed."""
    message = parse(_ANY, raw)
    return type_name(getattr(message, TYPE_URL)), getattr(message, VALUE)


def type_name(url: str) -> str:
    """The message type that a type URL names: what follows its last slash."""
    return url.rpartition("/")[2]


def any_bytes(name: str, value: bytes) -> bytes:
    """A serialised `Any` that holds a message of type `name`."""
    message: Any = _ANY.message()
    setattr(message, TYPE_URL, PREFIX + name)
    setattr(message, VALUE, value)
    serialised: bytes = message.SerializeToString()
    return serialised
