"""Which data may be where, and on what ground: what Kannelle's privacy statement fixes, and no policy can change.

The table is in `placement.py`, what holds of logs in `log_destinations.py`. Pure: a policy in, problems out, each the
keys of a place in the document and what is wrong there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.model import Category
from gateway.policy import endpoints, log_destinations
from gateway.policy.document import Caller, Destination, Policy
from gateway.policy.placement import forbidden_destination_reason, forbidden_purpose_reason, forbidden_reason
from gateway.policy.vocabulary import LegalBasis
from gateway.yamlfile import Problem

CONSENT_TEXT: Final = (
    "CONSENT needs a preference that a person can withdraw at any time (GDPR, article 7(3)), and the gateway knows of "
    "none: what rests on consent can't be sent yet"
)

DEFAULT_CEILING: Final = frozenset({Category.OPERATIONAL})
"""What a region without a ceiling may receive."""


def problems(policy: Policy) -> Iterator[Problem]:
    """What in `policy` breaks a rule of residency."""
    for region, ceiling in policy.ceilings.items():
        yield from _problems_of_ceiling(region, ceiling)
    for name, destination in policy.destinations.items():
        if destination.legal_basis is LegalBasis.CONSENT:
            yield ("destinations", name, "legal_basis"), CONSENT_TEXT
        yield from allow_problems(("destinations", name), name, destination, destination.purpose, policy)
    yield from log_destinations.problems(policy)
    yield from endpoints.problems(policy)


def ceiling_of(policy: Policy, region: str) -> frozenset[Category]:
    """What `region` may receive at most."""
    return policy.ceilings.get(region, DEFAULT_CEILING)


def _problems_of_ceiling(region: str, ceiling: frozenset[Category]) -> Iterator[Problem]:
    for category in sorted(ceiling):
        if reason := forbidden_reason(category, region):
            yield ("ceilings", region, category.name), reason


def allow_problems(
    keys: tuple[str | int, ...], name: str, recipient: Destination | Caller, purpose: str, policy: Policy
) -> Iterator[Problem]:
    """What a recipient, at `keys`, is allowed and may not be.

    `name` is what it is known by where a region is kept for one, `purpose` what it receives data for.
    """
    region, ceiling = recipient.region, ceiling_of(policy, recipient.region)
    for category in sorted(recipient.allow):
        reason = (
            forbidden_reason(category, region)
            or forbidden_destination_reason(category, name, region)
            or forbidden_purpose_reason(category, purpose)
        )
        if not reason and category not in ceiling:
            reason = f"is above the ceiling of {region}"
        if reason:
            yield (*keys, "allow", category.name), reason
