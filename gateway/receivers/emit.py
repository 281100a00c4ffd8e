"""The emit services: one item, a batch, a stream. All requests have one shape: a request ID in field 1, the item or items in field 2."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import grpc
import msgspec
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from kannelle.privacy.v1 import activity_pb2, analytics_pb2, emit_pb2, receipt_pb2, support_pb2

from gateway.errors import Reason, Refused
from gateway.minimise.flows import Flow, Flows
from gateway.minimise.payload import opened
from gateway.minimise.schema import attribute, build, parse
from gateway.model import FieldVerdict, Release, Stripped, Verdict
from gateway.plan import FieldPlan, MessagePlan, Presence
from gateway.receivers.guard import Guard
from gateway.receivers.inflight import InFlight
from gateway.receivers.intake import Asked, Batch, Intake, Resolve
from gateway.receivers.lane import Lane
from gateway.telemetry.traces import Called, tell_items

_ID: Final = FieldPlan(1, "request_id", "string", Presence.IMPLICIT)
_ONE, _MANY = build(
    (
        MessagePlan("Request", (_ID, FieldPlan(2, "item", "bytes", Presence.EXPLICIT))),
        MessagePlan("BatchRequest", (_ID, FieldPlan(2, "items", "bytes", Presence.EXPANDED))),
    )
)
REQUEST_ID: Final = attribute(1)
ITEM: Final = attribute(2)

Find = Callable[[bytes], tuple[Flow, bytes]]
"""The flow of an item, and its message. Raises Refused."""

VERDICTS: Final[Mapping[FieldVerdict, receipt_pb2.Verdict.ValueType]] = {
    FieldVerdict.KEEP: receipt_pb2.VERDICT_KEEP,
    FieldVerdict.STRIP: receipt_pb2.VERDICT_STRIP,
    FieldVerdict.MASK: receipt_pb2.VERDICT_MASK,
}
"""What became of a field, as the contract numbers it."""

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
    """A stream of items: its method, and the flows of its start, which it keeps to its end."""

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


def handlers(flows: CurrentFlows, intake: Intake, guard: Guard, in_flight: InFlight[Streamed]) -> Iterator[grpc.GenericRpcHandler]:
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
    response, called = GetMessageClass(method.output_type), Called(service, method.name)
    if method.client_streaming:
        begun = partial(_begun, service, method.name, host.flows)
        return guard.stream(partial(_stream, intake, begun, host.in_flight, response), called)
    finder = partial(_finder, service, method.name, host.flows)
    batch = method.input_type.fields_by_number[2].is_repeated
    return guard.unary(partial(_batch if batch else _unary, intake, finder, response), called)


def _finder(service: str, method: str, flows: CurrentFlows) -> Find:
    """How a call's items find their flow: by the call, or in `EmitService` by their type. The flows are those of the call's start."""
    return _find(service, method, flows())


def _begun(service: str, method: str, flows: CurrentFlows) -> tuple[Find, Streamed]:
    """The same, and what a stream of them goes by."""
    current = flows()
    return _find(service, method, current), Streamed(service, method, current)


def _find(service: str, method: str, flows: Flows) -> Find:
    if service == EMIT:
        return partial(_by_type, flows)
    flow = flows.of_method(service, method)
    return lambda raw: (flow, raw)


def _by_type(flows: Flows, raw: bytes) -> tuple[Flow, bytes]:
    name, item = opened(raw)
    return flows.of_type(name), item


async def _unary(intake: Intake, finder: Callable[[], Find], response: type[Message], raw: bytes) -> bytes:
    verdicts = await intake.one(_in_request(finder()), raw)
    return response(receipts=[_receipt(verdict) for verdict in verdicts]).SerializeToString()


async def _batch(intake: Intake, finder: Callable[[], Find], response: type[Message], raw: bytes) -> bytes:
    find, request = finder(), await intake.apart(len(raw), partial(parse, _MANY, raw))
    request_id, items = getattr(request, REQUEST_ID), getattr(request, ITEM)
    if not items:
        raise Refused(Reason.MALFORMED)
    batch = await intake.many(lambda item: Asked(*find(item), request_id), items)
    return response(result=_result(batch)).SerializeToString()


async def _stream(
    intake: Intake,
    begun: Callable[[], tuple[Find, Streamed]],
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
            tell_items(batch.count)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    if not batch.count:
        raise Refused(Reason.MALFORMED)
    return response(result=_result(batch)).SerializeToString()


def _in_request(find: Find) -> Resolve:
    """How the item in a request is found. Refused if there is none."""

    def resolve(raw: bytes) -> Asked:
        request = parse(_ONE, raw)
        if not request.HasField(ITEM):
            raise Refused(Reason.MALFORMED)
        return Asked(*find(getattr(request, ITEM)), getattr(request, REQUEST_ID))

    return resolve


def _receipt(verdict: Verdict) -> receipt_pb2.Receipt:
    """A verdict as its caller may know it: that an item was withheld, not why."""
    if isinstance(verdict, Release):
        fields = [_field(one) for one in verdict.stripped]
        return receipt_pb2.Receipt(destination=verdict.destination, outcome=receipt_pb2.OUTCOME_RELEASED, fields=fields)
    return receipt_pb2.Receipt(destination=verdict.destination, outcome=receipt_pb2.OUTCOME_WITHHELD)


def _field(stripped: Stripped) -> receipt_pb2.FieldVerdict:
    return receipt_pb2.FieldVerdict(path=stripped.path, verdict=VERDICTS[stripped.verdict], reason=reason_number(stripped.reason))


def _result(batch: Batch) -> receipt_pb2.BatchResult:
    rejected = [receipt_pb2.RejectedItem(index=index, reason=reason_number(reason)) for index, reason in batch.rejected]
    return receipt_pb2.BatchResult(accepted=batch.accepted, rejected=rejected, withheld=batch.withheld)


def reason_number(reason: Reason) -> receipt_pb2.Reason.ValueType:
    """A reason as the contract numbers it."""
    return receipt_pb2.Reason.Value(f"REASON_{reason}")
