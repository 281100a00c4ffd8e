"""The descriptors that every contract holds.

Protobuf's well-known types, gRPC's statuses, the gateway's own services, OTLP.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from google.protobuf import (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.rpc import code_pb2, error_details_pb2, status_pb2
from kannelle.privacy.v1 import (
    access_pb2,
    activity_pb2,
    analytics_pb2,
    annotations_pb2,
    context_pb2,
    delivery_pb2,
    emit_pb2,
    privacy_pb2,
    receipt_pb2,
    support_pb2,
)
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

WELL_KNOWN_FILES: Final = (
    descriptor_pb2, any_pb2, source_context_pb2, type_pb2, api_pb2, duration_pb2, empty_pb2,
    field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2, code_pb2, status_pb2, error_details_pb2,
)  # fmt: skip
"""Files that contracts bring in many versions: of each, this one counts."""
GATEWAY_FILES: Final = (
    annotations_pb2, access_pb2, receipt_pb2, context_pb2, activity_pb2, analytics_pb2, emit_pb2, privacy_pb2,
    support_pb2, delivery_pb2,
)  # fmt: skip
OTLP_FILES: Final = (
    common_pb2, resource_pb2, logs_pb2, logs_service_pb2, trace_pb2, trace_service_pb2, metrics_pb2,
    metrics_service_pb2,
)  # fmt: skip


def builtin_files() -> Iterator[FileDescriptorProto]:
    """Yield them, each after those it imports."""
    for module in (*WELL_KNOWN_FILES, *GATEWAY_FILES, *OTLP_FILES):
        yield FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
