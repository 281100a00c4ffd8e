"""Checks of patterns: which invented names, numbers and addresses pass them, and what an identifier looks like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.evidence.statement.checks import CheckResult
from gateway.evidence.statement.in_force import InForce
from gateway.evidence.statement.probe_values import ProbeValues
from gateway.evidence.statement.probing import Prober
from gateway.evidence.statement.recipients import NamedRecipient, Selection
from gateway.evidence.statement.rules import Rule
from gateway.model import Category
from gateway.patterns import literal_prefix
from gateway.policy.open_patterns import OpenPattern, pattern_rules
from gateway.policy.person_probes import first_beyond_tokens, first_passing, forms, probe_data

MAX_NAMES_SENT: Final = 10
"""Names of the person probes that are sent as identifiers, each in all its forms."""


class ClosedPatternsCheck(msgspec.Struct, frozen=True):
    """No pattern lets one of the person probes pass, the patterns of identifiers apart."""

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient and each type that leads there, and one for each pattern that fails."""
        count = sum(map(len, probe_data().probes.values()))
        for one, item_type in held.items_to(self.selection):
            patterns, failing = self._patterns(held, one, item_type)
            tried = f"{count} invented names, numbers and addresses against the {patterns} open patterns of {item_type} at {one.name}"
            for found in failing:
                outcome = f"lets a {found.probe.kind} pass: {found.probe.text}"
                yield CheckResult(self.rule, False, tried, outcome, found.keys)
            if not failing:
                yield CheckResult(self.rule, True, tried, "none passes", one.keys)

    @staticmethod
    def _patterns(held: InForce, one: NamedRecipient, type: str) -> tuple[int, list[OpenPattern]]:
        terms = one.caller_terms or held.compiler.terms(one.name)
        rules = [found for found in pattern_rules(held.compiler.plan_for(type, terms))
                 if found.rule.pattern not in held.policy.identifiers]  # fmt: skip
        probes = ((found.keys, first_passing(found.rule)) for found in rules)
        return len(rules), [OpenPattern(keys, probe) for keys, probe in probes if probe is not None]


class LogPatternsCheck(msgspec.Struct, frozen=True):
    """No pattern of a log lets a person probe pass that a token's would strip."""

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient and each type that leads there, and one for each pattern that fails."""
        for one, item_type in held.items_to(self.selection):
            terms = one.caller_terms or held.compiler.terms(one.name)
            rules = [*pattern_rules(held.compiler.plan_for(item_type, terms))]
            tried = f"invented names, sentences, numbers and addresses against the {len(rules)} patterns of {item_type} at {one.name}"
            failing = [(found.keys, probe) for found in rules if (probe := first_beyond_tokens(found.rule))]
            for keys, probe in failing:
                outcome = f"lets a {probe.kind} pass: {probe.text}"
                yield CheckResult(self.rule, False, tried, outcome, keys)
            if not failing:
                yield CheckResult(self.rule, True, tried, "none passes that isn't a token", one.keys)


class ThingIdentifierCheck(msgspec.Struct, frozen=True):
    """What identifies a thing has a literal prefix."""

    rule: Rule

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each pattern."""
        for index, pattern in enumerate(held.policy.identifiers):
            prefix = literal_prefix(pattern)
            passed = prefix.endswith(("_", "-"))
            outcome = f"it begins with {prefix}" if prefix else "it begins with anything"
            tried = f"{pattern} begins with a literal prefix"
            yield CheckResult(self.rule, passed, tried, outcome, ("identifiers", index))


class UserIdCheck(msgspec.Struct, frozen=True):
    """A name isn't taken for a user's identifier."""

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient."""
        prober = held.prober
        names = [form for name in probe_data().probes["name"][:MAX_NAMES_SENT] for form in forms(name)]
        for one in self.selection.of(held.recipients):
            for item_type in one.types[:1]:
                passing = [name for name in names if _arrives(prober, one, item_type, name)]
                tried = f"{len(names)} names as user IDs of {item_type} to {one.name}"
                outcome = f"passes: {passing[0]}" if passing else "none arrives"
                yield CheckResult(self.rule, not passing, tried, outcome, ("user_id", "pattern"))


def _arrives(prober: Prober, one: NamedRecipient, type: str, name: str) -> bool:
    values = ProbeValues(name, only=(Category.USER_ID,))
    return any(name == value.text for sent in prober.send(one, type, values) for value in sent.arrivals)
