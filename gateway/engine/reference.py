"""The reference engine: a plan becomes message classes and checks; deciding is parse, check, serialise.

What the projection doesn't name is gone after the parse; the checks judge what is left. Of an event with a name, an
address and a field that its plan doesn't have:

    read                  name "video.exported", address "Ada@Acme.example", and an unknown field
    DiscardUnknownFields  name, address
    checks                address, normalised: "ada@acme.example"
    serialise             Release(name, address)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

from google.protobuf.message import Message

from gateway.engine.context import DecisionContext, PersonalAccount
from gateway.engine.gates import closed_gate
from gateway.engine.interface import FieldCounter, Identifier, Item, Outcome
from gateway.engine.masks import surveys
from gateway.engine.persons import find_person
from gateway.engine.steps import checks
from gateway.engine.stripped_fields import MAX_COUNTED_BYTES, field_counts
from gateway.engine.subject import SubjectProjection
from gateway.engine.subject_index import SubjectIndex
from gateway.errors import FieldReason, ItemReason, Refused
from gateway.model import MAX_ITEM_BYTES, Category, Facts, Release, Verdict, Withheld
from gateway.plan import Form, Plan, Presence, SubjectPlan
from gateway.protobuf.schema import build, read

_NO_COUNTS: Final[Mapping[Category, int]] = {}


class ReferenceEngine:
    """Decides on items of one type for one destination. Safe to share between threads."""

    def __init__(self, plan: Plan, max_bytes: int = MAX_ITEM_BYTES, counter: FieldCounter | None = None) -> None:
        """`max_bytes` is the largest item, before and after. With a counter, releases say what isn't in the plan."""
        self.plan = plan
        self.digest = plan.digest
        self._max_bytes = max_bytes
        self._weight = None if counter is None else counter.weight
        self._counts = None if counter is None else field_counts(plan.messages, counter)
        self._schemas = build(plan.messages)
        self._surveys = surveys(plan)
        self._find_person = find_person(plan)
        made = checks(plan, self._minimise)
        self._checks = [made.get(index) for index in range(len(plan.messages))]
        self._has_maps = any(message.form is Form.MAP_ENTRY for message in plan.messages)
        self._has_required = any(
            field.presence is Presence.REQUIRED for message in plan.messages for field in message.fields
        )

    def decide(self, items: Sequence[Item]) -> list[Outcome]:
        """Minimise serialised messages of the plan's type; an outcome for each, in their order. Raises nothing."""
        outcomes: list[Outcome] = []
        for item in items:
            try:
                outcomes.append(self._decide(item.raw, item.facts))
            except PersonalAccount:
                outcomes.append(Withheld(self.plan.destination, ItemReason.PERSONAL_ACCOUNT))
            except RecursionError:  # where the caller's own stack was deep already
                outcomes.append(Refused(ItemReason.TOO_DEEP))
            except Refused as error:
                outcomes.append(Refused(error.reason))  # the frames of the one that was raised hold the item
        return outcomes

    def subjects(self, payload: bytes) -> frozenset[Identifier]:
        """Each USER_ID and WORK_EMAIL in a release's payload. Raises Refused if this plan makes no such payload."""
        return self._index.read(payload)

    @cached_property
    def _index(self) -> SubjectIndex:
        # Not all that is minimised is stored.
        return SubjectIndex(self.plan)

    def _decide(self, raw: bytes, facts: Facts) -> Verdict:
        plan = self.plan
        if len(raw) > self._max_bytes:
            raise Refused(ItemReason.TOO_LARGE)
        if facts.personal and plan.vendor:
            raise PersonalAccount
        context, weight = DecisionContext(facts), 0
        if self._weight is not None and (weight := self._weight()):
            context.stripped_by_category = {}
        message = read(self._schemas[0], raw)
        if self._find_person is not None:
            self._find_person(message, raw, context)
        payload = self._minimised(0, message, raw, context)
        # Masks and type URLs can be longer than what they replace; it couldn't be decided on again.
        if len(payload) > self._max_bytes:
            raise Refused(ItemReason.TOO_LARGE)
        # Only now: what can't be read is refused, whatever its facts are.
        if plan.gates and (reason := closed_gate(plan.gates, facts)) is not None:
            return Withheld(plan.destination, reason)
        stripped = context.stripped_by_category
        return Release(
            plan.destination,
            plan.type,
            self.digest,
            payload,
            context.strip_counts,
            context.unplanned,
            {category: count * weight for category, count in stripped.items()} if stripped else _NO_COUNTS,
            facts.personal or (bool(context.strip_counts) and _has_personal_address(context)),
        )

    def _minimise(self, index: int, raw: bytes, context: DecisionContext) -> bytes:
        return self._minimised(index, read(self._schemas[index], raw), raw, context)

    def _minimised(self, index: int, message: Message, raw: bytes, context: DecisionContext) -> bytes:
        if (survey := self._surveys[index]) is not None:
            budget = context.budget
            survey(message, context, None)
            context.budget = budget  # what was looked at here is judged, and counted, below
        if self._counts is not None and context.stripped_by_category is not None and len(raw) <= MAX_COUNTED_BYTES:
            self._counts[index](message, context)
        message.DiscardUnknownFields()
        if (check := self._checks[index]) is not None:
            check(message, context, None)
        if self._has_required and not message.IsInitialized():
            raise Refused(ItemReason.REQUIRED_FIELD)
        # The runtime orders a map's entries by an address of its own: sorted, they are the same bytes in every process.
        payload: bytes = (
            message.SerializePartialToString(deterministic=True)
            if self._has_maps
            else message.SerializePartialToString()
        )
        return payload


class ReferenceEngines:
    """Makes reference engines."""

    def engine(self, plan: Plan, max_bytes: int, counter: FieldCounter | None = None) -> ReferenceEngine:
        """Return the engine of a plan."""
        return ReferenceEngine(plan, max_bytes, counter)

    def subject_reader(self, plan: SubjectPlan) -> SubjectProjection:
        """Return what reads the subjects of a type."""
        return SubjectProjection(plan)


def _has_personal_address(context: DecisionContext) -> bool:
    return any(reason is FieldReason.EMAIL_PERSONAL for _, reason, _ in context.strip_counts)
