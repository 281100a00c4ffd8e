"""What runs of a plan: message classes and checks. Plans of equal tables run the same, whatever their destination.

They are built when they are first used: of all the types that a policy names, a gateway meets few.
"""

from __future__ import annotations

from threading import Lock

from google.protobuf.message import Message

from gateway.engine.context import DecisionContext
from gateway.engine.interface import FieldCounter
from gateway.engine.lone_records import Shell
from gateway.engine.masks import surveys
from gateway.engine.persons import find_person, person_field
from gateway.engine.record_frames import MIN_FRAMED_ITEMS, BatchFrames
from gateway.engine.steps import checks
from gateway.engine.stripped_fields import MAX_COUNTED_BYTES, field_counts
from gateway.engine.subject_index import SubjectIndex
from gateway.errors import ItemReason, Refused
from gateway.plan import Form, Plan, Presence
from gateway.protobuf.schema import build, read


class Minimiser:
    """Minimises messages by a plan's tables. Safe to share between threads."""

    def __init__(self, plan: Plan, counter: FieldCounter | None) -> None:
        self._counts = None if counter is None else field_counts(plan.messages, counter, person_field(plan))
        self._schemas = build(plan.messages)
        self._surveys = surveys(plan)
        self._find_person = find_person(plan)
        made, self._lone_records = checks(plan, self.minimise)
        self._checks = [made.get(index) for index in range(len(plan.messages))]
        self._has_maps = any(message.form is Form.MAP_ENTRY for message in plan.messages)
        self._has_required = any(
            field.presence is Presence.REQUIRED for message in plan.messages for field in message.fields
        )

    def frames(self, items: int) -> BatchFrames | None:
        """What tells the items of a batch that differ in their record alone; None where they can't be such."""
        records = self._lone_records
        return None if records is None or items < MIN_FRAMED_ITEMS else BatchFrames(records.frames)

    def minimise_item(
        self, raw: bytes, context: DecisionContext, frames: BatchFrames | None
    ) -> tuple[Message, bytes, Shell | None]:
        """What may leave of an item of the plan's type, parsed and serialised. Raises Refused.

        Or its record, parsed, with what is left around it.
        """
        message = read(self._schemas[0], raw)
        if self._find_person is not None:
            self._find_person(message, raw, context)
        records = self._lone_records
        if records is not None and frames is not None and (key := frames.key(raw)) is not None:
            shell = records.shell(key, message, context, frames)
            if shell is not None:
                self._count(0, message, raw, context)
                return *records.minimise(message, shell, context), shell
        return message, self._minimised(0, message, raw, context), None

    def minimise(self, index: int, raw: bytes, context: DecisionContext) -> bytes:
        """What may leave of a message of the table at an index. Raises Refused."""
        return self._minimised(index, read(self._schemas[index], raw), raw, context)

    def _minimised(self, index: int, message: Message, raw: bytes, context: DecisionContext) -> bytes:
        if (survey := self._surveys[index]) is not None:
            budget = context.budget
            survey(message, context, None)
            context.budget = budget  # what was looked at here is judged, and counted, below
        self._count(index, message, raw, context)
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

    def _count(self, index: int, message: Message, raw: bytes, context: DecisionContext) -> None:
        """Count what the plan doesn't have, in items of which that is counted."""
        if self._counts is not None and context.stripped_by_category is not None and len(raw) <= MAX_COUNTED_BYTES:
            self._counts[index](message, context)


class SharedTables:
    """What runs of the plans of equal tables, each part built by the thread that first needs it, for all."""

    def __init__(self, plan: Plan, counter: FieldCounter | None) -> None:
        self._plan = plan
        self._counter = counter
        self._lock = Lock()
        self._minimiser: Minimiser | None = None
        self._subject_index: SubjectIndex | None = None

    @property
    def minimiser(self) -> Minimiser:
        """What minimises items."""
        with self._lock:
            if self._minimiser is None:
                self._minimiser = Minimiser(self._plan, self._counter)
            return self._minimiser

    @property
    def subject_index(self) -> SubjectIndex:
        """What finds the subjects of what was minimised: not all of that is stored."""
        with self._lock:
            if self._subject_index is None:
                self._subject_index = SubjectIndex(self._plan)
            return self._subject_index
