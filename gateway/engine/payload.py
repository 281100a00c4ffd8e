"""Messages in messages: `google.protobuf.Any`, and sub-messages that are judged as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.engine.context import DecisionContext
from gateway.engine.message_cache import Rewrite
from gateway.engine.schema import MAX_DEPTH, attribute, build, parse
from gateway.errors import FieldReason, ItemReason, Reason, Refused
from gateway.plan import FieldPlan, MessagePlan, Presence

PREFIX: Final = "type.googleapis.com/"
ANY: Final = "google.protobuf.Any"

Minimise = Callable[[int, bytes, DecisionContext], bytes]
"""Minimises a message by the projection at an index."""

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


def payload(anys: Mapping[str, int], minimise: Minimise) -> Rewrite:
    """Minimise an `Any`, whose payload decides."""

    def rewrite(raw: bytes, run: DecisionContext) -> bytes | Reason:
        # The parser can't count what is around: to it each `Any` is bytes.
        if run.depth >= MAX_DEPTH:
            raise Refused(ItemReason.TOO_DEEP)
        name, value = open_any(raw)
        held = _held(name, value, run)
        return held if isinstance(held, Reason) else any_bytes(name, held)

    def _held(name: str, value: bytes, run: DecisionContext) -> bytes | Reason:
        run.depth += 1
        if name == ANY:
            return rewrite(value, run)
        return minimise(anys[name], value, run) if name in anys else FieldReason.TYPE_NOT_IN_CONTRACT

    return rewrite


def nested(index: int, minimise: Minimise) -> Rewrite:
    """Minimise a message of the projection at `index`."""
    return lambda raw, run: minimise(index, raw, run)


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
