"""Field masks: of their paths those stay whose fields leave, so that no recipient clears what was stripped.

A mask is narrowed twice: by the plan and by what the parser didn't know, before that is discarded, and by what the
value rules stripped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from google.protobuf.message import Message

from gateway.engine.context import DecisionContext
from gateway.engine.stripped_paths import NOTHING, FailedPaths, StrippedPaths, UnknownPaths, messages, places
from gateway.errors import FieldReason, ItemReason, Refused
from gateway.model import FieldPath, FieldVerdict, StripCounts
from gateway.plan import FieldPlan, Form, Mask, MaskField, MaskTarget, MessagePlan, Plan, Presence
from gateway.protobuf.schema import attribute

Survey = Callable[[Message, DecisionContext, FieldPath], None]
"""Narrows the masks in a parsed message that stands at a place, before its unknown fields are discarded.

Raises Refused.
"""

PATHS: Final = "paths[*]"
"""The paths of a mask, below it, as receipts have them."""

EVERYTHING: Final = "*"

MAX_NAMES: Final = 64
"""Names that a path may have; a message can't nest deeper and leave."""

_PATHS: Final = attribute(1)
_REPEATED: Final = frozenset({Presence.PACKED, Presence.EXPANDED})


class MaskNarrower:
    """Narrows the masks in one field."""

    def __init__(self, field: FieldPlan, plan: Plan, rule: Mask, beside: Sequence[FieldPlan]) -> None:
        """`beside` are the fields that hold what the mask speaks of."""
        self._name, self._label = attribute(field.number), field.name
        self._singular = field.presence not in _REPEATED
        self._rule = rule
        self._beside = {one.name: attribute(one.number) for one in beside}
        self._targets: Sequence[MaskTarget] = plan.targets
        self._named = [{one.name: one for one in target.fields} for target in plan.targets]

    def asks(self, parsed: Message) -> bool:
        """Whether a message's mask has paths, and what becomes of the values beside it counts."""
        return bool(self._beside) and self._singular and bool(getattr(getattr(parsed, self._name), _PATHS))

    def survey(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Narrow by the plan, and by what the parser didn't know. Raises Refused."""
        value = getattr(parsed, self._name)
        if self._singular:
            if getattr(value, _PATHS):
                self._narrow(value, self._unknown(parsed), context, at)
        elif len(value) and (isinstance(value[0], bytes) or any(len(getattr(mask, _PATHS)) for mask in value)):
            raise Refused(ItemReason.MASK_UNCLEAR)

    def narrow_failed(self, parsed: Message, notes: StripCounts, context: DecisionContext, at: FieldPath) -> None:
        """Narrow by what was stripped of a message at a place, as it was noted. Raises Refused."""
        found = [names[1:] for names in places(notes, at) if len(names) > 1 and names[0] in self._beside]
        if found and getattr(getattr(parsed, self._name), _PATHS):
            self._narrow(getattr(parsed, self._name), FailedPaths(found), context, at)

    def _unknown(self, parsed: Message) -> StrippedPaths:
        found = UnknownPaths(held for name in self._beside.values() for held in messages(parsed, name))
        return found if found.any() else NOTHING

    def _narrow(self, mask: Message, loss: StrippedPaths, context: DecisionContext, at: FieldPath) -> None:
        paths = getattr(mask, _PATHS)
        if not self._rule.of:
            raise Refused(ItemReason.MASK_UNCLEAR)
        context.spend(len(paths))
        there, kept, whole = ((at, self._label), PATHS), list[str](), True
        for path in paths:
            left = list(self._kept_paths(path, loss, context))
            if left != [path]:
                whole = False
                context.note(there, FieldReason.PATH_NOT_KEPT, FieldVerdict.MASK if left else FieldVerdict.STRIP)
            kept += left
        if not kept:
            raise Refused(ItemReason.MASK_EMPTY)
        if not whole:
            paths[:] = kept

    def _kept_paths(self, path: str, loss: StrippedPaths, context: DecisionContext) -> Iterator[str]:
        """The paths that are left of one."""
        names = path.split(".", MAX_NAMES)
        if self._rule.answer:
            yield from [path] if any(self._leads(names, target) for target in self._rule.targets) else ()
            return
        for target in self._rule.targets:
            yield from (
                self._whole(target, loss, context) if path == EVERYTHING else self._to(names, target, loss, context)
            )

    def _leads(self, names: Sequence[str], target: int) -> bool:
        """Whether a path leads to something in an answer."""
        below: int | None = target
        many = False
        for index, name in enumerate(names):
            if name == EVERYTHING and (many or index == 0 == len(names) - 1):
                many = False
                continue
            field = None if below is None else self._named[below].get(name)
            if field is None:
                return False
            below, many = field.below, field.many
        return bool(self._targets[target].fields)

    def _to(self, names: Sequence[str], target: int, loss: StrippedPaths, context: DecisionContext) -> Iterator[str]:
        """What is left of a path that begins in a message."""
        below: int | None = target
        for name in names[:-1]:
            field = None if below is None else self._named[below].get(name)
            if field is None or field.many or loss.gone(field):
                return
            below, loss = field.below, loss.below(field)
        field = None if below is None else self._named[below].get(names[-1])
        if field is not None:
            yield from self._parts(".".join(names), field, (), loss, context)

    def _whole(self, target: int, loss: StrippedPaths, context: DecisionContext) -> Iterator[str]:
        """What is left of a path to everything."""
        if self._targets[target].whole and not loss.any():
            yield EVERYTHING
            return
        for field in self._targets[target].fields:
            yield from self._parts(field.name, field, (target,), loss, context)

    def _parts(
        self, path: str, field: MaskField, above: tuple[int, ...], loss: StrippedPaths, context: DecisionContext
    ) -> Iterator[str]:
        """The path to a field, or to those parts of it that leave whole; of a type in itself, the first level's.

        `loss` is what was stripped of the message that has the field.
        """
        context.spend(1)
        if loss.gone(field):
            return
        inner = loss.below(field)
        if field.whole and not inner.any():
            yield path
        elif field.below is not None and not field.many and field.below not in above:
            for part in self._targets[field.below].fields:
                yield from self._parts(f"{path}.{part.name}", part, (*above, field.below), inner, context)


def narrowers(message: MessagePlan, plan: Plan) -> list[MaskNarrower]:
    """Those of a message's own masks."""
    found = ((field, plan.rules[field.rule]) for field in message.fields if field.rule is not None)
    masks = [(field, rule) for field, rule in found if isinstance(rule, Mask)]
    return [
        MaskNarrower(field, plan, rule, [one for one in message.fields if one.number in rule.beside])
        for field, rule in masks
    ]


def surveys(plan: Plan) -> list[Survey | None]:
    """The survey of each of the plan's messages; None where no mask is in it or below it."""
    made: dict[int, Survey] = {}
    masked = _masked(plan)
    for index in masked:
        made[index] = _MessageSurvey(plan.messages[index], plan, masked, made).run
    return [made.get(index) for index in range(len(plan.messages))]


def _masked(plan: Plan) -> frozenset[int]:
    """The messages that hold a mask, or lead to one that does."""
    masks = {index for index, message in enumerate(plan.messages) if narrowers(message, plan)}
    found: frozenset[int] = frozenset()
    while more := masks or {
        index
        for index, message in enumerate(plan.messages)
        if index not in found and any(field.message in found for field in message.fields)
    }:
        found, masks = found | more, set()
    return found


class _MessageSurvey:
    """Narrows a message's own masks, then those in the messages that it holds.

    `made` is looked up late: types may hold one another.
    """

    __slots__ = ("_below", "_made", "_own")

    def __init__(self, message: MessagePlan, plan: Plan, masked: frozenset[int], made: Mapping[int, Survey]) -> None:
        self._own = narrowers(message, plan)
        self._made = made
        self._below = [
            (field, *_place(field, field.message, plan.messages[field.message]))
            for field in message.fields
            if field.message is not None and field.message in masked
        ]

    def run(self, parsed: Message, context: DecisionContext, at: FieldPath) -> None:
        """Narrow them. Raises Refused."""
        for narrower in self._own:
            narrower.survey(parsed, context, at)
        for field, label, index in self._below:
            for message in _each(parsed, field, context):
                self._made[index](message, context, (at, label))


def _each(parsed: Message, field: FieldPlan, context: DecisionContext) -> Iterable[Message]:
    """The messages in a field. Raises Refused where there are too many."""
    name = attribute(field.number)
    if field.presence in _REPEATED:
        context.spend(len(getattr(parsed, name)))
    return messages(parsed, name)


def _place(field: FieldPlan, index: int, held: MessagePlan) -> tuple[str, int]:
    """How a place below a field is shown, and the index of the message there; of a map that of its values."""
    if held.form is Form.MAP_ENTRY:
        index = next((part.message for part in held.fields if part.number == 2 and part.message is not None), index)
    return f"{field.name}[*]" if field.presence in _REPEATED else field.name, index
