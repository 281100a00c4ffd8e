"""The emit services: one item, a batch, a stream.

All requests have one shape: a request ID in field 1, the item or items in field 2, and in field 3 whether receipts are
to be complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

import grpc
import msgspec
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from kannelle.privacy.v1 import activity_pb2, analytics_pb2, emit_pb2, receipt_pb2, support_pb2

from gateway.errors import ItemReason, RefusalReason, Refused
from gateway.model import Verdict
from gateway.pipeline.flows import Flow, Flows
from gateway.plan import FieldPlan, MessagePlan, Presence
from gateway.protobuf.any_message import open_any
from gateway.protobuf.schema import attribute, build, parse
from gateway.receivers.backpressure_buffer import BackpressureBuffer
from gateway.receivers.guard import Guard, Method
from gateway.receivers.incoming import Incoming
from gateway.receivers.inflight import InFlight
from gateway.receivers.item_pipeline import BatchOutcome, ItemPipeline, ResolvedItems
from gateway.receivers.receipts import brief_receipt, complete_receipt, reason_number
from gateway.telemetry.traces import RpcMethod, set_item_count

_ID: Final = FieldPlan(1, "request_id", "string", Presence.IMPLICIT)
_REQUEST, _BATCH_REQUEST = build(
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

SERVICES: Final = tuple(
    module.DESCRIPTOR.services_by_name[name]
    for module, name in (
        (activity_pb2, "ActivityLogService"),
        (analytics_pb2, "AnalyticsService"),
        (support_pb2, "SupportService"),
        (emit_pb2, "EmitService"),
    )
)

CurrentFlows = Callable[[], Flows]
"""The flows in force; a call asks once."""


class EmitCall(msgspec.Struct, frozen=True):
    """A call with items: its method, and the flows of its start, which it keeps to its end.

    `flow` is that of all its items; None in `EmitService`, where each item's type tells.
    """

    service: str
    method: str
    flows: Flows
    flow: Flow | None

    def resolve(self, raws: Sequence[bytes]) -> Sequence[ResolvedItems | RefusalReason]:
        """Return the items in requests of one item each."""
        return [self._resolve_request(raw) for raw in raws]

    def resolve_items(self, items: Sequence[bytes], request_id: str) -> Sequence[ResolvedItems | RefusalReason]:
        """Return items that came together; those that follow one another in one flow together."""
        if self.flow is not None:
            return (ResolvedItems(self.flow, items, request_id),)
        resolved: list[ResolvedItems | RefusalReason] = []
        for flow, run in groupby(map(self._open, items), itemgetter(0)):
            if isinstance(flow, Flow):
                resolved.append(ResolvedItems(flow, [message for _, message in run], request_id))
            else:
                resolved += [flow for _ in run]
        return resolved

    def _resolve_request(self, raw: bytes) -> ResolvedItems | RefusalReason:
        try:
            request = parse(_REQUEST, raw)
        except Refused as error:
            return error.reason
        if not request.HasField(ITEM):
            return ItemReason.MALFORMED
        flow, message = (self.flow, getattr(request, ITEM)) if self.flow else self._open(getattr(request, ITEM))
        if not isinstance(flow, Flow):
            return flow
        return ResolvedItems(flow, (message,), getattr(request, REQUEST_ID), getattr(request, VERBOSE))

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


class _BatchItems(msgspec.Struct, frozen=True):
    """The items of one batch, which share a request ID."""

    call: EmitCall
    request_id: str

    def resolve(self, raws: Sequence[bytes]) -> Sequence[ResolvedItems | RefusalReason]:
        """Return items of the batch."""
        return self.call.resolve_items(raws, self.request_id)


class EmitHost(msgspec.Struct, frozen=True):
    """What the handlers of all methods share. Streams, which may have to end, are noted in `in_flight`."""

    flows: CurrentFlows
    pipeline: ItemPipeline
    in_flight: InFlight[EmitCall]


class _EmitHandler:
    """Answers one method."""

    def __init__(self, method: MethodDescriptor, host: EmitHost) -> None:
        self._service, self._method = method.containing_service.full_name, method.name
        self._response = GetMessageClass(method.output_type)
        self._flows, self._pipeline, self._in_flight = host.flows, host.pipeline, host.in_flight

    def _begin(self) -> EmitCall:
        """Begin a call by the flows in force. Raises Refused."""
        flows = self._flows()
        flow = None if self._service == EMIT_SERVICE else flows.of_method(self._service, self._method)
        return EmitCall(self._service, self._method, flows, flow)


class UnaryHandler(_EmitHandler):
    """Takes the one item of a request and answers with its receipts."""

    async def handle(self, request: bytes) -> bytes:
        """Return the serialised response. Raises Refused, Retryable, Rejected."""
        call = self._begin()
        accepted = await self._pipeline.take_one(call, request)
        if accepted.verbose:
            receipts = [await self._complete(call.flows, accepted.message, verdict) for verdict in accepted.verdicts]
        else:
            receipts = [brief_receipt(verdict) for verdict in accepted.verdicts]
        return self._response(receipts=receipts).SerializeToString()

    async def _complete(self, flows: Flows, item: bytes, verdict: Verdict) -> receipt_pb2.Receipt:
        """Return a complete receipt, or a brief one of what is too much for it: the item is on its way already."""
        try:
            return await complete_receipt(flows.compiler, self._pipeline.off_loop, item, verdict)
        except Refused:
            return brief_receipt(verdict)


class BatchHandler(_EmitHandler):
    """Takes the items of one request; each rejected one is named by index and reason."""

    async def handle(self, request: bytes) -> bytes:
        """Return the serialised response. Raises Refused, Retryable, Rejected."""
        call = self._begin()
        batch = await self._pipeline.off_loop(len(request), parse, _BATCH_REQUEST, request)
        items = getattr(batch, ITEM)
        if not items:
            raise Refused(ItemReason.MALFORMED)
        outcome = await self._pipeline.take_many(_BatchItems(call, getattr(batch, REQUEST_ID)), items)
        return self._response(result=_batch_result(outcome)).SerializeToString()


class StreamHandler(_EmitHandler):
    """Takes a stream of items, until what is in force doesn't let it go on."""

    async def handle(self, requests: Incoming) -> bytes:
        """Return the serialised response. Raises Refused, Retryable, Rejected."""
        call = self._begin()
        with self._in_flight.going(call):
            outcome = await self._deliver_while_reading(call, requests)
            if not outcome.count:
                raise Refused(ItemReason.MALFORMED)
            return self._response(result=_batch_result(outcome)).SerializeToString()

    async def _deliver_while_reading(self, call: EmitCall, requests: Incoming) -> BatchOutcome:
        """Deliver while reading. If one of the two fails, the other ends too, and the call with them."""
        outcome, buffer = BatchOutcome(), BackpressureBuffer(self._pipeline.deliver)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(buffer.run())
                async for request in requests:
                    await buffer.put(await self._pipeline.add(outcome, call, request))
                buffer.end()
                set_item_count(outcome.count)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        return outcome


