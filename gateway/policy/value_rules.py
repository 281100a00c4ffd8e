"""Rules for values whose kind shows only at run time: OTLP attributes and the properties of events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.model import FieldPrivacy
from gateway.plan import Keep, Properties, Scalar, Value
from gateway.policy.document import Policy
from gateway.policy.rules import RecipientTerms, rule_for
from gateway.policy.tracking_plan import Event, PropertyType

KINDS: Final = ("string", "integer", "float", "bool")
"""The kinds that such a value may show, as `rule_for` names them."""

KIND_BY_TYPE: Final = dict(zip(PropertyType, KINDS, strict=True))
"""The kind of a property's type."""


def value_rules(kinds: Mapping[str, FieldPrivacy], terms: RecipientTerms) -> Value:
    """The rules of a value that is classified, for each kind it may show, by `kinds`."""
    return Value(*(_scalar(kind, kinds.get(kind, FieldPrivacy()), terms) for kind in KINDS))


def property_rules(policy: Policy, selector: int, terms: RecipientTerms) -> Properties:
    """The rules of the tracking plan; `selector` is the number of the field that names the event."""
    return Properties(selector, {name: _event(event, terms) for name, event in policy.tracking_plan.items()})


def _event(event: Event, terms: RecipientTerms) -> dict[str, Value]:
    rules = {
        name: value_rules({KIND_BY_TYPE[held.kind]: held.privacy}, terms) for name, held in event.properties.items()
    }
    return {name: rule for name, rule in rules.items() if rule != Value()}


def _scalar(kind: str, privacy: FieldPrivacy, terms: RecipientTerms) -> Scalar | None:
    ruling = rule_for(kind, privacy, terms)
    if ruling is None:
        return Keep()
    # Of these kinds, none is judged as a time, a duration or a message.
    return ruling if isinstance(ruling, Scalar) else None
