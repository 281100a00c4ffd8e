"""Values that stay home because nothing bounds them, and what would.

`lint`'s advice by the kind of value, each piece of which works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.errors import FieldReason
from gateway.model import NEVER, Category, FieldPrivacy, Recipient
from gateway.policy.compile import Compiler
from gateway.policy.fields import classified_parts
from gateway.policy.flow_targets import flow_targets, own_fields
from gateway.policy.review.explain import KEY, Node, explain
from gateway.policy.review.findings import Finding, Severity
from gateway.policy.rules import RecipientTerms, rule_for
from gateway.policy.value_rules import KIND_BY_TYPE

BOUND_IT: Final = "give it one_of, a pattern, or min and max"
ADVICE_BY_KIND: Final[Mapping[str, str]] = {
    "string": "give it one_of or a pattern",
    "integer": "give it min and max",
    "duration": "give it min and max, in seconds",
    "timestamp": "say `timestamps: {days_around_receipt: 7}` in the policy, if it is a time about now",
    "float": "no float leaves the EU, so make it an integer with min and max, in a smaller unit",
    KEY: "no bound can be given for keys, so make it a list of messages whose fields have bounds",
}
"""What closes a value, by its kind."""

OPAQUE_TEXT: Final = "what is in it can't be judged, so it can't be an identifier, an address or OPERATIONAL"


def can_hold(kind: str, category: Category) -> bool:
    """Whether a value of a kind can hold a category: judged where everything is allowed."""
    anywhere = RecipientTerms("", Recipient.STORE, "FR", frozenset(Category), "", None)
    return rule_for(kind, FieldPrivacy(category), anywhere) not in (FieldReason.OPAQUE, FieldReason.WRONG_KIND)


def fitting_categories(kind: str) -> list[str]:
    """The names of the categories that a value of a kind can hold, and some destination may receive."""
    return [one.name for one in Category if one not in NEVER | {Category.UNSPECIFIED} and can_hold(kind, one)]


def open_values(compiler: Compiler) -> Iterator[Finding]:
    """OPERATIONAL values that stay home because nothing bounds them."""
    kinds = _kinds(compiler)
    for item, destination in flow_targets(compiler):
        if compiler.terms(destination).outside_eu:
            for _, node in explain(compiler, item, destination).walk():
                if _is_open(node, compiler, kinds):
                    how = ADVICE_BY_KIND.get(kinds.get(node.key, ""), BOUND_IT)
                    text = f"not closed, so stripped at {destination}, outside the EU: {how}"
                    yield Finding(Severity.WARNING, "not-closed", node.key.removesuffix(KEY), text)


def _kinds(compiler: Compiler) -> Mapping[str, str]:
    """The kinds of values of fields, maps' keys and the tracking plan's properties, by the keys of their nodes."""
    found = {
        field.full_name: kind
        for field in own_fields(compiler)
        for part, kind in classified_parts(field)
        if part == "category"
    }
    keys = {
        f"{field.full_name}{KEY}": KEY
        for field in own_fields(compiler)
        for part, _ in classified_parts(field)
        if part == "map_key"
    }
    planned = {
        f"tracking_plan.{event}.properties.{name}": KIND_BY_TYPE[given.kind]
        for event, held in compiler.policy.tracking_plan.items()
        for name, given in held.properties.items()
    }
    return {**found, **keys, **planned}


def _is_open(node: Node, compiler: Compiler, kinds: Mapping[str, str]) -> bool:
    ours = node.key in compiler.classifications or node.key in kinds
    return ours and node.reason is FieldReason.NOT_CLOSED
