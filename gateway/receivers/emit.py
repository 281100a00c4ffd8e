"""The emit services: one item, a batch, a stream.

All requests have one shape: a request ID in field 1, the item or items in field 2, and in field 3 whether receipts are
to be complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, Final

import grpc
import msgspec
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from kannelle.privacy.v1 import activity_pb2, analytics_pb2, emit_pb2, receipt_pb2, support_pb2

from gateway.errors import ItemReason, Refused
from gateway.model import Verdict
from gateway.pipeline.flows import Flow, Flows
from gateway.plan import FieldPlan, MessagePlan, Presence
from gateway.protobuf.any_message import open_any
from gateway.protobuf.schema import attribute, build, parse
from gateway.receivers.guard import Guard
from gateway.receivers.inflight import InFlight
from gateway.receivers.intake import Asked, Batch, Intake, Resolve
from gateway.receivers.lane import Lane
from gateway.receivers.receipts import brief, complete, reason_number
from gateway.telemetry.traces import RpcMethod, set_item_count

_ID: Final = FieldPlan(1, "request_id", "string", Presence.IMPLICIT)
_ONE, _MANY = build(
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

Find = Callable[[bytes], tuple[Flow, bytes]]
"""The flow of an item, and its message. Raises Refused."""

EMIT: Final = "kannelle.privacy.v1.EmitService"
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


class Streamed(msgspec.Struct, frozen=True):
    """A call with items: its method, and the flows of its start, which it keeps to its end."""

    service: str
    method: str
    flows: Flows

    def lasts(self, now: Flows) -> bool:
        """Whether by other flows it would be decided on alike."""
        return now is self.flows or self._terms(now) == self._terms(self.flows)

    def _terms(self, flows: Flows) -> object:
        """What is decided by: in `EmitService`, of any type that may come."""
        if self.service == EMIT:
            return {key: flow.terms for key, flow in flows.sendable.items()}
        try:
            return flows.of_method(self.service, self.method).terms
        except Refused:
            return ()


Begun = Callable[[], tuple[Find, Streamed]]
"""Begins a call. Raises Refused."""


def handlers(
    flows: CurrentFlows, intake: Intake, guard: Guard, in_flight: InFlight[Streamed]
) -> Iterator[grpc.GenericRpcHandler]:
    """The handlers of the emit services. Streams in flight, which may have to end, are told to `in_flight`."""
    host = _Host(flows, intake, guard, in_flight)
    for service in SERVICES:
        methods = {method.name: _handler(method, host) for method in service.methods}
        yield grpc.method_handlers_generic_handler(service.full_name, methods)


class _Host(msgspec.Struct, frozen=True):
    flows: CurrentFlows
    intake: Intake
    guard: Guard
    in_flight: InFlight[Streamed]


def _handler(method: MethodDescriptor, host: _Host) -> grpc.RpcMethodHandler[Any, Any]:
    service, intake, guard = method.containing_service.full_name, host.intake, host.guard
    response, called = GetMessageClass(method.output_type), RpcMethod(service, method.name)
    begun = partial(_begun, service, method.name, host.flows)
    if method.client_streaming:
        return guard.stream(partial(_stream, intake, begun, host.in_flight, response), called)
    batch = method.input_type.fields_by_number[2].is_repeated
    return guard.unary(partial(_batch if batch else _unary, intake, begun, response), called)


def _begun(service: str, method: str, flows: CurrentFlows) -> tuple[Find, Streamed]:
    """How a call's items find their flow, by the call, or in `EmitService` by their type.

    And what all of them go by from its start.
    """
    current = flows()
    return _find(service, method, current), Streamed(service, method, current)


def _find(service: str, method: str, flows: Flows) -> Find:
    if service == EMIT:
        return partial(_by_type, flows)
    flow = flows.of_method(service, method)
    return lambda raw: (flow, raw)


def _by_type(flows: Flows, raw: bytes) -> tuple[Flow, bytes]:
    name, item = open_any(raw)
    return flows.of_type(name), item


async def _unary(intake: Intake, begun: Begun, response: type[Message], raw: bytes) -> bytes:
    find, call = begun()
    answered = await intake.one(_in_request(find), raw)
    if answered.asked.verbose:
        receipts = [await _complete(call.flows, intake, answered.asked.item, verdict) for verdict in answered.verdicts]
    else:
        receipts = [brief(verdict) for verdict in answered.verdicts]
    return response(receipts=receipts).SerializeToString()


async def _complete(flows: Flows, intake: Intake, item: bytes, verdict: Verdict) -> receipt_pb2.Receipt:
    """Return a complete receipt, or a brief one of what is too much for it: the item is on its way already."""
    try:
        return await complete(flows.compiler, intake.apart, item, verdict)
    except Refused:
        return brief(verdict)


async def _batch(intake: Intake, begun: Begun, response: type[Message], raw: bytes) -> bytes:
    (find, _), request = begun(), await intake.apart(len(raw), partial(parse, _MANY, raw))
    request_id, items = getattr(request, REQUEST_ID), getattr(request, ITEM)
    if not items:
        raise Refused(ItemReason.MALFORMED)
    batch = await intake.many(lambda item: Asked(*find(item), request_id), items)
    return response(result=_result(batch)).SerializeToString()


async def _stream(
    intake: Intake,
    begun: Begun,
    in_flight: InFlight[Streamed],
    response: type[Message],
    requests: AsyncIterator[bytes],
) -> bytes:
    """Take a stream, until what is in force doesn't let it go on."""
    find, streamed = begun()
    with in_flight.going(streamed):
        return await _streamed(intake, _in_request(find), response, requests)


async def _streamed(intake: Intake, resolve: Resolve, response: type[Message], requests: AsyncIterator[bytes]) -> bytes:
    """Deliver while reading. If one of the two fails, the other ends too, and the call with them."""
    batch, lane = Batch(), Lane(intake.deliver)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(lane.run())
            async for raw in requests:
                await lane.put(await intake.add(batch, resolve, raw))
            lane.end()
            set_item_count(batch.count)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    if not batch.count:
        raise Refused(ItemReason.MALFORMED)
    return response(result=_result(batch)).SerializeToString()


def _in_request(find: Find) -> Resolve:
    """How the item in a request is found. Refused if there is none."""

    def resolve(raw: bytes) -> Asked:
        request = parse(_ONE, raw)
        if not request.HasField(ITEM):
            raise Refused(ItemReason.MALFORMED)
        return Asked(*find(getattr(request, ITEM)), getattr(request, REQUEST_ID), getattr(request, VERBOSE))

    return resolve


def _result(batch: Batch) -> receipt_pb2.BatchResult:
    rejected = [receipt_pb2.RejectedItem(index=index, reason=reason_number(reason)) for index, reason in batch.rejected]
    return receipt_pb2.BatchResult(accepted=batch.accepted, rejected=rejected, withheld=batch.withheld)
