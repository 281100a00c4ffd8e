"""Values that stay home because nothing bounds them, and what would.

`lint`'s advice by the kind of value, each piece of which works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.errors import FieldReason
from gateway.model import NEVER, Category, FieldPrivacy, Recipient
from gateway.policy.compile import Compiler
from gateway.policy.explain import KEY, Node, explain
from gateway.policy.fields import parts
from gateway.policy.findings import Finding, Severity
from gateway.policy.judge import Site, judge
from gateway.policy.reach import own_fields, pairs
from gateway.policy.values import KIND_OF

ANY: Final = "give it one_of, a pattern, or min and max"
CLOSE: Final[Mapping[str, str]] = {
    "string": "give it one_of or a pattern",
    "integer": "give it min and max",
    "duration": "give it min and max, in seconds",
    "timestamp": "say `timestamps: {days_around_receipt: 7}` in the policy, if it is a time about now",
    "float": "no float leaves the EU, so make it an integer with min and max, in a smaller unit",
    KEY: "no bound can be given for keys, so make it a list of messages whose fields have bounds",
}
"""What closes a value, by its kind."""

OPAQUE: Final = "what is in it can't be judged, so it can't be an identifier, an address or OPERATIONAL"


def may_be(kind: str, category: Category) -> bool:
    """Whether a value of a kind can hold a category: judged where everything is allowed."""
    anywhere = Site("", Recipient.STORE, "FR", frozenset(Category), "", None)
    return judge(kind, FieldPrivacy(category), anywhere) not in (FieldReason.OPAQUE, FieldReason.WRONG_KIND)


def fits(kind: str) -> list[str]:
    """The names of the categories that a value of a kind can hold, and some destination may receive."""
    return [one.name for one in Category if one not in NEVER | {Category.UNSPECIFIED} and may_be(kind, one)]


def not_closed(compiler: Compiler) -> Iterator[Finding]:
    """OPERATIONAL values that stay home because nothing bounds them."""
    kinds = _kinds(compiler)
    for item, destination in pairs(compiler):
        if compiler.site(destination).outside:
            for _, node in explain(compiler, item, destination).walk():
                if _is_open(node, compiler, kinds):
                    how = CLOSE.get(kinds.get(node.key, ""), ANY)
                    text = f"not closed, so stripped at {destination}, outside the EU: {how}"
                    yield Finding(Severity.WARNING, "not-closed", node.key.removesuffix(KEY), text)


def _kinds(compiler: Compiler) -> Mapping[str, str]:
    """The kinds of values of fields, of maps' keys and of the tracking plan's properties, by the keys of their nodes."""
    found = {
        field.full_name: kind for field in own_fields(compiler) for part, kind in parts(field) if part == "category"
    }
    keys = {
        f"{field.full_name}{KEY}": KEY
        for field in own_fields(compiler)
        for part, _ in parts(field)
        if part == "map_key"
    }
    planned = {
        f"tracking_plan.{event}.properties.{name}": KIND_OF[given.kind]
        for event, held in compiler.policy.tracking_plan.items()
        for name, given in held.properties.items()
    }
    return {**found, **keys, **planned}


def _is_open(node: Node, compiler: Compiler, kinds: Mapping[str, str]) -> bool:
    """Of an attribute, whose kind shows late, truth values leave all the same."""
    key = node.key.removeprefix("otlp.attributes.")
    if key != node.key:
        held = compiler.policy.otlp.privacy(key)
        closed = held.pattern or held.one_of or held.bounded or key.endswith(".*")
        return held.category is Category.OPERATIONAL and not closed
    ours = node.key in compiler.classes or node.key in kinds
    return ours and node.reason is FieldReason.NOT_CLOSED
