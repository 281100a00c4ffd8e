"""What plans say whoever receives: bodies, made once for all recipients of equal terms; equal parts are one object.

A policy that leads 500 types to 20 destinations has 10,000 plans, and few of them say something of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from google.protobuf.descriptor import Descriptor

from gateway.plan import MaskTarget, MessagePlan, Payload, PersonPlan, Rule, has_echo
from gateway.policy.echo import WordSources
from gateway.policy.project import EqualTables, Projection, written_digest
from gateway.policy.projector import Projector


class PlanBody(msgspec.Struct, frozen=True):
    """A plan without its destination: what is left of a message type, and by which rules. Fields are as in `Plan`."""

    messages: tuple[MessagePlan, ...]
    rules: tuple[Rule, ...]
    anys: Mapping[str, int]
    targets: tuple[MaskTarget, ...]
    person: PersonPlan | None


class PlanBodies:
    """Makes the bodies of one policy's plans."""

    def __init__(self, word_sources: WordSources, count: Callable[[int], None]) -> None:
        """`word_sources` tell where items name their persons; `count` is told how many fields are kept of each body."""
        self._word_sources = word_sources
        self._count = count
        self._shared = EqualTables()
        self._made: dict[bytes, PlanBody] = {}

    def body(self, root: Descriptor, projector: Projector, reader: Projector, user_id: str) -> PlanBody:
        """The body of a type's plan, as `projector` has it; one that equals an earlier one is that one.

        `reader` says what of an answer may be had by who reads it, `user_id` what user IDs look like.
        """
        made = self._make(root, projector, reader, user_id)
        key = written_digest(made)
        if key not in self._made:
            self._count(_size(made))
            self._made[key] = made
        return self._made[key]

    def _make(self, root: Descriptor, projector: Projector, reader: Projector, user_id: str) -> PlanBody:
        projection = Projection(projector, reader, self._shared)
        projection.add(root)
        projection.finish()
        anys: dict[str, int] = {}
        if Payload() in projection.rules:
            anys = {message.full_name: projection.add(message) for message in projector.any_payloads()}
            projection.finish()
        echoes = any(map(has_echo, projection.rules))
        person = self._word_sources.plan(root.full_name, user_id) if echoes else None
        return PlanBody(tuple(projection.messages), tuple(projection.rules), anys, projection.targets, person)


def _size(body: PlanBody) -> int:
    """How many fields a body has, those that masks and persons speak of among them, and numbers of enums."""
    kept = sum(len(field.enum or ()) + 1 for message in body.messages for field in message.fields)
    named = sum(len(target.fields) for target in body.targets)
    return kept + named + (0 if body.person is None else sum(len(message.fields) for message in body.person.messages))
