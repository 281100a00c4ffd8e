"""The policy's file in, a policy that holds together out.

Whether it fits the contracts: see `compile.py`. `PolicyFile.origin` tells it the lines.
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
from gateway.exporters.otlp.settings import OtlpSettings
from gateway.model import NEVER, Category
from gateway.otlp.signals import BY_FLOW
from gateway.policy import elsewhere, envelope, exporter_files, named_patterns, personal_domains, residency, routes
from gateway.policy.document import Classification, Otlp, Policy
from gateway.policy.otlp.workspace import problems as workspace_problems
from gateway.policy.placement import forbidden_reason
from gateway.policy.problems import (
    duplicates,
    log_key_problems,
    name_problems,
    text_problems,
    thing_identifier_problems,
    user_id_problems,
    value_rule_problems,
)
from gateway.policy.tracking_plan import Property, PropertyType
from gateway.yamlfile import Origin, Problem, decode_utf8, load_bytes, unknown_name_text
from gateway.yamlfile import parse as parse_yaml

_FLOW: Final = re.compile(rf"{routes.FULL_NAME}(/(\*|[A-Za-z_]\w*))?", re.ASCII)
_ELSEWHERE: Final = re.compile(rf"{routes.FULL_NAME}(\.\*)?", re.ASCII)
_ATTRIBUTE: Final = re.compile(r"[^\s*]+(?<!\.)(\.\*)?")
_RULES: Final = ("pattern", "max_length", "one_of", "min", "max")
_BOUNDS: Final = ("min", "max")
_RULES_BY_TYPE: Final = {
    PropertyType.STRING: ("pattern", "max_length", "one_of", "without"),
    PropertyType.INTEGER: _BOUNDS,
    PropertyType.NUMBER: _BOUNDS,
    PropertyType.BOOLEAN: (),
}
_STRING_CATEGORIES: Final = frozenset({Category.USER_ID, Category.WORK_EMAIL})


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy, where it came from, and where in it each key stands.

    `sha256` is that of its file, empty without one.
    """

    policy: Policy = field(repr=False)
    origin: Origin = field(repr=False)
    path: Path
    sha256: str = ""

    @property
    def is_builtin(self) -> bool:
        """Whether it is the policy that comes with the gateway."""
        return self.path.resolve() == default_path().resolve()

    @property
    def approvals(self) -> Path | None:
        """Where what was approved is recorded; None where the policy names no file."""
        return None if self.policy.approvals is None else self.path.parent / self.policy.approvals


def default_path() -> Path:
    """The policy that comes with the gateway: Kannelle's."""
    return Path(str(importlib.resources.files("gateway.policy") / "kannelle.yaml"))


def load(path: Path) -> PolicyFile:
    """The policy in the file at `path`. Raises BadPolicy, with a line for everything that is wrong."""
    raw = load_bytes(path, BadPolicy)
    return replace(parse(decode_utf8(raw, path, BadPolicy), path), sha256=hashlib.sha256(raw).hexdigest())


def parse(text: str, path: Path = Path("policy.yaml")) -> PolicyFile:
    """The policy that `text` holds; `path` stands for its file.

    Raises BadPolicy, with a line for everything that is wrong.
    """
    written, origin = parse_yaml(text, str(path), Policy, BadPolicy)
    origin.check(problems(written))
    return PolicyFile(named_patterns.resolve(written), origin, path)


def problems(written: Policy) -> Iterator[Problem]:
    """What can't be in a policy as it is written, whatever the contracts say."""
    yield from named_patterns.problems(written)
    yield from named_patterns.at_references(written, _resolved_problems(named_patterns.resolve(written)))


def _resolved_problems(policy: Policy) -> Iterator[Problem]:
    """The same of a policy whose patterns stand in the place of their names."""
    yield from user_id_problems(policy.user_id)
    yield from thing_identifier_problems(policy.identifiers)
    yield from personal_domains.problems(policy.personal_domains)
    yield from residency.problems(policy)
    yield from exporter_files.problems(policy)
    for name, destination in policy.destinations.items():
        yield from envelope.problems(
            ("destinations", name, "metadata"), destination.metadata, destination.region, policy.identifiers
        )
        for keys, text in destination.exporter.problems():
            yield ("destinations", name, "exporter", *keys), text
    for name, classification in policy.classifications.items():
        yield from value_rule_problems(("classifications", name), classification)
    for flow, names in policy.flows.items():
        yield from _problems_of_flow(flow, names, policy)
    for event, planned in policy.tracking_plan.items():
        yield from name_problems(("tracking_plan", event))
        for name, held in planned.properties.items():
            yield from _problems_of_property(("tracking_plan", event, "properties", name), held)
    for index, route in enumerate(policy.routes):
        yield from _problems_of_destination_name(("routes", index, "destination"), route.destination, policy)
    yield from routes.problems(policy)
    yield from _problems_of_elsewhere(policy)
    yield from _problems_of_otlp(policy.otlp)
    yield from log_key_problems(policy.pipe.keys)


