"""How `privacy-gateway pipe` reads the lines of a program whose logger it doesn't know."""

from __future__ import annotations

import msgspec

from gateway.yamlfile.bounded import Text


class LogKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Under which keys a program's lines say what OpenTelemetry's log data model has fields for, by their names.

    Keys within keys have dots between them (`record.level`), whether a line nests them or not. They are looked at in
    their order.
    """

    timestamp: tuple[Text, ...] = ()
    """Keys of the time: RFC 3339, or a number of seconds, ms, µs or ns since 1970."""

    severity_text: tuple[Text, ...] = ()
    """Keys of the level: a word that logging libraries have for one, or a number of pino's, Bunyan's or Monolog's."""

    body: tuple[Text, ...] = ()
    """Keys of the text, which passes if it is one of `otlp.log_templates`."""

    trace_id: tuple[Text, ...] = ()
    """Keys of the trace ID: 32 hexadecimal digits."""

    span_id: tuple[Text, ...] = ()
    """Keys of the span ID: 16 hexadecimal digits."""


class Pipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How `privacy-gateway pipe` reads lines."""

    keys: LogKeys = LogKeys()
    """Keys of a program's own, looked at before those that the gateway knows of common loggers."""