def handlers(
    flows: CurrentFlows, pipeline: ItemPipeline, guard: Guard, in_flight: InFlight[EmitCall]
) -> Iterator[grpc.GenericRpcHandler]:
    """Yield the handlers of the emit services."""
    host = EmitHost(flows, pipeline, in_flight)
    for service in SERVICES:
        methods = {method.name: _guarded(method, host, guard) for method in service.methods}
        yield grpc.method_handlers_generic_handler(service.full_name, methods)


def _guarded(method: MethodDescriptor, host: EmitHost, guard: Guard) -> Method:
    rpc = RpcMethod(method.containing_service.full_name, method.name)
    if method.client_streaming:
        return guard.stream(StreamHandler(method, host).handle, rpc)
    if method.input_type.fields_by_number[2].is_repeated:
        return guard.unary(BatchHandler(method, host).handle, rpc)
    return guard.unary(UnaryHandler(method, host).handle, rpc)


def _batch_result(outcome: BatchOutcome) -> receipt_pb2.BatchResult:
    rejected = [
        receipt_pb2.RejectedItem(index=index, reason=reason_number(reason)) for index, reason in outcome.rejected
    ]
    return receipt_pb2.BatchResult(accepted=outcome.accepted, rejected=rejected, withheld=outcome.withheld)
