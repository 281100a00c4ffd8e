"""What a check is: it looks at the policy and contracts in force, and says what it tried and what came out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from gateway.evidence.statement.in_force import InForce
from gateway.evidence.statement.rules import Rule
from gateway.yamlfile import Keys


class CheckResult(msgspec.Struct, frozen=True):
    """What one check found at one place: the keys of the policy there, what was tried, and what came out.

    Values are those of the checks' own probes, or the policy's own words.
    """

    rule: Rule
    passed: bool
    tried: str
    outcome: str
    keys: Keys = ()


class Check(Protocol):
    """A check of one rule."""

    @property
    def rule(self) -> Rule:
        """The rule that it checks."""
        ...

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield what it finds, a result for each place."""
        ...
