"""`PrivacyService`: what the gateway would do, without doing it. Nothing here reaches a destination."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from kannelle.privacy.v1 import receipt_pb2
from kannelle.privacy.v1.annotations_pb2 import DataCategory
from kannelle.privacy.v1.privacy_pb2 import (
    DESCRIPTOR,
    DescribeRequest,
    DescribeResponse,
    Description,
    FieldDescription,
    PreviewRequest,
    PreviewResponse,
)

from gateway.errors import BadSetup, ItemReason, Refused
from gateway.model import Release
from gateway.pipeline.decide import Decider
from gateway.pipeline.flows import Flow, Flows
from gateway.pipeline.receipt import MAX_RECEIPT_ITEM_BYTES
from gateway.policy.review.explain import Node, explain
from gateway.protobuf.any_message import PREFIX, type_name
from gateway.receivers.emit import CurrentFlows
from gateway.receivers.guard import Guard
from gateway.receivers.receipts import complete, reason_number
from gateway.telemetry.traces import RpcMethod

T = TypeVar("T", bound=Message)

SERVICE: Final = DESCRIPTOR.services_by_name["PrivacyService"]


def handlers(flows: CurrentFlows, decider: Decider, guard: Guard) -> Iterator[grpc.GenericRpcHandler]:
    """The handler of the service."""
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Preview": guard.unary(partial(_preview, flows, decider), RpcMethod(SERVICE.full_name, "Preview")),
        "Describe": guard.unary(partial(_describe, flows), RpcMethod(SERVICE.full_name, "Describe")),
    }
    yield grpc.method_handlers_generic_handler(SERVICE.full_name, methods)


async def _preview(flows: CurrentFlows, decider: Decider, raw: bytes) -> bytes:
    current, request = flows(), _parse(PreviewRequest, raw)
    name, item = type_name(request.item.type_url), request.item.value
    _check(current, name, [request.destination])
    if len(item) > MAX_RECEIPT_ITEM_BYTES:
        raise Refused(ItemReason.TOO_LARGE)
    _, (verdict,) = await decider.decide(_flow(current, name, request.destination), item, time.time_ns())
    response = PreviewResponse(receipt=await complete(current.compiler, decider.off_loop, item, verdict))
    if isinstance(verdict, Release):
        response.item.type_url, response.item.value = PREFIX + name, verdict.payload
    return response.SerializeToString()


async def _describe(flows: CurrentFlows, raw: bytes) -> bytes:
    current, request = flows(), _parse(DescribeRequest, raw)
    destinations = [request.destination] if request.destination else list(current.compiler.policy.destinations)
    _check(current, request.type, destinations)
    return DescribeResponse(
        descriptions=[_description(current, request.type, name) for name in destinations]
    ).SerializeToString()


def _parse(cls: type[T], raw: bytes) -> T:
    try:
        return cls.FromString(raw)
    except DecodeError:
        raise Refused(ItemReason.MALFORMED) from None


def _check(flows: Flows, type: str, destinations: Sequence[str]) -> None:
    if type not in flows.compiler.contract.messages:
        raise Refused(ItemReason.UNKNOWN_TYPE)
    if not flows.compiler.policy.destinations.keys() >= set(destinations):
        raise Refused(ItemReason.UNKNOWN_DESTINATION)


def _flow(flows: Flows, type: str, destination: str) -> Flow:
    """A flow of a type to one destination, in the policy or not.

    Some types can't have one: see `Compiler.plan` and `Compiler.subject`.
    """
    try:
        return flows.only(type, destination)
    except BadSetup:
        raise Refused(ItemReason.UNKNOWN_FLOW) from None


def _description(flows: Flows, type: str, destination: str) -> Description:
    given = flows.compiler.policy.destinations[destination]
    fields = [_field(path, node) for path, node in explain(flows.compiler, type, destination).walk()]
    description = Description(destination=destination, region=given.region, purpose=given.purpose, fields=fields)
    # A type of which a required field would be stripped has no plan.
    with contextlib.suppress(BadSetup):
        description.plan_digest = flows.compiler.plan(type, destination).digest
    return description


def _field(path: str, node: Node) -> FieldDescription:
    field = FieldDescription(path=path, category=DataCategory.Value(f"DATA_CATEGORY_{node.category.name}"))
    field.verdict = receipt_pb2.VERDICT_KEEP if node.kept else receipt_pb2.VERDICT_STRIP
    if node.reason is not None:
        field.reason = reason_number(node.reason)
    return field
