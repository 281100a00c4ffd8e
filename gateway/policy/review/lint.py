"""What in contracts and policy deserves a second look before it runs: findings, each with what to do.

What can't be at all does not load: see `load.py` and `compile.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from gateway.detectors.mail_domains import is_personal_domain
from gateway.errors import BadContract
from gateway.model import NEVER, Category, FieldPrivacy
from gateway.policy import elsewhere, personal_domains
from gateway.policy.compile import Compiler
from gateway.policy.document import Mode
from gateway.policy.flow_targets import flow_targets, own_fields
from gateway.policy.review.exemptions import exemptions
from gateway.policy.review.explain import explain
from gateway.policy.review.findings import Finding, Severity, finding_at
from gateway.policy.review.labels import redacted_operational, unbounded_integers, unclassified, unfit_labels
from gateway.policy.review.listed_values import flagged_values, prohibited_texts, prohibited_values
from gateway.policy.review.names import personal_words, prohibited_words
from gateway.policy.review.open_patterns import open_patterns
from gateway.policy.review.open_values import open_values
from gateway.policy.review.semantics import semantic_changes
from gateway.policy.review.workspaces import leaves_with_workspace
from gateway.policy.wording import shortlist


def lint(compiler: Compiler) -> tuple[Finding, ...]:
    """All findings, errors first.

    Raises BadPolicy if a flow or a route names nothing, or what a route carries does not compile.
    """
    found = [finding for check in CHECKS for finding in check(compiler)]
    order = list(Severity)
    return tuple(
        sorted(dict.fromkeys(found), key=lambda finding: (order.index(finding.severity), finding.place, finding.code))
    )


def unaccepted(compiler: Compiler) -> Iterator[Finding]:
    """Fields whose category no destination takes, and no caller."""
    all_terms = [compiler.terms(name) for name in compiler.policy.destinations]
    all_terms += [
        compiler.caller_terms(*caller) for route in compiler.policy.routes for caller in route.callers.items()
    ]
    for field in own_fields(compiler):
        category = compiler.classifications.get(field.full_name, FieldPrivacy()).category
        if category not in NEVER | {Category.UNSPECIFIED} and not any(terms.allows(category) for terms in all_terms):
            text = f"no destination accepts {category.name}: it is always stripped; need it be sent at all?"
            yield Finding(Severity.NOTE, "not-accepted", field.full_name, text)


def stripped_required(compiler: Compiler) -> Iterator[Finding]:
    """Required fields that a destination of a flow would strip: such a flow does not start."""
    for item, destination in flow_targets(compiler):
        missing = compiler.projector(item, destination).missing_required(compiler.contract.message(item))
        if missing:
            text = f"is required and would be stripped at {destination}: make it optional, or let {destination} have it"
            yield Finding(Severity.ERROR, "required-stripped", missing, text)


def ambiguous_subjects(compiler: Compiler) -> Iterator[Finding]:
    """Item types that don't tell whom they are about."""
    for item in dict.fromkeys(item for item, _ in flow_targets(compiler)):
        try:
            compiler.subject(item)
        except BadContract as error:
            yield Finding(Severity.ERROR, "ambiguous-subject", item, str(error).partition(f"{item}: ")[2])


def _is_ambiguous(compiler: Compiler, item: str) -> bool:
    try:
        compiler.subject(item)
    except BadContract:
        return True
    return False


def empty_flows(compiler: Compiler) -> Iterator[Finding]:
    """Flows of which nothing arrives."""
    for flow, destinations in compiler.flows.items():
        for destination in destinations:
            if not explain(compiler, compiler.item_type(flow), destination).kept:
                text = f"nothing of it may leave for {destination}: classify its fields, or take the destination out"
                yield finding_at(Severity.WARNING, "empty-flow", ("flows", flow), text)


def shut_gates(compiler: Compiler) -> Iterator[Finding]:
    """Flows to a gate that never opens: their items name no workspace, or none that leaves with them."""
    for flow, destinations in compiler.flows.items():
        item = compiler.item_type(flow)
        for destination in destinations:
            gated = bool(compiler.policy.destinations[destination].gates)
            if gated and not _is_ambiguous(compiler, item) and not leaves_with_workspace(compiler, item, destination):
                text = (
                    f"all of it is withheld from {destination}, whose gates ask what the item's workspace decided: let a "
                    "field that leaves say `workspace`"
                )
                yield finding_at(Severity.WARNING, "gate-shut", ("flows", flow), text)


def absent_types(compiler: Compiler) -> Iterator[Finding]:
    """Flows of message types that the contract lacks, if nobody says that another one has them: typos, it may be."""
    for one in compiler.absent:
        if not one.listed:
            text = (
                "no contract has a message type of this name, so its items are refused; mend the name, or "
                f"{elsewhere.LIST_UNDER_ELSEWHERE}"
            )
            yield finding_at(Severity.ERROR, "not-here", one.keys, text)


