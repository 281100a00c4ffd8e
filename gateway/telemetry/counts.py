"""What the gateway counts of itself. Who shows it is elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, Protocol, get_args

import msgspec

from gateway.errors import CallReason, Cause, DeliveryReason, FieldReason, Reason
from gateway.model import Category, FieldVerdict, QueueDepth, Release, Trail, Verdict
from gateway.policy.document import Mode, Side
from gateway.policy.vocabulary import Code
from gateway.telemetry import table
from gateway.telemetry.tally import Durations, Tally

What = Literal["policy", "tls"]
"""What is reloaded by itself: the policy with its contracts and approvals, or the keys and certificates."""

Outcome = Literal["ok", "failed"]

Fared = Literal["delivered", "retry", "rejected"]
"""How a release fared with its exporter."""

CODES: Final = frozenset(("OK", *get_args(Code)))
"""The codes a call can end with, as gRPC names them."""

_UNPLANNED: Final = frozenset({FieldReason.UNCLASSIFIED, FieldReason.CATEGORY_NOT_ALLOWED})
"""Why an attribute is stripped whatever its value."""

_NOTHING: Final = QueueDepth()

_NAMES: Final[Mapping[Category, str]] = {category: category.name for category in Category}


class State(msgspec.Struct, frozen=True):
    """Whether what is in force is what the files say.

    `since`: when it was loaded, or if not `ok`, when a load first failed since. `reason` is then the error's text, or
    its type's name.
    """

    subject: What
    ok: bool
    since: datetime
    reason: str = ""


class Flow(Protocol):
    """A flow, as far as counting needs it: its key in the policy, and the categories of the places in its items."""

    @property
    def key(self) -> str:
        """The key."""
        ...

    @property
    def categories(self) -> Mapping[Trail, Category]:
        """The categories."""
        ...


class Waiting(msgspec.Struct, frozen=True):
    """What waits to be delivered, by destination; where recipients are failing; how many damaged files were set aside.

    `operated` is what operators have dead-lettered and purged since the start, by destination and reason.
    """

    depths: Mapping[str, QueueDepth] = {}
    failing: frozenset[str] = frozenset()
    set_aside: int = 0
    operated: Mapping[tuple[str, str], int] = {}


class Proxied(msgspec.Struct, frozen=True):
    """How a call between services ended.

    `route` is the authority of its route; it and `destination` are empty where there is none.

    `reason` says why the gateway ended it, or why its upstream had no answer.
    """

    listener: Side
    code: str
    route: str = ""
    destination: str = ""
    reason: Reason | Cause | Literal[""] = ""
    mode: Mode = Mode.ENFORCE


class Use(msgspec.Struct, frozen=True):
    """How much of something bounded is in use, and how much of it there may be; None where its bound is another's."""

    used: int
    limit: int | None


