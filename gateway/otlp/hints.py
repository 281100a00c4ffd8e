"""What may be wrong with a body that can't be read, in fixed words.

A closed list, for whoever points an exporter at the gateway.

A hint says what OTLP asks for, never what came: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from google.protobuf.descriptor import FieldDescriptor

from gateway.errors import ItemReason, Refused

HEXADECIMAL_FIELDS: Final = frozenset({"trace_id", "span_id", "parent_span_id"})
"""The fields of bytes that OTLP doesn't write as base64."""


class Hint(StrEnum):
    """One for each mistake that is told from others."""

    EMPTY = "the body is empty"
    GZIP = "the body is in gzip, and no Content-Encoding says so"
    NOT_GZIP = "the body isn't the gzip that its Content-Encoding speaks of"
    JSON = "the body looks like JSON, and its Content-Type says protobuf"
    GRPC = "the body begins as a message of gRPC does: OTLP over HTTP has no prefix; gRPC has a port of its own"
    NOT_PROTOBUF = "the body isn't the export request of this path in protobuf"
    NOT_UTF_8 = "JSON is UTF-8, without a byte order mark"
    NOT_JSON = "the body isn't JSON as RFC 8259 has it, or it ends early"
    NOT_A_REQUEST = "the body must be one JSON object, the export request of this path"
    UNKNOWN_KEYS = (
        "no key of the body is known at this path: resourceLogs, resourceSpans or resourceMetrics, as the path says"
    )
    DUPLICATE_KEY = "an object has a key twice; a key in lowerCamelCase and in snake_case is the same"
    ID_NOT_HEXADECIMAL = "trace and span IDs are hexadecimal, not base64"
    ENUM_NOT_INTEGER = "enums are integers, not names"
    NOT_BASE64 = "bytes are base64"
    NOT_A_STRING = "a string is wanted where something else stands"
    NOT_A_BOOLEAN = "true or false is wanted where something else stands"
    NOT_A_NUMBER = (
        "a number in its type's range is wanted where something else stands; times are nanoseconds since 1970"
    )
    NOT_AN_OBJECT = "an object is wanted where something else stands"
    NOT_A_LIST = "a list is wanted where something else stands"
    NOT_A_SCALAR = "one value is wanted where an object or a list stands"


class UnexpectedJson(ValueError):
    """A value that isn't as OTLP has it."""

    def __init__(self, hint: Hint) -> None:
        super().__init__(hint.name)
        self.hint = hint


class MalformedBody(Refused):
    """A body that is malformed, in a way that can be told."""

    def __init__(self, hint: Hint) -> None:
        super().__init__(ItemReason.MALFORMED)
        self.hint = hint


_HINTS_BY_TYPE: Final[Mapping[int, Hint]] = {
    FieldDescriptor.TYPE_STRING: Hint.NOT_A_STRING,
    FieldDescriptor.TYPE_BYTES: Hint.NOT_BASE64,
    FieldDescriptor.TYPE_BOOL: Hint.NOT_A_BOOLEAN,
    FieldDescriptor.TYPE_ENUM: Hint.ENUM_NOT_INTEGER,
}


def hint_of_field(field: FieldDescriptor) -> Hint:
    """Return what is said of a value that isn't one of a field's."""
    if field.name in HEXADECIMAL_FIELDS:
        return Hint.ID_NOT_HEXADECIMAL
    return _HINTS_BY_TYPE.get(field.type, Hint.NOT_A_NUMBER)


def hint_of_protobuf(raw: bytes) -> Hint:
    """Return what is said of a body that isn't the protobuf that its head promises, by how it begins."""
    if raw.startswith(b"\x1f\x8b"):
        return Hint.GZIP
    # No field has the number 0.
    if raw.startswith(b"\0") and int.from_bytes(raw[1:5], "big") == len(raw) - 5:
        return Hint.GRPC
    return Hint.JSON if raw.lstrip()[:1] in (b"{", b"[") else Hint.NOT_PROTOBUF


def hint_of_text(raw: bytes) -> Hint:
    """Return what is said of a body that isn't UTF-8, or begins with a byte order mark."""
    return Hint.GZIP if raw.startswith(b"\x1f\x8b") else Hint.NOT_UTF_8