def types_as_annotated(compiler: Compiler) -> Iterator[Finding]:
    """Types that Kannelle's controller hasn't seen, while Kannelle's policy is in force."""
    if names := sorted(compiler.types_as_annotated & compiler.contract.messages):
        text = (
            f"records Kannelle's types alone: what {shortlist(names)} annotate counts though nobody approved it; "
            "`privacy-gateway init` writes a policy of your own, to name a file of your own in"
        )
        yield Finding(Severity.NOTE, "as-annotated", "approvals", text)


def unfed_destinations(compiler: Compiler) -> Iterator[Finding]:
    """Destinations to which no flow and no route leads: who receives nothing need not be named."""
    policy = compiler.full_policy
    fed = {name for names in policy.flows.values() for name in names} | {route.destination for route in policy.routes}
    for name in policy.destinations:
        if name not in fed:
            text = "nothing feeds it: no flow and no route leads to it; name it in one, or take it out"
            yield finding_at(Severity.ERROR, "unfed", ("destinations", name), text)


def unused_routes(compiler: Compiler) -> Iterator[Finding]:
    """Routes that nobody may use, and those that strip nothing."""
    for index, route in enumerate(compiler.method_table.routes):
        if not route.callers:
            yield finding_at(
                Severity.WARNING,
                "no-caller",
                ("routes", index),
                "no caller may use it: name those who may, and what they get",
            )
        if route.mode is Mode.SHADOW:
            text = "is in shadow: its calls pass as they are, and what would be stripped is only told"
            yield finding_at(Severity.NOTE, "shadow-route", ("routes", index, "mode"), text)


def exemption_findings(compiler: Compiler) -> Iterator[Finding]:
    """Exemptions from detectors that do nothing, and those under which what isn't looked for passes by itself."""
    for one in exemptions(compiler):
        keys = (*one.keys, "without")
        if one.has_no_effect:
            text = (
                "has no effect: it counts inside the EU, for texts that are OPERATIONAL, and no recipient there gets "
                "this as one"
            )
            yield finding_at(Severity.NOTE, "exemption-idle", keys, text)
        elif one.passing_detectors:
            text = (
                f"what is a bare {' or '.join(one.passing_detectors)} passes the pattern: let it begin with what its values begin "
                "with"
            )
            yield finding_at(Severity.WARNING, "exemption-open", keys, text)
        elif one.has_personal_name:
            text = "its name says something personal: what isn't looked for is what it holds; label it as what it is"
            yield finding_at(Severity.WARNING, "exemption-open", keys, text)


def mail_domains(compiler: Compiler) -> Iterator[Finding]:
    """Mail domains that the policy names and need not, or hardly means."""
    given = compiler.policy.personal_domains
    for part, known, text in (
        ("add", True, "is known to be personal: it need not be added"),
        ("remove", False, "is not known to be personal, nor is it below one that is: it need not be removed"),
    ):
        for index, domain in enumerate(getattr(given, part)):
            keys, plain = ("personal_domains", part, index), personal_domains.a_labels(domain)
            if personal_domains.is_registry(plain):
                yield finding_at(
                    Severity.WARNING,
                    "domain-registry",
                    keys,
                    "is what others register domains under: it counts for all of them",
                )
            elif is_personal_domain(plain) is known:
                yield finding_at(Severity.WARNING, "domain-idle", keys, text)


SEVERITY_OF_CHANGE: Final[Mapping[str, Severity]] = {
    "mask-unclear": Severity.WARNING,
    "mask-empty": Severity.WARNING,
    "update-partial": Severity.NOTE,
    "oneof-partial": Severity.NOTE,
}
"""How much it matters that a stripped field changes what a call means."""


def changed_meaning(compiler: Compiler) -> Iterator[Finding]:
    """Stripped fields that change what a call means."""
    yield from (
        Finding(SEVERITY_OF_CHANGE[found.code], found.code, found.place, found.text)
        for found in semantic_changes(compiler)
    )


CHECKS: Final[tuple[Callable[[Compiler], Iterator[Finding]], ...]] = (
    unclassified,
    unaccepted,
    stripped_required,
    ambiguous_subjects,
    prohibited_words,
    personal_words,
    flagged_values,
    prohibited_values,
    prohibited_texts,
    unfit_labels,
    redacted_operational,
    open_values,
    open_patterns,
    empty_flows,
    shut_gates,
    absent_types,
    types_as_annotated,
    unfed_destinations,
    unbounded_integers,
    unused_routes,
    mail_domains,
    exemption_findings,
    changed_meaning,
)
"""All that is looked at."""
