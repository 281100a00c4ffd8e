"""Which program the lines are of, as OpenTelemetry's environment variables say it.

See https://opentelemetry.io/docs/specs/otel/resource/sdk/.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource


def resource_prefix(environ: Mapping[str, str]) -> bytes:
    """The start of a serialised `ResourceLogs`: nothing without `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.

    It is minimised with each record. A list that can't be read counts as none.
    """
    attributes = _parse_attributes(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    if name := environ.get("OTEL_SERVICE_NAME"):
        attributes["service.name"] = name
    try:
        pairs = [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()]
    except ValueError:  # bytes of the environment that are no UTF-8
        return b""
    return ResourceLogs(resource=Resource(attributes=pairs)).SerializeToString() if pairs else b""


def _parse_attributes(text: str) -> dict[str, str]:
    """`key=value,key=value`, values percent-encoded."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    return (
        {key.strip(): unquote(value.strip()) for key, _, value in pairs}
        if all(equals for _, equals, _ in pairs)
        else {}
    )
