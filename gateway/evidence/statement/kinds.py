"""Which of Kannelle's messages are of one kind: the statement's words, as data."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.evidence.statement.recipients import LOG_TYPES


class Kind(NamedTuple):
    """Messages that go to recipients of their own: what they are, and how their types' names begin."""

    wording: str
    types: tuple[str, ...]


EVENTS: Final = Kind("analytics events", ("kannelle.privacy.v1.AnalyticsEvent",))
DISCUSSIONS: Final = Kind(
    "messages to support and error reports", ("kannelle.privacy.v1.SupportMessage", "kannelle.support.v1.")
)
CONTACTS: Final = Kind("contacts of sales", ("kannelle.crm.v1.Contact",))
PURCHASES: Final = Kind("purchases and subscriptions", ("kannelle.billing.v1.", "kannelle.crm.v1.Subscription"))
LETTERS: Final = Kind("what is written to users", ("kannelle.communication.v1.",))

KINDS: Final = (
    EVENTS,
    DISCUSSIONS,
    CONTACTS,
    PURCHASES,
    LETTERS,
    Kind("what programs and people did", (*LOG_TYPES, "kannelle.video.v1.")),
    Kind("accounts", ("kannelle.account.v1.",)),
    Kind("memberships of workspaces", ("kannelle.workspace.v1.",)),
    Kind("video projects", ("kannelle.project.v1.",)),
    Kind("business assets", ("kannelle.asset.v1.",)),
    Kind("engagements of professional services", ("kannelle.engagement.v1.",)),
    Kind("sign-ins", ("kannelle.identity.v1.",)),
)
"""All kinds. A type of none of them is another company's, or new."""

KNOWN_PREFIXES: Final = ("kannelle.", "opentelemetry.proto.")
"""How the names of types begin that the statement speaks of."""
