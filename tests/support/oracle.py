"""The slow oracle: it walks a message of the original type and deletes what isn't allowed.

Obviously right, and nothing else.

It shares with the engine only `rule_for`, the single detectors, address reading and which message a mask speaks of; no
projection, no plan, nothing remembered. Masks are in `oracle_masks.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from gateway.contracts.contract import Contract
from gateway.errors import ItemReason, Reason, Refused
from gateway.model import Category, Facts, FieldPrivacy
from gateway.policy.rules import RecipientTerms, rule_for
from tests.support.known_fields import (
    ANY,
    F,
    clear_field,
    copy_of,
    is_map,
    kind_of,
    kind_of_type,
    message_type_of,
    without_unknown_fields,
)
from tests.support.oracle_echo import Said, is_echo, said_in
from tests.support.oracle_masks import Masks
from tests.support.oracle_values import Personal, allowed_value, drop_unknown_numbers


class Oracle:
    """Decides for one destination."""

    def __init__(self, contract: Contract, classes: Mapping[str, FieldPrivacy], site: RecipientTerms) -> None:
        self.contract = contract
        self._classes = classes
        self._site = site
        self._facts = Facts(0)
        self._said = Said()
        self._masks = Masks(contract, classes, site, self.stays)
        self._lost: list[tuple[str, ...]] = []

    def decide(self, type: str, raw: bytes, facts: Facts) -> Message | None:
        """The minimised message; None if the item is withheld. Raises Refused."""
        if facts.personal and self._site.is_vendor:
            return None
        self._facts = facts
        self._said = said_in(self.contract, self._classes, type, raw, self._site.user_id)
        try:
            return self._minimised(type, raw)
        except Personal:
            return None

    def _fields(self, type: Descriptor) -> list[FieldDescriptor]:
        return sorted([*type.fields, *self.contract.pool.FindAllExtensions(type)], key=lambda field: field.number)

    # ── What a type holds ─────────────────────────────────────────────────────────────────────────────────────────────

    def strips_required(self, type: str) -> bool:
        """Whether a required field would go, in this type or in what is kept below it."""
        reached = self._reached(self.contract.message(type))
        return any(field.is_required and not self.stays(field) for held in reached for field in self._fields(held))

    def _reached(self, root: Descriptor) -> list[Descriptor]:
        found, waiting = {root.full_name: root}, [root]
        while waiting:
            for field in self._fields(waiting.pop()):
                held = message_type_of(field)
                if (
                    held is not None
                    and kind_of_type(held) == "message"
                    and self.stays(field)
                    and held.full_name not in found
                ):
                    found[held.full_name] = held
                    waiting.append(held)
        return list(found.values())

    def stays(self, field: FieldDescriptor) -> bool:
        """Whether anything of a field may leave."""
        held = message_type_of(field)
        return self._may(field) and (
            held is None or kind_of_type(held) != "message" or self._holds_something(held, frozenset())
        )

    def _holds_something(self, type: Descriptor, above: frozenset[str]) -> bool:
        """Whether some field of a type may leave, however deep below it."""
        for field in self._fields(type):
            held = message_type_of(field)
            if not self._may(field):
                continue
            if held is not None and kind_of_type(held) == "mask":
                continue
            if held is None or kind_of_type(held) != "message":
                return True
            if held.full_name not in above and self._holds_something(held, above | {type.full_name, held.full_name}):
                return True
        return False

    def _may(self, field: FieldDescriptor) -> bool:
        """Whether the categories let a field leave, whatever its type holds."""
        privacy, held = self._classes.get(field.full_name, FieldPrivacy()), message_type_of(field)
        if held is not None and kind_of_type(held) == "mask":
            return True
        if not is_map(field):
            return self._may_value(field, privacy)
        entry = field.message_type
        assert entry is not None
        key = rule_for(kind_of(entry.fields_by_name["key"]), FieldPrivacy(privacy.map_key), self._site)
        return not isinstance(key, Reason) and self._may_value(entry.fields_by_name["value"], privacy)

    def _may_value(self, field: FieldDescriptor, privacy: FieldPrivacy) -> bool:
        kind = kind_of(field)
        if kind == "any" and field.type == F.TYPE_GROUP:
            return False
        if kind in ("any", "message"):
            return privacy.category is Category.UNSPECIFIED or self._site.allows(privacy.category)
        return not isinstance(rule_for(kind, privacy, self._site), Reason)

    # ── Messages ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _minimised(self, type: str, raw: bytes) -> Message:
        try:
            parsed = self.contract.message_class(type).FromString(raw)
        except DecodeError:
            raise Refused(ItemReason.MALFORMED) from None
        self._survey(parsed)
        message: Message = without_unknown_fields(parsed)
        outside, self._lost = self._lost, []  # what is in an `Any` has no path from outside
        self._walk(message, ())
        self._lost = outside
        if not message.IsInitialized():
            raise Refused(ItemReason.REQUIRED_FIELD)
        return message

    def _survey(self, message: Any) -> None:
        """Narrow masks by what is known before any value is judged."""
        self._masks.survey(message)
        for field, value in sorted(message.ListFields(), key=lambda pair: pair[0].number):
            held = message_type_of(field)
            if held is None or kind_of_type(held) != "message" or not self.stays(field):
                continue
            for one in (
                [value[key] for key in sorted(value)] if is_map(field) else value if field.is_repeated else [value]
            ):
                self._survey(one)

    def _walk(self, message: Any, at: tuple[str, ...]) -> None:
        before, self._lost = self._lost, []
        present = {field.number for field, _ in message.ListFields()}
        for field in self._fields(message.DESCRIPTOR):
            if field.number in present:
                self._field(message, field, at)
        self._masks.settle(message, [place[len(at) :] for place in self._lost])
        self._lost += before

    def _field(self, message: Any, field: FieldDescriptor, at: tuple[str, ...]) -> None:
        privacy = self._classes.get(field.full_name, FieldPrivacy())
        value = message.Extensions[field] if field.is_extension else getattr(message, field.name)
        if not self.stays(field):
            clear_field(message, field)
        elif is_map(field):
            self._map(value, field, privacy, (*at, field.name))
        elif field.is_repeated:
            kept = [
                left for one in value if (left := self._checked(one, field, privacy, (*at, field.name))) is not None
            ]
            copies = [copy_of(one) for one in kept]
            clear_field(message, field)
            (message.Extensions[field] if field.is_extension else getattr(message, field.name)).extend(copies)
        else:
            absent = not field.has_presence and value == 0  # as the wire has it, but for a zero with a sign
            left = value if absent else self._checked(value, field, privacy, (*at, field.name))
            if left is None:
                clear_field(message, field)
            elif isinstance(left, Message):
                pass
            elif field.is_extension:
                message.Extensions[field] = left
            else:
                setattr(message, field.name, left)

    def _checked(self, value: Any, field: FieldDescriptor, privacy: FieldPrivacy, at: tuple[str, ...]) -> Any:
        """What is left of a value; that nothing is, is noted."""
        left = self._value(value, field, privacy, at)
        if left is None:
            self._lost.append(at)
        return left

    def _map(self, entries: Any, field: FieldDescriptor, privacy: FieldPrivacy, at: tuple[str, ...]) -> None:
        """Of entries whose key changes, the last one in order stays, and goes before one that had this key."""
        entry = field.message_type
        assert entry is not None
        stays: dict[Any, Any] = {}
        moved: dict[Any, Any] = {}
        for old in sorted(entries):
            held = entry.fields_by_name["value"].enum_type
            if held is not None and entries[old] not in held.values_by_number:
                # An entry with a number that its enum doesn't have isn't there: its key says nothing of anybody.
                self._lost.append(at)
                continue
            key = self._checked(old, entry.fields_by_name["key"], FieldPrivacy(privacy.map_key), at)
            value = None if key is None else self._checked(entries[old], entry.fields_by_name["value"], privacy, at)
            if value is not None:
                if key in moved and key != old:
                    self._lost.append(at)
                (stays if key == old else moved)[key] = copy_of(value)
        self._lost += [at] * len(stays.keys() & moved.keys())
        entries.clear()
        for key, value in {**stays, **moved}.items():
            if isinstance(value, Message):
                entries[key].CopyFrom(value)
            else:
                entries[key] = value

    def _value(self, value: Any, field: FieldDescriptor, privacy: FieldPrivacy, at: tuple[str, ...]) -> Any:
        """What is left of a value; None if nothing is."""
        kind = kind_of(field)
        if kind == "message":
            self._walk(value, at)
        if kind in ("message", "mask"):
            return value
        if kind == "any":
            return value if self._any(value) else None
        if field.enum_type is not None and value not in field.enum_type.values_by_number:
            return None
        if isinstance(value, Message):
            drop_unknown_numbers(value)
        wrapped = isinstance(value, Message) and value.DESCRIPTOR.name.endswith("Value") and kind != "opaque"
        inner = value.value if wrapped else value
        rule = rule_for(kind, privacy, self._site)
        left = allowed_value(rule, inner, self._facts)
        if left is not None and is_echo(rule, left, self._said):
            return None
        if not wrapped or left is None:
            return left
        value.value = left
        return value

    def _any(self, held: Any) -> bool:
        name = held.type_url.rpartition("/")[2]
        if name == ANY:
            inner = self.contract.message_class(ANY)()
            try:
                inner.ParseFromString(held.value)
            except DecodeError:
                raise Refused(ItemReason.MALFORMED) from None
            inner = without_unknown_fields(inner)
            if not self._any(inner):
                return False
        elif not self._may_be_held(name):
            return False
        else:
            inner = self._minimised(name, held.value)
        held.type_url = f"type.googleapis.com/{name}"
        held.value = inner.SerializeToString(deterministic=True)
        return True

    def _may_be_held(self, name: str) -> bool:
        if name not in self.contract.messages or kind_of_type(self.contract.message(name)) != "message":
            return False
        return self._holds_something(self.contract.message(name), frozenset()) and not self.strips_required(name)
