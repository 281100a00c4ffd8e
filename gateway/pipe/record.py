"""A line as a log record, before anything is decided: JSON objects by their keys, anything else as a text.

Which spelling a line has is kept beside the record, as one of those listed here, and nothing else of the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

BODIES: Final = ("message", "msg", "event", "body")
LEVELS: Final = ("level", "severity", "levelname")
TIMES: Final = ("time", "timestamp", "ts", "@timestamp")
IDS: Final[Mapping[str, int]] = {"trace_id": 16, "span_id": 8}
"""The keys that are more than an attribute; of each kind the first that holds what it should, and IDs with their bytes."""

NUMBERS: Final[Mapping[str, int]] = {
    "TRACE": 1, "DEBUG": 5, "INFO": 9, "NOTICE": 10, "WARN": 13, "WARNING": 13, "ERROR": 17, "CRITICAL": 21, "FATAL": 21,
    "ALERT": 19, "EMERGENCY": 21,
}  # fmt: skip
"""Severity numbers by text: https://opentelemetry.io/docs/specs/otel/logs/data-model/#severity-fields and its appendix B; CRITICAL as
OpenTelemetry's Python SDK has it."""

PINO: Final[Mapping[int, int]] = {10: 1, 20: 5, 30: 9, 40: 13, 50: 17, 60: 21}
"""Severity numbers by pino's and Bunyan's levels."""

UNITS: Final[Mapping[str, int]] = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""The nanoseconds of each unit that a number may count a time in."""

AROUND: Final = 366 * 86_400 * 10**9
"""How far from receipt a time of a line may be, in nanoseconds. What is further away may be something else: a phone number, a birthday."""

DEPTH: Final = 16
"""How deep values may nest."""

_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64: Final = range(-(2**63), 2**63)


class Malformed(Exception):
    """A line that begins like a JSON object and is none."""


class Form(msgspec.Struct, frozen=True):
    """How a line spells what it says: a plain text, or JSON with these keys, of those listed here. An empty key is not there.

    `unit` is a time's: one of `UNITS`, or `text`. `number`: the level is a number.
    """

    plain: bool = False
    body: str = ""
    level: str = ""
    number: bool = False
    time: str = ""
    unit: str = ""


class Read(msgspec.Struct, frozen=True):
    """A line as a serialised `ResourceLogs` of one record; `lost` if it holds what no record can."""

    raw: bytes
    form: Form
    lost: bool = False

    def __repr__(self) -> str:
        return f"Read({len(self.raw)} bytes)"


def read(line: bytes, received_ns: int) -> Read:
    """Make a record of a line that was received when. Raises Malformed."""
    if not line.lstrip(b" \t").startswith(b"{"):
        return text(line, received_ns)
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.MsgspecError, RecursionError, ValueError):  # ValueError: no UTF-8, or digits beyond counting
        raise Malformed from None
    return _Reading(fields, received_ns).read


def text(line: bytes, received_ns: int) -> Read:
    """Make a record of a line that is a text. Raises Malformed."""
    try:
        body = line.decode()
    except UnicodeDecodeError:
        raise Malformed from None
    record = LogRecord(observed_time_unix_nano=received_ns, body=AnyValue(string_value=body))
    return Read(_serialised(record), Form(plain=True))


class _Reading:
    """One JSON object, key by key: those with a meaning of their own are taken out, the rest are attributes."""

    def __init__(self, fields: dict[str, Any], received_ns: int) -> None:
        self._left = fields
        self._received_ns = received_ns
        self._record = LogRecord(observed_time_unix_nano=received_ns)
        self._lost = False
        body, (level, number), (time, unit) = self._body(), self._level(), self._time()
        self._ids()
        self._attributes()
        self.read = Read(_serialised(self._record), Form(False, body, level, number, time, unit), self._lost)

    def _body(self) -> str:
        for key in BODIES:
            if isinstance(self._left.get(key), str):
                self._record.body.string_value = self._left.pop(key)
                return key
        return ""

    def _level(self) -> tuple[str, bool]:
        for key in LEVELS:
            value = self._left.get(key)
            if isinstance(value, str):
                self._record.severity_text = value
                self._record.severity_number = NUMBERS.get(value.upper(), 0)  # type: ignore[assignment]  # types-protobuf: enums as ints
            elif type(value) is int and value in PINO:
                self._record.severity_number = PINO[value]  # type: ignore[assignment]  # as above
            else:
                continue
            del self._left[key]
            return key, type(value) is int
        return "", False

    def _time(self) -> tuple[str, str]:
        for key in TIMES:
            when = moment(self._left.get(key))
            if when is not None and abs(when[0] - self._received_ns) <= AROUND:
                del self._left[key]
                self._record.time_unix_nano = when[0]
                return key, when[1]
        return "", ""

    def _ids(self) -> None:
        for key, length in IDS.items():
            value = self._left.get(key)
            if isinstance(value, str) and re.fullmatch(rf"[0-9A-Fa-f]{{{2 * length}}}", value) and value.strip("0"):
                setattr(self._record, key, bytes.fromhex(self._left.pop(key)))

    def _attributes(self) -> None:
        for key, value in self._left.items():
            held = self._value(value, DEPTH)
            if held is not None:
                self._record.attributes.append(KeyValue(key=key, value=held))

    def _value(self, value: Any, deep: int) -> AnyValue | None:
        """What a record holds of a value; None for a null, and for what it can't hold."""
        match value:
            case None:
                return None
            case bool():
                return AnyValue(bool_value=value)
            case int() if value in _INT64:
                return AnyValue(int_value=value)
            case float():
                return AnyValue(double_value=value)
            case str():
                return AnyValue(string_value=value)
            case list() if deep:
                held = (self._value(one, deep - 1) for one in value)
                return AnyValue(array_value=ArrayValue(values=[one for one in held if one is not None]))
            case dict() if deep:
                return AnyValue(kvlist_value=KeyValueList(values=[*self._pairs(value, deep - 1)]))
        self._lost = True
        return None

    def _pairs(self, fields: Mapping[str, Any], deep: int) -> list[KeyValue]:
        held = ((key, self._value(value, deep)) for key, value in fields.items())
        return [KeyValue(key=key, value=value) for key, value in held if value is not None]


def moment(value: Any) -> tuple[int, str] | None:
    """Nanoseconds since 1970 and the unit, if a value is a time: a number, its unit told by its size, or a text as RFC 3339 has it."""
    if isinstance(value, str):
        match = _RFC3339.fullmatch(value)
        return None if match is None else _of_text(match)
    if type(value) not in (int, float) or not 0 <= value < 2**63:
        return None
    unit = "s" if value < 10**11 else "ms" if value < 10**14 else "us" if value < 10**17 else "ns"
    when = value * UNITS[unit] if isinstance(value, int) else round(value * UNITS[unit])
    return (when, unit) if when < 2**63 else None


def _of_text(match: re.Match[str]) -> tuple[int, str] | None:
    try:
        when = datetime.fromisoformat(f"{match[1]}T{match[2]}+00:00")
        if not match[4]:
            offset = timedelta(hours=int(match[6]), minutes=int(match[7]))
            when = when - offset if match[5] == "+" else when + offset
    except (ValueError, OverflowError):
        return None
    seconds = (when - _EPOCH) // timedelta(seconds=1)
    return None if seconds < 0 else (seconds * 10**9 + int((match[3] or "").ljust(9, "0")), "text")


def _serialised(record: LogRecord) -> bytes:
    return ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])]).SerializeToString()
