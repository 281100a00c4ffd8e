"""Who receives: destinations and the callers of routes, and which of them a check is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

import msgspec

from gateway.model import EU, Category, Recipient
from gateway.policy.document import Metadata
from gateway.policy.rules import RecipientTerms
from gateway.policy.vocabulary import LegalBasis
from gateway.yamlfile import Keys

LOG_TYPES: Final = (
    "opentelemetry.proto.",
    "kannelle.privacy.v1.AccessEntry",
    "kannelle.privacy.v1.ActivityEntry",
    "kannelle.privacy.v1.RecordActivitiesRequest",
    "kannelle.privacy.v1.RecordActivityRequest",
    "kannelle.privacy.v1.StreamActivitiesRequest",
)
"""How the names of types begin that make a log of any destination: telemetry, activities, calls."""


class NamedRecipient(msgspec.Struct, frozen=True):
    """A destination, or a caller of a route, which has no legal basis and no retention of its own.

    `types` are those of the items, requests or answers that lead to it, `keys` where the policy speaks of it.
    `metadata` is what it gets beside a call.
    """

    name: str
    keys: Keys
    kind: Recipient
    region: str
    purpose: str
    allow: frozenset[Category]
    types: tuple[str, ...]
    legal_basis: LegalBasis | None = None
    retention: timedelta | None = None
    metadata: Metadata = Metadata()
    caller_terms: RecipientTerms | None = None

    @property
    def is_log(self) -> bool:
        """Whether it is a log, by what it calls itself or by what leads to it."""
        return self.kind is Recipient.LOG or any(name.startswith(LOG_TYPES) for name in self.types)

    @property
    def is_outside_eu(self) -> bool:
        """Whether it is outside the EU."""
        return self.region not in EU

    @property
    def is_caller(self) -> bool:
        """Whether it is a route's caller."""
        return self.caller_terms is not None

    def has_purpose(self, purposes: tuple[str, ...]) -> bool:
        """Whether its purpose is one of these, or below one."""
        return any(f"{self.purpose}.".startswith(f"{one}.") for one in purposes)


class Selection(msgspec.Struct, frozen=True):
    """Which recipients a check is about; `wording` names them. What isn't given doesn't matter.

    Purposes count with all below them; `but_for` are those of destinations that aren't meant. `types` are the
    beginnings of the types' names that lead there. Callers of routes are among them with `callers`.
    """

    wording: str
    purposes: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    but_for: tuple[str, ...] = ()
    logs: bool = False
    inside_eu: bool = False
    outside_eu: bool = False
    callers: bool = False

    def of(self, recipients: Iterable[NamedRecipient]) -> Iterator[NamedRecipient]:
        """Yield those of some recipients that it selects."""
        return filter(self._has, recipients)

    def _has(self, one: NamedRecipient) -> bool:
        return (
            (self.callers or not one.is_caller)
            and (not self.purposes or one.has_purpose(self.purposes))
            and (not self.types or any(name.startswith(self.types) for name in one.types))
            and (one.is_caller or not one.has_purpose(self.but_for))
            and (not one.is_outside_eu or not self.inside_eu)
            and (one.is_log or not self.logs)
            and (one.is_outside_eu or not self.outside_eu)
        )