def _problems_of_flow(flow: str, names: tuple[str, ...], policy: Policy) -> Iterator[Problem]:
    keys = ("flows", flow)
    if flow.startswith("otlp/") and flow not in BY_FLOW:
        yield keys, unknown_name_text(flow, BY_FLOW)
    elif not _FLOW.fullmatch(flow):
        yield keys, "must be pkg.Service/Method, pkg.Service/*, a message's full name or an OTLP signal"
    if not names:
        yield keys, "must name a destination"
    for index, name in enumerate(names):
        yield from _problems_of_destination_name((*keys, index), name, policy)
        if (
            flow not in BY_FLOW
            and name in policy.destinations
            and isinstance(policy.destinations[name].exporter, OtlpSettings)
        ):
            yield (*keys, index), "has an otlp exporter, which takes OTLP signals only"
    yield from duplicates(keys, names)


def _problems_of_elsewhere(policy: Policy) -> Iterator[Problem]:
    for index, name in enumerate(policy.elsewhere):
        if not _ELSEWHERE.fullmatch(name):
            yield (
                ("elsewhere", index),
                "must be a message type's or a service's full name, or a package with .* at its end",
            )
        elif elsewhere.is_builtin(name):
            yield ("elsewhere", index), "is of a package that the gateway brings, so no other contract defines it"
    yield from duplicates(("elsewhere",), policy.elsewhere)


def _problems_of_destination_name(keys: tuple[str | int, ...], name: str, policy: Policy) -> Iterator[Problem]:
    if name not in policy.destinations:
        known = (
            unknown_name_text(name, policy.destinations, "`destinations`") if policy.destinations else "there is none"
        )
        yield keys, f"is no destination; {known}"


def _problems_of_property(keys: tuple[str, ...], held: Property) -> Iterator[Problem]:
    yield from name_problems(keys)
    yield from value_rule_problems(keys, held)
    given = [
        key for key in (*_RULES, "without") if getattr(held, key) is not None and (key in _BOUNDS or getattr(held, key))
    ]
    for key in given:
        if key not in _RULES_BY_TYPE[held.kind]:
            yield (*keys, key), f"is not for a property of type {held.kind}"
    if len(set(given).intersection(_BOUNDS)) == 1:
        yield (*keys, given[-1]), "needs the other bound beside it: min and max come together"
    if held.min == held.max == 0:
        yield (*keys, "max"), "must be more than min; 0 and 0 mean no bounds"
    if held.category in NEVER or held.category is Category.UNSPECIFIED:
        yield (*keys, "category"), forbidden_reason(held.category, "")
    if held.category in _STRING_CATEGORIES and held.kind is not PropertyType.STRING:
        yield (*keys, "type"), f"must be string, for {held.category.name} is one"
    if held.type is None and not given and held.category is Category.OPERATIONAL:
        yield (*keys, "type"), f"is required where none of {', '.join(_RULES)} tells it"


def _problems_of_otlp(otlp: Otlp) -> Iterator[Problem]:
    for key, held in otlp.attributes.items():
        keys = ("otlp", "attributes", key)
        yield from name_problems(keys)
        if not _ATTRIBUTE.fullmatch(key):
            yield keys, "must be an attribute's key, or the start of some with .* at its end"
        if isinstance(held, Classification):
            yield from value_rule_problems(keys, held)
            if held.without and key.endswith(".*"):
                yield (*keys, "without"), "is for one key, not for all that begin alike"
            if held.workspace:
                yield (*keys, "workspace"), "is for fields of messages: an attribute is named by `otlp: {workspace: …}`"
    yield from workspace_problems(otlp)
    yield from text_problems(("otlp", "log_templates"), otlp.log_templates)
    yield from text_problems(("otlp", "span_names"), otlp.span_names)
