"""A line as a log record, before anything is decided: objects and pairs by their keys, anything else by its layout."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from gateway.pipe import logfmt, objects
from gateway.pipe.ansi import decoded
from gateway.pipe.fields import Fields, set_level, text_of
from gateway.pipe.form import Form, Syntax
from gateway.pipe.keys import Keys
from gateway.pipe.layout import Layout, layout
from gateway.pipe.levels import Level
from gateway.pipe.times import near

_CRI: Final = re.compile(r"(\S{20,40}) (?:stdout|stderr) [FP](?: |$)")
"""What containerd and CRI-O write before each line of a container."""

_DOCKER: Final = frozenset({"log", "stream", "time", "attrs"})
"""The keys that Docker's json-file driver puts each line of a container under."""

_BODY: Final = ("body",)


class Malformed(Exception):
    """A line that begins like a JSON object and is none, or is no text."""


class Read(msgspec.Struct, frozen=True):
    """A line as a serialised `ResourceLogs` of one record; `lost` if it holds what no record can.

    `words`: what it is, if words alone.
    """

    raw: bytes
    form: Form
    lost: bool = False
    words: str = ""

    def __repr__(self) -> str:
        return f"Read({len(self.raw)} bytes)"


def read(line: bytes, received_ns: int, keys: Keys) -> Read:
    """Make a record of a line that was received when. Raises Malformed."""
    record = LogRecord(observed_time_unix_nano=received_ns)
    try:
        return _read(decoded(line), record, keys)
    except ValueError:  # no UTF-8
        raise Malformed from None


def crashed(received_ns: int) -> Read:
    """Make the record of a traceback: an error, and nothing of its text."""
    record = LogRecord(observed_time_unix_nano=received_ns)
    set_level(record, Level(17, "ERROR"))
    return _made(record, Form(level=("level",)), lost=True)


def _read(text: str, record: LogRecord, keys: Keys, *, wrapped: bool = False) -> Read:
    # A template may begin with a brace. No other text that does passes as one, lest broken JSON count as free text.
    if text in keys.templates:
        return _of_words(text, record)
    if not wrapped and (match := _CRI.match(text)) and (when := near(match[1], record.observed_time_unix_nano)):
        record.time_unix_nano = when[0]
        return _read(text[match.end() :], record, keys, wrapped=True)
    if text.lstrip(" \t").startswith("{"):
        return _of_json(_parsed(text), record, keys, wrapped=wrapped)
    if pairs := logfmt.parse(text):
        return _of_pairs(pairs, text, record, keys)
    return _of_text(text, record, keys)


def _parsed(text: str) -> dict[str, Any]:
    """Return the object that a text is. Raises Malformed."""
    try:
        return objects.parsed(text)
    except (ValueError, RecursionError):
        raise Malformed from None


def _of_json(fields: dict[str, Any], record: LogRecord, keys: Keys, *, wrapped: bool) -> Read:
    inner = fields.get("log")
    if not wrapped and isinstance(inner, str) and "stream" in fields and fields.keys() <= _DOCKER:
        when = near(fields.get("time"), record.observed_time_unix_nano)
        record.time_unix_nano = when[0] if when else 0
        return _read(text_of(inner), record, keys, wrapped=True)
    return _of_fields(Fields(fields, record, keys), record, Syntax.JSON)


def _of_pairs(pairs: dict[str, Any], text: str, record: LogRecord, keys: Keys) -> Read:
    """Make a record of pairs, if they say something that a record says; else they are words."""
    fields = Fields(pairs, record, keys)
    form = fields.known(Syntax.LOGFMT)
    if not (form.body or form.level or form.time):
        return _of_words(text, record)
    return _made(record, form, lost=fields.rest())


def _of_fields(fields: Fields, record: LogRecord, syntax: Syntax) -> Read:
    form = fields.known(syntax)
    return _made(record, form, lost=fields.rest())


def _of_words(text: str, record: LogRecord) -> Read:
    record.body.string_value = text
    return msgspec.structs.replace(_made(record, Form(body=_BODY)), words=text)


def _of_text(text: str, record: LogRecord, keys: Keys) -> Read:
    found = layout(text, record.observed_time_unix_nano, keys.templates)
    return _of_words(text, record) if found is None else _of_layout(found, record, keys)


def _of_layout(found: Layout, record: LogRecord, keys: Keys) -> Read:
    record.body.string_value = found.body
    record.trace_id, record.span_id = found.trace_id, found.span_id
    record.time_unix_nano = found.time_ns or record.time_unix_nano
    scale = set_level(record, found.level) if found.level else ""
    fields = Fields(found.fields, record, keys)
    fields.ids()
    lost = fields.rest() or found.lost
    form = Form(
        Syntax.TEXT, _BODY, ("level",) if found.level else (), scale, ("time",) if found.time_ns else (), "text"
    )
    return _made(record, form, lost=lost)


def _made(record: LogRecord, form: Form, *, lost: bool = False) -> Read:
    raw = ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])]).SerializeToString()
    return Read(raw, form, lost)
