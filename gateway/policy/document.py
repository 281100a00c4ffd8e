"""The policy as written: one frozen struct for each mapping of the YAML document.

Only shapes live here. What must hold between them is checked in `load.py` and `residency.py`, what depends on contracts in `compile.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway.model import Category, FieldPrivacy, Recipient

Region = Annotated[str, Meta(pattern="[A-Z]{2}", description="a country of ISO 3166-1, two capitals such as FR")]
Host = Annotated[str, Meta(pattern=r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*", description="a host name in lower case, without a port")]
Slug = Annotated[str, Meta(pattern="[a-z][a-z0-9-]{0,62}", description="a name of lower-case letters, digits and hyphens, a letter first")]
FieldName = Annotated[
    str, Meta(pattern=r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", description="a field's full name, such as acme.crm.v1.Contact.email")
]
EventName = Annotated[
    str, Meta(pattern=r"[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31}){0,3}", description="a name such as video.exported, in lower case")
]
PropertyName = Annotated[str, Meta(pattern="[a-z][a-z0-9_]{0,63}", description="a name such as duration_s, in lower case")]
Text = Annotated[str, Meta(min_length=1, max_length=1000)]
Days = Annotated[int, Meta(ge=1, le=365)]
Positive = Annotated[int, Meta(ge=1)]
Length = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]

Purpose = Literal[
    "analytics",
    "analytics.reporting",
    "analytics.reporting.ad_performance",
    "analytics.reporting.campaign_insights",
    "analytics.reporting.content_performance",
    "analytics.reporting.system",
    "analytics.reporting.system.performance",
    "collect",
    "employment",
    "employment.recruitment",
    "essential",
    "essential.fraud_detection",
    "essential.legal_obligation",
    "essential.service",
    "essential.service.authentication",
    "essential.service.notifications",
    "essential.service.notifications.email",
    "essential.service.notifications.sms",
    "essential.service.operations",
    "essential.service.operations.improve",
    "essential.service.operations.support",
    "essential.service.payment_processing",
    "essential.service.security",
    "essential.service.upgrades",
    "finance",
    "functional",
    "functional.service",
    "functional.service.improve",
    "functional.storage",
    "functional.storage.privacy_preferences",
    "marketing",
    "marketing.advertising",
    "marketing.communications",
    "marketing.communications.email",
    "marketing.communications.sms",
    "operations",
    "personalize",
    "personalize.content",
    "personalize.system",
    "sales",
    "third_party_sharing",
    "third_party_sharing.legal_obligation",
]
"""Data uses of the fideslang 3.1 default taxonomy, https://ethyca.github.io/fideslang/."""


class LegalBasis(StrEnum):
    """Article 6(1) of the GDPR, in fideslang's words."""

    CONSENT = "CONSENT"
    CONTRACT = "CONTRACT"
    LEGAL_OBLIGATION = "LEGAL_OBLIGATION"
    VITAL_INTERESTS = "VITAL_INTERESTS"
    PUBLIC_TASK = "PUBLIC_TASK"
    LEGITIMATE_INTERESTS = "LEGITIMATE_INTERESTS"


class UserId(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user's identifier looks like: `pattern` is RE2, matched against the whole value."""

    pattern: Text


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
    """One JSON object a line, into a file that rotates at `max_bytes` and keeps `backups` old ones.

    `path`: `-` is standard output; None is a file named after the destination, in the state folder.
    """

    path: Text | None = None
    max_bytes: Positive = 64 * 1024 * 1024
    backups: Annotated[int, Meta(ge=0, le=1000)] = 5


class OtlpExporter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="otlp"):
    """OTLP over gRPC to `endpoint`, `https://host:port` (on loopback `http://` will do). `timeout` is in seconds, `ca` a PEM file."""

    endpoint: Text
    compression: Literal["gzip", "none"] = "gzip"
    timeout: Seconds = 10.0
    ca: Text | None = None


class NullExporter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="null"):
    """Takes everything, keeps nothing."""


Exporter = JsonlExporter | OtlpExporter | NullExporter


class Destination(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who receives, where, why, on what legal basis, which categories, for how long, and how it gets there."""

    recipient: Recipient
    region: Region
    purpose: Purpose
    legal_basis: LegalBasis
    allow: frozenset[Category]
    retention: timedelta
    exporter: Exporter = JsonlExporter()


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
        return FieldPrivacy(self.category, pattern=self.pattern, max_length=self.max_length, one_of=self.one_of, min=low, max=high)


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An analytics event that exists; a property that isn't listed is not sent."""

    properties: Mapping[PropertyName, Property] = {}


class Mode(StrEnum):
    """Whether a route's calls are minimised, or only reported on."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls to `authority`, all or those of `methods` (`pkg.Service/Method`), go to `upstream`, a gRPC target, for `destination`."""

    authority: Text
    upstream: Text
    destination: str
    methods: tuple[Text, ...] = ()
    mode: Mode = Mode.ENFORCE


class Otlp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What OTLP attributes hold, by exact key or by prefix (`service.*`), and the log bodies that pass as they are."""

    attributes: Mapping[Text, Category | Classification] = {}
    log_templates: tuple[Text, ...] = ()

    def privacy(self, key: str) -> FieldPrivacy:
        """What the attribute listed as `key` holds. Raises KeyError if none is."""
        held = self.attributes[key]
        return held.privacy if isinstance(held, Classification) else FieldPrivacy(category=held)


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document.

    `ceilings`: what a region may receive at most. `hosts`: which vendors' hosts are in a region. `flows`: which destinations a call
    (`pkg.Service/Method`, `pkg.Service/*`), a message type or a signal (`otlp/logs`) feeds. Without `timestamps` none leaves the EU.
    """

    version: Literal[1]
    controller: Text
    user_id: UserId
    destinations: Mapping[Slug, Destination]
    flows: Mapping[Text, tuple[str, ...]]
    approvals: Text | None = None
    timestamps: Timestamps | None = None
    ceilings: Mapping[Region, frozenset[Category]] = {}
    classifications: Mapping[FieldName, Classification] = {}
    tracking_plan: Mapping[EventName, Event] = {}
    routes: tuple[Route, ...] = ()
    hosts: Mapping[Region, frozenset[Host]] = {}
    otlp: Otlp = Otlp()


SIGNALS: Final = ("otlp/logs", "otlp/traces", "otlp/metrics")
"""OTLP's signals, as flows name them."""

SERVED: Final = ("otlp/logs",)
"""Those of them that the gateway takes."""
