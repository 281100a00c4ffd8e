"""A line as a log record, before anything is decided: objects and pairs by their keys, anything else by its layout."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from gateway.json_types import JsonObject
from gateway.pipe import lenient_json as objects
from gateway.pipe import logfmt
from gateway.pipe.ansi import decode_line
from gateway.pipe.fields import Fields, clean_text, set_severity
from gateway.pipe.keys import Keys
from gateway.pipe.layout import Layout, parse_layout
from gateway.pipe.levels import Level
from gateway.pipe.line_format import LineFormat, Syntax
from gateway.pipe.times import parse_near

_CRI: Final = re.compile(r"(\S{20,40}) (?:stdout|stderr) [FP](?: |$)")
"""What containerd and CRI-O write before each line of a container."""

_DOCKER: Final = frozenset({"log", "stream", "time", "attrs"})
"""The keys that Docker's json-file driver puts each line of a container under."""

_BODY: Final = ("body",)


class MalformedLine(Exception):
    """A line that begins like a JSON object and is none, or is no text."""


class ParsedLine(msgspec.Struct, frozen=True):
    """A line as a serialised `ResourceLogs` of one record; `lossy` if it holds what no record can.

    `free_text`: what it is, if words alone.
    """

    raw: bytes
    form: LineFormat
    lossy: bool = False
    free_text: str = ""

    def __repr__(self) -> str:
        return f"Read({len(self.raw)} bytes)"


def parse_line(line: bytes, received_ns: int, keys: Keys) -> ParsedLine:
    """Make a record of a line that was received when. Raises MalformedLine."""
    record = LogRecord(observed_time_unix_nano=received_ns)
    try:
        return _parse(decode_line(line), record, keys)
    except ValueError:  # no UTF-8
        raise MalformedLine from None


def traceback_line(received_ns: int) -> ParsedLine:
    """Make the record of a traceback: an error, and nothing of its text."""
    record = LogRecord(observed_time_unix_nano=received_ns)
    set_severity(record, Level(17, "ERROR"))
    return _parsed_line(record, LineFormat(level=("level",)), lossy=True)


def _parse(text: str, record: LogRecord, keys: Keys, *, wrapped: bool = False) -> ParsedLine:
    # A template may begin with a brace. No other text that does passes as one: broken JSON isn't free text.
    if text in keys.templates:
        return _of_words(text, record)
    if not wrapped and (match := _CRI.match(text)) and (when := parse_near(match[1], record.observed_time_unix_nano)):
        record.time_unix_nano = when[0]
        return _parse(text[match.end() :], record, keys, wrapped=True)
    if text.lstrip(" \t").startswith("{"):
        return _of_json(_parse_object(text), record, keys, wrapped=wrapped)
    if pairs := logfmt.parse(text):
        return _of_pairs(pairs, text, record, keys)
    return _of_text(text, record, keys)


def _parse_object(text: str) -> JsonObject:
    """Return the object that a text is. Raises MalformedLine."""
    try:
        return objects.parse_object(text)
    except (ValueError, RecursionError):
        raise MalformedLine from None


def _of_json(fields: JsonObject, record: LogRecord, keys: Keys, *, wrapped: bool) -> ParsedLine:
    inner = fields.get("log")
    if not wrapped and isinstance(inner, str) and "stream" in fields and fields.keys() <= _DOCKER:
        when = parse_near(fields.get("time"), record.observed_time_unix_nano)
        record.time_unix_nano = when[0] if when else 0
        return _parse(clean_text(inner), record, keys, wrapped=True)
    return _of_fields(Fields(fields, record, keys), record, Syntax.JSON)


def _of_pairs(pairs: JsonObject, text: str, record: LogRecord, keys: Keys) -> ParsedLine:
    """Make a record of pairs, if they say something that a record says; else they are words."""
    fields = Fields(pairs, record, keys)
    form = fields.take_known(Syntax.LOGFMT)
    if not (form.body or form.level or form.time):
        return _of_words(text, record)
    return _parsed_line(record, form, lossy=fields.take_rest())


def _of_fields(fields: Fields, record: LogRecord, syntax: Syntax) -> ParsedLine:
    form = fields.take_known(syntax)
    return _parsed_line(record, form, lossy=fields.take_rest())


def _of_words(text: str, record: LogRecord) -> ParsedLine:
    record.body.string_value = text
    return msgspec.structs.replace(_parsed_line(record, LineFormat(body=_BODY)), free_text=text)


def _of_text(text: str, record: LogRecord, keys: Keys) -> ParsedLine:
    found = parse_layout(text, record.observed_time_unix_nano, keys.templates)
    return _of_words(text, record) if found is None else _of_layout(found, record, keys)


def _of_layout(found: Layout, record: LogRecord, keys: Keys) -> ParsedLine:
    record.body.string_value = found.body
    record.trace_id, record.span_id = found.trace_id, found.span_id
    record.time_unix_nano = found.time_ns or record.time_unix_nano
    scale = set_severity(record, found.level) if found.level else ""
    fields = Fields(found.fields, record, keys)
    fields.take_ids()
    lost = fields.take_rest() or found.lossy
    form = LineFormat(
        Syntax.TEXT, _BODY, ("level",) if found.level else (), scale, ("time",) if found.time_ns else (), "text"
    )
    return _parsed_line(record, form, lossy=lost)


def _parsed_line(record: LogRecord, form: LineFormat, *, lossy: bool = False) -> ParsedLine:
    raw = ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])]).SerializeToString()
    return ParsedLine(raw, form, lossy)
