"""All checks, each of one rule: what the statement says of whom, written down once more, in its words."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from gateway.evidence.statement.checks import Check
from gateway.evidence.statement.flow_checks import (
    ArchiveCheck,
    EnforcedCheck,
    FailClosedCheck,
    ListedRecipientsCheck,
    NeverCollectedCheck,
    TrackingPlanCheck,
)
from gateway.evidence.statement.kind_checks import CookieCheck, KindCheck, MetadataCheck, SeparateKindsCheck
from gateway.evidence.statement.kinds import CONTACTS, DISCUSSIONS, EVENTS, LETTERS, PURCHASES
from gateway.evidence.statement.pattern_checks import (
    ClosedPatternsCheck,
    LogPatternsCheck,
    ThingIdentifierCheck,
    UserIdCheck,
)
from gateway.evidence.statement.placement_checks import (
    BasisCheck,
    CategoryCheck,
    EncryptionCheck,
    EndpointRegionCheck,
    ProhibitedCheck,
    PurposeCheck,
    RegionCheck,
    RetentionCheck,
)
from gateway.evidence.statement.probe_checks import (
    ArrivalCheck,
    EchoCheck,
    PersonalAccountCheck,
    TimesCheck,
    ValueCheck,
    WithheldCheck,
)
from gateway.evidence.statement.probe_values import (
    FREE_MAIL_ADDRESS,
    FULL_NAME,
    PHONE_NUMBER,
    PLAIN_SENTENCE,
    SENTENCE,
)
from gateway.evidence.statement.recipients import Selection
from gateway.evidence.statement.rules import Rule
from gateway.model import Category
from gateway.policy.vocabulary import LegalBasis

C = Category

EVERYBODY: Final = Selection("all recipients", callers=True)
DESTINATIONS: Final = Selection("all destinations")
LOGS: Final = Selection("logs", logs=True)
OUTSIDE_EU: Final = Selection("recipients outside the EU", outside_eu=True, callers=True)
INSIDE_EU_BUT_SALES: Final = Selection(
    "recipients inside the EU but sales", inside_eu=True, callers=True, but_for=("sales",)
)
DATABASE: Final = Selection("the database", types=("kannelle.workspace.v1.",))
ACCOUNTS: Final = Selection("accounts", types=("kannelle.account.v1.",))
BACKUPS: Final = Selection("backups of projects", types=("kannelle.project.v1.Project", "kannelle.project.v1.BackUp"))
SERVICES: Final = Selection("professional services", types=("kannelle.engagement.v1.",))
IDENTITY: Final = Selection("the identity provider", purposes=("essential.service.authentication",))
SALES: Final = Selection("sales", purposes=("sales",))
SUPPORT: Final = Selection("support", purposes=("essential.service.operations.support",))
SUPPORT_TOOL: Final = Selection("the support tool", purposes=SUPPORT.purposes, outside_eu=True)
PAYMENT: Final = Selection("payment", purposes=("essential.service.payment_processing",))
COMMUNICATIONS: Final = Selection(
    "communications", purposes=("marketing.communications", "essential.service.notifications")
)
ANALYTICS: Final = Selection("analytics", purposes=("analytics",))
OTHERS: Final = Selection(
    "other destinations",
    but_for=(*ANALYTICS.purposes, *SUPPORT.purposes, *SALES.purposes, *PAYMENT.purposes, *COMMUNICATIONS.purposes),
)
ADVERTISING: Final = Selection("advertising", purposes=("marketing.advertising",))

INDIRECT: Final = frozenset({C.USER_ID, C.WORK_EMAIL, C.OPERATIONAL})
CONTACT: Final = INDIRECT | {C.NAME, C.PHONE, C.ORGANISATION}
NEVER: Final = frozenset({C.AGE, C.GENDER, C.BANKING, C.LOCATION, C.CREDENTIAL})
PERSONAL: Final = frozenset(C) - NEVER - {C.UNSPECIFIED, C.OPERATIONAL}

FRANCE_OR_IRELAND: Final = frozenset({"FR", "IE"})
HOME: Final = frozenset({"FR", "IE", "BE"})

PURPOSES: Final = (
    "analytics",
    "essential",
    "finance",
    "functional",
    "marketing.advertising",
    "marketing.communications",
    "operations",
    "personalize",
    "sales",
    "third_party_sharing.legal_obligation",
)
"""To provide, secure, support, improve and personalise, to analyse, to sell, to write to users, to meet the law."""

COOKIE_PURPOSES: Final = (
    "analytics",
    "essential.fraud_detection",
    "essential.service.authentication",
    "essential.service.security",
    "functional.storage.privacy_preferences",
    "marketing.advertising",
)

LOOKED_INTO: Final = frozenset(
    {C.USER_ID, C.WORK_EMAIL, C.OPERATIONAL, C.NAME, C.PHONE, C.ORGANISATION, C.FREE_TEXT, C.PAYMENT}
)
"""Categories of texts that cards, accounts, coordinates and secrets are looked for in."""

IN_LOGS: Final = {"a name": FULL_NAME, "a sentence": SENTENCE, "a telephone number": PHONE_NUMBER,
                  "a network address": "203.0.113.77"}  # fmt: skip
PLAIN_TEXT: Final = {"a sentence without accents": PLAIN_SENTENCE}
PRIVATE_ADDRESS: Final = {"a private address": FREE_MAIL_ADDRESS}
FORBIDDEN: Final = {"a card number": "4111 1111 1111 1111", "an IBAN": "FR76 3000 6000 0112 3456 7890 189",
                    "coordinates": "47.872612, -3.550311", "a secret": "AKIAIOSFODNN7EXAMPLE"}  # fmt: skip

YEAR: Final = timedelta(days=365)

CHECKS: Final[tuple[Check, ...]] = (
    CategoryCheck(Rule.LOG_CATEGORIES, LOGS, INDIRECT),
    ArrivalCheck(Rule.LOG_CATEGORIES, LOGS, INDIRECT),
    ValueCheck(Rule.LOG_VALUES, LOGS, IN_LOGS, INDIRECT | {C.FREE_TEXT}),
    ValueCheck(Rule.LOG_VALUES, LOGS, PRIVATE_ADDRESS, frozenset({C.USER_ID, C.OPERATIONAL, C.FREE_TEXT})),
    ValueCheck(Rule.LOG_VALUES, LOGS, PLAIN_TEXT, frozenset({C.WORK_EMAIL, C.OPERATIONAL, C.FREE_TEXT})),
    LogPatternsCheck(Rule.LOG_VALUES, LOGS),
    RegionCheck(Rule.LOG_REGIONS, LOGS, FRANCE_OR_IRELAND),
    EchoCheck(Rule.ECHO, LOGS),
    EchoCheck(Rule.ECHO, OUTSIDE_EU),
    CategoryCheck(Rule.DATABASE_CATEGORIES, DATABASE, frozenset({C.WORK_EMAIL, C.OPERATIONAL})),
    ArrivalCheck(Rule.DATABASE_CATEGORIES, DATABASE, frozenset({C.WORK_EMAIL, C.OPERATIONAL})),
    RegionCheck(Rule.CONTENT_REGIONS, EVERYBODY, FRANCE_OR_IRELAND, frozenset({C.CONTENT})),
    RegionCheck(Rule.PERSONAL_DATA_REGIONS, INSIDE_EU_BUT_SALES, HOME, PERSONAL),
    RegionCheck(Rule.IDENTITY_REGIONS, IDENTITY, HOME),
    RegionCheck(Rule.CRM_REGIONS, SALES, frozenset({"DE"})),
    WithheldCheck(Rule.BACKUP_SWITCH, BACKUPS),
    CategoryCheck(Rule.OUTSIDE_CATEGORIES, OUTSIDE_EU, INDIRECT),
    RegionCheck(Rule.OUTSIDE_CATEGORIES, OUTSIDE_EU, frozenset({"US"}), INDIRECT - {C.OPERATIONAL}),
    ArrivalCheck(Rule.OUTSIDE_CATEGORIES, OUTSIDE_EU, INDIRECT),
    PurposeCheck(Rule.OUTSIDE_PURPOSES, OUTSIDE_EU, ("analytics.reporting", *SUPPORT.purposes), "analytics or support"),
    TimesCheck(Rule.TIMES, OUTSIDE_EU),
    ClosedPatternsCheck(Rule.CLOSED_PATTERNS, OUTSIDE_EU),
    TrackingPlanCheck(Rule.TRACKING_PLAN, DESTINATIONS),
    KindCheck(Rule.TRACKING_PLAN, ANALYTICS, EVENTS),
    ArchiveCheck(Rule.DISCUSSION_ARCHIVE, SUPPORT_TOOL),
    ThingIdentifierCheck(Rule.IDENTIFIER_FORM),
    UserIdCheck(Rule.IDENTIFIER_FORM, LOGS),
    UserIdCheck(Rule.IDENTIFIER_FORM, OUTSIDE_EU),
    CategoryCheck(Rule.ACCOUNT_CATEGORIES, ACCOUNTS, INDIRECT | {C.NAME, C.PHONE, C.DEVICE, C.USAGE}),
    ArrivalCheck(Rule.ACCOUNT_CATEGORIES, ACCOUNTS, INDIRECT | {C.NAME, C.PHONE, C.DEVICE, C.USAGE}),
    ProhibitedCheck(Rule.NEVER_COLLECTED, EVERYBODY, NEVER),
    NeverCollectedCheck(Rule.NEVER_COLLECTED, EVERYBODY),
    ValueCheck(Rule.FORBIDDEN_VALUES, EVERYBODY, FORBIDDEN, LOOKED_INTO),
    PersonalAccountCheck(Rule.NO_PERSONAL_ACCOUNTS, EVERYBODY),
    PurposeCheck(Rule.PURPOSES, DESTINATIONS, PURPOSES, "a purpose of the statement"),
    ArrivalCheck(Rule.ALLOWED_CATEGORIES, EVERYBODY),
    MetadataCheck(Rule.ALLOWED_CATEGORIES, EVERYBODY),
    SeparateKindsCheck(Rule.SEPARATE_RECIPIENTS, OTHERS),
    EnforcedCheck(Rule.ENFORCED),
    ListedRecipientsCheck(Rule.LISTED_RECIPIENTS),
    EndpointRegionCheck(Rule.ENDPOINT_REGIONS),
    BasisCheck(Rule.CONSENT, DESTINATIONS, frozenset(LegalBasis) - {LegalBasis.CONSENT}, "no consent"),
    KindCheck(Rule.SALES_CATEGORIES, SALES, CONTACTS),
    CategoryCheck(Rule.SALES_CATEGORIES, SALES, CONTACT),
    ArrivalCheck(Rule.SALES_CATEGORIES, SALES, CONTACT),
    KindCheck(Rule.SUPPORT_CATEGORIES, SUPPORT, DISCUSSIONS),
    CategoryCheck(Rule.SUPPORT_CATEGORIES, SUPPORT, CONTACT | {C.DEVICE, C.USAGE, C.CONTENT, C.FREE_TEXT}),
    ArrivalCheck(Rule.SUPPORT_CATEGORIES, SUPPORT, CONTACT | {C.DEVICE, C.USAGE, C.CONTENT, C.FREE_TEXT}),
    KindCheck(Rule.PURCHASE_CATEGORIES, PAYMENT, PURCHASES),
    CategoryCheck(Rule.PURCHASE_CATEGORIES, PAYMENT, CONTACT | {C.POSTAL_ADDRESS, C.PAYMENT}),
    ArrivalCheck(Rule.PURCHASE_CATEGORIES, PAYMENT, CONTACT | {C.POSTAL_ADDRESS, C.PAYMENT}),
    KindCheck(Rule.COMMUNICATION_CATEGORIES, COMMUNICATIONS, LETTERS),
    CategoryCheck(Rule.COMMUNICATION_CATEGORIES, COMMUNICATIONS, CONTACT),
    ArrivalCheck(Rule.COMMUNICATION_CATEGORIES, COMMUNICATIONS, CONTACT),
    CategoryCheck(Rule.SERVICES_CATEGORIES, SERVICES, CONTACT),
    ArrivalCheck(Rule.SERVICES_CATEGORIES, SERVICES, CONTACT),
    PurposeCheck(Rule.ADDRESS_PURPOSES, EVERYBODY, IDENTITY.purposes, "authentication", frozenset({C.NETWORK})),
    PurposeCheck(Rule.ADDRESS_PURPOSES, EVERYBODY, PAYMENT.purposes, "payment", frozenset({C.POSTAL_ADDRESS})),
    PurposeCheck(Rule.COOKIE_PURPOSES, DESTINATIONS, COOKIE_PURPOSES, "what cookies are for", frozenset({C.COOKIE})),
    CookieCheck(Rule.COOKIE_PURPOSES, EVERYBODY, COOKIE_PURPOSES),
    BasisCheck(Rule.ADVERTISING_CHOICE, ADVERTISING, frozenset({LegalBasis.CONSENT}), "consent"),
    RetentionCheck(Rule.RETENTION, DESTINATIONS, 5 * YEAR, 10 * YEAR, PAYMENT.purposes),
    FailClosedCheck(Rule.FAIL_CLOSED),
    EncryptionCheck(Rule.TLS),
)
