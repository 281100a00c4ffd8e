"""OTLP/gRPC, as https://opentelemetry.io/docs/specs/otlp/ says; and what an export comes to, whatever carried it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Final

import grpc
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from gateway.engine.otlp import points, split
from gateway.errors import CallReason, Reason, Refused
from gateway.pipeline.flows import Flows
from gateway.receivers.emit import CurrentFlows
from gateway.receivers.guard import Guard
from gateway.receivers.incoming import ANYTHING
from gateway.receivers.intake import MOST, Asked, Intake
from gateway.signals import LOGS, METRICS, SIGNALS, TRACES, Signal
from gateway.telemetry.traces import RpcMethod

RESPONSES: Final[Mapping[Signal, Callable[..., Message]]] = {
    LOGS: logs_service_pb2.ExportLogsServiceResponse,
    TRACES: trace_service_pb2.ExportTraceServiceResponse,
    METRICS: metrics_service_pb2.ExportMetricsServiceResponse,
}
"""What answers an export."""

PROFILES: Final = profiles_service_pb2.DESCRIPTOR.services_by_name["ProfilesService"].full_name


def handlers(flows: CurrentFlows, intake: Intake, guard: Guard) -> Iterator[grpc.GenericRpcHandler]:
    """The handlers of the services of all signals, and of the one that is refused."""
    for signal in SIGNALS:
        method = guard.unary(partial(_export, signal, flows, intake), RpcMethod.of(signal.method))
        yield grpc.method_handlers_generic_handler(signal.service, {"Export": method})
    refusal = guard.unary(_refuse, RpcMethod(PROFILES, "Export"), ANYTHING)
    yield grpc.method_handlers_generic_handler(PROFILES, {"Export": refusal})


async def _export(signal: Signal, flows: CurrentFlows, intake: Intake, raw: bytes) -> bytes:
    return (await export(signal, flows(), intake, raw)).SerializeToString()


async def _refuse(raw: bytes) -> bytes:
    raise Refused(CallReason.NO_PLAN)


async def export(signal: Signal, flows: Flows, intake: Intake, raw: bytes) -> Message:
    """Take a serialised request of a signal; the response. Raises Refused, Retryable, Rejected.

    Partial success: what is wrong with one record rejects that one only. A withheld record counts as accepted.
    """
    # One more than may be: too many are refused before the others are made.
    flow, items = flows.of(signal.flow), await intake.apart(len(raw), lambda: [*islice(split(raw), MOST + 1)])
    batch = await intake.many(lambda item: Asked(flow, item), items)
    return _response(signal, [(items[index], reason) for index, reason in batch.rejected])


def _response(signal: Signal, rejected: Sequence[tuple[bytes, Reason]]) -> Message:
    if not rejected:
        return RESPONSES[signal]()
    count = sum(points(item) for item, _ in rejected) if signal is METRICS else len(rejected)
    reasons = ", ".join(sorted({reason for _, reason in rejected}))
    return RESPONSES[signal](partial_success={f"rejected_{signal.records}": count, "error_message": reasons})
