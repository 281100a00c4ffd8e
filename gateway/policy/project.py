"""Schema projection: of one message type, and all it reaches, the part that one destination may get.

What the projection doesn't name can't be in the output, whatever the input holds. What is kept: `projector.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.contract import message_of
from gateway.errors import Reason
from gateway.plan import FieldPlan, Form, Mask, MaskTarget, MessagePlan, Nested, Presence, Rule
from gateway.policy.fields import is_map
from gateway.policy.masks import MaskTargets
from gateway.policy.projector import NESTED_PLAN, RAW_RULES, Projector, Ruling
from gateway.policy.rules import FORM_BY_TYPE, kind_of_message

WIRE_TYPES: Final[Mapping[int, str]] = {
    getattr(FieldDescriptor, name): name.removeprefix("TYPE_").lower()
    for name in dir(FieldDescriptor)
    if name.startswith("TYPE_")
}
"""Protobuf's names of the types on the wire."""


class _Pending(msgspec.Struct, frozen=True):
    """A message type whose plan isn't made yet; of a map's entry, with the rulings on its key and its value."""

    message: Descriptor
    entry: tuple[Ruling, Ruling] | None = None


def written_digest(made: msgspec.Struct) -> bytes:
    """SHA-256 of a part of a plan as it is written: what has a mapping in it has no hash to be told by."""
    return hashlib.sha256(msgspec.json.encode(made, order="deterministic")).digest()


class EqualTables:
    """The message tables and rules of all plans of one policy: equal ones are one object."""

    def __init__(self) -> None:
        self._messages: dict[MessagePlan, MessagePlan] = {}
        self._rules: dict[bytes, Rule] = {}

    def message(self, made: MessagePlan) -> MessagePlan:
        """The table that equals `made`: the first one."""
        return self._messages.setdefault(made, made)

    def rule(self, key: bytes, made: Rule) -> Rule:
        """The rule that `key` is the digest of: the first one."""
        return self._rules.setdefault(key, made)


