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
from typing import Final

from gateway.batch_verdict import BatchVerdict
from gateway.engine.batch_builder import BatchBuilder, is_personal
from gateway.engine.context import DecisionContext, PersonalAccount
from gateway.engine.gates import closed_gate
from gateway.engine.interface import FieldCounter
from gateway.engine.minimiser import Minimiser, SharedTables
from gateway.engine.record_frames import BatchFrames
from gateway.engine.subject import SubjectProjection
from gateway.engine.subject_index import SubjectIndex
from gateway.errors import ItemReason, Refused
from gateway.model import MAX_ITEM_BYTES, Category, Facts, Identifier, Outcome, Release, Withheld
from gateway.plan import Plan, SubjectPlan

_NO_COUNTS: Final[Mapping[Category, int]] = {}


class ReferenceEngine:
    """Decides on items of one type for one destination. Safe to share between threads."""

    def __init__(
        self,
        plan: Plan,
        max_bytes: int = MAX_ITEM_BYTES,
        counter: FieldCounter | None = None,
        tables: SharedTables | None = None,
    ) -> None:
        """`max_bytes` is the largest item, before and after. With a counter, releases say what isn't in the plan.

        `tables` are those of another plan, which equal this one's and are counted alike.
        """
        self.plan = plan
        self.digest = plan.digest
        self._max_bytes = max_bytes
        self._weight = _uncounted if counter is None else counter.weight
        self._tables = SharedTables(plan, counter) if tables is None else tables
        self._minimiser: Minimiser | None = None
        self._subject_index: SubjectIndex | None = None

    def decide(self, raw: bytes, facts: Facts) -> Outcome:
        """Minimise a serialised message of the plan's type."""
        context = DecisionContext(facts)
        outcome = self._outcome(raw, context, None, None)
        if not isinstance(outcome, bytes):
            return outcome
        return Release(
            self.plan.destination,
            self.plan.type,
            self.digest,
            outcome,
            context.strip_counts,
            context.unplanned,
            context.stripped_by_category or _NO_COUNTS,
            is_personal(context),
        )

    def decide_batch(self, raws: Sequence[bytes], facts: Sequence[Facts], *, identifiers: bool = True) -> BatchVerdict:
        """Minimise serialised messages of the plan's type, each with its facts."""
        builder = BatchBuilder(self.plan, self.digest)
        frames = (self._minimiser or self._first_minimiser()).frames(len(raws))
        for raw, known in zip(raws, facts, strict=True):
            context = DecisionContext(known)
            found: set[Identifier] | None = set() if identifiers else None
            builder.add(self._outcome(raw, context, found, frames), context, found)
        return builder.verdict()

    def subjects(self, payload: bytes) -> frozenset[Identifier]:
        """Each USER_ID and WORK_EMAIL in a release's payload. Raises Refused if this plan makes no such payload."""
        return (self._subject_index or self._first_subject_index()).read(payload)

    def _first_subject_index(self) -> SubjectIndex:
        self._subject_index = self._tables.subject_index
        return self._subject_index

    def _first_minimiser(self) -> Minimiser:
        self._minimiser = self._tables.minimiser
        return self._minimiser

    def _outcome(
        self, raw: bytes, context: DecisionContext, found: set[Identifier] | None, frames: BatchFrames | None
    ) -> bytes | Withheld | Refused:
        """Return what is left of an item, or why it has no release; what is stripped is in the context.

        Whom what is left is about is added to `found`.
        """
        try:
            return self._decide(raw, context, found, frames)
        except PersonalAccount:
            return Withheld(self.plan.destination, ItemReason.PERSONAL_ACCOUNT)
        except RecursionError:  # where the caller's own stack was deep already
            return Refused(ItemReason.TOO_DEEP)
        except Refused as error:
            return Refused(error.reason)  # the frames of the one that was raised hold the item

    def _decide(
        self, raw: bytes, context: DecisionContext, found: set[Identifier] | None, frames: BatchFrames | None
    ) -> bytes | Withheld:
        plan, facts = self.plan, context.facts
        if len(raw) > self._max_bytes:
            raise Refused(ItemReason.TOO_LARGE)
        if facts.personal and plan.vendor:
            raise PersonalAccount
        weight = self._weight()
        if weight:
            context.stripped_by_category = {}
        minimiser = self._minimiser or self._first_minimiser()
        message, payload, shell = minimiser.minimise_item(raw, context, frames)
        # Masks and type URLs can be longer than what they replace; it couldn't be decided on again.
        if len(payload) > self._max_bytes:
            raise Refused(ItemReason.TOO_LARGE)
        # Only now: what can't be read is refused, whatever its facts are.
        if plan.gates and (reason := closed_gate(plan.gates, facts)) is not None:
            return Withheld(plan.destination, reason)
        if weight > 1:
            context.weigh(weight)
        if found is not None:
            (self._subject_index or self._first_subject_index()).add(message, found, shell)
        return payload


def _uncounted() -> int:
    """Return the weight of items whose fields aren't counted."""
    return 0


class ReferenceEngines:
    """Makes reference engines, for the plans of one policy: those of the same tables share what runs of them."""

    def __init__(self) -> None:
        self._tables: dict[tuple[object, ...], SharedTables] = {}

    def engine(self, plan: Plan, max_bytes: int, counter: FieldCounter | None = None) -> ReferenceEngine:
        """Return the engine of a plan."""
        # By identity: what is kept below keeps them, and to compare them would take longer than to build them.
        parts = (plan.messages, plan.rules, plan.anys, plan.targets, plan.person)
        key = (*map(id, parts), None if counter is None else counter.categories)
        tables = self._tables.setdefault(key, SharedTables(plan, counter))
        return ReferenceEngine(plan, max_bytes, counter, tables)

    def subject_reader(self, plan: SubjectPlan) -> SubjectProjection:
        """Return what reads the subjects of a type."""
        return SubjectProjection(plan)
