"""Patterns that let something personal pass: those whose whole rule keeps one of the person probes.

Outside the EU there are none; see `person_probes.py` for what is tried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain

import msgspec

from gateway.errors import Reason
from gateway.plan import Attributes, MessagePlan, Plan, Properties, Rule, Text, Value
from gateway.policy.error_details import RPC_PACKAGE
from gateway.policy.person_probes import PassingProbe, first_passing
from gateway.yamlfile import Keys


class PatternRule(msgspec.Struct, frozen=True):
    """The rule of a pattern, and the key of the policy under which it stands, or the full name of a field."""

    keys: Keys
    rule: Text


class OpenPattern(msgspec.Struct, frozen=True):
    """A pattern that lets a probe pass; `keys` are those of its rule."""

    keys: Keys
    probe: PassingProbe

    @property
    def text(self) -> str:
        """What passes, and what to do about it."""
        return (
            f'lets a {self.probe.kind} pass, such as "{self.probe.text}": outside the EU only indirect data may be, so a '
            "text there is one of a list (one_of), or of a pattern that no name, number or address fits; an identifier's "
            "pattern is listed under `identifiers`"
        )


def open_probe(rule: Rule | Reason | None, identifiers: Collection[str]) -> PassingProbe | None:
    """The probe that passes where `rule` stands outside the EU, if one does; identifiers are apart."""
    if not isinstance(rule, Text) or not rule.pattern or rule.one_of or rule.pattern in identifiers:
        return None
    return first_passing(rule)


def is_open(ruling: Rule | Reason | None, identifiers: Collection[str]) -> bool:
    """Whether a probe passes a ruling on a field, or one of those on its attributes or properties."""
    return any(open_probe(found.rule, identifiers) for found in _rules_within((), ruling))


def open_patterns(plan: Plan, identifiers: Collection[str]) -> Iterator[OpenPattern]:
    """Yield the patterns of a plan that let a probe pass, each once."""
    for found in pattern_rules(plan):
        if probe := open_probe(found.rule, identifiers):
            yield OpenPattern(found.keys, probe)


def pattern_rules(plan: Plan) -> Iterator[PatternRule]:
    """Yield the rules of a plan's texts that have a pattern, each with its place once.

    The name of an event is one that the tracking plan lists, whatever pattern it has. The constants in the details of
    an error are their program's names.
    """
    fields = (_rules_of_fields(message, plan) for message in plan.messages if not message.name.startswith(RPC_PACKAGE))
    yield from dict.fromkeys(chain.from_iterable(fields))


def _rules_of_fields(message: MessagePlan, plan: Plan) -> Iterator[PatternRule]:
    selectors = _selectors(message, plan)
    for field in message.fields:
        if field.rule is not None and field.number not in selectors:
            yield from _rules_within((f"{message.name}.{field.name}",), plan.rules[field.rule])


def _selectors(message: MessagePlan, plan: Plan) -> frozenset[int]:
    """The numbers of the fields that say which event's rules hold."""
    rules = (plan.rules[field.rule] for field in message.fields if field.rule is not None)
    return frozenset(rule.selector for rule in rules if isinstance(rule, Properties))


def _rules_within(keys: Keys, ruling: Rule | Reason | None) -> Iterator[PatternRule]:
    """Yield the rules for texts that a ruling on a field comes to."""
    match ruling:
        case Text() if ruling.pattern and not ruling.one_of:
            yield PatternRule(keys, ruling)
        case Attributes():
            for key, value in (*ruling.exact.items(), *((f"{key}*", one) for key, one in ruling.prefixes.items())):
                yield from _rule_of_value(("otlp", "attributes", key), value)
        case Properties():
            for event, held in ruling.events.items():
                for name, value in held.items():
                    yield from _rule_of_value(("tracking_plan", event, "properties", name), value)


def _rule_of_value(keys: Keys, value: Value) -> Iterator[PatternRule]:
    return _rules_within(keys, value.string)
