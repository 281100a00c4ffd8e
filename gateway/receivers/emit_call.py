"""The items of a call to an emit service, each with its flow.

All requests have one shape: a request ID in field 1, the item or items in field 2, and in field 3 whether receipts are
to be complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

import msgspec

from gateway.errors import ItemReason, RefusalReason, Refused
from gateway.pipeline.flows import Flow, Flows
from gateway.plan import FieldPlan, MessagePlan, Presence
from gateway.protobuf.any_message import open_any
from gateway.protobuf.schema import attribute, build, parse
from gateway.receivers.item_pipeline import ResolvedItems

_ID: Final = FieldPlan(1, "request_id", "string", Presence.IMPLICIT)
_REQUEST, BATCH_REQUEST = build(
    (
        MessagePlan(
            "Request",
            (_ID, FieldPlan(2, "item", "bytes", Presence.EXPLICIT), FieldPlan(3, "verbose", "bool", Presence.IMPLICIT)),
        ),
        MessagePlan("BatchRequest", (_ID, FieldPlan(2, "items", "bytes", Presence.EXPANDED))),
    )
)
REQUEST_ID: Final = attribute(1)
ITEM: Final = attribute(2)
VERBOSE: Final = attribute(3)

EMIT_SERVICE: Final = "kannelle.privacy.v1.EmitService"
"""The service that takes items of any type of the contracts."""


class EmitCall(msgspec.Struct, frozen=True):
    """A call with items: its method, and the flows of its start, which it keeps to its end.

    `flow` is that of all its items; None in `EmitService`, where each item's type tells.
    """

    service: str
    method: str
    flows: Flows
    flow: Flow | None

    def resolve(self, raws: Sequence[bytes], _first: int) -> Sequence[ResolvedItems | RefusalReason]:
        """Return the items in requests of one item each.

        Those that follow one another in one flow together, if they can't be sent again as the same.
        """
        resolved: list[ResolvedItems | RefusalReason] = []
        messages: list[bytes] = []
        for one in map(self._resolve_request, raws):
            last = resolved[-1] if resolved else None
            if not isinstance(one, ResolvedItems):
                resolved.append(one)
            elif isinstance(last, ResolvedItems) and _go_together(last, one):
                messages += one.messages
            else:
                messages = [*one.messages]
                resolved.append(msgspec.structs.replace(one, messages=messages))
        return resolved

    def resolve_items(
        self, items: Sequence[bytes], request_id: str, first: int
    ) -> Sequence[ResolvedItems | RefusalReason]:
        """Return items that came together; those that follow one another in one flow together."""
        if self.flow is not None:
            return (ResolvedItems(self.flow, items, request_id, first),)
        resolved: list[ResolvedItems | RefusalReason] = []
        for flow, run in groupby(map(self._open, items), itemgetter(0)):
            messages = [message for _, message in run]
            if isinstance(flow, RefusalReason):
                resolved += [flow] * len(messages)
            else:
                resolved.append(ResolvedItems(flow, messages, request_id, first))
            first += len(messages)
        return resolved

    def _resolve_request(self, raw: bytes) -> ResolvedItems | RefusalReason:
        try:
            request = parse(_REQUEST, raw)
        except Refused as error:
            return error.reason
        if not request.HasField(ITEM):
            return ItemReason.MALFORMED
        item = getattr(request, ITEM)
        flow, message = self._open(item) if self.flow is None else (self.flow, item)
        if isinstance(flow, RefusalReason):
            return flow
        return ResolvedItems(flow, (message,), getattr(request, REQUEST_ID), verbose=getattr(request, VERBOSE))

    def _open(self, item: bytes) -> tuple[Flow | RefusalReason, bytes]:
        """Return the message in an `Any` and its flow, or the reason why it has none."""
        try:
            type_name, message = open_any(item)
            return self.flows.of_type(type_name), message
        except Refused as error:
            return error.reason, b""

    def lasts(self, now: Flows) -> bool:
        """Return whether by other flows it would be decided on alike."""
        return now is self.flows or self._terms(now) == self._terms(self.flows)

    def _terms(self, flows: Flows) -> object:
        """Return what is decided by: in `EmitService`, of any type that may come."""
        if self.service == EMIT_SERVICE:
            return {key: flow.terms for key, flow in flows.sendable.items()}
        try:
            return flows.of_method(self.service, self.method).terms
        except Refused:
            return ()


def _go_together(one: ResolvedItems, other: ResolvedItems) -> bool:
    """Return whether items of two requests are decided on together: nobody can send either again as the same."""
    return one.flow is other.flow and not (one.request_id or other.request_id or one.verbose or other.verbose)


class BatchItems(msgspec.Struct, frozen=True):
    """The items of one batch, which share a request ID."""

    call: EmitCall
    request_id: str

    def resolve(self, raws: Sequence[bytes], first: int) -> Sequence[ResolvedItems | RefusalReason]:
        """Return items of the batch."""
        return self.call.resolve_items(raws, self.request_id, first)
