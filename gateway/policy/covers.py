"""Whether a plan lets through all that another one does: a proof, field by field. In doubt it doesn't."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.plan import EnvelopePlan, FieldPlan, Mask, MaskField, Nested, Payload, Plan, Presence, Rule, SubjectPlan
from gateway.policy.narrower import is_mail_narrower, is_narrower
from gateway.policy.rules import RecipientTerms


def covers(now: Plan, was: Plan) -> bool:
    """Whether every field and value that leaves by `was` leaves by `now` too.

    The pattern of user IDs isn't compared: see `covers_terms`.
    """
    same = (now.version, now.type, now.destination, now.vendor) == (was.version, was.type, was.destination, was.vendor)
    return same and set(now.gates) <= set(was.gates) and _Proof(now, was).message(0, 0)


def covers_envelope(now: EnvelopePlan, was: EnvelopePlan) -> bool:
    """The same of what goes with a call beside its messages."""
    held = ((now.keys, was.keys), (now.baggage, was.baggage), (now.tracestate, was.tracestate))
    return (
        now.recipient == was.recipient
        and all(_covers_keys(*both) for both in held)
        and _covers_rule(now.message, was.message, gone=False)
    )


def covers_terms(now: RecipientTerms, was: RecipientTerms) -> bool:
    """Whether a recipient may get every category that it might, by rules that are the same."""
    rules = [
        (terms.name, terms.recipient, terms.region, terms.user_id, terms.timestamp_days, terms.user_id_without)
        for terms in (now, was)
    ]
    gates = set(now.gates or ()) <= set(was.gates or ())
    return rules[0] == rules[1] and gates and now.allow >= was.allow and is_mail_narrower(now, was)


def covers_subject(now: SubjectPlan, was: SubjectPlan) -> bool:
    """Whether an item is about the same by both, and about a personal account by the one only if it is by the other."""
    return msgspec.structs.replace(now, personal=was.personal, business=was.business) == was and is_mail_narrower(
        now, was
    )


def _covers_keys(now: Mapping[str, Rule | None], was: Mapping[str, Rule | None]) -> bool:
    return all(key in now and _covers_rule(now[key], rule, gone=True) for key, rule in was.items())


def _covers_rule(now: Rule | None, was: Rule | None, *, gone: bool) -> bool:
    """`gone`: whether without a rule everything passes, rather than nothing."""
    if now is None or was is None:
        return now is None if gone else was is None
    return is_narrower(now, was)


class _Proof:
    """Walks two plans side by side. What is met again on the way holds if all else does: types may hold themselves."""

    def __init__(self, now: Plan, was: Plan) -> None:
        self._now = now
        self._was = was
        self._compared_messages: set[tuple[int, int]] = set()
        self._compared_targets: set[tuple[int, int]] = set()

    def message(self, now: int, was: int) -> bool:
        """Whether the message at an index of the one covers that of the other."""
        if (now, was) in self._compared_messages:
            return True
        self._compared_messages.add((now, was))
        new, old = self._now.messages[now], self._was.messages[was]
        fields = {field.number: field for field in new.fields}
        before = {field.number for field in old.fields}
        if any(field.presence is Presence.REQUIRED and field.number not in before for field in new.fields):
            return False
        same = (new.name, new.form) == (old.name, old.form)
        return same and all(field.number in fields and self._field(fields[field.number], field) for field in old.fields)

    def _field(self, now: FieldPlan, was: FieldPlan) -> bool:
        return _wire(now) == _wire(was) and _covers_enum(now, was) and self._below(now, was) and self._rule(now, was)

    def _below(self, now: FieldPlan, was: FieldPlan) -> bool:
        if now.message is None or was.message is None:
            return now.message is was.message
        return self.message(now.message, was.message)

    def _rule(self, now: FieldPlan, was: FieldPlan) -> bool:
        if now.rule is None or was.rule is None:
            return now.rule is None
        new, old = self._now.rules[now.rule], self._was.rules[was.rule]
        match new, old:
            case Nested(), Nested():
                return self.message(new.message, old.message)
            case Payload(), Payload():
                anys = self._now.anys
                return all(name in anys and self.message(anys[name], index) for name, index in self._was.anys.items())
            case Mask(), Mask():
                return self._mask(new, old)
        return is_narrower(new, old)

    def _mask(self, now: Mask, was: Mask) -> bool:
        """Whether every path that the one mask may keep stays in the other. One that keeps none is covered by any."""
        if not was.targets:
            return True
        same = (now.of, now.answer, len(now.targets)) == (was.of, was.answer, len(was.targets))
        beside = set(now.beside) >= set(was.beside)
        return same and beside and all(self._target(*both) for both in zip(now.targets, was.targets, strict=True))

    def _target(self, now: int, was: int) -> bool:
        """Whether all that paths may name in the one message, they may name in the other, as whole as it was."""
        if (now, was) in self._compared_targets:
            return True
        self._compared_targets.add((now, was))
        new, old = self._now.targets[now], self._was.targets[was]
        fields = {field.name: field for field in new.fields}
        whole = new.whole >= old.whole
        return whole and all(field.name in fields and self._names(fields[field.name], field) for field in old.fields)

    def _names(self, now: MaskField, was: MaskField) -> bool:
        same = (now.number, now.many) == (was.number, was.many) and now.whole >= was.whole
        if now.below is None or was.below is None:
            return same and now.below is was.below
        return same and self._target(now.below, was.below)


def _wire(field: FieldPlan) -> tuple[object, ...]:
    return field.number, field.name, field.kind, field.presence, field.oneof


def _covers_enum(now: FieldPlan, was: FieldPlan) -> bool:
    if now.enum is None or was.enum is None:
        return now.enum is was.enum
    return set(now.enum) >= set(was.enum)
