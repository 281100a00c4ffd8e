"""The reference engine: a plan becomes message classes and checks; deciding is parse, check, serialise.

Pure: facts and time are arguments. What the projection doesn't name is gone after the parse; the checks judge what is
left.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from gateway.engine.context import DecisionContext, PersonalAccount
from gateway.engine.masks import surveys
from gateway.engine.steps import checks
from gateway.engine.stripped_fields import MAX_COUNTED_BYTES, StrippedFieldCounter
from gateway.engine.subject_index import SubjectIndex
from gateway.errors import FieldReason, ItemReason, Refused
from gateway.model import Category, Facts, Release, Verdict, Withheld
from gateway.plan import Form, Plan, Presence
from gateway.protobuf.schema import build, read

MAX_ITEM_BYTES: Final = 4 * 1024 * 1024
"""The largest item, in bytes: gRPC's default for a message."""

_NOTHING: Final[Mapping[Category, int]] = {}


class ReferenceEngine:
    """Decides on items of one type for one destination. Safe to share between threads."""

    def __init__(self, plan: Plan, most: int = MAX_ITEM_BYTES, counter: StrippedFieldCounter | None = None) -> None:
        """`most` is the largest item, in bytes, before and after.

        With a census, releases say what the plan doesn't have.
        """
        self.plan = plan
        self.digest = plan.digest
        self._most = most
        self._turn = None if counter is None else counter.weight
        self._counts = None if counter is None else counter.counts(plan.messages)
        self._schemas = build(plan.messages)
        self._surveys = surveys(plan)
        self._checks = checks(plan, self._minimise)
        self._maps = any(message.form is Form.MAP_ENTRY for message in plan.messages)
        self._required = any(
            field.presence is Presence.REQUIRED for message in plan.messages for field in message.fields
        )

    def decide(self, raw: bytes, facts: Facts) -> Verdict:
        """Minimise one item, a serialised message of the plan's type.

        Raises Refused, and nothing else, for what can't be minimised.
        """
        if len(raw) > self._most:
            raise Refused(ItemReason.TOO_LARGE)
        plan = self.plan
        if facts.personal and plan.vendor:
            return Withheld(plan.destination, ItemReason.PERSONAL_ACCOUNT)
        run, weight = DecisionContext(facts), 0
        if self._turn is not None and (weight := self._turn()):
            run.stripped_by_category = {}
        try:
            payload = self._minimise(0, raw, run)
        except PersonalAccount:
            return Withheld(plan.destination, ItemReason.PERSONAL_ACCOUNT)
        except RecursionError:  # where the caller's own stack was deep already
            raise Refused(ItemReason.TOO_DEEP) from None
        if (
            len(payload) > self._most
        ):  # masks and type URLs can be longer than what they replace; it couldn't be decided on again
            raise Refused(ItemReason.TOO_LARGE)
        lost = (
            {category: count * weight for category, count in run.stripped_by_category.items()}
            if run.stripped_by_category
            else _NOTHING
        )
        personal = facts.personal or (
            bool(run.strip_counts) and any(reason is FieldReason.EMAIL_PERSONAL for _, reason, _ in run.strip_counts)
        )
        return Release(
            plan.destination, plan.type, self.digest, payload, run.strip_counts, run.unplanned, lost, personal
        )

    def subjects(self, payload: bytes) -> frozenset[tuple[Category, str]]:
        """Each USER_ID and WORK_EMAIL in a release's payload. Raises Refused if this plan makes no such payload."""
        return self._index.read(payload)

    @cached_property
    def _index(self) -> SubjectIndex:
        # Not all that is minimised is stored.
        return SubjectIndex(self.plan)

    def _minimise(self, index: int, raw: bytes, run: DecisionContext) -> bytes:
        message = read(self._schemas[index], raw)
        if (survey := self._surveys[index]) is not None:
            left = run.budget
            survey(message, run, None)
            run.budget = left  # what was looked at here is judged, and counted, below
        if run.stripped_by_category is not None and self._counts is not None and len(raw) <= MAX_COUNTED_BYTES:
            self._counts[index](message, run)
        message.DiscardUnknownFields()
        if (check := self._checks[index]) is not None:
            check(message, run, None)
        if self._required and not message.IsInitialized():
            raise Refused(ItemReason.REQUIRED_FIELD)
        # The runtime orders a map's entries by an address of its own: sorted, they are the same bytes in every process.
        payload: bytes = (
            message.SerializePartialToString(deterministic=True) if self._maps else message.SerializePartialToString()
        )
        return payload
