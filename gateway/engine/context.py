"""The state of one decision, and what a rule may answer."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.engine.echo import Person
from gateway.errors import ItemReason, Reason, Refused
from gateway.model import Category, Facts, FieldPath, FieldVerdict, StripCounts

_KEEP: Final = FieldVerdict.KEEP
"""Looked up once: a member of an enumeration costs as much as what is counted with it."""

MAX_JUDGED_VALUES: Final = 50_000
"""Values in lists and maps that one item may have judged.

What a message of 4 MiB could hold of them would take many seconds.
"""


class Masked(msgspec.Struct, frozen=True):
    """A text of which something was masked, and what was."""

    text: str
    reason: Reason

    def __repr__(self) -> str:
        return f"Masked({self.reason})"


class Reported(msgspec.Struct, frozen=True):
    """A value that passes as it is, though something shows in it."""

    reason: Reason


RuleResult = Reason | Masked | Reported | str | None
"""A rule's answer on a value: None, it passes as it is; a Reason, it is stripped; else what stays of it.

A string takes its place.
"""


class PersonalAccount(Exception):
    """The item is about somebody without a business account: no vendor gets it."""


class DecisionContext:
    """What one decision knows, and what it has stripped so far.

    `depth` counts what is around it from the outermost `Any` on. `cacheable` turns false when an answer depends on more
    than the value, so that it isn't remembered. `unplanned` counts the fields that the plan doesn't have,
    `stripped_by_category` the same by category, where the engine does. `reported` counts the values that were kept and
    told of. `budget` is how many values in lists and maps may still be judged. `person` says what values may not
    repeat, where the item says so; `person_message` is the message that says it, where one says all.
    """

    __slots__ = (
        "budget",
        "cacheable",
        "depth",
        "facts",
        "person",
        "person_message",
        "reported",
        "strip_counts",
        "stripped_by_category",
        "unplanned",
    )

    def __init__(
        self, facts: Facts, depth: int = 0, budget: int = MAX_JUDGED_VALUES, person: Person | None = None
    ) -> None:
        self.facts = facts
        self.person = person
        self.person_message: bytes | None = None
        self.depth = depth
        self.strip_counts: dict[tuple[FieldPath, Reason, FieldVerdict], int] = {}
        self.reported = 0
        self.cacheable = True
        self.budget = budget
        self.unplanned = 0
        self.stripped_by_category: dict[Category, int] | None = None

    def spend(self, values: int) -> None:
        """Count values of a list or a map that are to be judged. Raises Refused when one item has too many."""
        self.budget -= values
        if self.budget < 0:
            raise Refused(ItemReason.TOO_LARGE)

    def note(self, at: FieldPath, reason: Reason, verdict: FieldVerdict = FieldVerdict.STRIP, count: int = 1) -> None:
        """Count values as stripped or masked, or as kept though something shows in them."""
        key, counts = (at, reason, verdict), self.strip_counts
        counts[key] = counts.get(key, 0) + count
        if verdict is _KEEP:
            self.reported += count

    def weigh(self, weight: int) -> None:
        """Have what is counted by category stand for `weight` items."""
        if self.stripped_by_category:
            self.stripped_by_category = {name: count * weight for name, count in self.stripped_by_category.items()}

    def trial(self) -> DecisionContext:
        """A context for a part that may still go as a whole; `adopt` takes over what it cost."""
        trial = DecisionContext(self.facts, self.depth, self.budget, self.person)
        trial.person_message = self.person_message
        return trial

    def adopt(self, trial: DecisionContext) -> None:
        """Take over what a trial has used up, and whether it may be remembered; not what it stripped."""
        self.cacheable &= trial.cacheable
        self.budget = trial.budget

    def repeat(self, notes: StripCounts, at: FieldPath) -> None:
        """Count again what an earlier run, of what is there, has counted."""
        for (below, reason, verdict), count in notes.items():
            self.note(_under(at, below), reason, verdict, count)


def levels(at: FieldPath) -> int:
    """How many messages are around a place, but for the outermost."""
    return 0 if at is None or at[0] is None else 1 + levels(at[0])


def _under(at: FieldPath, below: FieldPath) -> FieldPath:
    """The place that is `below` in the message at `at`."""
    return at if below is None else (_under(at, below[0]), below[1])
