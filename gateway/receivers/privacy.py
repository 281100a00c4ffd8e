"""`PrivacyService`: what the gateway would do, without doing it. Nothing here reaches a destination."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

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
from gateway.receivers.guard import Guard, Method
from gateway.receivers.receipts import complete_receipt, reason_number
from gateway.telemetry.traces import RpcMethod

T = TypeVar("T", bound=Message)

SERVICE: Final = DESCRIPTOR.services_by_name["PrivacyService"]


class PreviewHandler:
    """Answers with what one destination would get of an item."""

    def __init__(self, flows: CurrentFlows, decider: Decider) -> None:
        self._flows = flows
        self._decider = decider

    async def handle(self, request: bytes) -> bytes:
        """Return the serialised response. Raises Refused, Retryable."""
        flows, message = self._flows(), _parse(PreviewRequest, request)
        item_type, item, destination = type_name(message.item.type_url), message.item.value, message.destination
        _check(flows, item_type, [destination])
        if len(item) > MAX_RECEIPT_ITEM_BYTES:
            raise Refused(ItemReason.TOO_LARGE)
        _, (verdict,) = await self._decider.decide(_flow(flows, item_type, destination), item, time.time_ns())
        receipt = await complete_receipt(flows.compiler, self._decider.off_loop, item, verdict)
        response = PreviewResponse(receipt=receipt)
        if isinstance(verdict, Release):
            response.item.type_url, response.item.value = PREFIX + item_type, verdict.payload
        return response.SerializeToString()


class DescribeHandler:
    """Answers with what becomes of each field of a type."""

    def __init__(self, flows: CurrentFlows) -> None:
        self._flows = flows

    async def handle(self, request: bytes) -> bytes:
        """Return the serialised response. Raises Refused."""
        flows, message = self._flows(), _parse(DescribeRequest, request)
        item_type, destination = message.type, message.destination
        destinations = [destination] if destination else list(flows.compiler.policy.destinations)
        _check(flows, item_type, destinations)
        descriptions = [_description(flows, item_type, name) for name in destinations]
        return DescribeResponse(descriptions=descriptions).SerializeToString()


def handlers(flows: CurrentFlows, decider: Decider, guard: Guard) -> Iterator[grpc.GenericRpcHandler]:
    """Yield the handler of the service."""
    methods: dict[str, Method] = {
        "Preview": guard.unary(PreviewHandler(flows, decider).handle, RpcMethod(SERVICE.full_name, "Preview")),
        "Describe": guard.unary(DescribeHandler(flows).handle, RpcMethod(SERVICE.full_name, "Describe")),
    }
    yield grpc.method_handlers_generic_handler(SERVICE.full_name, methods)


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
    """Return a flow of a type to one destination, in the policy or not.

    Some types can't have one: see `Compiler.plan` and `Compiler.subject`.
    """
    try:
        return flows.only(type, destination)
    except BadSetup:
        raise Refused(ItemReason.UNKNOWN_FLOW) from None


def _description(flows: Flows, type: str, destination: str) -> Description:
    terms = flows.compiler.policy.destinations[destination]
    fields = [_field(path, node) for path, node in explain(flows.compiler, type, destination).walk()]
    description = Description(destination=destination, region=terms.region, purpose=terms.purpose, fields=fields)
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
