"""The policy as written: one frozen struct for each mapping of the YAML document; a key's docstring stands below it.

Only shapes live here. What must hold between them is checked in `load.py` and what it asks, what depends on contracts
in `compile.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.exporters.jsonl.settings import JsonlSettings
from gateway.exporters.otlp.settings import OtlpSettings
from gateway.exporters.registry import ExporterSettings
from gateway.model import Category, Detector, FieldPrivacy, Gate, Recipient
from gateway.policy.log_lines import Pipe
from gateway.policy.tracking_plan import Event
from gateway.policy.vocabulary import (
    Code,
    Days,
    EventName,
    FieldName,
    Host,
    LegalBasis,
    MetadataKey,
    PatternText,
    Purpose,
    Region,
    Slug,
    Token,
)
from gateway.yamlfile.bounded import Seconds, Text


class UserId(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user's identifier looks like. What doesn't is stripped."""

    pattern: Text = ""
    """RE2 that a user ID matches as a whole.

    A literal prefix such as `usr_`, or a fixed shape, so that no name and no sentence is one.
    """

    shape: Text = ""
    """Instead of `pattern`: its name in `patterns`. One of the two is required."""

    without: tuple[Detector, ...] = ()
    """Detectors that don't look into user IDs, anywhere: `phone`, `card`.

    Needs a literal prefix in each branch of the pattern.
    """


