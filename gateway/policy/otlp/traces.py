"""The slots of spans, their events and links; and what a span's name may be.

Names of low cardinality: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name and
…/rpc/rpc-spans/#span-name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.errors import FieldReason
from gateway.model import DETECTORS, Category, FieldPrivacy
from gateway.plan import SpanName, Text
from gateway.policy.otlp.shared import COUNT, FREE_TEXT, OPERATIONAL, SCHEMA_URL, SharedRules
from gateway.policy.projector import NESTED_PLAN, Ruling

TRACE: Final = "opentelemetry.proto.trace.v1."
SPAN: Final = f"{TRACE}Span."

CLASSIFICATIONS: Final[Mapping[str, FieldPrivacy]] = {
    f"{TRACE}ResourceSpans.schema_url": SCHEMA_URL,
    f"{TRACE}ScopeSpans.schema_url": SCHEMA_URL,
    f"{SPAN}kind": OPERATIONAL,
    f"{SPAN}dropped_attributes_count": COUNT,
    f"{SPAN}dropped_events_count": COUNT,
    f"{SPAN}dropped_links_count": COUNT,
    f"{SPAN}Event.dropped_attributes_count": COUNT,
    f"{SPAN}Link.dropped_attributes_count": COUNT,
    f"{TRACE}Status.message": FREE_TEXT,
    f"{TRACE}Status.code": OPERATIONAL,
}

MESSAGES: Final = frozenset(
    {
        f"{TRACE}ResourceSpans.scope_spans",
        f"{TRACE}ScopeSpans.spans",
        f"{SPAN}events",
        f"{SPAN}links",
        f"{SPAN}status",
    }
)
"""Slots that hold other slots."""

_STATE: Final = FieldPrivacy(
    Category.OPERATIONAL, pattern=r"ot=(th:[0-9a-f]{1,14}|rv:[0-9a-f]{14})(;(th:[0-9a-f]{1,14}|rv:[0-9a-f]{14}))?"
)
"""Of tracestate what sampling needs, at random like the trace's own ID, and no vendor's entry:
https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/."""

_METHOD: Final = "(CONNECT|DELETE|GET|HEAD|HTTP|OPTIONS|PATCH|POST|PUT|QUERY|TRACE)"
_WORD: Final = "([A-Za-z]([A-Za-z_-]{0,29}[A-Za-z])?[0-9]{0,2})"
_PARAMETER: Final = r"(\{[A-Za-z_]\w{0,31}(:[a-z]{1,8})?\}|:[A-Za-z_]\w{0,31}|<([a-z]{1,8}:)?[A-Za-z_]\w{0,31}>|\*)"
_PATH: Final = f"(/|(/{_WORD}){{1,12}}/?)"
_TEMPLATE: Final = f"((/{_WORD}){{0,6}}/{_PARAMETER}(/({_WORD}|{_PARAMETER})){{0,6}}/?)"
_RPC: Final = r"/?([a-z][a-z0-9_]{0,31}\.){1,8}[A-Z][A-Za-z0-9]{0,63}/[A-Z][A-Za-z0-9]{0,63}"

LOW_CARDINALITY_NAME: Final = f"{_METHOD}( {_TEMPLATE})?|{_RPC}"
"""Names that are of low cardinality by their form."""

ROUTE_NAME: Final = f"{_METHOD} {_PATH}"
"""Names that may be. A path without a parameter is one that somebody asked for, unless the span calls it a route."""

ROUTE_ATTRIBUTES: Final = ("http.route", "url.template")
"""The attributes that say so."""

OPERATION_NAMES: Final = (
    *"HTTP CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE".split(),
    # https://opentelemetry.io/docs/specs/semconv/db/database-spans/#name
    *"ALTER ANALYZE BEGIN CALL COMMIT CREATE DATABASE DROP EXEC EXECUTE EXPLAIN INDEX INSERT INTO MERGE REPLACE "
     "ROLLBACK SELECT".split(),
    *"SET SHOW TABLE TRUNCATE UPDATE UPSERT VACUUM VIEW WITH".split(),
    # https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/#span-name
    *"ack commit consume create deliver nack poll process produce publish receive send settle subscribe".split(),
    *"handler middleware request router -".split(),
)  # fmt: skip
_COMPOSED_PART: Final = "[A-Za-z/<:{-][A-Za-z0-9._/:{}<>-]{0,127}"
COMPOSED_NAME: Final = f"{_COMPOSED_PART}( {_COMPOSED_PART}){{0,4}}"
"""Names of verbs, and of what attributes of the span say.

`SELECT kannelle.videos`, `video.exports.requested process`, `request handler - /v1/exports`.
"""

NAME_ATTRIBUTES: Final = (
    "db.collection.name", "db.namespace", "db.sql.table", "db.name", "db.mongodb.collection", "db.operation.name",
    "db.operation", "db.stored_procedure.name", "messaging.destination.name", "messaging.destination.template",
    "messaging.destination", "messaging.operation.name", "messaging.source.name", "express.name", "http.route",
    "router.name",
)  # fmt: skip
"""The attributes that say so."""

SPAN_KINDS: Final = ("INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
"""Span kinds by number; one that isn't said counts as internal."""


def field_rules(rules: SharedRules) -> Mapping[str, Ruling]:
    """Rulings on the slots that no category alone can decide."""
    state = rules.random_string(_STATE)
    return {
        f"{TRACE}ResourceSpans.resource": NESTED_PLAN,
        f"{TRACE}ScopeSpans.scope": NESTED_PLAN,
        f"{SPAN}name": _name(rules),
        f"{SPAN}parent_span_id": rules.identifier(8),
        f"{SPAN}start_time_unix_nano": rules.time,
        f"{SPAN}end_time_unix_nano": rules.time,
        f"{SPAN}Event.time_unix_nano": rules.time,
        f"{SPAN}Event.name": rules.name(OPERATIONAL),
        f"{SPAN}Event.attributes": rules.attributes,
        **{
            f"{held}{slot}": ruling
            for held in (SPAN, f"{SPAN}Link.")
            for slot, ruling in {
                "trace_id": rules.identifier(16),
                "span_id": rules.identifier(8),
                "trace_state": state,
                "flags": rules.flags,
                "attributes": rules.attributes,
            }.items()
        },
    }


def _name(rules: SharedRules) -> Ruling:
    if not rules.terms.allows(Category.OPERATIONAL):
        return FieldReason.CATEGORY_NOT_ALLOWED
    forms, routed, made = (Text(form, detect=DETECTORS) for form in (LOW_CARDINALITY_NAME, ROUTE_NAME, COMPOSED_NAME))
    return SpanName(
        rules.policy.otlp.span_names,
        SPAN_KINDS,
        forms,
        routed,
        ROUTE_ATTRIBUTES,
        made,
        OPERATION_NAMES,
        NAME_ATTRIBUTES,
        rules.terms.echo,
    )
