"""OTLP logs as a contract: every slot of `ResourceLogs` decided on. A slot that isn't listed here is stripped, and a test fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.errors import Reason
from gateway.model import Category, FieldPrivacy
from gateway.plan import Attributes, Body, Length
from gateway.policy.document import Policy
from gateway.policy.judge import Site, judge
from gateway.policy.project import NESTED, Ruling
from gateway.policy.values import KINDS, values

ITEM: Final = "opentelemetry.proto.logs.v1.ResourceLogs"
"""The type of an item: one record with its resource and scope."""

LOGS: Final = "opentelemetry.proto.logs.v1."
COMMON: Final = "opentelemetry.proto.common.v1."
RESOURCE: Final = "opentelemetry.proto.resource.v1.Resource."

SEVERITIES: Final = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY", "FATAL")
"""Severity texts of the log data model and of the logging libraries it lists."""

_OPERATIONAL: Final = FieldPrivacy(Category.OPERATIONAL)
_COUNT: Final = FieldPrivacy(Category.OPERATIONAL, min=0, max=1_000_000)
_SCHEMA_URL: Final = FieldPrivacy(Category.OPERATIONAL, pattern=r"https://opentelemetry\.io/schemas/[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
_SEVERITY: Final = FieldPrivacy(
    Category.OPERATIONAL, one_of=tuple(sorted({form for text in SEVERITIES for form in (text, text.lower(), text.title())}))
)

CLASSES: Final[Mapping[str, FieldPrivacy]] = {
    f"{LOGS}ResourceLogs.schema_url": _SCHEMA_URL,
    f"{LOGS}ScopeLogs.schema_url": _SCHEMA_URL,
    f"{LOGS}LogRecord.severity_number": _OPERATIONAL,
    f"{LOGS}LogRecord.severity_text": _SEVERITY,
    f"{LOGS}LogRecord.dropped_attributes_count": _COUNT,
    f"{RESOURCE}dropped_attributes_count": _COUNT,
    f"{COMMON}InstrumentationScope.name": _OPERATIONAL,
    f"{COMMON}InstrumentationScope.version": _OPERATIONAL,
    f"{COMMON}InstrumentationScope.dropped_attributes_count": _COUNT,
}
"""Slots that are judged as any field is."""

MESSAGES: Final = frozenset({f"{LOGS}ResourceLogs.scope_logs", f"{LOGS}ScopeLogs.log_records"})
"""Slots that hold other slots."""

STRIPPED: Final = frozenset({f"{RESOURCE}entity_refs"})
"""Slots that never leave: an entity reference repeats attribute keys, which may have been stripped."""

VALUES: Final = frozenset(
    f"{COMMON}{slot}"
    for slot in (
        "KeyValue.key",
        "KeyValue.value",
        "AnyValue.string_value",
        "AnyValue.bool_value",
        "AnyValue.int_value",
        "AnyValue.double_value",
        "AnyValue.array_value",
        "ArrayValue.values",
    )
)
"""Slots within an attribute or a body, which its rule decides on."""

OPAQUE_VALUES: Final = frozenset(
    f"{COMMON}{slot}"
    for slot in (
        "KeyValue.key_strindex",
        "AnyValue.kvlist_value",
        "AnyValue.bytes_value",
        "AnyValue.string_value_strindex",
        "KeyValueList.values",
    )
)
"""Slots within an attribute or a body that no rule reads: the engine's schema of them doesn't have them."""

_ATTRIBUTES: Final = (f"{LOGS}LogRecord.attributes", f"{RESOURCE}attributes", f"{COMMON}InstrumentationScope.attributes")
_NESTED: Final = (f"{LOGS}ResourceLogs.resource", f"{LOGS}ScopeLogs.scope")
_TIMES: Final = (f"{LOGS}LogRecord.time_unix_nano", f"{LOGS}LogRecord.observed_time_unix_nano")
_TRACE: Final = {f"{LOGS}LogRecord.trace_id": 16, f"{LOGS}LogRecord.span_id": 8}


def specials(policy: Policy, site: Site) -> Mapping[str, Ruling]:
    """Rulings on the slots that no category alone can decide, at one destination."""
    return {
        **dict.fromkeys(_NESTED, NESTED),
        **dict.fromkeys(_ATTRIBUTES, _attributes(policy, site)),
        **dict.fromkeys(_TIMES, judge("timestamp", _OPERATIONAL, site)),
        **{slot: _trace(site, Length(length)) for slot, length in _TRACE.items()},
        **dict.fromkeys(STRIPPED, Reason.UNCLASSIFIED),
        f"{LOGS}LogRecord.flags": _trace(site, judge("integer", FieldPrivacy(Category.OPERATIONAL, min=0, max=255), site)),
        f"{LOGS}LogRecord.event_name": judge("string", _event_name(policy, site), site),
        f"{LOGS}LogRecord.body": Body(policy.otlp.log_templates, site.lets(Category.FREE_TEXT)),
    }


def _attributes(policy: Policy, site: Site) -> Attributes:
    """Keys of the policy; wildcards count inside the EU only. A key that may not leave stays listed, lest a wildcard above it lets it."""
    held = {key: policy.otlp.privacy(key) for key in policy.otlp.attributes}
    rules = {key: values(dict.fromkeys(_kinds(privacy), privacy), site) for key, privacy in held.items()}
    exact = {key: rule for key, rule in rules.items() if not key.endswith(".*")}
    prefixes = {key.removesuffix("*"): rule for key, rule in rules.items() if key.endswith(".*")}
    return Attributes(exact, {} if site.outside else prefixes)


def _kinds(privacy: FieldPrivacy) -> Sequence[str]:
    """The kinds of value that fit what is said of them."""
    if privacy.pattern or privacy.one_of or privacy.max_length:
        return ("string",)
    return ("integer",) if privacy.bounded else KINDS


def _trace(site: Site, inside: Ruling) -> Ruling:
    """Trace context doesn't leave the EU."""
    if not site.lets(Category.OPERATIONAL):
        return Reason.CATEGORY_NOT_ALLOWED
    return Reason.NOT_CLOSED if site.outside else inside


def _event_name(policy: Policy, site: Site) -> FieldPrivacy:
    """Outside the EU, only events of the tracking plan have a name."""
    return FieldPrivacy(Category.OPERATIONAL, one_of=tuple(sorted(policy.tracking_plan))) if site.outside else _OPERATIONAL
