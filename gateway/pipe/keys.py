"""Under which keys loggers say what OpenTelemetry's log data model has fields for.

The policy's own first, then those known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.json_types import JsonObject
from gateway.pipe.line_format import KeyPath
from gateway.policy.document import Policy
from gateway.policy.log_lines import LogKeys

KNOWN_KEYS: Final = LogKeys(
    body=(
        "message", "msg", "event", "body", "@mt", "MessageTemplate", "State.{OriginalFormat}", "Message", "@m",
        "RenderedMessage", "fields.message", "record.message", "short_message", "MESSAGE", "@message", "logMessage",
        "messageTemplate",
    ),
    severity_text=(
        "log.level", "level", "severity", "levelname", "level_name", "@l", "Level", "LogLevel", "logLevel", "loglevel",
        "log_level", "severity_text", "severityText", "SeverityText", "record.level.name", "@fields.level", "PRIORITY",
        "levelno", "severity_number", "severityNumber", "SeverityNumber",
    ),
    timestamp=(
        "time", "timestamp", "ts", "@timestamp", "@t", "Timestamp", "datetime", "asctime", "instant", "timeMillis",
        "time_iso8601", "record.time.timestamp", "record.time.repr", "__REALTIME_TIMESTAMP",
    ),
    trace_id=(
        "trace_id", "traceId", "trace.id", "traceID", "TraceId", "TraceID", "@tr", "otelTraceID", "dd.trace_id",
        "mdc.traceId", "mdc.trace_id", "contextMap.traceId", "contextMap.trace_id", "context.trace_id",
        "extra.trace_id", "record.extra.trace_id", "record.extra.otelTraceID", "Properties.TraceId",
        "properties.traceId", "Scopes.TraceId", "fields.trace_id", "logging.googleapis.com/trace", "xray_trace_id",
        "metadata.trace_id", "named_tags.trace_id",
    ),
    span_id=(
        "span_id", "spanId", "span.id", "spanID", "SpanId", "SpanID", "@sp", "otelSpanID", "dd.span_id", "mdc.spanId",
        "mdc.span_id", "contextMap.spanId", "contextMap.span_id", "context.span_id", "extra.span_id",
        "record.extra.span_id", "record.extra.otelSpanID", "Properties.SpanId", "properties.spanId", "Scopes.SpanId",
        "fields.span_id", "logging.googleapis.com/spanId", "metadata.span_id", "named_tags.span_id",
    ),
)  # fmt: skip
"""The keys of the loggers of docs/logs.md, and of those that print alike.

Of each field the first counts that holds what it should.
"""

MAX_LIST_ITEMS: Final = 16
"""How many values of a list are looked into: .NET lists its scopes."""


class Keys(msgspec.Struct, frozen=True):
    """The keys of each field, in the order in which they are looked at, and the texts that pass as they are."""

    fields: LogKeys
    templates: frozenset[str]


def keys_of(policy: Policy) -> Keys:
    """Return the keys by which lines are read under a policy."""
    mapped = policy.pipe.keys
    fields = {
        name: tuple(dict.fromkeys((*getattr(mapped, name), *getattr(KNOWN_KEYS, name))))
        for name in LogKeys.__struct_fields__
    }
    return Keys(LogKeys(**fields), frozenset(policy.otlp.log_templates))


def resolve(fields: JsonObject, path: str) -> Iterator[tuple[JsonObject, str, KeyPath]]:
    """Yield where in an object a dotted path leads: what holds the value, under which key, and the path as spelt.

    Each dot may be part of a key or lead into an object. With the path `a.b.c`:

        {"a.b.c": 1}          ->  the object, "a.b.c", ("a.b.c",)
        {"a": {"b.c": 1}}     ->  what is at a, "b.c", ("a", "b.c")
        {"a.b": [{"c": 1}]}   ->  the list's first, "c", ("a.b", "c")
    """
    if path in fields:
        yield fields, path, (path,)
    dot = path.find(".")
    while dot >= 0:
        head, rest = path[:dot], path[dot + 1 :]
        inner = fields.get(head)
        if isinstance(inner, dict):
            yield from ((owner, key, (head, *spelt)) for owner, key, spelt in resolve(inner, rest))
        elif isinstance(inner, list):
            yield from (
                found for one in inner[:MAX_LIST_ITEMS] if isinstance(one, dict) for found in resolve(one, rest)
            )
        dot = path.find(".", dot + 1)
