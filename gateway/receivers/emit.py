"""The emit services: one item, a batch, a stream. See `emit_call.py` for what is in their requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

import grpc
import msgspec
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from kannelle.privacy.v1 import activity_pb2, analytics_pb2, emit_pb2, receipt_pb2, support_pb2

from gateway.entry_batch import EntryBatch
from gateway.errors import ItemReason, Refused
from gateway.model import Verdict
from gateway.pipeline.flows import Flows
from gateway.protobuf.schema import parse
from gateway.receivers.backpressure_buffer import BackpressureBuffer
from gateway.receivers.emit_call import BATCH_REQUEST, EMIT_SERVICE, ITEM, REQUEST_ID, BatchItems, EmitCall
from gateway.receivers.guard import Guard, Method
from gateway.receivers.incoming import Incoming
from gateway.receivers.inflight import InFlight
from gateway.receivers.item_pipeline import BatchOutcome, ItemPipeline
from gateway.receivers.receipts import brief_receipt, complete_receipt, reason_number
from gateway.telemetry.traces import RpcMethod, set_item_count

SERVICES: Final = tuple(
    module.DESCRIPTOR.services_by_name[name]
    for module, name in (
        (activity_pb2, "ActivityLogService"),
        (analytics_pb2, "AnalyticsService"),
        (support_pb2, "SupportService"),
        (emit_pb2, "EmitService"),
    )
)

PARSE_SHARE: Final = 32
"""To find the items of a request costs at most this part of what deciding on as many bytes may.

Of nothing but empty ones, which take longest, a quarter of a MiB takes 2 ms.
"""

CurrentFlows = Callable[[], Flows]
"""The flows in force; a call asks once."""


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
        batch = await self._pipeline.off_loop(len(request) // PARSE_SHARE, parse, BATCH_REQUEST, request)
        items = getattr(batch, ITEM)
        if not items:
            raise Refused(ItemReason.MALFORMED)
        outcome = await self._pipeline.take_many(BatchItems(call, getattr(batch, REQUEST_ID)), items)
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
        """Decide and deliver while reading. If one of the three fails, the others end too, and the call with them."""
        window = _StreamWindow(call, self._pipeline)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(window.entries.run())
                tasks.create_task(window.run())
                async for request in requests:
                    await window.requests.put((request,))
                window.requests.end()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        set_item_count(window.outcome.count)
        return window.outcome


class _StreamWindow:
    """What has come of a stream: requests while others are decided on, and entries while others are delivered."""

    def __init__(self, call: EmitCall, pipeline: ItemPipeline) -> None:
        self.outcome = BatchOutcome()
        self.requests: BackpressureBuffer[bytes] = BackpressureBuffer(self._decide, len)
        self.entries: BackpressureBuffer[EntryBatch] = BackpressureBuffer(pipeline.deliver, _payload_bytes, len)
        self._call, self._pipeline = call, pipeline

    async def run(self) -> None:
        """Decide on what comes until the end. Raises Refused, Retryable."""
        await self.requests.run()
        self.entries.end()

    async def _decide(self, requests: list[bytes]) -> None:
        await self.entries.put(await self._pipeline.add(self.outcome, self._call, requests))


def _payload_bytes(batch: EntryBatch) -> int:
    return batch.payload_bytes


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
