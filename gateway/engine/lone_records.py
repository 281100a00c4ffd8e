"""Items of one record in a group: what is around the record is the same in one item after another.

Such are OTLP's once a request is split. Of two items that come together,

    ResourceLogs{resource: R, scope_logs: [ScopeLogs{scope: S, log_records: [A]}]}
    ResourceLogs{resource: R, scope_logs: [ScopeLogs{scope: S, log_records: [B]}]}

R and S are decided on once, and A and B between what is left of them. How that is told see `record_frames.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from google.protobuf.message import Message

from gateway.engine.context import MAX_JUDGED_VALUES, DecisionContext, PersonalAccount
from gateway.engine.record_frames import BatchFrames, FrameFinder
from gateway.engine.value_steps import Check
from gateway.errors import Refused
from gateway.model import FieldPath, Identifier, StripCounts
from gateway.plan import FieldPlan, Form, Mask, Plan, Presence
from gateway.protobuf.schema import attribute
from gateway.protobuf.wire import varint

MAX_SHELLS: Final = 64
"""Resources with their scopes of which it is remembered what is left; when full all are forgotten."""

MAX_SHELLS_BESIDE_PERSON: Final = 8
"""Of so many it is remembered with one person's words that none stands there; that goes when these go."""


class Shell(msgspec.Struct, gc=False, eq=False):
    """What is left around a record: the bytes before its group, before the record, after it and after its group.

    What was stripped there counts before what is stripped of the record, or after it. `payload` is an item of the same
    without a record, `subjects` whom that is about, once somebody has asked. `record` is the index of a record's type.
    """

    head: bytes
    middle: bytes
    inner_tail: bytes
    tail: bytes
    before: StripCounts
    after: StripCounts
    payload: bytes
    record: int
    subjects: frozenset[Identifier] | None = None

    def __repr__(self) -> str:
        return "Shell(…)"

    def item(self, record: bytes) -> bytes:
        """Return an item with a record."""
        group = b"%b%b%b%b" % (self.middle, varint(len(record)), record, self.inner_tail)
        return b"%b%b%b%b" % (self.head, varint(len(group)), group, self.tail)


class Level(msgspec.Struct, frozen=True):
    """A message with one list of messages: the list, and the steps on other fields that come before it and after it."""

    field: FieldPlan
    before: Sequence[Check]
    after: Sequence[Check]

    @property
    def name(self) -> str:
        """The list's name in the projected class."""
        return attribute(self.field.number)

    def parts(self, message: Message) -> tuple[bytes, bytes]:
        """Return what stands before the list and after it, serialised, in a message whose list is empty."""
        first: Any = type(message)()
        first.CopyFrom(message)
        for field in message.DESCRIPTOR.fields:
            if field.number > self.field.number:
                first.ClearField(field.name)
        before: bytes = first.SerializePartialToString()
        return before + varint(self.field.number << 3 | 2), message.SerializePartialToString()[len(before) :]


