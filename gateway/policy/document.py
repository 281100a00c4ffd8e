"""The policy as written: one frozen struct for each mapping of the YAML document.

Only shapes live here. What must hold between them is checked in `load.py` and `residency.py`, what depends on contracts in `compile.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.model import Category, Detector, FieldPrivacy, Recipient
from gateway.policy.http_exporters import HttpExporter
from gateway.policy.vocabulary import (
    Code,
    Days,
    EventName,
    FieldName,
    Host,
    LegalBasis,
    Length,
    MetadataKey,
    Positive,
    PropertyName,
    Purpose,
    Region,
    Seconds,
    Slug,
    Text,
    Token,
)


class UserId(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user's identifier looks like: `pattern` is RE2, matched against the whole value. `without`: what isn't looked for in it."""

    pattern: Text
    without: tuple[Detector, ...] = ()


class PersonalDomains(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mail domains where people have mail of their own: `add` to those that the detectors know, `remove` what is an organisation's own.

    Each counts for all below it; of two that stand one above the other, the longer one decides.
    """

    add: tuple[Text, ...] = ()
    remove: tuple[Text, ...] = ()


class Timestamps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far from receipt, before or after, a timestamp may be that leaves the EU."""

    days_around_receipt: Days


class Classification(FieldPrivacy, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a field holds, as the controller says. `overrides`: it may loosen what the contract says."""

    overrides: bool = False

    @property
    def privacy(self) -> FieldPrivacy:
        """The same, in the form that annotations are read into."""
        return FieldPrivacy(**{name: getattr(self, name) for name in FieldPrivacy.__struct_fields__})


class JsonlExporter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="jsonl"):
    """One JSON object a line, into a file that is turned over at `max_bytes` and each day.

    Old files go when their lines are older than the destination's retention; the oldest go earlier where more than `backups` are there.
    `path`: `-` is standard output; None is a file named after the destination, in the state folder. See `targets.py` for the others.
    """

    path: Text | None = None
    max_bytes: Positive = 64 * 1024 * 1024
    backups: Annotated[int, Meta(ge=0, le=1000)] | None = None


class OtlpExporter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="otlp"):
    """OTLP over gRPC to `endpoint`, `https://host:port` (on loopback `http://` will do). `timeout` is in seconds, `ca` a PEM file."""

    endpoint: Text
    compression: Literal["gzip", "none"] = "gzip"
    timeout: Seconds = 10.0
    ca: Text | None = None


class NullExporter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="null"):
    """Takes everything, keeps nothing."""


Exporter = JsonlExporter | OtlpExporter | HttpExporter | NullExporter


class Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The metadata that a recipient may get beside what gRPC itself needs, and `traceparent` inside the EU.

    `keys` by what they hold; `credentials` are keys whose values pass as they are; of `baggage` and `tracestate`, the entries named.
    """

    keys: Mapping[MetadataKey, Category | Classification] = {}
    credentials: tuple[MetadataKey, ...] = ()
    baggage: Mapping[Token, Category | Classification] = {}
    tracestate: Mapping[Token, Category | Classification] = {}


class Destination(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who receives, where, why, on what legal basis, which categories, for how long, and how it gets there.

    `metadata` is what calls to it may say beside their messages, where a route names it.
    """

    recipient: Recipient
    region: Region
    purpose: Purpose
    legal_basis: LegalBasis
    allow: frozenset[Category]
    retention: timedelta
    exporter: Exporter = JsonlExporter()
    metadata: Metadata = Metadata()


class PropertyType(StrEnum):
    """What an event's property may be, in JSON Schema's words."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


class Property(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an event's property may hold. `type` may be left out where the rest tells: see `kind`."""

    type: PropertyType | None = None
    category: Category = Category.OPERATIONAL
    pattern: str = ""
    max_length: Length = 0
    one_of: tuple[Text, ...] = ()
    min: int | None = None
    max: int | None = None
    without: tuple[Detector, ...] = ()

    @property
    def kind(self) -> PropertyType:
        """`type`; without it an integer where there are bounds, else a string."""
        if self.type is not None:
            return self.type
        return PropertyType.STRING if self.min is None and self.max is None else PropertyType.INTEGER

    @property
    def privacy(self) -> FieldPrivacy:
        """The same, in the form that annotations are read into."""
        low, high = self.min or 0, self.max or 0
        return FieldPrivacy(
            self.category, pattern=self.pattern, max_length=self.max_length, one_of=self.one_of, min=low, max=high, without=self.without
        )


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An analytics event that exists; a property that isn't listed is not sent."""

    properties: Mapping[PropertyName, Property] = {}


class Mode(StrEnum):
    """Whether a route's calls are minimised, or only reported on."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class Side(StrEnum):
    """Whose calls a route carries: those of the service beside the gateway, or others' to it. Named as the listeners are."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Caller(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who asks: where it is, and what answers to it may hold."""

    region: Region
    allow: frozenset[Category]
    metadata: Metadata = Metadata()


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a call is tried again, as gRPC's service config has it: https://github.com/grpc/proposal/blob/master/A6-client-retries.md."""

    max_attempts: Annotated[int, Meta(ge=2, le=5)]
    codes: frozenset[Code]
    initial_backoff: Seconds = 0.1
    max_backoff: Seconds = 1.0
    backoff_multiplier: Annotated[float, Meta(ge=1, le=10)] = 2.0


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls to `authority`, to all methods of the contracts or to `methods` (`pkg.Service/Method`, `pkg.Service/*`), go to `upstream`.

    `upstream` is `dns:///host:port`, `unix:/path` or a list of `ip:port`; TLS, unless it is `plaintext`, which stays on the machine.
    Requests are minimised for `destination`, answers for the caller, which is one of `callers`: a SPIFFE ID or a DNS name. `timeout`, in
    seconds, shortens deadlines. `wait_for_ready`: a call waits for an upstream that can't be reached yet.
    """

    authority: Text
    upstream: Text | tuple[Text, ...]
    destination: str
    listener: Side = Side.OUTBOUND
    methods: tuple[Text, ...] = ()
    callers: Mapping[Text, Caller] = {}
    mode: Mode = Mode.ENFORCE
    plaintext: bool = False
    timeout: Seconds | None = None
    retry: Retry | None = None
    wait_for_ready: bool = False
    max_message_bytes: Annotated[int, Meta(ge=1024, le=256 * 1024 * 1024)] = 4 * 1024 * 1024

    @property
    def local(self) -> bool:
        """Whether it needs no TLS: `plaintext`, or a Unix socket."""
        return self.plaintext or (isinstance(self.upstream, str) and self.upstream.startswith("unix:"))


class Otlp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What OTLP attributes hold, by exact key or by prefix (`service.*`), and the log bodies and span names that pass as they are."""

    attributes: Mapping[Text, Category | Classification] = {}
    log_templates: tuple[Text, ...] = ()
    span_names: tuple[Text, ...] = ()

    def privacy(self, key: str) -> FieldPrivacy:
        """What the attribute listed as `key` holds. Raises KeyError if none is."""
        held = self.attributes[key]
        return held.privacy if isinstance(held, Classification) else FieldPrivacy(category=held)


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document.

    `ceilings`: what a region may receive at most. `hosts`: which vendors' hosts are in a region. `flows`: which destinations a call
    (`pkg.Service/Method`, `pkg.Service/*`), a message type or a signal (`otlp/logs`, `otlp/traces`, `otlp/metrics`) feeds.
    Without `timestamps` none leaves the EU.
    """

    version: Literal[1]
    controller: Text
    user_id: UserId
    destinations: Mapping[Slug, Destination]
    flows: Mapping[Text, tuple[str, ...]]
    approvals: Text | None = None
    timestamps: Timestamps | None = None
    personal_domains: PersonalDomains = PersonalDomains()
    ceilings: Mapping[Region, frozenset[Category]] = {}
    classifications: Mapping[FieldName, Classification] = {}
    tracking_plan: Mapping[EventName, Event] = {}
    routes: tuple[Route, ...] = ()
    hosts: Mapping[Region, frozenset[Host]] = {}
    otlp: Otlp = Otlp()
