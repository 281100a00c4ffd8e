"""What the gateway counts of itself. See `exposition.py` for how it is shown."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, Protocol, TypeVar, get_args

import msgspec

from gateway.batch_verdict import BatchVerdict
from gateway.errors import CallReason, Cause, DeliveryReason, FieldReason, Reason, RefusalReason
from gateway.model import Category, FieldPath, FieldVerdict, QueueDepth
from gateway.policy.document import Mode, TrafficDirection
from gateway.policy.vocabulary import Code
from gateway.telemetry import metrics as table
from gateway.telemetry.series import DurationSeries, NumberSeries

K = TypeVar("K")

ReloadSubject = Literal["policy", "tls"]
"""What is reloaded by itself: the policy with its contracts and approvals, or the keys and certificates."""

ReloadOutcome = Literal["ok", "failed"]

DeliveryOutcome = Literal["delivered", "retry", "rejected"]
"""What became of a release at its exporter."""

GRPC_CODES: Final = frozenset(("OK", *get_args(Code)))
"""The codes a call can end with, as gRPC names them."""

_PLAN_REASONS: Final = frozenset({FieldReason.UNCLASSIFIED, FieldReason.CATEGORY_NOT_ALLOWED})
"""Why an attribute is stripped whatever its value."""

_EMPTY_DEPTH: Final = QueueDepth()

_CATEGORY_NAMES: Final[Mapping[Category, str]] = {category: category.name for category in Category}


class ReloadState(msgspec.Struct, frozen=True):
    """Whether what is in force is what the files say.

    `since`: when it was loaded, or if not `ok`, when a load first failed since. `reason` is then the error's text, or
    its type's name.
    """

    subject: ReloadSubject
    ok: bool
    since: datetime
    reason: str = ""


class CountedFlow(Protocol):
    """A flow, as far as counting needs it: its key in the policy, and the categories of the places in its items."""

    @property
    def key(self) -> str:
        """The key."""
        ...

    @property
    def categories(self) -> Mapping[FieldPath, Category]:
        """The categories."""
        ...


class CountedBatch(Protocol):
    """What became of the items of a batch, as far as counting needs it: see `BatchDecision`."""

    @property
    def indices(self) -> Sequence[int]:
        """Those that weren't refused."""
        ...

    @property
    def verdicts(self) -> Sequence[BatchVerdict]:
        """The verdicts on them, at each destination."""
        ...

    @property
    def refused(self) -> Mapping[int, RefusalReason]:
        """The others."""
        ...


class OutboxStatus(msgspec.Struct, frozen=True):
    """What waits to be delivered, by destination; where recipients fail; how many damaged files were quarantined.

    `removed_by_operator` is what operators have dead-lettered and purged since the start, by destination and reason.
    """

    depths: Mapping[str, QueueDepth] = {}
    failing: frozenset[str] = frozenset()
    quarantined_files: int = 0
    removed_by_operator: Mapping[tuple[str, str], int] = {}


class ProxyCallResult(msgspec.Struct, frozen=True, gc=False):
    """How a call between services ended.

    `route` is the authority of its route; it and `destination` are empty where there is none.

    `reason` says why the gateway ended it, or why its upstream had no answer.
    """

    listener: TrafficDirection
    code: str
    route: str = ""
    destination: str = ""
    reason: Reason | Cause | Literal[""] = ""
    mode: Mode = Mode.ENFORCE


class ResourceUsage(msgspec.Struct, frozen=True):
    """How much of something bounded is in use, and how much of it there may be; None where its bound is another's."""

    used: int
    limit: int | None


