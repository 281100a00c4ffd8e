"""Patterns that let something personal pass: errors outside the EU, notes at logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from gateway.errors import BadPolicy
from gateway.policy.compile import Compiler
from gateway.policy.flow_targets import flow_targets
from gateway.policy.open_patterns import PatternRule, pattern_rules
from gateway.policy.person_probes import first_beyond_tokens
from gateway.policy.review.findings import Finding, Severity, finding_at


def open_patterns(compiler: Compiler) -> Iterator[Finding]:
    """Patterns under which something personal would leave the EU: such a flow does not start.

    At a log, those that let something personal pass that a token would not.
    """
    for item, destination in flow_targets(compiler):
        # What else keeps a plan from compiling is told by another check.
        with suppress(BadPolicy):
            yield from _outside(compiler, item, destination)
            yield from _at_log(compiler, item, destination)


def _outside(compiler: Compiler, item: str, destination: str) -> Iterator[Finding]:
    for found in compiler.open_patterns(item, destination):
        yield finding_at(Severity.ERROR, "open-pattern", found.keys, f"at {destination} {found.text}")


def _at_log(compiler: Compiler, item: str, destination: str) -> Iterator[Finding]:
    terms = compiler.terms_for(item, compiler.terms(destination))
    if not terms.echo or terms.outside_eu:
        return
    for rule in pattern_rules(compiler.plan(item, destination)):
        yield from _note(rule)


def _note(found: PatternRule) -> Iterator[Finding]:
    if not found.rule.name and (probe := first_beyond_tokens(found.rule)):
        text = (
            f'lets a {probe.kind} pass into logs, such as "{probe.text}", which no token is: give it one_of, or a pattern '
            "that says more of what its values are"
        )
        yield finding_at(Severity.NOTE, "open-pattern", found.keys, text)
