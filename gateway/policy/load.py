"""The policy's file in, a policy that holds together out.

Whether it fits the contracts is `compile.py`'s to say; `PolicyFile.origin` tells it the lines.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from gateway.errors import BadPolicy
from gateway.model import NEVER, Category
from gateway.policy import elsewhere, envelope, mail, residency, routes, shapes, targets
from gateway.policy import exporter_checks as outgoing
from gateway.policy import faults as fault
from gateway.policy.document import Classification, Otlp, OtlpSettings, Policy
from gateway.policy.planned import Property, PropertyType
from gateway.signals import BY_FLOW
from gateway.yamlfile import Fault, Origin, bytes_of, decoded, unlisted
from gateway.yamlfile import parse as parse_yaml

_FLOW: Final = re.compile(rf"{routes.NAME}(/(\*|[A-Za-z_]\w*))?", re.ASCII)
_ELSEWHERE: Final = re.compile(rf"{routes.NAME}(\.\*)?", re.ASCII)
_ATTRIBUTE: Final = re.compile(r"[^\s*]+(?<!\.)(\.\*)?")
_RULES: Final = ("pattern", "max_length", "one_of", "min", "max")
_BOUNDS: Final = ("min", "max")
_FITTING: Final = {
    PropertyType.STRING: ("pattern", "max_length", "one_of", "without"),
    PropertyType.INTEGER: _BOUNDS,
    PropertyType.NUMBER: _BOUNDS,
    PropertyType.BOOLEAN: (),
}
_STRINGS: Final = frozenset({Category.USER_ID, Category.WORK_EMAIL})


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy, where it came from, and where in it each key stands.

    `sha256` is that of its file, empty without one.
    """

    policy: Policy = field(repr=False)
    origin: Origin = field(repr=False)
    path: Path
    sha256: str = ""


def default_path() -> Path:
    """The policy that comes with the gateway: Kannelle's."""
    return Path(str(importlib.resources.files("gateway.policy") / "kannelle.yaml"))


def load(path: Path) -> PolicyFile:
    """The policy in the file at `path`. Raises BadPolicy, with a line for everything that is wrong."""
    raw = bytes_of(path, BadPolicy)
    return replace(parse(decoded(raw, path, BadPolicy), path), sha256=hashlib.sha256(raw).hexdigest())


def parse(text: str, path: Path = Path("policy.yaml")) -> PolicyFile:
    """The policy that `text` holds; `path` stands for its file.

    Raises BadPolicy, with a line for everything that is wrong.
    """
    written, origin = parse_yaml(text, str(path), Policy, BadPolicy)
    origin.check(faults(written))
    return PolicyFile(shapes.resolved(written), origin, path)


def faults(written: Policy) -> Iterator[Fault]:
    """What can't be in a policy as it is written, whatever the contracts say."""
    yield from shapes.faults(written)
    yield from shapes.placed(written, _faults(shapes.resolved(written)))


def _faults(policy: Policy) -> Iterator[Fault]:
    """The same of a policy whose patterns stand in the place of their names."""
    yield from fault.of_user_id(policy.user_id)
    yield from mail.faults(policy.personal_domains)
    yield from residency.faults(policy)
    yield from targets.faults(policy)
    for name, destination in policy.destinations.items():
        yield from envelope.faults(("destinations", name, "metadata"), destination.metadata, destination.region)
        yield from outgoing.problems(("destinations", name, "exporter"), destination.exporter)
    for name, classification in policy.classifications.items():
        yield from fault.of_values(("classifications", name), classification)
    for flow, names in policy.flows.items():
        yield from _faults_of_flow(flow, names, policy)
    for event, planned in policy.tracking_plan.items():
        yield from fault.of_name(("tracking_plan", event))
        for name, held in planned.properties.items():
            yield from _faults_of_property(("tracking_plan", event, "properties", name), held)
    for index, route in enumerate(policy.routes):
        yield from _faults_of_name(("routes", index, "destination"), route.destination, policy)
    yield from routes.faults(policy)
    yield from _faults_of_elsewhere(policy)
    yield from _faults_of_otlp(policy.otlp)
    yield from fault.of_log_keys(policy.pipe.keys)


def _faults_of_flow(flow: str, names: tuple[str, ...], policy: Policy) -> Iterator[Fault]:
    keys = ("flows", flow)
    if flow.startswith("otlp/") and flow not in BY_FLOW:
        yield keys, unlisted(flow, BY_FLOW)
    elif not _FLOW.fullmatch(flow):
        yield keys, "must be pkg.Service/Method, pkg.Service/*, a message's full name or an OTLP signal"
    if not names:
        yield keys, "must name a destination"
    for index, name in enumerate(names):
        yield from _faults_of_name((*keys, index), name, policy)
        if (
            flow not in BY_FLOW
            and name in policy.destinations
            and isinstance(policy.destinations[name].exporter, OtlpSettings)
        ):
            yield (*keys, index), "has an otlp exporter, which takes OTLP signals only"
    yield from fault.twice(keys, names)


def _faults_of_elsewhere(policy: Policy) -> Iterator[Fault]:
    for index, name in enumerate(policy.elsewhere):
        if not _ELSEWHERE.fullmatch(name):
            yield (
                ("elsewhere", index),
                "must be a message type's or a service's full name, or a package with .* at its end",
            )
        elif elsewhere.is_ours(name):
            yield ("elsewhere", index), "is of a package that the gateway brings, so no other contract defines it"
    yield from fault.twice(("elsewhere",), policy.elsewhere)


def _faults_of_name(keys: tuple[str | int, ...], name: str, policy: Policy) -> Iterator[Fault]:
    if name not in policy.destinations:
        known = unlisted(name, policy.destinations, "`destinations`") if policy.destinations else "there is none"
        yield keys, f"is no destination; {known}"


def _faults_of_property(keys: tuple[str, ...], held: Property) -> Iterator[Fault]:
    yield from fault.of_name(keys)
    yield from fault.of_values(keys, held)
    given = [
        key for key in (*_RULES, "without") if getattr(held, key) is not None and (key in _BOUNDS or getattr(held, key))
    ]
    for key in given:
        if key not in _FITTING[held.kind]:
            yield (*keys, key), f"is not for a property of type {held.kind}"
    if len(set(given).intersection(_BOUNDS)) == 1:
        yield (*keys, given[-1]), "needs the other bound beside it: min and max come together"
    if held.min == held.max == 0:
        yield (*keys, "max"), "must be more than min; 0 and 0 mean no bounds"
    if held.category in NEVER or held.category is Category.UNSPECIFIED:
        yield (*keys, "category"), residency.barred(held.category, "")
    if held.category in _STRINGS and held.kind is not PropertyType.STRING:
        yield (*keys, "type"), f"must be string, for {held.category.name} is one"
    if held.type is None and not given and held.category is Category.OPERATIONAL:
        yield (*keys, "type"), f"is required where none of {', '.join(_RULES)} tells it"


def _faults_of_otlp(otlp: Otlp) -> Iterator[Fault]:
    for key, held in otlp.attributes.items():
        keys = ("otlp", "attributes", key)
        yield from fault.of_name(keys)
        if not _ATTRIBUTE.fullmatch(key):
            yield keys, "must be an attribute's key, or the start of some with .* at its end"
        if isinstance(held, Classification):
            yield from fault.of_values(keys, held)
            if held.without and key.endswith(".*"):
                yield (*keys, "without"), "is for one key, not for all that begin alike"
    yield from fault.of_texts(("otlp", "log_templates"), otlp.log_templates)
    yield from fault.of_texts(("otlp", "span_names"), otlp.span_names)