class PersonalDomains(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mail domains where people have mail of their own, beside those that come with the gateway.

    Each counts for all below it; of two that stand one above the other, the longer one decides.
    """

    add: tuple[Text, ...] = ()
    """Domains that count as people's own."""

    remove: tuple[Text, ...] = ()
    """Domains that are an organisation's, though the gateway's list has them. A core of the list can't be removed."""


class Timestamps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which timestamps leave the EU."""

    days_around_receipt: Days
    """How many days before or after its receipt a timestamp may be that leaves the EU."""


class Classification(FieldPrivacy, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a field holds, as the controller says."""

    shape: Text = ""
    """Instead of `pattern`: its name in `patterns`."""

    overrides: bool = False
    """Whether it may loosen what the contract says. Otherwise it only tightens it."""

    @property
    def privacy(self) -> FieldPrivacy:
        """The same, in the form that annotations are read into."""
        return FieldPrivacy(**{name: getattr(self, name) for name in FieldPrivacy.__struct_fields__})


class Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The metadata that a recipient may get beside what gRPC itself needs, and `traceparent` inside the EU."""

    keys: Mapping[MetadataKey, Category | Classification] = {}
    """What the values of each key hold: a category, or a category and its rules."""

    credentials: tuple[MetadataKey, ...] = ()
    """Keys whose values pass as they are, such as `authorization`."""

    baggage: Mapping[Token, Category | Classification] = {}
    """What each entry of W3C baggage holds. Entries that aren't named don't pass."""

    tracestate: Mapping[Token, Category | Classification] = {}
    """The same of W3C tracestate."""


class DeliveryMode(StrEnum):
    """Whether a recipient is tried before what is sent to it is stored."""

    DIRECT = "direct"
    STORED = "stored"


class Destination(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who receives, where, why, on what legal basis, which categories, for how long, and how it gets there."""

    recipient: Recipient
    """Of what kind the recipient is. A vendor gets nothing of personal accounts.

    A log gets USER_ID, WORK_EMAIL and OPERATIONAL alone, and stands in FR or IE. A destination that a signal of OTLP,
    `ActivityLogService` or `AccessEntry` feeds is one, whatever this says.
    """

    region: Region
    """Where the data is: a country of ISO 3166-1, two capitals such as `FR`."""

    purpose: Purpose
    """What the data is for: a data use of fideslang."""

    legal_basis: LegalBasis
    """On what ground of article 6(1) of the GDPR.

    `CONSENT` does not load: there is no preference yet by which a person could withdraw it.
    """

    allow: frozenset[Category]
    """The categories that it may receive, within its region's ceiling.

    Some can never be here, whatever the ceiling says. NETWORK is for `essential.service.authentication` only,
    POSTAL_ADDRESS for `essential.service.payment_processing`, with what is below them.
    """

    gates: frozenset[Gate] = frozenset()
    """What must be known before anything is sent there: `backup`, that the item's workspace has switched backup on.

    Where nobody knows, as without a directory, items are withheld. A recipient of projects' content needs `backup`.
    """

    retention: timedelta
    """How long what it received is kept, such as `365d`: dead letters, and files that the gateway writes, go when they
    are older.
    """

    exporter: ExporterSettings = JsonlSettings()
    """How it gets there. The default is a file, `<destination>.jsonl` in the state folder."""

    delivery: DeliveryMode | None = None
    """When a call is acknowledged.

    `direct`: when the recipient has what it sent, or a file is flushed; what isn't taken within a second is stored, and
    so is what comes while something older waits, or what another destination gets too. `stored`: when it is stored.
    By default `direct` with exporters `otlp` and `jsonl`, whose recipients are near, else `stored`. An agent always
    hands over to its hub.
    """

    metadata: Metadata = Metadata()
    """What calls to it may say beside their messages, where a route names it."""

    @property
    def delivery_mode(self) -> DeliveryMode:
        """Whether its recipient is tried first, given or by default."""
        if self.delivery is not None:
            return self.delivery
        return DeliveryMode.DIRECT if isinstance(self.exporter, (JsonlSettings, OtlpSettings)) else DeliveryMode.STORED


class Mode(StrEnum):
    """Whether a route's calls are minimised, or only reported on."""

    # Looked up for each call, as directions are: an enum's own hash is a Python function.
    __hash__ = str.__hash__

    ENFORCE = "enforce"
    SHADOW = "shadow"


class TrafficDirection(StrEnum):
    """Whose calls a route carries: those of the service beside the gateway, or others' to it.

    Named as the listeners are.
    """

    __hash__ = str.__hash__

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Caller(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who asks: where it is, and what answers to it may hold."""

    region: Region
    """Where the caller is: a country of ISO 3166-1, two capitals such as `FR`."""

    allow: frozenset[Category]
    """The categories that answers to it may hold, within its region's ceiling."""

    metadata: Metadata = Metadata()
    """What answers may say beside their messages."""


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a call is tried again, as gRPC's service config has it.

    See https://github.com/grpc/proposal/blob/master/A6-client-retries.md.
    """

    max_attempts: Annotated[int, Meta(ge=2, le=5)]
    """How often a call is made at most, the first time included."""

    codes: frozenset[Code]
    """The status codes after which it is made again."""

    initial_backoff: Seconds = 0.1
    """The longest wait before the second time; waits are at random up to their bound."""

    max_backoff: Seconds = 1.0
    """The longest wait there is."""

    backoff_multiplier: Annotated[float, Meta(ge=1, le=10)] = 2.0
    """What the bound is multiplied by each time."""


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls between services: where they go, and as what they and their answers are minimised."""

    authority: Text
    """The `:authority` of the calls, such as `directory.kannelle.svc`."""

    upstream: Text | tuple[Text, ...]
    """Where they go: `dns:///host:port`, `unix:/path`, or a list of `ip:port`, taken in turn."""

    destination: str
    """The destination that requests are minimised for: a key of `destinations`."""

    listener: TrafficDirection = TrafficDirection.OUTBOUND
    """Whose calls: `outbound`, those of the service beside the gateway; `inbound`, others' to it."""

    methods: tuple[Text, ...] = ()
    """Which calls: `pkg.Service/Method` or `pkg.Service/*`. Without any, all that the contracts know."""

    callers: Mapping[Text, Caller] = {}
    """Who may call, each a SPIFFE ID or a DNS name, with what answers to it may hold."""

    mode: Mode = Mode.ENFORCE
    """`enforce` minimises; `shadow` only reports what would be stripped, between services inside the EU."""

    plaintext: bool = False
    """Whether the upstream is called without TLS, which is for upstreams on this machine."""

    timeout: Seconds | None = None
    """How long a call may take; it shortens a caller's deadline, which is passed on.

    Without it, or with null, the caller's counts.
    """

    retry: Retry | None = None
    """When a call is made again; without it, or with null, never."""

    wait_for_ready: bool = False
    """Whether a call waits, up to its deadline, for an upstream that can't be reached yet."""

    max_message_bytes: Annotated[int, Meta(ge=1024, le=256 * 1024 * 1024)] = 4 * 1024 * 1024
    """The largest request and the largest answer, in bytes, after decompression. The listener's bound holds too."""

    @property
    def local(self) -> bool:
        """Whether it needs no TLS: `plaintext`, or a Unix socket."""
        return self.plaintext or (isinstance(self.upstream, str) and self.upstream.startswith("unix:"))


class Otlp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What logs, traces and metrics of OpenTelemetry may hold."""

    attributes: Mapping[Text, Category | Classification] = {}
    """What each attribute holds, by exact key (`user.id`) or by prefix (`service.*`). What isn't listed is stripped."""

    workspace: Text = ""
    """The attribute that names the item's workspace, such as `kannelle.workspace.id`.

    An exact key of `attributes` that is OPERATIONAL. What the record says counts before its scope and its resource.
    """

    log_templates: tuple[Text, ...] = ()
    """Log bodies that pass, word for word. Others are stripped."""

    span_names: tuple[Text, ...] = ()
    """Span names that pass, word for word. Others are named for their kind."""

    def privacy(self, key: str) -> FieldPrivacy:
        """What the attribute listed as `key` holds. Raises KeyError if none is."""
        held = self.attributes[key]
        return held.privacy if isinstance(held, Classification) else FieldPrivacy(category=held)


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document."""

    version: Literal[1]
    """The version of this format."""

    controller: Text
    """Who the data controller is: the organisation's name."""

    user_id: UserId
    """What a user's identifier looks like."""

    destinations: Mapping[Slug, Destination]
    """Who receives, by a name of lower-case letters, digits and hyphens."""

    flows: Mapping[Text, tuple[str, ...]]
    """Which destinations something feeds.

    A call (`pkg.Service/Method`, `pkg.Service/*`), a message type, or a signal (`otlp/logs`).
    """

    patterns: Mapping[Slug, PatternText] = {}
    """Patterns by name: RE2 that a value matches as a whole, bounded.

    `shape` names one wherever a `pattern` could stand; each is used.
    """

    identifiers: tuple[PatternText, ...] = ()
    """What identifiers of things look like, such as `ws_[A-Za-z0-9]{1,32}`: patterns that may leave the EU.

    Each has a literal prefix that ends in `_` or `-`, then letters and digits, bounded. A field whose pattern is one of
    them is held to it alone: no name is tried on it.
    """

    approvals: Text | None = None
    """A file beside the policy that records what was approved.

    With it only classifications recorded there count; without it all do. Under the policy that comes with the gateway,
    types that aren't Kannelle's count as annotated.
    """

    timestamps: Timestamps | None = None
    """Which timestamps leave the EU. Without it none does."""

    personal_domains: PersonalDomains = PersonalDomains()
    """Mail domains where people have mail of their own."""

    ceilings: Mapping[Region, frozenset[Category]] = {}
    """What a country may receive at most, by its two capitals.

    A country without a ceiling receives `OPERATIONAL` alone. A ceiling only narrows what is built in: FR and IE may
    have all, BE all but CONTENT, DE what the CRM gets, US USER_ID, WORK_EMAIL and OPERATIONAL, others OPERATIONAL.
    """

    classifications: Mapping[FieldName, Classification] = {}
    """What fields hold, by their full name, where the contract doesn't say it or where less is to leave than it
    says.
    """

    tracking_plan: Mapping[EventName, Event] = {}
    """The analytics events that exist, by name. Others are not sent."""

    routes: tuple[Route, ...] = ()
    """Calls between services."""

    hosts: Mapping[Region, frozenset[Host]] = {}
    """Which hosts of exporters are in a country, where a vendor's host doesn't say it itself."""

    otlp: Otlp = Otlp()
    """What logs, traces and metrics of OpenTelemetry may hold."""

    elsewhere: tuple[Text, ...] = ()
    """Message types, services and packages (`acme.crm.v1.*`) that contracts of other services define, and of which
    this one has nothing.
    """

    pipe: Pipe = Pipe()
    """How `privacy-gateway pipe` reads a program's lines."""
