"""OTLP's JSON as serialised protobuf: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.

msgspec reads the JSON and its numbers, protobuf's runtime checks ranges. Not `google.protobuf.json_format`: it takes any text for an empty
message, and on the way out of a deep one copies the offending value into an error's text at each level.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import EncodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.errors import Reason, Refused
from gateway.signals import LOGS, METRICS, TRACES, Signal

REQUESTS: Final[Mapping[Signal, Callable[..., Message]]] = {
    LOGS: ExportLogsServiceRequest,
    TRACES: ExportTraceServiceRequest,
    METRICS: ExportMetricsServiceRequest,
}
"""What is exported."""

DEEPEST: Final = 100
"""Messages in one another, at most: as many as protobuf's own parser takes."""

HEXADECIMAL: Final = frozenset({"trace_id", "span_id", "parent_span_id"})
"""The fields of bytes that OTLP doesn't write as base64."""

Read = Callable[[Any, int], Any]
"""A value as JSON has it, and how deep messages may nest; the value as protobuf's constructors take it. Raises Refused, ValueError."""

Fields = dict[str, tuple[str, Read]]
"""A message's fields by their keys: name and reader."""


def parse(signal: Signal, raw: bytes) -> bytes:
    """The serialised request that `raw` is in JSON. Raises Refused: MALFORMED, TOO_DEEP."""
    try:
        return REQUESTS[signal](**_message(_FIELDS[signal], msgspec.json.decode(raw), DEEPEST)).SerializeToString()
    except RecursionError:
        raise Refused(Reason.TOO_DEEP) from None
    except (ValueError, OverflowError, EncodeError):
        raise Refused(Reason.MALFORMED) from None


def _message(fields: Fields, value: Any, depth: int) -> dict[str, Any]:
    """Unknown keys are ignored, `null` is as good as nothing: https://protobuf.dev/programming-guides/json/."""
    if depth == 0:
        raise Refused(Reason.TOO_DEEP)
    known = ((fields[key], inner) for key, inner in _of(dict, value).items() if key in fields and inner is not None)
    return {name: read(inner, depth) for (name, read), inner in known}


def _nested(fields: Fields, value: Any, depth: int) -> dict[str, Any]:
    return _message(fields, value, depth - 1)


def _list(read: Read, value: Any, depth: int) -> list[Any]:
    return [read(inner, depth) for inner in _of(list, value)]


def _of(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise Refused(Reason.MALFORMED)
    return value


def _number(kind: type[Any], value: Any, depth: int) -> Any:
    """A number, or one in a text: `"1"`, `"1e3"`, `"NaN"`."""
    return msgspec.convert(value, kind, strict=False)


def _enum(value: Any, depth: int) -> int:
    """OTLP has no names here."""
    return msgspec.convert(value, int)


def _scalar(kind: type[Any], value: Any, depth: int) -> Any:
    return _of(kind, value)


def _hexadecimal(value: Any, depth: int) -> bytes:
    return binascii.unhexlify(_of(str, value))


def _base64(value: Any, depth: int) -> bytes:
    """Either alphabet, with or without padding."""
    text = _of(str, value).rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _fields(message: Any, known: dict[str, Fields]) -> Fields:
    """The fields of a type, by its descriptor, and, in `known`, of all types that it nests, itself among them."""
    if message.full_name not in known:
        fields = known[message.full_name] = {}
        for field in message.fields:
            read = _reader(field, known)
            fields[field.name] = fields[field.json_name] = field.name, partial(_list, read) if field.is_repeated else read
    return known[message.full_name]


def _reader(field: FieldDescriptor, known: dict[str, Fields]) -> Read:
    match field.type:
        case FieldDescriptor.TYPE_MESSAGE:
            return partial(_nested, _fields(field.message_type, known))
        case FieldDescriptor.TYPE_ENUM:
            return _enum
        case FieldDescriptor.TYPE_STRING:
            return partial(_scalar, str)
        case FieldDescriptor.TYPE_BYTES:
            return _hexadecimal if field.name in HEXADECIMAL else _base64
        case FieldDescriptor.TYPE_BOOL:
            return partial(_scalar, bool)
        case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FLOAT:
            return partial(_number, float)
    return partial(_number, int)


_FIELDS: Final = {signal: _fields(made().DESCRIPTOR, {}) for signal, made in REQUESTS.items()}
