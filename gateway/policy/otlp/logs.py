"""The slots of log records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.model import Category, FieldPrivacy
from gateway.plan import Body
from gateway.policy.otlp.severities import SEVERITY_NUMBERS
from gateway.policy.otlp.shared import COUNT, OPERATIONAL, SCHEMA_URL, SharedRules
from gateway.policy.projector import NESTED_PLAN, Ruling

LOGS: Final = "opentelemetry.proto.logs.v1."

_SEVERITY: Final = FieldPrivacy(
    Category.OPERATIONAL,
    one_of=tuple(sorted({form for text in SEVERITY_NUMBERS for form in (text, text.lower(), text.title())})),
)

CLASSIFICATIONS: Final[Mapping[str, FieldPrivacy]] = {
    f"{LOGS}ResourceLogs.schema_url": SCHEMA_URL,
    f"{LOGS}ScopeLogs.schema_url": SCHEMA_URL,
    f"{LOGS}LogRecord.severity_number": OPERATIONAL,
    f"{LOGS}LogRecord.severity_text": _SEVERITY,
    f"{LOGS}LogRecord.dropped_attributes_count": COUNT,
}

MESSAGES: Final = frozenset({f"{LOGS}ResourceLogs.scope_logs", f"{LOGS}ScopeLogs.log_records"})
"""Slots that hold other slots."""


def field_rules(rules: SharedRules) -> Mapping[str, Ruling]:
    """Rulings on the slots that no category alone can decide."""
    record = f"{LOGS}LogRecord."
    return {
        f"{LOGS}ResourceLogs.resource": NESTED_PLAN,
        f"{LOGS}ScopeLogs.scope": NESTED_PLAN,
        f"{record}attributes": rules.attributes,
        f"{record}time_unix_nano": rules.time,
        f"{record}observed_time_unix_nano": rules.time,
        f"{record}trace_id": rules.identifier(16),
        f"{record}span_id": rules.identifier(8),
        f"{record}flags": rules.flags,
        f"{record}event_name": rules.name(OPERATIONAL),
        f"{record}body": Body(rules.policy.otlp.log_templates, rules.attributes),
    }
