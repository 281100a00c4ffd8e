"""The statement's table: each promise with its rules, and what the checks of each rule found."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.evidence.statement.checklist import CHECKS
from gateway.evidence.statement.checks import Check, CheckResult
from gateway.evidence.statement.in_force import InForce
from gateway.evidence.statement.listed import ListedForm, listed_forms
from gateway.evidence.statement.promises import LIMITS, PROMISES, Limit, Promise
from gateway.evidence.statement.rules import Rule
from gateway.policy.compile import Compiler
from gateway.yamlfile import Origin


class CheckedPlace(msgspec.Struct, frozen=True):
    """What one check found at one place: `place` is file, line and key of the policy, empty where none is meant."""

    passed: bool
    tried: str
    outcome: str
    place: str


class CheckedRule(msgspec.Struct, frozen=True):
    """A rule, and what its checks found. One that no check belongs to has not passed."""

    rule: str
    text: str
    passed: bool
    checks: tuple[CheckedPlace, ...]

    @property
    def failing(self) -> tuple[CheckedPlace, ...]:
        """The checks that did not pass."""
        return tuple(one for one in self.checks if not one.passed)


class Line(msgspec.Struct, frozen=True):
    """A promise, and the rules that keep it. One that no rule keeps has not passed."""

    id: str
    sentence: str
    passed: bool
    rules: tuple[CheckedRule, ...]


class Statement(msgspec.Struct, frozen=True):
    """The whole table, under one policy.

    `listed` are the forms that pass for what they look like, `not_enforced` what the gateway can't keep.
    """

    controller: str
    policy: str
    passed: bool
    promises: tuple[Line, ...]
    listed: tuple[ListedForm, ...]
    not_enforced: tuple[Limit, ...]


def check_statement(  # noqa: PLR0913, PLR0917 - the last two are data, which tests replace
    compiler: Compiler,
    origin: Origin,
    policy: str,
    now_ns: int,
    promises: Sequence[Promise] = PROMISES,
    checks: Sequence[Check] = CHECKS,
) -> Statement:
    """Run all checks and return the table.

    `policy` is what the policy is called there, `now_ns` the time of the probes' receipt, in nanoseconds since 1970.
    Raises BadPolicy or BadContract if the policy does not compile.
    """
    held = InForce(compiler, now_ns)
    results: dict[Rule, list[CheckResult]] = {rule: [] for rule in Rule}
    ran = {check.rule for check in checks}
    for check in checks:
        results[check.rule] += check.run(held)
    rules = {rule: _checked(rule, found, origin, ran=rule in ran) for rule, found in results.items()}
    lines = tuple(_line(promise, tuple(rules[rule] for rule in promise.rules)) for promise in promises)
    passed = all(line.passed for line in lines)
    return Statement(held.policy.controller, policy, passed, lines, tuple(listed_forms(compiler)), LIMITS)


def _line(promise: Promise, rules: tuple[CheckedRule, ...]) -> Line:
    passed = bool(rules) and all(rule.passed for rule in rules)
    return Line(promise.id, promise.sentence, passed, rules)


def _checked(rule: Rule, found: list[CheckResult], origin: Origin, *, ran: bool) -> CheckedRule:
    places = tuple(
        CheckedPlace(one.passed, one.tried, one.outcome, origin.at(*one.keys) if one.keys else "") for one in found
    )
    passed = ran and all(one.passed for one in found)
    return CheckedRule(rule.name.lower().replace("_", "-"), rule.value, passed, places)
