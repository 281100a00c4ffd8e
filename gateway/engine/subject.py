"""Reads whom an item is about, from the raw item, before anything is stripped."""

from __future__ import annotations

from functools import reduce

from google.protobuf.message import Message

from gateway.engine import addresses
from gateway.model import NO_SUBJECT, Subject
from gateway.plan import SubjectPlan
from gateway.protobuf.schema import attribute, build, parse


class SubjectProjection:
    """Reads the subject of items of one type, of which it parses nothing else."""

    def __init__(self, plan: SubjectPlan) -> None:
        self.plan = plan
        self._schema = build(plan.messages)[0]
        self._user_id = tuple(map(attribute, plan.user_id))
        self._work_email = tuple(map(attribute, plan.work_email))
        self._address = addresses.reader(plan.personal, plan.business)

    def read(self, raw: bytes) -> Subject:
        """The subject of a serialised message. Raises Refused if it is malformed."""
        if not (self._user_id or self._work_email):
            return NO_SUBJECT
        message = parse(self._schema, raw)
        return Subject(_follow(message, self._user_id), _follow(message, self._work_email))

    def is_personal(self, subject: Subject) -> bool:
        """Whether the subject's own address is a personal one: of a consumer's or disposable mail."""
        return bool(subject.work_email) and self._address(subject.work_email).kind is addresses.Kind.PERSONAL


def _follow(message: Message, path: tuple[str, ...]) -> str:
    """What stands at the end of a path; a message that isn't there reads as an empty one."""
    return str(reduce(getattr, path, message)) if path else ""
