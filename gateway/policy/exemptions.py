"""What the policy exempts from detectors, field by field.

Whether it does anything, and whether more passes than it should.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from gateway.detectors.personal_names import is_personal_name
from gateway.model import Category, Detector, FieldPrivacy
from gateway.policy.bare import is_open
from gateway.policy.compile import EVENT, Compiler
from gateway.policy.document import Classification, Metadata
from gateway.policy.fields import parts
from gateway.policy.judge import Site, judge
from gateway.policy.reach import metadata, pairs
from gateway.policy.values import KIND_OF
from gateway.signals import BY_ITEM
from gateway.yamlfile import Keys


class Exemption(msgspec.Struct, frozen=True):
    """Where the policy says `without`.

    `idle`: nothing is judged otherwise for it. `bare`: what passes its pattern as it is.

    `named`: the name says something personal, so that what isn't looked for may well be what it holds.
    """

    keys: Keys
    idle: bool
    bare: tuple[Detector, ...] = ()
    named: bool = False


def exemptions(compiler: Compiler) -> Iterator[Exemption]:
    """Yield all of them but that of user IDs, which holds everywhere."""
    policy = compiler.policy
    everywhere = tuple(_everywhere(compiler))
    for name, held in policy.classifications.items():
        yield from _exemption(("classifications", name), held.privacy, _kinds(compiler, name), everywhere)
    for name, event in policy.tracking_plan.items():
        for key, prop in event.properties.items():
            at = ("tracking_plan", name, "properties", key)
            yield from _exemption(at, prop.privacy, (KIND_OF[prop.kind],), _fed(compiler, lambda item: item == EVENT))
    for key in policy.otlp.attributes:
        yield from _exemption(
            ("otlp", "attributes", key), policy.otlp.privacy(key), ("string",), _fed(compiler, BY_ITEM.__contains__)
        )
    for keys, given in metadata(policy):
        yield from _of_metadata(keys, given, _site(compiler, keys))


def _everywhere(compiler: Compiler) -> Iterator[Site]:
    yield from map(compiler.site, compiler.policy.destinations)
    yield from (compiler.caller_site(*caller) for route in compiler.policy.routes for caller in route.callers.items())


def _fed(compiler: Compiler, takes: Callable[[str], bool]) -> tuple[Site, ...]:
    """The destinations of flows whose items `takes`."""
    return tuple(compiler.site(destination) for item, destination in pairs(compiler) if takes(item))


def _kinds(compiler: Compiler, name: str) -> tuple[str, ...]:
    """The kinds of value that a field holds, its map's keys left out: what they are is said elsewhere."""
    owner, _, own = name.rpartition(".")
    known = compiler.contract.message(owner).fields_by_name if owner in compiler.contract.messages else {}
    # An extension's kind isn't looked up: in doubt the exemption is one.
    return tuple(kind for part, kind in parts(known[own]) if part == "category") if own in known else ("string",)


def _site(compiler: Compiler, keys: Keys) -> Site:
    """Who gets the metadata that stands there: a destination, or a route's caller."""
    match keys:
        case ("routes", int(index), _, str(name), _):
            return compiler.caller_site(name, compiler.policy.routes[index].callers[name])
    return compiler.site(str(keys[1]))


def _of_metadata(keys: Keys, given: Metadata, site: Site) -> Iterator[Exemption]:
    for section in ("keys", "baggage", "tracestate"):
        for name, held in getattr(given, section).items():
            if isinstance(held, Classification):
                yield from _exemption((*keys, section, name), held.privacy, ("string",), (site,))


def _exemption(keys: Keys, privacy: FieldPrivacy, kinds: Iterable[str], sites: Iterable[Site]) -> Iterator[Exemption]:
    if privacy.without:
        idle = not any(_matters(kind, privacy, site) for kind in kinds for site in sites)
        bare = tuple(kind for kind in privacy.without if _passes(kind, privacy))
        yield Exemption(keys, idle, bare, privacy.category is Category.OPERATIONAL and is_personal_name(_name(keys)))


def _name(keys: Keys) -> str:
    """A field's own name, or a key of the policy."""
    return str(keys[-1]).rpartition(".")[2] if keys[0] == "classifications" else str(keys[-1])


def _matters(kind: str, privacy: FieldPrivacy, site: Site) -> bool:
    return judge(kind, privacy, site) != judge(kind, msgspec.structs.replace(privacy, without=()), site)


def _passes(kind: Detector, privacy: FieldPrivacy) -> bool:
    """Whether something that isn't looked for passes the pattern without anything around it."""
    return privacy.category is Category.OPERATIONAL and is_open(privacy.pattern, kind)
