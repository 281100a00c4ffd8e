"""The policy's vocabulary: the names, bounds and closed lists that its document is written in."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import Meta

from gateway.model import Detector
from gateway.patterns import MAX_PATTERN
from gateway.yamlfile import DocLink

Region = Annotated[str, Meta(pattern="[A-Z]{2}", description="a country of ISO 3166-1, two capitals such as FR")]
Host = Annotated[
    str, Meta(pattern=r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*", description="a host name in lower case, without a port")
]
Slug = Annotated[
    str,
    Meta(
        pattern="[a-z][a-z0-9-]{0,62}", description="a name of lower-case letters, digits and hyphens, a letter first"
    ),
]
FieldName = Annotated[
    str,
    Meta(
        pattern=r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", description="a field's full name, such as acme.crm.v1.Contact.email"
    ),
]
EventName = Annotated[
    str,
    Meta(
        pattern=r"[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31}){0,3}",
        description="a name such as video.exported, in lower case",
    ),
]
PropertyName = Annotated[
    str, Meta(pattern="[a-z][a-z0-9_]{0,63}", description="a name such as duration_s, in lower case")
]
PatternText = Annotated[str, Meta(min_length=1, max_length=MAX_PATTERN)]
Days = Annotated[int, Meta(ge=1, le=365)]
Length = Annotated[int, Meta(ge=0, le=2**32 - 1)]

EXEMPTIBLE: Final = (Detector.PHONE, Detector.IP, Detector.EMAIL)
"""What the policy may say isn't looked for in one field, inside the EU."""

EXEMPTIBLE_USER_ID: Final = (Detector.PHONE, Detector.CARD)
"""The same in user IDs, everywhere: numbers, which an identifier may be."""

MetadataKey = Annotated[
    str,
    Meta(pattern=r"[a-z0-9_.-]{1,128}", description="a key of gRPC metadata: lower-case letters, digits, -, _ and ."),
]
Token = Annotated[
    str, Meta(pattern=r"[A-Za-z0-9!#$%&'*+.^_`|~@/-]{1,256}", description="a key of W3C baggage or tracestate")
]
Code = Literal[
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]
"""The codes of gRPC but OK: https://grpc.io/docs/guides/status-codes/."""

Purpose = Annotated[
    Literal[
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
    ],
    DocLink("docs/policy.md#purposes"),
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
