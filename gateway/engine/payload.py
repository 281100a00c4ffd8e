"""Messages in messages: `google.protobuf.Any`, and sub-messages that are minimised as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.engine.context import DecisionContext
from gateway.errors import FieldReason, ItemReason, Reason, Refused
from gateway.protobuf.any_message import ANY, any_bytes, open_any
from gateway.protobuf.schema import MAX_DEPTH

Minimise = Callable[[int, bytes, DecisionContext], bytes]
"""Minimises a message by the projection at an index."""


class AnyRewrite:
    """Minimises an `Any`, whose payload decides."""

    __slots__ = ("_anys", "_minimise")

    def __init__(self, anys: Mapping[str, int], minimise: Minimise) -> None:
        """`anys` are the types that a payload may have, each with the index of its projection."""
        self._anys, self._minimise = anys, minimise

    def rewrite(self, raw: bytes, context: DecisionContext) -> bytes | Reason:
        """Return what is left of a serialised `Any`. Raises Refused, PersonalAccount."""
        # The parser can't count what is around: to it each `Any` is bytes.
        if context.depth >= MAX_DEPTH:
            raise Refused(ItemReason.TOO_DEEP)
        name, value = open_any(raw)
        payload = self._payload(name, value, context)
        return payload if isinstance(payload, Reason) else any_bytes(name, payload)

    def _payload(self, name: str, value: bytes, context: DecisionContext) -> bytes | Reason:
        context.depth += 1
        if name == ANY:
            return self.rewrite(value, context)
        index = self._anys.get(name)
        return FieldReason.TYPE_NOT_IN_CONTRACT if index is None else self._minimise(index, value, context)


class NestedRewrite:
    """Minimises a message by the projection at `index`."""

    __slots__ = ("_index", "_minimise")

    def __init__(self, index: int, minimise: Minimise) -> None:
        self._index, self._minimise = index, minimise

    def rewrite(self, raw: bytes, context: DecisionContext) -> bytes:
        """Return what is left of a serialised message. Raises Refused, PersonalAccount."""
        return self._minimise(self._index, raw, context)