class Counts:
    """The numbers of one gateway. All methods are for the event loop's thread. Times are in nanoseconds.

    Every value that a label gets is one of a closed set: of the code, of the contract or of the policy.
    """

    def __init__(self) -> None:
        self.calls = Tally(table.CALLS)
        self.call_durations = Durations(table.CALL_DURATION)
        self.items = Tally(table.ITEMS)
        self.verdicts = Tally(table.VERDICTS)
        self.decisions = Durations(table.DECISION_DURATION)
        self.fields = Tally(table.FIELDS_STRIPPED)
        self.masks = Tally(table.FIELDS_MASKED)
        self.reports = Tally(table.FIELDS_REPORTED)
        self.deliveries = Tally(table.DELIVERIES)
        self.delivery_durations = Durations(table.DELIVERY_DURATION)
        self.outbox_items = Tally(table.OUTBOX_ITEMS)
        self.outbox_bytes = Tally(table.OUTBOX_BYTES)
        self.outbox_ages = Tally(table.OUTBOX_AGE)
        self.dead_letters = Tally(table.DEAD_LETTERS)
        self.dead_letters_bytes = Tally(table.DEAD_LETTERS_BYTES)
        self.burials = Tally(table.DEAD_LETTERED)
        self.purges = Tally(table.PURGED)
        self.failing = Tally(table.RECIPIENT_FAILING)
        self.set_aside = Tally(table.OUTBOX_SET_ASIDE)
        self.proxy_calls = Tally(table.PROXY_CALLS)
        self.upstream_failures = Tally(table.UPSTREAM_FAILURES)
        self.hub_up = Tally(table.HUB_UP)
        self.hub_heard = Tally(table.HUB_LAST_SUCCESS)
        self.hub_failures = Tally(table.HUB_FAILURES)
        self.agents = Tally(table.AGENTS)
        self.agents_refused = Tally(table.AGENTS_REFUSED)
        for one in (self.hub_up, self.hub_heard, self.agents):
            # An agent shows them, or a hub, and nobody else.
            one.clear()
        self.stray_errors = Tally(table.STRAY_ERRORS)
        self.certificates = Tally(table.CERTIFICATE_NOT_AFTER)
        self.proxy_fields = Tally(table.PROXY_FIELDS_STRIPPED)
        self.dropped = Tally(table.ACCESS_LOG_DROPPED)
        self.spans = Tally(table.SPANS, ("handed", "lost"))
        self.reloads = Tally(table.RELOADS, get_args(What), get_args(Outcome))
        self.failed = Tally(table.RELOAD_FAILED, get_args(What))
        self.policy = Tally(table.POLICY_INFO)
        self.flows_elsewhere = Tally(table.FLOWS_ELSEWHERE)
        self.build = Tally(table.BUILD_INFO)
        self.used = Tally(table.RESOURCE_USED)
        self.limits = Tally(table.RESOURCE_LIMIT)
        self.used_bytes = Tally(table.RESOURCE_USED_BYTES)
        self.limits_bytes = Tally(table.RESOURCE_LIMIT_BYTES)
        self._uses: dict[str, Callable[[], Use]] = {}
        self._waiting: Callable[[], Waiting] = Waiting
        self._destinations: frozenset[str] = frozenset()

    # What is in force.

    def in_force(
        self, digest: str, version: int, flows: Mapping[str, Sequence[str]], *, file: str = "", elsewhere: int = 0
    ) -> None:
        """A policy is in force; `digest` and that of its `file` in hexadecimal, `flows` with their destinations.

        `elsewhere` is how many more flows there are, of types that the contracts lack. What earlier ones counted stays.
        """
        self.flows_elsewhere[()] = elsewhere
        self.policy.clear()
        self.policy[digest, file, str(version)] = 1
        self._destinations = frozenset(name for names in flows.values() for name in names)
        for flow, destinations in flows.items():
            self.items.setdefault((flow, "accepted", ""), 0)
            self.decisions.known((flow,))
            for destination in destinations:
                self.verdicts.setdefault((destination, "release", ""), 0)
                self.delivery_durations.known((destination,))
                # A metric without a series isn't shown at all.
                self.fields.setdefault((destination, "UNSPECIFIED", "plan"), 0)
                self.masks.setdefault((destination, "FREE_TEXT"), 0)
                self.reports.setdefault((destination, "CONTENT", FieldReason.LOOKS_LIKE_CARD), 0)
                self.burials.setdefault((destination, DeliveryReason.EXPIRED), 0)
                self.purges.setdefault((destination, DeliveryReason.EXPIRED), 0)
                for fared in get_args(Fared):
                    self.deliveries.setdefault((destination, fared), 0)

    def carries(self, routes: Iterable[tuple[Side, str, str, Mode]]) -> None:
        """Calls are carried by these routes: listener, authority, destination and mode of each."""
        for listener, route, destination, mode in routes:
            self.proxy_calls.setdefault((listener, route, destination, "OK", "", mode), 0)
            self.upstream_failures.setdefault((listener, route, Cause.UPSTREAM_REFUSED), 0)

    def serves(self, listener: str, services: Iterable[str]) -> None:
        """A listener takes calls to these services."""
        for service in services:
            self.calls.setdefault((listener, service, "OK"), 0)
            self.call_durations.known((listener, service))

    def reloaded(self, what: What, outcome: Outcome) -> None:
        """Changed files were loaded, or could not be and what was in force stays."""
        self.reloads[what, outcome] += 1
        self.failed[what,] = int(outcome == "failed")

    # Items and their releases.

    def decided(self, flow: Flow, verdicts: Iterable[Verdict], took: int) -> None:
        """An item was accepted."""
        key = flow.key
        self.items[key, "accepted", ""] += 1
        self.decisions.add((key,), took)
        for verdict in verdicts:
            if isinstance(verdict, Release):
                self.verdicts[verdict.destination, "release", ""] += 1
                if verdict.notes or verdict.lost:
                    self._fields(verdict, flow.categories)
            else:
                self.verdicts[verdict.destination, "withhold", verdict.reason] += 1

    def _fields(self, release: Release, categories: Mapping[Trail, Category]) -> None:
        destination, fields = release.destination, self.fields
        for category, count in release.lost.items():
            fields[destination, _NAMES[category], "plan"] += count
        for (at, reason, verdict), count in release.notes.items():
            name = _NAMES[categories[at]]
            if verdict is FieldVerdict.MASK:
                self.masks[destination, name] += count
            elif verdict is FieldVerdict.KEEP:
                self.reports[destination, name, reason] += count
            else:
                fields[destination, name, "plan" if reason in _UNPLANNED else "value"] += count

    def rejected(self, flow: str, reason: Reason) -> None:
        """An item was rejected, for all destinations of its flow; the flow is empty where none was found."""
        self.items[flow, "rejected", reason] += 1

    def delivered(self, destination: str, fared: Mapping[Fared, int], took: int) -> None:
        """An exporter has settled a batch: so many of its releases fared like that."""
        for name, count in fared.items():
            self.deliveries[destination, name] += count
        self.delivery_durations.add((destination,), took)

    def buried(self, destination: str, reason: Reason, count: int) -> None:
        """So many releases became dead letters."""
        self.burials[destination, reason] += count

    def purged(self, destination: str, reason: Reason, count: int) -> None:
        """So many stored releases were deleted undelivered."""
        self.purges[destination, reason] += count

    def ask(self, waiting: Callable[[], Waiting]) -> None:
        """Ask this, from now on, what waits to be delivered."""
        self._waiting = waiting

    def bounded(self, uses: Mapping[str, Callable[[], Use]]) -> None:
        """Ask these, from now on, how much of each resource is in use; they must be quick. All must be in the table."""
        assert uses.keys() <= table.RESOURCES.keys(), uses.keys()
        self._uses.update(uses)

    def look(self) -> None:
        """Ask for what isn't counted but asked."""
        for resource, asked in self._uses.items():
            use, in_bytes = asked(), resource in table.IN_BYTES
            (self.used_bytes if in_bytes else self.used)[resource,] = use.used
            if use.limit is not None:
                (self.limits_bytes if in_bytes else self.limits)[resource,] = use.limit
        self._look_at_outbox()

    def _look_at_outbox(self) -> None:
        waiting, now = self._waiting(), time.time_ns()
        for name in {*self._destinations, *waiting.depths}:
            depth = waiting.depths.get(name, _NOTHING)
            self.outbox_items[name,] = depth.items
            self.outbox_bytes[name,] = depth.bytes
            self.outbox_ages[name,] = max(0, now - depth.oldest_ns) // 1_000_000_000 if depth.oldest_ns else 0
            self.dead_letters[name,] = depth.dead
            self.dead_letters_bytes[name,] = depth.dead_bytes
            self.failing[name,] = int(name in waiting.failing)
        self.set_aside[()] = waiting.set_aside
        for (name, reason), count in waiting.operated.items():
            (self.burials if reason == DeliveryReason.DEAD_LETTERED else self.purges)[name, reason] = count

    # Calls.

    def called(self, listener: str, service: str, code: str, took: int) -> None:
        """A call to one of the gateway's own services ended with a code; any but gRPC's own counts as UNKNOWN."""
        self.calls[listener, service, code if code in CODES else "UNKNOWN"] += 1
        self.call_durations.add((listener, service), took)

    def proxied(self, call: Proxied, took: int) -> None:
        """A call between services ended; likewise."""
        code = call.code if call.code in CODES else "UNKNOWN"
        self.proxy_calls[call.listener, call.route, call.destination, code, call.reason, call.mode] += 1
        self.call_durations.add((call.listener, ""), took)

    def turned_away(self, listener: Side) -> None:
        """There was no room for a call between services."""
        self.proxy_calls[listener, "", "", "RESOURCE_EXHAUSTED", CallReason.FULL, Mode.ENFORCE] += 1

    def upstream_failed(self, listener: Side, route: str, cause: Cause) -> None:
        """A call between services had no answer; `route` is the authority of its route."""
        self.upstream_failures[listener, route, cause] += 1

    def hub(self, *, up: bool, heard: float | None = None) -> None:
        """An agent's hub takes what it is handed, or not; `heard`: when it was heard, in seconds since 1970."""
        self.hub_up[()] = int(up)
        self.hub_heard[()] = self.hub_heard.get((), 0) if heard is None else int(heard)
        self.hub_failures.setdefault((Cause.UPSTREAM_REFUSED,), 0)

    def hub_failed(self, cause: Cause | Reason) -> None:
        """A stream to the hub failed."""
        self.hub_failures[cause,] += 1

    def connected(self, agents: int) -> None:
        """So many agents are connected to this hub."""
        self.agents[()] = agents
        self.agents_refused.setdefault((CallReason.CALLER_NOT_ALLOWED,), 0)

    def refused_agent(self, reason: Reason) -> None:
        """An agent was refused by this hub."""
        self.agents_refused[reason,] += 1

    def strayed(self, source: str, count: int) -> None:
        """So many errors of a source were caught by nobody."""
        self.stray_errors[source,] += count

    def expire(self, not_after: Mapping[str, float]) -> None:
        """The certificates in use expire then, in seconds since 1970, by `own` and `ca`."""
        for name, when in not_after.items():
            self.certificates[name,] = int(when)

    def stripped(self, count: int) -> None:
        """So many fields were stripped from a call's messages."""
        self.proxy_fields[()] += count

    def access_log_dropped(self, count: int = 1) -> None:
        """So many entries of the access log were lost."""
        self.dropped[()] += count

    def traced(self, outcome: Literal["handed", "lost"], count: int) -> None:
        """So many spans of the gateway's own were handed on, or lost."""
        self.spans[outcome,] += count

    @property
    def tallies(self) -> Iterable[Tally]:
        """All that are plain numbers."""
        return [one for one in vars(self).values() if isinstance(one, Tally)]

    @property
    def durations(self) -> Iterable[Durations]:
        """All histograms."""
        return [one for one in vars(self).values() if isinstance(one, Durations)]
