"""OTLP/gRPC: logs, as https://opentelemetry.io/docs/specs/otlp/ says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import DESCRIPTOR, ExportLogsPartialSuccess, ExportLogsServiceResponse

from gateway.minimise.otlp import split
from gateway.receivers.emit import CurrentFlows
from gateway.receivers.guard import Guard
from gateway.receivers.intake import Intake

SERVICE = DESCRIPTOR.services_by_name["LogsService"]


def handlers(flows: CurrentFlows, intake: Intake, guard: Guard) -> Iterator[grpc.GenericRpcHandler]:
    """The handler of the logs service."""
    export: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(guard(partial(_export, flows, intake)))
    yield grpc.method_handlers_generic_handler(SERVICE.full_name, {"Export": export})


async def _export(flows: CurrentFlows, intake: Intake, raw: bytes) -> bytes:
    """Partial success: what is wrong with one record rejects that one only. A withheld record counts as accepted."""
    flow = flows().of("otlp/logs")
    batch = await intake.many(lambda item: (flow, item), split(raw))
    response = ExportLogsServiceResponse()
    if batch.rejected:
        reasons = ", ".join(sorted({reason for _, reason in batch.rejected}))
        response.partial_success.CopyFrom(ExportLogsPartialSuccess(rejected_log_records=len(batch.rejected), error_message=reasons))
    return response.SerializeToString()
