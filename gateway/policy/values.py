"""Rules for values whose kind shows only at run time: OTLP attributes and the properties of events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from gateway.errors import Reason
from gateway.model import FieldPrivacy
from gateway.plan import Keep, Properties, Scalar, Value
from gateway.policy.document import Policy
from gateway.policy.judge import Site, judge
from gateway.policy.planned import Event, PropertyType

KINDS: Final = ("string", "integer", "float", "bool")
"""The kinds that such a value may show, as `judge` names them."""

KIND_OF: Final = dict(zip(PropertyType, KINDS, strict=True))
"""The kind of a property's type."""


def values(kinds: Mapping[str, FieldPrivacy], site: Site) -> Value:
    """The rules of a value that is classified, for each kind it may show, by `kinds`."""
    return Value(*(_scalar(kind, kinds.get(kind, FieldPrivacy()), site) for kind in KINDS))


def properties(policy: Policy, selector: int, site: Site) -> Properties:
    """The rules of the tracking plan; `selector` is the number of the field that names the event."""
    return Properties(selector, {name: _event(event, site) for name, event in policy.tracking_plan.items()})


def _event(event: Event, site: Site) -> dict[str, Value]:
    rules = {name: values({KIND_OF[held.kind]: held.privacy}, site) for name, held in event.properties.items()}
    return {name: rule for name, rule in rules.items() if rule != Value()}


def _scalar(kind: str, privacy: FieldPrivacy, site: Site) -> Scalar | None:
    ruling = judge(kind, privacy, site)
    if isinstance(ruling, Reason):
        return None
    # Of these kinds, none is judged as a time, a duration or a message.
    return Keep() if ruling is None else cast(Scalar, ruling)
