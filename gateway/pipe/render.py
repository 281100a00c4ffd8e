"""What is left of a record as a line: made of the release alone, in the spelling that the line had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

from gateway.model import Release
from gateway.pipe.record import IDS, PINO, UNITS, Form

_LEVELS: Final = {number: level for level, number in PINO.items()}
_STRING: Final = "string_value"


def record(release: Release) -> LogRecord:
    """The one record of a release of logs; an empty one where there is none. Raises DecodeError."""
    scopes = ResourceLogs.FromString(release.payload).scope_logs
    records = scopes[0].log_records if scopes else ()
    return records[0] if records else LogRecord()


def is_empty(left: LogRecord) -> bool:
    """Whether a record says nothing: no text, no attribute."""
    return left.body.WhichOneof("value") != _STRING and not left.attributes


def line(left: LogRecord, form: Form) -> bytes:
    """The line of a record, newline included."""
    if form.plain:
        # A text that came as one line leaves as one, whatever masking made of it.
        return " ".join(left.body.string_value.split("\n")).encode() + b"\n"
    return msgspec.json.encode({**_pairs(left.attributes), **dict(_known(left, form))}) + b"\n"


def _known(left: LogRecord, form: Form) -> Iterator[tuple[str, Any]]:
    if form.time and left.time_unix_nano:
        yield form.time, _time(left.time_unix_nano, form.unit)
    if form.level and form.number and left.severity_number in _LEVELS:
        yield form.level, _LEVELS[left.severity_number]
    if form.level and not form.number and left.severity_text:
        yield form.level, left.severity_text
    if form.body and left.body.WhichOneof("value") == _STRING:
        yield form.body, left.body.string_value
    yield from ((key, getattr(left, key).hex()) for key in IDS if getattr(left, key))


def _time(nanoseconds: int, unit: str) -> str | int | float:
    if unit in UNITS:
        whole, rest = divmod(nanoseconds, UNITS[unit])
        return nanoseconds / UNITS[unit] if rest else whole
    seconds, fraction = divmod(nanoseconds, 10**9)
    digits = f".{fraction:09}".rstrip("0") if fraction else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{digits}Z"


def _pairs(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    match kind:
        case "array_value":
            return [_value(one) for one in value.array_value.values]
        case "kvlist_value":
            return _pairs(value.kvlist_value.values)
        case "string_value" | "bool_value" | "int_value" | "double_value":
            return getattr(value, kind)
    return None