class Projection:
    """The tables of one plan, filled from its root type; indices in order of first mention.

    Of `message Event { string name = 1; Team team = 2; string email = 3; }`, `message Team { string id = 1; }` and a
    destination that may not have `email`:

        add(Event)   0 waits                      messages []
        finish()     Event: name, team → add(Team) is 1, which waits; email is stripped: not in the table
                     messages [Event(name, team → 1)], rules [the rule of name]
                     Team: id                     messages [Event(…), Team(id)], rules [of name, of id]
    """

    def __init__(self, projector: Projector, reader: Projector, shared: EqualTables) -> None:
        """`reader` says what of an answer may be had by who reads it; `shared` are the tables of other plans."""
        self._projector = projector
        self._reader = reader
        self._shared = shared
        self._targets = MaskTargets()
        self._message_indices: dict[str, int] = {}
        self._pending: list[_Pending] = []
        self.messages: list[MessagePlan] = []
        self.rules: list[Rule] = []
        self._rule_indices: dict[bytes, int] = {}

    def add(self, message: Descriptor) -> int:
        """The index of a message type's projection."""
        return self._index_of(_Pending(message))

    @property
    def targets(self) -> tuple[MaskTarget, ...]:
        """What the masks may name."""
        return tuple(self._targets.finished)

    def finish(self) -> None:
        """Fill in what is waiting, which may add more."""
        while len(self.messages) < len(self._pending):
            self.messages.append(self._shared.message(self._plan_of(self._pending[len(self.messages)])))

    def rule_index(self, rule: Rule) -> int:
        """The index of a rule."""
        key = written_digest(rule)
        if key not in self._rule_indices:
            self._rule_indices[key] = len(self.rules)
            self.rules.append(self._shared.rule(key, rule))
        return self._rule_indices[key]

    def _index_of(self, pending: _Pending) -> int:
        name = pending.message.full_name
        if name not in self._message_indices:
            self._message_indices[name] = len(self._pending)
            self._pending.append(pending)
        return self._message_indices[name]

    def _plan_of(self, pending: _Pending) -> MessagePlan:
        if pending.entry is not None:
            return self._map_entry(pending.message, pending.entry)
        if kind_of_message(pending.message) != "message":
            return self._well_known_message(pending.message)
        return self._message(pending.message)

    def _message(self, message: Descriptor) -> MessagePlan:
        fields = self._projector.contract.fields(message)
        kept = ((field, self._projector.ruling(field)) for field in fields)
        return MessagePlan(
            message.full_name,
            tuple(self._field(field, ruling) for field, ruling in kept if not isinstance(ruling, Reason)),
        )

    def _well_known_message(self, message: Descriptor) -> MessagePlan:
        """A well-known type that counts as a scalar: all of it."""
        form = FORM_BY_TYPE.get(message.full_name, Form.MESSAGE)
        fields = (
            self._whole_map(field) if is_map(field) else self._plain_field(field, None) for field in message.fields
        )
        return MessagePlan(message.full_name, tuple(fields), form)

    def _field(self, field: FieldDescriptor, ruling: Rule | None) -> FieldPlan:
        if is_map(field) and not isinstance(ruling, (*RAW_RULES, Mask)):
            return self._map_field(field, *self._projector.map_rulings(field))
        return self._plain_field(field, ruling)

    def _plain_field(self, field: FieldDescriptor, ruling: Rule | None) -> FieldPlan:
        raw = isinstance(ruling, RAW_RULES) or (isinstance(ruling, Mask) and is_map(field))
        message = None if raw or field.message_type is None else self.add(message_of(field))
        if ruling == NESTED_PLAN:
            ruling = Nested(self.add(message_of(field)))
        if isinstance(ruling, Mask):
            ruling = self._with_targets(field, ruling)
        return FieldPlan(
            number=field.number,
            name=_name(field),
            kind="bytes" if raw else WIRE_TYPES[field.type],
            presence=Presence.REQUIRED if self._projector.requires(field) else _presence(field),
            oneof=_oneof(field),
            message=message,
            enum=None if field.enum_type is None else self._projector.enum_numbers(field.enum_type),
            rule=None if ruling is None else self.rule_index(ruling),
        )

    def _with_targets(self, field: FieldDescriptor, mask: Mask) -> Mask:
        """A mask's rule with what its paths may name."""
        if not mask.beside and not mask.answer:
            return mask
        kept, types = self._reader if mask.answer else self._projector, self._projector.mask_types(field)
        return msgspec.structs.replace(mask, targets=tuple(self._targets.add(kept, one) for one in types))

    def _map_field(self, field: FieldDescriptor, key: Ruling, value: Ruling) -> FieldPlan:
        index = self._index_of(_Pending(message_of(field), (key, value)))
        return FieldPlan(field.number, _name(field), "message", Presence.EXPANDED, message=index)

    def _map_entry(self, entry: Descriptor, rulings: tuple[Ruling, Ruling]) -> MessagePlan:
        parts = zip((entry.fields_by_name["key"], entry.fields_by_name["value"]), rulings, strict=True)
        kept = tuple(self._plain_field(part, ruling) for part, ruling in parts if not isinstance(ruling, Reason))
        return MessagePlan(entry.full_name, kept, Form.MAP_ENTRY)

    def _whole_map(self, field: FieldDescriptor) -> FieldPlan:
        return self._map_field(field, None, None)


def _name(field: FieldDescriptor) -> str:
    """The field's name; an extension's in brackets, as text format has it."""
    return f"[{field.full_name}]" if field.is_extension else field.name


def _presence(field: FieldDescriptor) -> Presence:
    if field.is_repeated:
        return Presence.PACKED if field.is_packed else Presence.EXPANDED
    return Presence.EXPLICIT if field.has_presence else Presence.IMPLICIT


def _oneof(field: FieldDescriptor) -> str:
    """The oneof that a field is in; one of a single member is no more than presence."""
    oneof = field.containing_oneof
    return oneof.name if oneof is not None and len(oneof.fields) > 1 else ""
