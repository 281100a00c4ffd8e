"""OTLP/gRPC, as https://opentelemetry.io/docs/specs/otlp/ says; and what becomes of an export, whatever carried it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import grpc
import msgspec
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2

from gateway.errors import CallReason, Reason, Refused
from gateway.otlp.data_points import count_data_points
from gateway.otlp.messages import RESPONSES, ExportResponse, partial_success
from gateway.otlp.signals import METRICS, SIGNALS, Signal
from gateway.otlp.split import split
from gateway.pipeline.flows import Flow
from gateway.receivers.emit import CurrentFlows
from gateway.receivers.guard import Guard
from gateway.receivers.incoming import ANYTHING
from gateway.receivers.item_pipeline import MAX_CALL_ITEMS, ItemPipeline, ResolvedItems
from gateway.telemetry.traces import RpcMethod

PROFILES: Final = profiles_service_pb2.DESCRIPTOR.services_by_name["ProfilesService"].full_name


class ExportHandler:
    """Takes the requests of one signal."""

    def __init__(self, signal: Signal, flows: CurrentFlows, pipeline: ItemPipeline) -> None:
        self._signal = signal
        self._flows = flows
        self._pipeline = pipeline

    async def handle(self, request: bytes) -> bytes:
        """Return the serialised response. Raises Refused, Retryable, Rejected."""
        return (await self.export(request)).SerializeToString()

    async def export(self, request: bytes) -> ExportResponse:
        """Take a serialised request and return the response. Raises Refused, Retryable, Rejected.

        Partial success: what is wrong with one record rejects that one only. A withheld record counts as accepted.
        """
        flow = self._flows().of(self._signal.flow)
        items = await self._pipeline.off_loop(len(request), _items, request)
        outcome = await self._pipeline.take_many(_FlowItems(flow), items)
        if not outcome.rejected:
            return RESPONSES[self._signal]()
        return self._partial_success([(items[index], reason) for index, reason in outcome.rejected])

    def _partial_success(self, rejected: Sequence[tuple[bytes, Reason]]) -> ExportResponse:
        """Return the response that names the reasons; of metrics, what is counted are data points."""
        count = sum(count_data_points(item) for item, _ in rejected) if self._signal is METRICS else len(rejected)
        return partial_success(self._signal, count, ", ".join(sorted({reason for _, reason in rejected})))


def _items(request: bytes) -> list[bytes]:
    """Return the items of a request: one more than may be, so that too many are refused before the others are made."""
    return [*islice(split(request), MAX_CALL_ITEMS + 1)]


class _FlowItems(msgspec.Struct, frozen=True):
    """Items that all have one flow."""

    flow: Flow

    def resolve(self, raws: Sequence[bytes], first: int) -> Sequence[ResolvedItems]:
        """Return the items with their flow."""
        return (ResolvedItems(self.flow, raws, first=first),)


def handlers(flows: CurrentFlows, pipeline: ItemPipeline, guard: Guard) -> Iterator[grpc.GenericRpcHandler]:
    """Yield the handlers of the services of all signals, and of the one that is refused."""
    for signal in SIGNALS:
        method = guard.unary(ExportHandler(signal, flows, pipeline).handle, RpcMethod.of(signal.method))
        yield grpc.method_handlers_generic_handler(signal.service, {"Export": method})
    refusal = guard.unary(_refuse, RpcMethod(PROFILES, "Export"), ANYTHING)
    yield grpc.method_handlers_generic_handler(PROFILES, {"Export": refusal})


async def _refuse(request: bytes) -> bytes:
    raise Refused(CallReason.NO_PLAN)