class Counts:
    """The numbers of one gateway. All methods are for the event loop's thread. Times are in nanoseconds.

    Every value that a label gets is one of a closed set: of the code, of the contract or of the policy.
    """

    def __init__(self) -> None:
        self.calls = NumberSeries(table.CALLS)
        self.call_durations = DurationSeries(table.CALL_DURATION)
        self.items = NumberSeries(table.ITEMS)
        self.verdicts = NumberSeries(table.VERDICTS)
        self.decisions = DurationSeries(table.DECISION_DURATION)
        self.fields_stripped = NumberSeries(table.FIELDS_STRIPPED)
        self.fields_masked = NumberSeries(table.FIELDS_MASKED)
        self.fields_reported = NumberSeries(table.FIELDS_REPORTED)
        self.deliveries = NumberSeries(table.DELIVERIES)
        self.direct_fallbacks = NumberSeries(table.DIRECT_FALLBACKS)
        self.delivery_durations = DurationSeries(table.DELIVERY_DURATION)
        self.outbox_entries = NumberSeries(table.OUTBOX_ENTRIES)
        self.outbox_bytes = NumberSeries(table.OUTBOX_BYTES)
        self.outbox_ages = NumberSeries(table.OUTBOX_AGE)
        self.dead_letters = NumberSeries(table.DEAD_LETTERS)
        self.dead_letters_bytes = NumberSeries(table.DEAD_LETTERS_BYTES)
        self.dead_lettered = NumberSeries(table.DEAD_LETTERED)
        self.purged = NumberSeries(table.PURGED)
        self.recipient_failing = NumberSeries(table.RECIPIENT_FAILING)
        self.quarantined_files = NumberSeries(table.OUTBOX_FILES_QUARANTINED)
        self.proxy_calls = NumberSeries(table.PROXY_CALLS)
        self.upstream_failures = NumberSeries(table.UPSTREAM_FAILURES)
        self.hub_up = NumberSeries(table.HUB_UP)
        self.hub_last_success = NumberSeries(table.HUB_LAST_SUCCESS)
        self.hub_failures = NumberSeries(table.HUB_FAILURES)
        self.agents = NumberSeries(table.AGENTS)
        self.agents_refused = NumberSeries(table.AGENTS_REFUSED)
        for one in (self.hub_up, self.hub_last_success, self.agents):
            # An agent shows them, or a hub, and nobody else.
            one.clear()
        self.uncaught_errors = NumberSeries(table.UNCAUGHT_ERRORS)
        self.certificates = NumberSeries(table.CERTIFICATE_NOT_AFTER)
        self.proxy_fields_stripped = NumberSeries(table.PROXY_FIELDS_STRIPPED)
        self.access_log_dropped = NumberSeries(table.ACCESS_LOG_DROPPED)
        self.spans = NumberSeries(table.SPANS, ("exported", "dropped"))
        self.reloads = NumberSeries(table.RELOADS, get_args(ReloadSubject), get_args(ReloadOutcome))
        self.reload_failed = NumberSeries(table.RELOAD_FAILED, get_args(ReloadSubject))
        self.policy_info = NumberSeries(table.POLICY_INFO)
        self.flows_elsewhere = NumberSeries(table.FLOWS_ELSEWHERE)
        self.build_info = NumberSeries(table.BUILD_INFO)
        self.resource_used = NumberSeries(table.RESOURCE_USED)
        self.resource_limit = NumberSeries(table.RESOURCE_LIMIT)
        self.resource_used_bytes = NumberSeries(table.RESOURCE_USED_BYTES)
        self.resource_limit_bytes = NumberSeries(table.RESOURCE_LIMIT_BYTES)
        self._usage_by_resource: dict[str, Callable[[], ResourceUsage]] = {}
        self._outbox_status: Callable[[], OutboxStatus] = OutboxStatus
        self._destinations: frozenset[str] = frozenset()

    # What is in force.

    def set_policy(
        self,
        digest: str,
        version: int,
        flows: Mapping[str, Sequence[str]],
        *,
        file_sha256: str = "",
        absent_flows: int = 0,
    ) -> None:
        """Show which policy is in force; digests in hexadecimal, `flows` with their destinations.

        `absent_flows` is how many more flows there are of types that the contracts lack. What was counted before stays.
        """
        self.flows_elsewhere[()] = absent_flows
        self.policy_info.clear()
        self.policy_info[digest, file_sha256, str(version)] = 1
        self._destinations = frozenset(name for names in flows.values() for name in names)
        for flow, destinations in flows.items():
            self.items.setdefault((flow, "accepted", ""), 0)
            self.decisions.touch((flow,))
            for destination in destinations:
                self.verdicts.setdefault((destination, "release", ""), 0)
                self.delivery_durations.touch((destination,))
                self.direct_fallbacks.setdefault((destination,), 0)
                # A metric without a series isn't shown at all.
                self.fields_stripped.setdefault((destination, "UNSPECIFIED", "plan"), 0)
                self.fields_masked.setdefault((destination, "FREE_TEXT"), 0)
                self.fields_reported.setdefault((destination, "CONTENT", FieldReason.LOOKS_LIKE_CARD), 0)
                self.dead_lettered.setdefault((destination, DeliveryReason.EXPIRED), 0)
                self.purged.setdefault((destination, DeliveryReason.EXPIRED), 0)
                for outcome in get_args(DeliveryOutcome):
                    self.deliveries.setdefault((destination, outcome), 0)

    def add_routes(self, routes: Iterable[tuple[TrafficDirection, str, str, Mode]]) -> None:
        """Show routes from 0 on: listener, authority, destination and mode of each."""
        for listener, route, destination, mode in routes:
            self.proxy_calls.setdefault((listener, route, destination, "OK", "", mode), 0)
            self.upstream_failures.setdefault((listener, route, Cause.UPSTREAM_REFUSED), 0)

    def add_services(self, listener: str, services: Iterable[str]) -> None:
        """Show the services of a listener from 0 on."""
        for service in services:
            self.calls.setdefault((listener, service, "OK"), 0)
            self.call_durations.touch((listener, service))

    def record_reload(self, subject: ReloadSubject, outcome: ReloadOutcome) -> None:
        """Count a reload: changed files were loaded, or could not be and what was in force stays."""
        self.reloads[subject, outcome] += 1
        self.reload_failed[subject,] = int(outcome == "failed")

    # Items and their releases.

    def record_batch(self, flow: CountedFlow, batch: CountedBatch, duration_ns: int) -> None:
        """Count the items of a batch and their verdicts; each is taken to have had its share of the time."""
        key, accepted = flow.key, len(batch.indices)
        if batch.refused:
            self.record_rejections(key, Counter(batch.refused.values()))
        if not accepted:
            return
        self.items[key, "accepted", ""] += accepted
        self.decisions.add((key,), duration_ns // (accepted + len(batch.refused)), accepted)
        for verdict in batch.verdicts:
            self._record_verdict(verdict, flow.categories)

    def _record_verdict(self, verdict: BatchVerdict, categories: Mapping[FieldPath, Category]) -> None:
        destination = verdict.destination
        if verdict.releases:
            self.verdicts[destination, "release", ""] += verdict.releases
        for reason, count in Counter(end.reason for end in verdict.ended.values()).items():
            self.verdicts[destination, "withhold", reason] += count
        for category, count in _total(verdict.stripped_by_category.values()).items():
            self.fields_stripped[destination, _CATEGORY_NAMES[category], "plan"] += count
        for (at, reason, field_verdict), count in _total(verdict.strip_counts.values()).items():
            self._record_fields(destination, _CATEGORY_NAMES[categories[at]], reason, field_verdict, count)

    def _record_fields(self, destination: str, name: str, reason: Reason, verdict: FieldVerdict, count: int) -> None:
        if verdict is FieldVerdict.MASK:
            self.fields_masked[destination, name] += count
        elif verdict is FieldVerdict.KEEP:
            self.fields_reported[destination, name, reason] += count
        else:
            self.fields_stripped[destination, name, "plan" if reason in _PLAN_REASONS else "value"] += count

    def record_rejections(self, flow: str, counts: Mapping[RefusalReason, int]) -> None:
        """Count items that were rejected for all destinations of their flow, by reason.

        The flow is empty where none was found.
        """
        for reason, count in counts.items():
            self.items[flow, "rejected", reason] += count

    def record_delivery(self, destination: str, outcomes: Mapping[DeliveryOutcome, int], duration_ns: int) -> None:
        """Count the releases of a batch by what became of them at the exporter, and how long it took."""
        for name, count in outcomes.items():
            self.deliveries[destination, name] += count
        self.delivery_durations.add((destination,), duration_ns)

    def record_direct_fallback(self, destination: str) -> None:
        """Count a batch that was tried and not acknowledged: the recipient may have it all the same."""
        self.direct_fallbacks[destination,] += 1

    def record_dead_letters(self, destination: str, reason: Reason, count: int) -> None:
        """Count releases that became dead letters."""
        self.dead_lettered[destination, reason] += count

    def record_purge(self, destination: str, reason: Reason, count: int) -> None:
        """Count stored releases that were deleted undelivered."""
        self.purged[destination, reason] += count

    def set_outbox_source(self, status: Callable[[], OutboxStatus]) -> None:
        """Ask this, from now on, what waits to be delivered."""
        self._outbox_status = status

    def add_resources(self, usage_by_resource: Mapping[str, Callable[[], ResourceUsage]]) -> None:
        """Ask these, from now on, how much of each resource is in use; they must be quick. All must be in the table."""
        assert usage_by_resource.keys() <= table.RESOURCES.keys(), usage_by_resource.keys()
        self._usage_by_resource.update(usage_by_resource)

    def refresh(self) -> None:
        """Read what isn't counted: how much of each resource is in use, and what waits in the outbox."""
        for resource, asked in self._usage_by_resource.items():
            use, in_bytes = asked(), resource in table.BYTE_RESOURCES
            (self.resource_used_bytes if in_bytes else self.resource_used)[resource,] = use.used
            if use.limit is not None:
                (self.resource_limit_bytes if in_bytes else self.resource_limit)[resource,] = use.limit
        self._refresh_outbox()

    def _refresh_outbox(self) -> None:
        waiting, now = self._outbox_status(), time.time_ns()
        for name in {*self._destinations, *waiting.depths}:
            depth = waiting.depths.get(name, _EMPTY_DEPTH)
            self.outbox_entries[name,] = depth.items
            self.outbox_bytes[name,] = depth.bytes
            self.outbox_ages[name,] = max(0, now - depth.oldest_ns) // 1_000_000_000 if depth.oldest_ns else 0
            self.dead_letters[name,] = depth.dead
            self.dead_letters_bytes[name,] = depth.dead_bytes
            self.recipient_failing[name,] = int(name in waiting.failing)
        self.quarantined_files[()] = waiting.quarantined_files
        for (name, reason), count in waiting.removed_by_operator.items():
            (self.dead_lettered if reason == DeliveryReason.DEAD_LETTERED else self.purged)[name, reason] = count

    # Calls.

    def record_call(self, listener: str, service: str, code: str, duration_ns: int) -> None:
        """Count a call to one of the gateway's own services by its code; any but gRPC's own counts as UNKNOWN."""
        self.calls[listener, service, code if code in GRPC_CODES else "UNKNOWN"] += 1
        self.call_durations.add((listener, service), duration_ns)

    def record_proxy_call(self, call: ProxyCallResult, duration_ns: int) -> None:
        """Count a call between services likewise."""
        code = call.code if call.code in GRPC_CODES else "UNKNOWN"
        self.proxy_calls[call.listener, call.route, call.destination, code, call.reason, call.mode] += 1
        self.call_durations.add((call.listener, ""), duration_ns)

    def record_overload(self, listener: TrafficDirection) -> None:
        """Count a call between services that there was no room for."""
        self.proxy_calls[listener, "", "", "RESOURCE_EXHAUSTED", CallReason.FULL, Mode.ENFORCE] += 1

    def record_upstream_failure(self, listener: TrafficDirection, route: str, cause: Cause) -> None:
        """Count a call between services that had no answer; `route` is the authority of its route."""
        self.upstream_failures[listener, route, cause] += 1

    def set_hub_status(self, *, up: bool, last_success: float | None = None) -> None:
        """Show whether an agent's hub takes what it is handed; `last_success` in seconds since 1970."""
        self.hub_up[()] = int(up)
        self.hub_last_success[()] = self.hub_last_success.get((), 0) if last_success is None else int(last_success)
        self.hub_failures.setdefault((Cause.UPSTREAM_REFUSED,), 0)

    def record_hub_failure(self, cause: Cause | Reason) -> None:
        """Count a stream to the hub that failed."""
        self.hub_failures[cause,] += 1

    def set_connected_agents(self, agents: int) -> None:
        """Show how many agents are connected to this hub."""
        self.agents[()] = agents
        self.agents_refused.setdefault((CallReason.CALLER_NOT_ALLOWED,), 0)

    def record_agent_refusal(self, reason: Reason) -> None:
        """Count an agent that this hub refused."""
        self.agents_refused[reason,] += 1

    def record_uncaught_errors(self, source: str, count: int) -> None:
        """Count errors of a source that nothing caught."""
        self.uncaught_errors[source,] += count

    def set_certificate_expiry(self, not_after: Mapping[str, float]) -> None:
        """Show when the certificates in use expire, in seconds since 1970, by `own` and `ca`."""
        for name, when in not_after.items():
            self.certificates[name,] = int(when)

    def record_proxy_fields_stripped(self, count: int) -> None:
        """Count fields that were stripped from a call's messages."""
        self.proxy_fields_stripped[()] += count

    def record_access_log_drops(self, count: int = 1) -> None:
        """Count entries of the access log that were lost."""
        self.access_log_dropped[()] += count

    def record_spans(self, outcome: Literal["exported", "dropped"], count: int) -> None:
        """Count spans of the gateway's own that were handed on, or lost."""
        self.spans[outcome,] += count

    @property
    def numbers(self) -> Iterable[NumberSeries]:
        """All plain numbers."""
        return [one for one in vars(self).values() if isinstance(one, NumberSeries)]

    @property
    def durations(self) -> Iterable[DurationSeries]:
        """All histograms."""
        return [one for one in vars(self).values() if isinstance(one, DurationSeries)]


def _total(counts: Iterable[Mapping[K, int]]) -> Mapping[K, int]:
    """Add up counts of items."""
    total: dict[K, int] = {}
    for one in counts:
        for key, count in one.items():
            total[key] = total.get(key, 0) + count
    return total
