"""A batch's verdict while it is made: one item's outcome after another's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.batch_verdict import BatchVerdict
from gateway.engine.context import DecisionContext
from gateway.errors import FieldReason, Refused
from gateway.model import NOBODY, Category, Identifier, StripCounts, Withheld
from gateway.plan import Plan

_EMAIL_PERSONAL: Final = FieldReason.EMAIL_PERSONAL
"""Looked up once: a member of an enumeration costs more than to compare with it."""


class BatchBuilder:
    """Takes the outcomes of a batch's items, in their order."""

    def __init__(self, plan: Plan, digest: str) -> None:
        self._plan, self._digest = plan, digest
        self._payloads: list[bytes | None] = []
        self._subjects: list[frozenset[Identifier]] = []
        self._ended: dict[int, Withheld | Refused] = {}
        self._strip_counts: dict[int, StripCounts] = {}
        self._unplanned: dict[int, int] = {}
        self._stripped_by_category: dict[int, Mapping[Category, int]] = {}
        self._personal: set[int] = set()

    def add(self, outcome: bytes | Withheld | Refused, context: DecisionContext, found: set[Identifier] | None) -> None:
        """Add the next item's outcome, what its decision has noted, and whom what is left of it is about."""
        index = len(self._payloads)
        if not isinstance(outcome, bytes):
            self._payloads.append(None)
            self._subjects.append(NOBODY)
            self._ended[index] = outcome
            return
        self._payloads.append(outcome)
        self._subjects.append(frozenset(found) if found else NOBODY)
        if context.strip_counts:
            self._strip_counts[index] = context.strip_counts
        if context.unplanned:
            self._unplanned[index] = context.unplanned
        if context.stripped_by_category:
            self._stripped_by_category[index] = context.stripped_by_category
        if is_personal(context):
            self._personal.add(index)

    def verdict(self) -> BatchVerdict:
        """Return the verdict on what was added."""
        return BatchVerdict(
            self._plan.destination,
            self._plan.type,
            self._digest,
            self._payloads,
            self._subjects,
            self._ended,
            self._strip_counts,
            self._unplanned,
            self._stripped_by_category,
            self._personal,
        )


def is_personal(context: DecisionContext) -> bool:
    """Return whether an item is about a personal account: its facts say so, or an address that was stripped."""
    if context.facts.personal:
        return True
    for _, reason, _ in context.strip_counts:  # noqa: SIM110 - a generator for each item costs more
        if reason is _EMAIL_PERSONAL:
            return True
    return False
