"""What the policy exempts from detectors, field by field.

Whether it does anything, and whether more passes than it should.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from gateway.detectors.personal_names import is_personal_name
from gateway.model import Category, Detector, FieldPrivacy
from gateway.otlp.signals import BY_ITEM
from gateway.policy.compile import Compiler
from gateway.policy.document import Classification, Metadata
from gateway.policy.fields import classified_parts
from gateway.policy.flow_targets import flow_targets, metadata_sections
from gateway.policy.item_types import EVENT_TYPE
from gateway.policy.review.bare_values import lets_bare_values_pass
from gateway.policy.rules import RecipientTerms, rule_for
from gateway.policy.value_rules import KIND_BY_TYPE
from gateway.yamlfile import Keys


class Exemption(msgspec.Struct, frozen=True):
    """Where the policy says `without`.

    `has_no_effect`: nothing is judged otherwise for it. `passing_detectors`: what passes its pattern as it is.

    `has_personal_name`: the name says something personal, so that what isn't looked for may well be what it holds.
    """

    keys: Keys
    has_no_effect: bool
    passing_detectors: tuple[Detector, ...] = ()
    has_personal_name: bool = False


def exemptions(compiler: Compiler) -> Iterator[Exemption]:
    """Yield all of them but that of user IDs, which holds everywhere."""
    policy = compiler.policy
    everywhere = tuple(_all_terms(compiler))
    for name, held in policy.classifications.items():
        yield from _exemption(("classifications", name), held.privacy, _kinds(compiler, name), everywhere)
    for name, event in policy.tracking_plan.items():
        for key, prop in event.properties.items():
            at = ("tracking_plan", name, "properties", key)
            yield from _exemption(
                at, prop.privacy, (KIND_BY_TYPE[prop.kind],), _fed_terms(compiler, lambda item: item == EVENT_TYPE)
            )
    for key in policy.otlp.attributes:
        yield from _exemption(
            ("otlp", "attributes", key),
            policy.otlp.privacy(key),
            ("string",),
            _fed_terms(compiler, BY_ITEM.__contains__),
        )
    for keys, given in metadata_sections(policy):
        yield from _of_metadata(keys, given, _metadata_terms(compiler, keys))


def _all_terms(compiler: Compiler) -> Iterator[RecipientTerms]:
    yield from map(compiler.terms, compiler.policy.destinations)
    yield from (compiler.caller_terms(*caller) for route in compiler.policy.routes for caller in route.callers.items())


def _fed_terms(compiler: Compiler, takes: Callable[[str], bool]) -> tuple[RecipientTerms, ...]:
    """The destinations of flows whose items `takes`."""
    return tuple(compiler.terms(destination) for item, destination in flow_targets(compiler) if takes(item))


def _kinds(compiler: Compiler, name: str) -> tuple[str, ...]:
    """The kinds of value that a field holds, its map's keys left out: what they are is said elsewhere."""
    owner, _, own = name.rpartition(".")
    known = compiler.contract.message(owner).fields_by_name if owner in compiler.contract.messages else {}
    # An extension's kind isn't looked up: in doubt the exemption is one.
    return (
        tuple(kind for part, kind in classified_parts(known[own]) if part == "category")
        if own in known
        else ("string",)
    )


def _metadata_terms(compiler: Compiler, keys: Keys) -> RecipientTerms:
    """Who gets the metadata that stands there: a destination, or a route's caller."""
    match keys:
        case ("routes", int(index), _, str(name), _):
            return compiler.caller_terms(name, compiler.policy.routes[index].callers[name])
    return compiler.terms(str(keys[1]))


def _of_metadata(keys: Keys, given: Metadata, terms: RecipientTerms) -> Iterator[Exemption]:
    for section in ("keys", "baggage", "tracestate"):
        for name, held in getattr(given, section).items():
            if isinstance(held, Classification):
                yield from _exemption((*keys, section, name), held.privacy, ("string",), (terms,))


def _exemption(
    keys: Keys, privacy: FieldPrivacy, kinds: Iterable[str], all_terms: Iterable[RecipientTerms]
) -> Iterator[Exemption]:
    if privacy.without:
        idle = not any(_has_effect(kind, privacy, terms) for kind in kinds for terms in all_terms)
        bare = tuple(kind for kind in privacy.without if _passes_bare(kind, privacy))
        yield Exemption(keys, idle, bare, privacy.category is Category.OPERATIONAL and is_personal_name(_name(keys)))


def _name(keys: Keys) -> str:
    """A field's own name, or a key of the policy."""
    return str(keys[-1]).rpartition(".")[2] if keys[0] == "classifications" else str(keys[-1])


def _has_effect(kind: str, privacy: FieldPrivacy, terms: RecipientTerms) -> bool:
    return rule_for(kind, privacy, terms) != rule_for(kind, msgspec.structs.replace(privacy, without=()), terms)


def _passes_bare(kind: Detector, privacy: FieldPrivacy) -> bool:
    """Whether something that isn't looked for passes the pattern without anything around it."""
    return privacy.category is Category.OPERATIONAL and lets_bare_values_pass(privacy.pattern, kind)
