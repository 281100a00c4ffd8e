"""Messages in messages: `google.protobuf.Any`, and sub-messages that are judged as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.engine.context import DecisionContext
from gateway.engine.message_cache import Rewrite
from gateway.errors import FieldReason, ItemReason, Reason, Refused
from gateway.protobuf.any_message import ANY, any_bytes, open_any
from gateway.protobuf.schema import MAX_DEPTH

Minimise = Callable[[int, bytes, DecisionContext], bytes]
"""Minimises a message by the projection at an index."""


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
