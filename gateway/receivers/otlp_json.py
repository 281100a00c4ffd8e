"""OTLP's JSON as serialised protobuf: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.

Each value is written as it is read, by the descriptors. Not `google.protobuf.json_format`: it takes any text for an
empty message, and on the way out of a deep one copies the offending value into an error's text at each level. Nor a
decoder and protobuf's constructors: one call of either holds the interpreter as long as a sender likes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.errors import ItemReason, Refused
from gateway.receivers.hints import Hint, Hinted, Unlike, of_field, of_text
from gateway.receivers.json_text import JsonText
from gateway.receivers.json_values import absent, delimited, encoder, tag
from gateway.signals import LOGS, METRICS, TRACES, Signal

REQUESTS: Final[Mapping[Signal, Callable[..., Message]]] = {
    LOGS: ExportLogsServiceRequest,
    TRACES: ExportTraceServiceRequest,
    METRICS: ExportMetricsServiceRequest,
}
"""What is exported."""

DEEPEST: Final = 100
"""Messages in one another, at most: as many as protobuf's own parser takes."""

Write = Callable[[JsonText, int], bytes]
"""Reads a field's value, `null` apart, and returns the field as protobuf has it.

The number tells how deep messages may nest.
"""


class Fields(msgspec.Struct):
    """A message's fields: their names by the keys that stand for them, and how they are written, by name."""

    names: dict[str, str] = {}
    writers: dict[str, Write] = {}


def parse(signal: Signal, raw: bytes) -> bytes:
    """The serialised request that `raw` is in JSON. Raises Refused TOO_DEEP, and Hinted for what is malformed."""
    try:
        return _request(_FIELDS[signal], raw)
    except RecursionError:
        raise Refused(ItemReason.TOO_DEEP) from None
    except UnicodeDecodeError:
        raise Hinted(of_text(raw)) from None
    except Unlike as error:
        raise Hinted(error.hint) from None
    except (ValueError, IndexError):
        raise Hinted(Hint.NOT_JSON) from None


def _request(fields: Fields, raw: bytes) -> bytes:
    if not raw:
        raise Unlike(Hint.EMPTY)
    text = JsonText(raw)
    if text.begins("\ufeff"):
        raise Unlike(Hint.NOT_UTF_8)
    whole = text.begins("{")
    try:
        request = _message(fields, text, DEEPEST)
    except Unlike as error:
        raise error if whole else Unlike(Hint.NOT_A_REQUEST) from None
    text.end()
    if not request and _is_another(fields, JsonText(raw)):
        raise Unlike(Hint.UNKNOWN_KEYS)
    return bytes(request)


def _is_another(fields: Fields, text: JsonText) -> bool:
    """Whether an object has keys, and none of them known: to ignore them all would acknowledge what nobody has read."""
    names = set()
    for name in text.members(fields.names):
        names.add(name)
        text.skip()
    return bool(names) and names.isdisjoint(fields.writers)


def _message(fields: Fields, text: JsonText, depth: int) -> bytearray:
    """Unknown keys are ignored, `null` is as good as nothing: https://protobuf.dev/programming-guides/json/."""
    if depth == 0:
        raise Refused(ItemReason.TOO_DEEP)
    out, writers = bytearray(), fields.writers
    for name in text.members(fields.names):
        if name not in writers:
            text.skip()
        elif not text.is_null():
            out += writers[name](text, depth)
    return out


class _Scalar:
    """A field that holds one value; a default is written only where it says more than no field does."""

    def __init__(self, field: FieldDescriptor) -> None:
        self._encode, self._tag, self._absent, self._hint = encoder(field), tag(field), absent(field), of_field(field)

    def __call__(self, text: JsonText, depth: int) -> bytes:  # noqa: ARG002 - a Write
        scalar = text.scalar()
        try:
            value = self._encode(scalar)
        except (ValueError, OverflowError):
            raise Unlike(self._hint) from None
        return b"" if value == self._absent else self._tag + value


class _Packed:
    """A list of numbers."""

    def __init__(self, field: FieldDescriptor) -> None:
        self._encode, self._tag, self._hint = encoder(field), tag(field), of_field(field)

    def __call__(self, text: JsonText, depth: int) -> bytes:  # noqa: ARG002 - a Write
        values = bytearray()
        for _ in text.elements():
            scalar = text.scalar()
            try:
                values += self._encode(scalar)
            except (ValueError, OverflowError):
                raise Unlike(self._hint) from None
        return self._tag + delimited(values) if values else b""


class _Nested:
    """A message."""

    def __init__(self, field: FieldDescriptor, fields: Fields) -> None:
        self._tag, self._fields = tag(field), fields

    def __call__(self, text: JsonText, depth: int) -> bytes:
        return self._tag + delimited(_message(self._fields, text, depth - 1))


class _Listed:
    """A list of messages or strings."""

    def __init__(self, one: Write) -> None:
        self._one = one

    def __call__(self, text: JsonText, depth: int) -> bytes:
        out = bytearray()
        for _ in text.elements():
            out += self._one(text, depth)
        return bytes(out)


def _fields(message: Any, known: dict[str, Fields]) -> Fields:
    """The fields of a type, by its descriptor, and, in `known`, of all types that it nests, itself among them."""
    if message.full_name not in known:
        fields = known[message.full_name] = Fields()
        for field in message.fields:
            fields.names[field.json_name] = field.name
            fields.writers[field.name] = _writer(field, known)
    return known[message.full_name]


def _writer(field: FieldDescriptor, known: dict[str, Fields]) -> Write:
    if field.is_repeated and field.is_packed:
        return _Packed(field)
    one = _Scalar(field) if field.message_type is None else _Nested(field, _fields(field.message_type, known))
    return _Listed(one) if field.is_repeated else one


_FIELDS: Final = {signal: _fields(made().DESCRIPTOR, {}) for signal, made in REQUESTS.items()}