class LoneRecords:
    """Decides on the records of such items, and remembers what is left around them."""

    def __init__(self, outer: Level, inner: Level, index: int, checks: Mapping[int, Check]) -> None:
        """`index` is that of a record's message, among the checks of a plan's messages."""
        self._index = index
        self.frames = FrameFinder(outer.field.number, inner.field.number)
        self._outer, self._inner = outer, inner
        self._group, self._record = outer.name, inner.name
        self._in_item: FieldPath = (None, f"{outer.field.name}[*]")
        self._in_group: FieldPath = (self._in_item, f"{inner.field.name}[*]")
        self._check = checks[index]
        self._known: tuple[dict[bytes, Shell | None], dict[bytes, Shell | None]] = ({}, {})
        self._numbers = tuple(map(id, self._known))

    def minimise(self, item: Message, shell: Shell, context: DecisionContext) -> tuple[Message, bytes]:
        """Return the record that is left of a parsed item, and the item, serialised. Raises as a check does."""
        record: Message = getattr(getattr(item, self._group)[0], self._record)[0]
        record.DiscardUnknownFields()
        context.strip_counts.update(shell.before)
        context.spend(2)  # the two lists
        self._check(record, context, self._in_group)
        if shell.after:
            context.strip_counts.update(shell.after)
        return record, shell.item(record.SerializePartialToString())

    def shell(self, key: bytes, item: Message, context: DecisionContext, frames: BatchFrames) -> Shell | None:
        """Return what is left around the record of a parsed item, whose frame has a key.

        None where that isn't the same for all such items, or a word of its person may stand there, or where `frames`
        are too many for what each would spare.
        """
        person, directory = context.person, context.facts.directory
        known = self._known[directory]
        if key not in known:
            if not frames.is_worth_one_more():
                return None
            if len(known) >= MAX_SHELLS:
                known.clear()
            known[key] = self._shell(item, context)
        shell = known.get(key)
        if person is None or shell is None:
            return shell
        beside = person.known[self._numbers[directory]]
        if key not in beside:
            if person.may_be_in(shell.payload):
                return None
            if len(beside) >= MAX_SHELLS_BESIDE_PERSON:
                beside.clear()
            beside[key] = True
        return shell

    def _shell(self, item: Message, context: DecisionContext) -> Shell | None:
        """Decide on what is around a record, beside nobody's words."""
        for _ in range(2):  # what is decided on for the first time takes some of the budget
            trial = DecisionContext(context.facts)
            shell = self._decided(item, trial)
            if shell is None or not trial.cacheable or trial.reported:
                return None
            if trial.budget == MAX_JUDGED_VALUES:
                return shell
        return None

    def _decided(self, item: Message, context: DecisionContext) -> Shell | None:
        left: Any = type(item)()
        left.CopyFrom(item)
        left.DiscardUnknownFields()
        (group,) = getattr(left, self._group)
        (record,) = (one.SerializePartialToString() for one in getattr(group, self._record))
        del getattr(group, self._record)[:]
        try:
            _run(self._outer.before, left, context, None)
            _run(self._inner.before, group, context, self._in_item)
            before, context.strip_counts = context.strip_counts, {}
            _run(self._inner.after, group, context, self._in_item)
            _run(self._outer.after, left, context, None)
        except (Refused, PersonalAccount):
            return None
        payload = left.SerializePartialToString()
        middle, inner_tail = self._inner.parts(group)
        getattr(group, self._record).add().MergeFromString(record)
        whole = left.SerializePartialToString()
        del getattr(left, self._group)[:]
        head, tail = self._outer.parts(left)
        shell = Shell(head, middle, inner_tail, tail, before, context.strip_counts, payload, self._index)
        # What is put together must be what the runtime makes of the whole.
        return shell if shell.item(record) == whole else None


def can_be_put_together(plan: Plan) -> bool:
    """Whether parts of items that a plan makes, one after the other, are what the runtime makes of the whole.

    Not where it sorts or asks for more than a part has; masks speak of what is beside them.
    """
    fields = [field for message in plan.messages for field in message.fields]
    return (
        all(message.form is not Form.MAP_ENTRY for message in plan.messages)
        and all(field.presence is not Presence.REQUIRED for field in fields)
        and not any(isinstance(rule, Mask) for rule in plan.rules)
    )


def only_list(plan: Plan, index: int) -> FieldPlan | None:
    """The field of a plan's message that holds a list of messages; None where none does, or several do."""
    lists = [
        field
        for field in plan.messages[index].fields
        if field.message is not None and field.presence is Presence.EXPANDED
    ]
    return lists[0] if len(lists) == 1 and lists[0].kind == "message" and lists[0].rule is None else None


def _run(steps: Sequence[Check], message: Message, context: DecisionContext, at: FieldPath) -> None:
    for step in steps:
        step(message, context, at)
