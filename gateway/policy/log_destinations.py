"""Which destinations are logs, whatever they call themselves, and what no log may be, whatever it is for.

Pure: a policy in, problems out, each the keys of a place in the document and what is wrong there. Which types of items
are a log's: `item_types.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from gateway.model import INDIRECT, Recipient
from gateway.policy.document import Policy
from gateway.policy.item_types import is_log_source
from gateway.policy.rules import RecipientTerms
from gateway.yamlfile import Problem

LOG_REGIONS: Final = frozenset({"FR", "IE"})
"""Where logs stand."""

LOG_ALLOW_TEXT: Final = "a log holds identifier and business address only (USER_ID, WORK_EMAIL, OPERATIONAL)"
LOG_REGION_TEXT: Final = "logs stay in France or Ireland"


def holds_logs(terms: RecipientTerms) -> bool:
    """Whether a recipient is one that a log's items may go to as they are judged there."""
    return terms.echo and terms.region in LOG_REGIONS and terms.allow <= INDIRECT


def terms_of_log(terms: RecipientTerms) -> RecipientTerms:
    """A recipient's terms for the items of a log: those of a log, whatever the recipient is.

    Where no log may stand, nothing is allowed.
    """
    allow = terms.allow & INDIRECT if terms.region in LOG_REGIONS else frozenset()
    return msgspec.structs.replace(terms, allow=allow, echo=True)


def log_sources(policy: Policy) -> Mapping[str, str]:
    """What makes a log of each destination that is one, by the destination's name.

    Its `recipient`, or the first flow or route's method that feeds it.
    """
    named = {
        name: "`recipient: log`" for name, given in policy.destinations.items() if given.recipient is Recipient.LOG
    }
    fed = {name: source for source, name in reversed([*_sources(policy)]) if is_log_source(source)}
    return {name: reason for name, reason in {**fed, **named}.items() if name in policy.destinations}


def _sources(policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield each flow, and each method that a route names, with each destination that it feeds."""
    for flow, names in policy.flows.items():
        yield from ((flow, name) for name in names)
    for route in policy.routes:
        yield from ((method, route.destination) for method in route.methods)


def problems(policy: Policy) -> Iterator[Problem]:
    """Yield what is wrong with destinations that are logs: what they may receive, and where they stand."""
    for name, source in log_sources(policy).items():
        given = policy.destinations[name]
        for category in sorted(given.allow - INDIRECT):
            yield ("destinations", name, "allow", category.name), f"{LOG_ALLOW_TEXT}; it is a log by {source}"
        if given.region not in LOG_REGIONS:
            yield ("destinations", name, "region"), f"{LOG_REGION_TEXT}; it is a log by {source}"
