"""All metrics: names, kinds, labels and meaning.

What registers them and the table in `docs/metrics.md` read them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

PREFIX: Final = "privacy_gateway_"
"""What the names of the gateway's own metrics begin with."""


class MetricKind(StrEnum):
    """What a metric is; Prometheus's own words. An info metric is a gauge to it, of 1, whose labels tell."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


LABELS: Final[Mapping[str, str]] = {
    "category": "a `DataCategory` without its prefix; `UNSPECIFIED` where the classification says nothing",
    "cause": "of a stripped field, `plan`: the plan has no such field, or no such attribute; `value`: the value "
    "failed its rule."
    " Of what failed, see the metric",
    "certificate": "`own`: the gateway's, with its chain; `ca`: those of whom it trusts",
    "code": "a gRPC code; over HTTP, the one that the answer stands for",
    "destination": "a destination of the policy",
    "digest": "SHA-256 over all plans in force, equal in gateways that decide alike",
    "file": "SHA-256 of the policy's file, as `sha256sum` prints it",
    "generation": "of Python's garbage collector: `0`, `1`, `2`",
    "flow": "a flow of the policy; empty where none was found",
    "listener": "`local`, `local_http`, `outbound`, `inbound`, `delivery`",
    "mode": "of the route: `enforce`, `shadow`",
    "outcome": "see the metric",
    "reason": "a `Reason` without its prefix; empty where nothing was wrong",
    "resource": "see below",
    "route": "the authority of a route of the policy",
    "service": "a gRPC service of the gateway's own; empty for calls carried between services",
    "source": "see the metric",
    "subject": "`policy`, with its contracts and approvals; `tls`, keys and certificates",
    "verdict": "`release`, `withhold`",
    "version": "of the policy's format; of the gateway",
}
"""What the values of each label are: closed sets, all of them."""


RESOURCES: Final[Mapping[str, str]] = {
    "access_log": "entries of the access log that wait to be written; more are dropped",
    "delivery_calls": "calls on `delivery`",
    "health_probes": "calls of `Check` on `health`",
    "health_watchers": "calls of `Watch` on `health`",
    "http_connections": "connections to `http`; of more, some make room",
    "inbound_calls": "calls on `inbound`",
    "local_calls": "calls on `local`",
    "local_http_calls": "calls on `local_http`",
    "local_http_connections": "connections to `local_http`; of more, some make room",
    "offload_bulky": "large pieces of work that wait for their thread; the limits on calls bound them",
    "offload_costly": "pieces of work that wait for their thread, likewise",
    "offload_laborious": "pieces of work that took long and wait to begin again in a thread of their own, likewise",
    "outbound_calls": "calls on `outbound`",
    "outbox": "what the outbox keeps, waiting and dead letters, against `outbox.max_bytes`: callers are told to come "
    "back beyond it",
    "outbox_unwritten": "what callers wait to have written to the outbox; more are told to come back",
    "request_ids": "request IDs that are known again; beyond the limit, the older half is forgotten before "
    "`outbox.remember` is over",
    "subject_hashes": "identifiers and addresses whose keyed hashes are remembered; what was used least recently "
    "makes room",
    "volume": "the state folder's volume, against its size without `outbox.margin`: nothing more is stored beyond it",
}
"""What is bounded, and what happens at the bound. Those that are measured in bytes are in `BYTE_RESOURCES`."""

BYTE_RESOURCES: Final = frozenset({"outbox", "outbox_unwritten", "volume"})


class Metric(msgspec.Struct, frozen=True):
    """One metric. `name` is without prefix and `_total`; `unit` is a base unit, empty for a plain number."""

    name: str
    kind: MetricKind
    labels: tuple[str, ...]
    description: str
    unit: str = ""
    prefix: str = PREFIX

    @property
    def exported_name(self) -> str:
        """The name that Prometheus reads."""
        return f"{self.prefix}{self.name}{'_total' if self.kind is MetricKind.COUNTER else ''}"


CALLS: Final = Metric(
    "calls",
    MetricKind.COUNTER,
    ("listener", "service", "code"),
    "Calls to the gateway's own services that have ended, by how they ended",
)
CALL_DURATION: Final = Metric(
    "call_duration_seconds",
    MetricKind.HISTOGRAM,
    ("listener", "service"),
    "How long calls took, delivery included",
    "seconds",
)
ITEMS: Final = Metric(
    "items",
    MetricKind.COUNTER,
    ("flow", "outcome", "reason"),
    "Items decided on; outcome is accepted, or rejected for a reason: then none of the flow's destinations gets it",
)
VERDICTS: Final = Metric(
    "verdicts",
    MetricKind.COUNTER,
    ("destination", "verdict", "reason"),
    "What was decided on accepted items, by destination",
)
DECISION_DURATION: Final = Metric(
    "decision_duration_seconds",
    MetricKind.HISTOGRAM,
    ("flow",),
    "How long deciding on an item took, for all destinations of its flow; its share of what its batch took",
    "seconds",
)
FIELDS_STRIPPED: Final = Metric(
    "fields_stripped",
    MetricKind.COUNTER,
    ("destination", "category", "cause"),
    "Fields of released items that did not leave. Fields of cause plan, but for attributes, are counted in the first "
    "1,024 items"
    " of a type at a destination, then in one item of 32, as 32",
)
FIELDS_MASKED: Final = Metric(
    "fields_masked",
    MetricKind.COUNTER,
    ("destination", "category"),
    "Fields of released items of which a part was masked",
)
FIELDS_REPORTED: Final = Metric(
    "fields_reported",
    MetricKind.COUNTER,
    ("destination", "category", "reason"),
    "Fields of released items that left as they came though something shows in them, or they can't be judged "
    "(UNREADABLE)",
)
DELIVERIES: Final = Metric(
    "deliveries",
    MetricKind.COUNTER,
    ("destination", "outcome"),
    "Releases handed to an exporter; outcome is delivered, retry (not now: it is sent again) or rejected (it is a "
    "dead letter now)",
)
DIRECT_FALLBACKS: Final = Metric(
    "direct_fallbacks",
    MetricKind.COUNTER,
    ("destination",),
    "Batches that a recipient, tried before they were stored, didn't acknowledge in time, or before their caller left: "
    "they are stored and sent again, or come again from their caller, and may arrive twice",
)
DELIVERY_DURATION: Final = Metric(
    "delivery_duration_seconds",
    MetricKind.HISTOGRAM,
    ("destination",),
    "How long an exporter took for one batch",
    "seconds",
)
OUTBOX_ENTRIES: Final = Metric(
    "outbox_entries", MetricKind.GAUGE, ("destination",), "Releases that wait to be delivered"
)
OUTBOX_BYTES: Final = Metric(
    "outbox_bytes",
    MetricKind.GAUGE,
    ("destination",),
    "The bytes of those, as they count to the outbox's limit",
    "bytes",
)
OUTBOX_AGE: Final = Metric(
    "outbox_age_seconds", MetricKind.GAUGE, ("destination",), "For how long the oldest of those has waited", "seconds"
)
DEAD_LETTERS: Final = Metric(
    "dead_letters", MetricKind.GAUGE, ("destination",), "Releases that can't be delivered and are kept apart"
)
DEAD_LETTERS_BYTES: Final = Metric(
    "dead_letters_bytes",
    MetricKind.GAUGE,
    ("destination",),
    "The bytes of those, as they count to the outbox's limit",
    "bytes",
)
DEAD_LETTERED: Final = Metric(
    "dead_lettered",
    MetricKind.COUNTER,
    ("destination", "reason"),
    "Releases that became dead letters; reason is DEAD_LETTERED where an operator said so",
)
PURGED: Final = Metric(
    "purged",
    MetricKind.COUNTER,
    ("destination", "reason"),
    "Stored releases that were deleted undelivered: by the policy or the facts of the moment they may not leave any "
    "more,"
    " or their retention is over; reason is PURGED where an operator said so, of dead letters too",
)
RECIPIENT_FAILING: Final = Metric(
    "recipient_failing",
    MetricKind.GAUGE,
    ("destination",),
    "1 while a recipient fails again and again, and is tried less often",
)
OUTBOX_FILES_QUARANTINED: Final = Metric(
    "outbox_files_quarantined", MetricKind.COUNTER, (), "Damaged files of the outbox that were quarantined"
)
PROXY_CALLS: Final = Metric(
    "proxy_calls",
    MetricKind.COUNTER,
    ("listener", "route", "destination", "code", "reason", "mode"),
    "Calls between services that have ended; route and destination are empty where no route carried the call. Reason "
    "is what the gateway"
    " ended it for, or an `UPSTREAM_…` of the operator's page; empty where it passed, or another ended it",
)
UPSTREAM_FAILURES: Final = Metric(
    "upstream_failures",
    MetricKind.COUNTER,
    ("listener", "route", "cause"),
    "Calls between services that had no answer, by what gRPC found: cause is one of the `UPSTREAM_…` of the "
    "operator's page."
    " A status that an upstream sent isn't counted",
)
HUB_UP: Final = Metric("hub_up", MetricKind.GAUGE, (), "Of an agent: 1 while its hub takes what it is handed")
HUB_LAST_SUCCESS: Final = Metric(
    "hub_last_success_timestamp_seconds",
    MetricKind.GAUGE,
    (),
    "Of an agent: when it last heard of its hub, since 1970; 0 if never",
    "seconds",
)
HUB_FAILURES: Final = Metric(
    "hub_failures",
    MetricKind.COUNTER,
    ("cause",),
    "Of an agent: streams to its hub that failed; cause is one of the `UPSTREAM_…` of the operator's page,"
    " or CALLER_NOT_ALLOWED where the hub doesn't name the agent",
)
AGENTS: Final = Metric("agents", MetricKind.GAUGE, (), "Of a hub: agents that are connected")
AGENTS_REFUSED: Final = Metric(
    "agents_refused", MetricKind.COUNTER, ("reason",), "Of a hub: streams of agents that it refused; the log names them"
)
CERTIFICATE_NOT_AFTER: Final = Metric(
    "certificate_not_after_timestamp_seconds",
    MetricKind.GAUGE,
    ("certificate",),
    "When a certificate in use expires, since 1970: of several in a file the first that does",
    "seconds",
)
UNCAUGHT_ERRORS: Final = Metric(
    "uncaught_errors",
    MetricKind.COUNTER,
    ("source",),
    "Errors that nobody caught: of a task, a thread, an object's end (unraisable), or a call in gRPC's core whose "
    "caller has gone (grpc)",
)
PROXY_FIELDS_STRIPPED: Final = Metric(
    "proxy_fields_stripped", MetricKind.COUNTER, (), "Fields and metadata keys stripped from calls between services"
)
ACCESS_LOG_DROPPED: Final = Metric(
    "access_log_dropped", MetricKind.COUNTER, (), "Entries of the access log that could not be written"
)
SPANS: Final = Metric(
    "spans",
    MetricKind.COUNTER,
    ("outcome",),
    "The gateway's own spans; outcome is exported (to the flow otlp/traces) or dropped, with their batch",
)
RELOADS: Final = Metric(
    "reloads", MetricKind.COUNTER, ("subject", "outcome"), "Loads of changed files; outcome is ok or failed"
)
RELOAD_FAILED: Final = Metric(
    "reload_failed", MetricKind.GAUGE, ("subject",), "1 while the files on disk are not what is in force"
)
POLICY_INFO: Final = Metric("policy_info", MetricKind.GAUGE, ("digest", "file", "version"), "1: the policy in force")
FLOWS_ELSEWHERE: Final = Metric(
    "flows_elsewhere",
    MetricKind.GAUGE,
    (),
    "Flows of the policy in force whose message types the contracts lack: their items are refused",
)
BUILD_INFO: Final = Metric("build_info", MetricKind.GAUGE, ("version",), "1: the gateway that runs")

RESOURCE_USED: Final = Metric(
    "resource_used", MetricKind.GAUGE, ("resource",), "How much of something bounded is in use"
)
RESOURCE_LIMIT: Final = Metric("resource_limit", MetricKind.GAUGE, ("resource",), "How much of that there may be")
RESOURCE_USED_BYTES: Final = Metric(
    "resource_used_bytes", MetricKind.GAUGE, ("resource",), "How much of something bounded is in use", "bytes"
)
RESOURCE_LIMIT_BYTES: Final = Metric(
    "resource_limit_bytes", MetricKind.GAUGE, ("resource",), "How much of that there may be", "bytes"
)

METRICS: Final = (
    CALLS,
    CALL_DURATION,
    ITEMS,
    VERDICTS,
    DECISION_DURATION,
    FIELDS_STRIPPED,
    FIELDS_MASKED,
    FIELDS_REPORTED,
    DELIVERIES,
    DIRECT_FALLBACKS,
    DELIVERY_DURATION,
    OUTBOX_ENTRIES,
    OUTBOX_BYTES,
    OUTBOX_AGE,
    DEAD_LETTERS,
    DEAD_LETTERS_BYTES,
    DEAD_LETTERED,
    PURGED,
    RECIPIENT_FAILING,
    OUTBOX_FILES_QUARANTINED,
    PROXY_CALLS,
    UPSTREAM_FAILURES,
    HUB_UP,
    HUB_LAST_SUCCESS,
    HUB_FAILURES,
    AGENTS,
    AGENTS_REFUSED,
    CERTIFICATE_NOT_AFTER,
    UNCAUGHT_ERRORS,
    PROXY_FIELDS_STRIPPED,
    ACCESS_LOG_DROPPED,
    SPANS,
    RELOADS,
    RELOAD_FAILED,
    POLICY_INFO,
    FLOWS_ELSEWHERE,
    BUILD_INFO,
    RESOURCE_USED,
    RESOURCE_LIMIT,
    RESOURCE_USED_BYTES,
    RESOURCE_LIMIT_BYTES,
)

_PROCESS_PREFIX: Final = "process_"
_GC_PREFIX: Final = "python_gc_"

PROCESS_METRICS: Final = (
    Metric(
        "cpu_seconds",
        MetricKind.COUNTER,
        (),
        "Total user and system CPU time spent in seconds.",
        "seconds",
        _PROCESS_PREFIX,
    ),
    Metric("resident_memory_bytes", MetricKind.GAUGE, (), "Resident memory size in bytes.", "bytes", _PROCESS_PREFIX),
    Metric("virtual_memory_bytes", MetricKind.GAUGE, (), "Virtual memory size in bytes.", "bytes", _PROCESS_PREFIX),
    Metric(
        "start_time_seconds",
        MetricKind.GAUGE,
        (),
        "Start time of the process since unix epoch in seconds.",
        "seconds",
        _PROCESS_PREFIX,
    ),
    Metric("open_fds", MetricKind.GAUGE, (), "Number of open file descriptors.", "", _PROCESS_PREFIX),
    Metric("max_fds", MetricKind.GAUGE, (), "Maximum number of open file descriptors.", "", _PROCESS_PREFIX),
    Metric("objects_collected", MetricKind.COUNTER, ("generation",), "Objects collected during gc", "", _GC_PREFIX),
    Metric(
        "objects_uncollectable",
        MetricKind.COUNTER,
        ("generation",),
        "Uncollectable objects found during GC",
        "",
        _GC_PREFIX,
    ),
    Metric(
        "collections",
        MetricKind.COUNTER,
        ("generation",),
        "Number of times this generation was collected",
        "",
        _GC_PREFIX,
    ),
)
"""Those of the process, which prometheus_client measures, under the names that it gives them everywhere.

The former on Linux alone.
"""

BUCKET_BOUNDS_SECONDS: Final = (
    5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0
)  # fmt: skip
"""Upper bounds of all histograms' buckets, in seconds: a decision takes microseconds, a delivery may take seconds."""
