"""Patterns and bounds that let something personal pass: those whose whole rule keeps one of the person probes.

Outside the EU there are none; see `person_probes.py` for what is tried, and `open_numbers.py` for numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Final

import msgspec

from gateway.errors import Reason
from gateway.plan import Attributes, MessagePlan, Number, Plan, Properties, Rule, Text, Value
from gateway.policy.error_details import RPC_PACKAGE
from gateway.policy.open_numbers import phone_within
from gateway.policy.person_probes import PassingProbe, first_passing
from gateway.yamlfile import Keys


class PatternRule(msgspec.Struct, frozen=True):
    """The rule of a pattern, and the key of the policy under which it stands, or the full name of a field."""

    keys: Keys
    rule: Text


_CLOSED_TEXT: Final = (
    "a text there is one of a list (one_of), or of a pattern that no name, number or address fits; an identifier's "
    "pattern is listed under `identifiers`"
)

_CLOSED_NUMBER: Final = "an integer there is within bounds (min, max) that no telephone number fits"


class OpenPattern(msgspec.Struct, frozen=True):
    """A pattern, or bounds of integers, that let a probe pass; `keys` are those of its rule."""

    keys: Keys
    probe: PassingProbe
    bounds: bool = False

    @property
    def noun(self) -> str:
        """What it is, in a text."""
        return "bounds" if self.bounds else "pattern"

    @property
    def text(self) -> str:
        """What passes, and what to do about it."""
        closed = _CLOSED_NUMBER if self.bounds else _CLOSED_TEXT
        return (
            f'lets a {self.probe.kind} pass, such as "{self.probe.text}": outside the EU only indirect data may be, so '
            f"{closed}"
        )


def open_probe(rule: Rule | Reason | None, identifiers: Collection[str]) -> PassingProbe | None:
    """The probe that passes where `rule` stands outside the EU, if one does; identifiers are apart."""
    if not isinstance(rule, Text) or not rule.pattern or rule.one_of or rule.pattern in identifiers:
        return None
    return first_passing(rule)


def is_open(ruling: Rule | Reason | None, identifiers: Collection[str]) -> bool:
    """Whether a probe passes a ruling on a field, or one of those on its attributes or properties."""
    return any(_passing_probe((), rule, identifiers) for _, rule in _rules_within((), ruling))


def open_patterns(plan: Plan, identifiers: Collection[str]) -> Iterator[OpenPattern]:
    """Yield the patterns and bounds of a plan that let a probe pass, each once."""
    for keys, rule in _rules_of(plan):
        if found := _passing_probe(keys, rule, identifiers):
            yield found


def _passing_probe(keys: Keys, rule: Text | Number, identifiers: Collection[str]) -> OpenPattern | None:
    """What of a rule lets a probe pass, if it does."""
    if isinstance(rule, Number):
        number = phone_within(rule)
        return None if number is None else OpenPattern(keys, number, bounds=True)
    probe = open_probe(rule, identifiers)
    return None if probe is None else OpenPattern(keys, probe)


def pattern_rules(plan: Plan) -> Iterator[PatternRule]:
    """Yield the rules of a plan's texts that have a pattern, each with its place once."""
    for keys, rule in _rules_of(plan):
        if isinstance(rule, Text):
            yield PatternRule(keys, rule)


def _rules_of(plan: Plan) -> Iterator[tuple[Keys, Text | Number]]:
    """Yield the rules of a plan's texts that have a pattern and of its integers, each with its place once.

    The name of an event is one that the tracking plan lists, whatever pattern it has. The constants in the details of
    an error are their program's names.
    """
    fields = (_rules_of_fields(message, plan) for message in plan.messages if not message.name.startswith(RPC_PACKAGE))
    yield from dict.fromkeys(chain.from_iterable(fields))


def _rules_of_fields(message: MessagePlan, plan: Plan) -> Iterator[tuple[Keys, Text | Number]]:
    selectors = _selectors(message, plan)
    for field in message.fields:
        if field.rule is not None and field.number not in selectors:
            yield from _rules_within((f"{message.name}.{field.name}",), plan.rules[field.rule])


def _selectors(message: MessagePlan, plan: Plan) -> frozenset[int]:
    """The numbers of the fields that say which event's rules hold."""
    rules = (plan.rules[field.rule] for field in message.fields if field.rule is not None)
    return frozenset(rule.selector for rule in rules if isinstance(rule, Properties))


def _rules_within(keys: Keys, ruling: Rule | Reason | None) -> Iterator[tuple[Keys, Text | Number]]:
    """Yield the rules for texts and integers that a ruling on a field comes to."""
    match ruling:
        case Text() if ruling.pattern and not ruling.one_of:
            yield keys, ruling
        case Number():
            yield keys, ruling
        case Attributes():
            for key, value in (*ruling.exact.items(), *((f"{key}*", one) for key, one in ruling.prefixes.items())):
                yield from _rules_of_value(("otlp", "attributes", key), value)
        case Properties():
            for event, held in ruling.events.items():
                for name, value in held.items():
                    yield from _rules_of_value(("tracking_plan", event, "properties", name), value)


def _rules_of_value(keys: Keys, value: Value) -> Iterator[tuple[Keys, Text | Number]]:
    for rule in (value.string, value.integer):
        yield from _rules_within(keys, rule)
