"""Reads whom an item is about and in which workspace, from the raw item, before anything is stripped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, reduce
from operator import attrgetter
from typing import Any, Final

from google.protobuf.message import Message

from gateway.engine import addresses
from gateway.errors import Refused
from gateway.model import NO_SUBJECT, Subject
from gateway.plan import AttributePlan, FieldPlan, MessagePlan, Presence, SubjectPlan
from gateway.protobuf.schema import Schema, attribute, build, read


class SubjectProjection:
    """Reads the subject of items of one type, of which it parses nothing else."""

    def __init__(self, plan: SubjectPlan) -> None:
        self.plan = plan
        self._user_id, self._work_email = _at(plan.user_id), _at(plan.work_email)
        self._workspace = _at(plan.workspace)
        self._is_told = bool(plan.user_id or plan.work_email or plan.workspace)
        self._attribute = None if plan.workspace_attribute is None else AttributeReader(plan.workspace_attribute).read
        self._address = addresses.reader(plan.personal, plan.business)

    def read(self, raw: bytes) -> Subject:
        """The subject of a serialised message. Raises Refused if it is malformed."""
        named = "" if self._attribute is None else self._attribute(raw)
        if not self._is_told:
            return Subject(workspace=named) if named else NO_SUBJECT
        message = read(self._schema, raw)
        return Subject(self._user_id(message), self._work_email(message), self._workspace(message) or named)

    @cached_property
    def _schema(self) -> Schema:
        # Of all the types that a policy names, a gateway meets few.
        return build(self.plan.messages)[0]

    def is_personal(self, subject: Subject) -> bool:
        """Whether the subject's own address is a personal one: of a consumer's or disposable mail."""
        return bool(subject.work_email) and self._address(subject.work_email).kind is addresses.Kind.PERSONAL


class AttributeReader:
    """Reads one attribute of items of one type. An item without it isn't parsed, nor are its other attributes."""

    def __init__(self, plan: AttributePlan) -> None:
        self._key = plan.key.encode()
        self._schema = build(plan.messages)[0]
        self._lists = tuple(tuple(map(attribute, numbers)) for numbers in plan.lists)

    def read(self, raw: bytes) -> str:
        """The attribute's text; empty where an item doesn't say it, or says two things."""
        if self._key not in raw:
            return ""
        try:
            message = read(self._schema, raw)
            found = map(self._values, (reduce(_below, names, [message]) for names in self._lists))
            values = next(filter(None, found), frozenset())
        except Refused:  # whether the item goes anywhere is the plan's to say
            return ""
        return next(iter(values)).decode("utf-8", "replace") if len(values) == 1 else ""

    def _values(self, pairs: Iterable[bytes]) -> frozenset[bytes]:
        """The attribute's values, of some pairs that are serialised. Raises Refused."""
        read_pairs = (read(_PAIR, pair) for pair in pairs if self._key in pair)
        return frozenset(
            getattr(getattr(pair, _VALUE), _STRING_VALUE) for pair in read_pairs if getattr(pair, _KEY) == self._key
        )


_PAIR: Final = build(
    (
        MessagePlan(
            "opentelemetry.proto.common.v1.KeyValue",
            (
                FieldPlan(1, "key", "bytes", Presence.IMPLICIT),
                FieldPlan(2, "value", "message", Presence.EXPLICIT, message=1),
            ),
        ),
        MessagePlan(
            "opentelemetry.proto.common.v1.AnyValue", (FieldPlan(1, "string_value", "bytes", Presence.IMPLICIT),)
        ),
    )
)[0]
"""An attribute, and its value where that is a string. Texts that aren't UTF-8 are the plan's to judge."""

_KEY, _VALUE, _STRING_VALUE = map(attribute, (1, 2, 1))


def _below(holders: Iterable[Any], name: str) -> list[Any]:
    """What the field `name` of each of some messages holds: one message, or many."""
    found: list[Any] = []
    for value in (getattr(holder, name) for holder in holders):
        found.extend((value,) if isinstance(value, Message) else value)
    return found


def _at(path: Sequence[int]) -> Callable[[Any], str]:
    """Return what tells what stands at the end of a path; a message that isn't there reads as an empty one."""
    return attrgetter(".".join(map(attribute, path))) if path else _nothing


def _nothing(_: object) -> str:
    return ""
