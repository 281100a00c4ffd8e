"""What is left of a record as a line: made of the release alone, in the spelling that the line had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

from gateway import rfc3339
from gateway.json_types import JsonObject, JsonValue
from gateway.model import Release
from gateway.pipe import logfmt
from gateway.pipe.levels import short_name, to_scale
from gateway.pipe.line_format import KeyPath, LineFormat, Syntax
from gateway.pipe.times import UNITS

_STRING: Final = "string_value"


def record_of(release: Release) -> LogRecord:
    """The one record of a release of logs; an empty one where there is none. Raises DecodeError."""
    scopes = ResourceLogs.FromString(release.payload).scope_logs
    records = scopes[0].log_records if scopes else ()
    return records[0] if records else LogRecord()


def is_bare(record: LogRecord) -> bool:
    """Whether a record has no text and no attribute."""
    return record.body.WhichOneof("value") != _STRING and not record.attributes


def is_empty(record: LogRecord, form: LineFormat) -> bool:
    """Whether a record says nothing: it is bare, and has neither a level nor IDs, nor a time of its own."""
    has_fields = (
        record.severity_number
        or record.severity_text
        or record.trace_id
        or record.span_id
        or (form.time and record.time_unix_nano)
    )
    return is_bare(record) and not has_fields


def render_line(record: LogRecord, form: LineFormat) -> bytes:
    """The line of a record, newline included."""
    if form.syntax is Syntax.TEXT:
        # A text that came as one line leaves as one, whatever masking made of it.
        return " ".join(" ".join(_parts(record, form)).split("\n")).encode() + b"\n"
    fields = _pairs(record.attributes)
    for spelling, value in _known(record, form):
        _put(fields, spelling, value)
    return (logfmt.render(fields).encode() if form.syntax is Syntax.LOGFMT else msgspec.json.encode(fields)) + b"\n"


def _parts(record: LogRecord, form: LineFormat) -> Iterator[str]:
    """The parts of a text: time, level, words, and the attributes as JSON."""
    if form.time and record.time_unix_nano:
        yield str(_time(record.time_unix_nano, form.unit))
    if form.level and (level := _level(record, form)):
        yield str(level).upper()
    if record.body.WhichOneof("value") == _STRING:
        yield record.body.string_value
    if record.attributes:
        yield msgspec.json.encode(_pairs(record.attributes)).decode()


def _known(record: LogRecord, form: LineFormat) -> Iterator[tuple[KeyPath, JsonValue]]:
    if form.time and record.time_unix_nano:
        yield form.time, _time(record.time_unix_nano, form.unit)
    if form.level and (level := _level(record, form)):
        yield form.level, level
    if form.body and record.body.WhichOneof("value") == _STRING:
        yield form.body, record.body.string_value
    if form.trace_id and record.trace_id:
        yield form.trace_id, record.trace_id.hex()
    if form.span_id and record.span_id:
        yield form.span_id, record.span_id.hex()


def _level(record: LogRecord, form: LineFormat) -> str | int | None:
    if form.scale:
        return to_scale(record.severity_number, form.scale)
    return record.severity_text or short_name(record.severity_number)


def _put(fields: JsonObject, spelling: KeyPath, value: JsonValue) -> None:
    """Put a value where its line had it."""
    *above, key = spelling
    for one in above:
        inner = fields.get(one)
        if not isinstance(inner, dict):
            inner = fields[one] = {}
        fields = inner
    fields[key] = value


def _time(nanoseconds: int, unit: str) -> str | int | float:
    if unit in UNITS:
        whole, rest = divmod(nanoseconds, UNITS[unit])
        return nanoseconds / UNITS[unit] if rest else whole
    return rfc3339.from_ns(nanoseconds)


def _pairs(pairs: Iterable[KeyValue]) -> JsonObject:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> JsonValue:
    match value.WhichOneof("value"):
        case "array_value":
            return [_value(one) for one in value.array_value.values]
        case "kvlist_value":
            return _pairs(value.kvlist_value.values)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
    return None
