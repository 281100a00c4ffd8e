"""The fields of a line, key by key.

Those with a meaning of their own go into the record's own fields, the rest are attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from gateway.json_types import JsonObject, JsonValue
from gateway.pipe import ids
from gateway.pipe.ansi import strip_escapes
from gateway.pipe.attributes import AttributeEncoder
from gateway.pipe.keys import Keys, resolve
from gateway.pipe.levels import Level, parse_level
from gateway.pipe.line_format import KeyPath, LineFormat, Syntax
from gateway.pipe.times import ParsedTime, parse_near

T = TypeVar("T")

GELF_KEY: Final = "short_message"
"""A key that GELF alone has: https://go2docs.graylog.org/current/getting_in_log_data/gelf.html."""


class LevelReader:
    """Reads levels; in GELF, numbers are syslog's."""

    def __init__(self, gelf: bool) -> None:
        self._gelf = gelf

    def read(self, value: JsonValue, key: str) -> Level | None:
        """The level that a value of a key stands for, None if it is none."""
        return parse_level(value, key, gelf=self._gelf)


class TimeReader:
    """Reads times of lines that were received at one moment."""

    def __init__(self, received_ns: int) -> None:
        self._received_ns = received_ns

    def read(self, value: JsonValue, key: str) -> ParsedTime | None:  # noqa: ARG002 - whatever the key
        """The time that a value stands for, None if it is none or too far from receipt."""
        return parse_near(value, self._received_ns)


def read_trace_id(value: JsonValue, key: str) -> bytes | None:
    """The trace ID that a value stands for, None if it is none."""
    return ids.trace_id(value) or None


def read_span_id(value: JsonValue, key: str) -> bytes | None:
    """The span ID that a value stands for, None if it is none."""
    return ids.span_id(value) or None


class Fields:
    """The fields of one line, which are taken out one by one. What is taken goes into `record`."""

    def __init__(self, fields: JsonObject, record: LogRecord, keys: Keys) -> None:
        self._remaining = fields
        self._record = record
        self._keys = keys

    def take_known(self, syntax: Syntax) -> LineFormat:
        """Take text, level, time and IDs; return how they are spelt."""
        gelf = GELF_KEY in self._remaining
        body = self._take_body()
        found = self._take_first(self._keys.fields.severity_text, LevelReader(gelf).read)
        shown = set_severity(self._record, found[0]) if found else ""
        when = self._take_first(self._keys.fields.timestamp, TimeReader(self._record.observed_time_unix_nano).read)
        if when:
            self._record.time_unix_nano = when[0][0]
        trace, span = self.take_ids()
        time, unit = (when[1], when[0][1]) if when else ((), "")
        return LineFormat(syntax, body, found[1] if found else (), shown, time, unit, trace, span)

    def take_ids(self) -> tuple[KeyPath, KeyPath]:
        """Take the IDs; return how they are spelt."""
        trace = self._take_first(self._keys.fields.trace_id, read_trace_id)
        span = self._take_first(self._keys.fields.span_id, read_span_id)
        self._record.trace_id = trace[0] if trace else self._record.trace_id
        self._record.span_id = span[0] if span else self._record.span_id
        return trace[1] if trace else (), span[1] if span else ()

    def take_rest(self) -> bool:
        """Take all that is left as attributes; return whether something was lost."""
        attributes = AttributeEncoder()
        self._record.attributes.extend(attributes.encode(self._remaining))
        return attributes.lossy

    def _take_body(self) -> KeyPath:
        """Take the text: the first that is listed, else the first."""
        texts = [
            (clean_text(value), owner, key, spelt)
            for owner, key, spelt in self._resolve(self._keys.fields.body)
            if isinstance(value := owner[key], str)
        ]
        listed = (place for place in texts if place[0] in self._keys.templates)
        if not (place := next(listed, texts[0] if texts else None)):
            return ()
        self._record.body.string_value, owner, key, spelt = place
        del owner[key]
        return spelt

    def _take_first(
        self, paths: tuple[str, ...], read: Callable[[JsonValue, str], T | None]
    ) -> tuple[T, KeyPath] | None:
        """Take the first value that can be read; return what it reads as, and its spelling."""
        for owner, key, spelt in self._resolve(paths):
            found = read(owner[key], spelt[-1])
            if found is not None:
                del owner[key]
                return found, spelt
        return None

    def _resolve(self, paths: tuple[str, ...]) -> Iterator[tuple[JsonObject, str, KeyPath]]:
        for path in paths:
            yield from resolve(self._remaining, path)


def clean_text(value: str) -> str:
    """Return a text without what terminals read, and without the line ends that some loggers leave at its end."""
    return strip_escapes(value).rstrip("\r\n")


def set_severity(record: LogRecord, found: Level) -> str:
    """Give a record its severity; return the scale of its number."""
    record.severity_number = SeverityNumber.ValueType(found.number)
    record.severity_text = found.text
    return found.scale
