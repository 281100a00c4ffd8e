"""Schema projection: of one message type, and all it reaches, the part that one destination may get.

What the projection doesn't name can't be in the output, whatever the input holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, cached_property
from typing import Final, cast

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.contracts.contract import Contract, message_of
from gateway.errors import FieldReason, Reason
from gateway.model import Category, FieldPrivacy
from gateway.plan import (
    Attributes,
    Body,
    FieldPlan,
    Form,
    Mask,
    MaskTarget,
    MessagePlan,
    Nested,
    Payload,
    Presence,
    Properties,
    Rule,
)
from gateway.policy.fields import is_map, message_of_values, value_field
from gateway.policy.masks import MaskKey, MaskResources, MaskTargets, nested_message
from gateway.policy.rules import FORM_BY_TYPE, UNCATEGORISED_KINDS, RecipientTerms, kind_of, kind_of_message, rule_for
from gateway.protobuf.descriptors import with_holders

RAW_RULES: Final = (Payload, Nested, Attributes, Body, Properties)
"""Rules that read a message as raw bytes."""

NESTED_PLAN: Final = Nested(-1)
"""In `field_rules`: a plan of its own for what the field holds; the projector fills in the index."""

WIRE_TYPES: Final[Mapping[int, str]] = {
    getattr(FieldDescriptor, name): name.removeprefix("TYPE_").lower()
    for name in dir(FieldDescriptor)
    if name.startswith("TYPE_")
}
"""Protobuf's names of the types on the wire."""

Ruling = Rule | Reason | None
"""On a field: the rule that its values must pass, the reason why it is stripped, or None: kept as it is."""


class Projector:
    """What one destination may get of a contract's types.

    `field_rules` rules on fields by full name, before their category does.
    """

    def __init__(
        self,
        contract: Contract,
        classifications: Mapping[str, FieldPrivacy],
        terms: RecipientTerms,
        field_rules: Mapping[str, Ruling],
        required: Collection[str] = (),
    ) -> None:
        """`required` are fields, by full name, that are needed though the contract doesn't say so."""
        self.contract = contract
        self._required = frozenset(required)
        self._classifications = classifications
        self._site = terms
        self._field_rules = field_rules
        self._types = tuple(contract.message(name) for name in contract.messages)
        self._own_ruling: Callable[[FieldDescriptor], Ruling] = cache(self._ruling)
        self.enum_numbers: Callable[[EnumDescriptor], tuple[int, ...]] = cache(self._enum_numbers)
        self._mask_resources = MaskResources(contract)
        self._kept_resource_fields: Callable[[MaskKey], tuple[int, ...]] = cache(self._resource_fields)
        self._live_types = self._types_leading_to(self._keeps_something, self._deciding_type)
        self._unsendable_types = self._types_leading_to(self._is_required_and_stripped, self._kept_type)

    def ruling(self, field: FieldDescriptor) -> Ruling:
        """The ruling on a field, wherever it stands."""
        own = self._own_ruling(field)
        if isinstance(own, Mask):
            return self._mask(field)
        return FieldReason.NOTHING_ALLOWED if own is None and self._is_dead(field) else own

    @staticmethod
    def _enum_numbers(enum: EnumDescriptor) -> tuple[int, ...]:
        """The numbers an enum field may have, the first one first: it is the default."""
        return tuple(dict.fromkeys(value.number for value in enum.values))

    def is_whole(self, field: FieldDescriptor) -> bool:
        """Whether nothing in a field is stripped by plan. What an `Any` or a mask holds, no plan can tell."""
        below = nested_message(field)
        return self._is_untouched(field) and (below is None or below.full_name not in self._lossy_types)

    def mask_types(self, field: FieldDescriptor) -> tuple[Descriptor, ...]:
        """The types in which a mask's paths may begin."""
        found = self._mask_resources.of(field)
        return () if found is None else found.types

    def requires(self, field: FieldDescriptor) -> bool:
        """Whether a message without this field is refused."""
        return field.is_required or field.full_name in self._required

    def missing_required(self, message: Descriptor) -> str | None:
        """The full name of a required field that would be stripped in `message` or below it, if there is one."""
        return next(self._missing_required(message), None)

    def any_payloads(self) -> Iterator[Descriptor]:
        """The types that an `Any` may hold: those of which something is kept, and nothing required is stripped."""
        for message in self._types:
            if (
                message.full_name in self._live_types
                and message.full_name not in self._unsendable_types
                and kind_of_message(message) == "message"
            ):
                yield message

    def value_ruling(self, field: FieldDescriptor, privacy: FieldPrivacy) -> Ruling:
        """The ruling on a field's value, or on a map's, as if its type held something to keep."""
        kind = kind_of(field)
        if kind == "mask":
            return Mask()
        if kind not in UNCATEGORISED_KINDS:
            return rule_for(kind, privacy, self._site)
        if privacy.category is not Category.UNSPECIFIED and not self._site.allows(privacy.category):
            return FieldReason.CATEGORY_NOT_ALLOWED
        if kind == "message":
            return None
        # An Any between group tags has no length: it can't be read as bytes.
        return FieldReason.OPAQUE if field.type == FieldDescriptor.TYPE_GROUP else Payload()

    def map_rulings(self, field: FieldDescriptor) -> tuple[Ruling, Ruling]:
        """The rulings on a map's keys and values."""
        privacy = self._classifications.get(field.full_name, FieldPrivacy())
        key, value = (message_of(field).fields_by_name[name] for name in ("key", "value"))
        return rule_for(kind_of(key), FieldPrivacy(category=privacy.map_key), self._site), self.value_ruling(
            value, privacy
        )

    def _ruling(self, field: FieldDescriptor) -> Ruling:
        if field.full_name in self._field_rules:
            # A mask that is stripped would come to mean everything.
            return Mask() if kind_of(value_field(field)) == "mask" else self._field_rules[field.full_name]
        if not is_map(field):
            return self.value_ruling(field, self._classifications.get(field.full_name, FieldPrivacy()))
        key, value = self.map_rulings(field)
        if isinstance(value, Mask):
            return value
        if isinstance(key, Reason):
            return FieldReason.MAP_KEY_NOT_ALLOWED
        return value if isinstance(value, Reason) else None

    def _mask(self, field: FieldDescriptor) -> Mask:
        """The rule of a mask, which stays in the plan whatever it may name.

        Stripped, it would come to mean everything.
        """
        found = self._mask_resources.of(field)
        if found is None:
            return Mask()
        category = self._classifications.get(field.full_name, FieldPrivacy()).category
        special = field.full_name in self._field_rules
        allowed = not special and (category is Category.UNSPECIFIED or self._site.allows(category))
        beside = self._kept_resource_fields(found.key) if allowed else ()
        return Mask(found.types[0].full_name, beside=beside, answer=allowed and not found.beside)

    def _resource_fields(self, key: MaskKey) -> tuple[int, ...]:
        """The numbers of the fields that hold what a mask speaks of, as far as they are kept."""
        found = self._mask_resources.by_key(key)
        return () if found is None else tuple(one.number for one in found.beside if self.ruling(one) is None)

    @cached_property
    def _lossy_types(self) -> frozenset[str]:
        """The types of which something is stripped by plan, in them or below them."""
        return self._types_leading_to(lambda field: not self._is_untouched(field), self._deciding_type)

    def _is_untouched(self, field: FieldDescriptor) -> bool:
        """Whether nothing in a field is stripped, so far as it isn't its type's to say."""
        ruling = self.ruling(field)
        late = isinstance(ruling, (Mask, *RAW_RULES)) or kind_of(value_field(field)) == "any"
        return not isinstance(ruling, Reason) and not late

    def _is_dead(self, field: FieldDescriptor) -> bool:
        message = message_of_values(field)
        return (
            message is not None and kind_of_message(message) == "message" and message.full_name not in self._live_types
        )

    def _types_leading_to(
        self, starts: Callable[[FieldDescriptor], bool], leads: Callable[[FieldDescriptor], str | None]
    ) -> frozenset[str]:
        """The types with a field that `starts`, and those with one that `leads` to such a type, by name.

        Looks at each field once.
        """
        found: list[str] = []
        holders: dict[str, list[str]] = {}
        for message in self._types:
            fields = self.contract.fields(message)
            if any(map(starts, fields)):
                found.append(message.full_name)
            for target in filter(None, map(leads, fields)):
                holders.setdefault(target, []).append(message.full_name)
        return with_holders(found, holders)

    def _keeps_something(self, field: FieldDescriptor) -> bool:
        """Whether something of a field is kept, whatever its type comes to. A mask that is alone speaks of nothing."""
        own = self._own_ruling(field)
        return not isinstance(own, (Reason, Mask)) and (own is not None or self._deciding_type(field) is None)

    def _deciding_type(self, field: FieldDescriptor) -> str | None:
        """The name of the type that decides on a field by what is in it."""
        target = message_of_values(field)
        if target is None or kind_of_message(target) != "message" or self._own_ruling(field) is not None:
            return None
        return target.full_name

    def _kept_type(self, field: FieldDescriptor) -> str | None:
        """The name of the type that a field which is kept holds."""
        target = message_of_values(field)
        return None if target is None or isinstance(self.ruling(field), Reason) else target.full_name

    def _is_required_and_stripped(self, field: FieldDescriptor) -> bool:
        return self.requires(field) and isinstance(self.ruling(field), Reason)

    def _missing_required(self, message: Descriptor) -> Iterator[str]:
        seen = {message.full_name}
        ways = [iter(self.contract.fields(message))]
        while ways:
            field = next(ways[-1], None)
            if field is None:
                ways.pop()
            elif self._is_required_and_stripped(field):
                yield field.full_name
            elif (name := self._kept_type(field)) is not None and name not in seen:
                seen.add(name)
                ways.append(iter(self.contract.fields(cast(Descriptor, message_of_values(field)))))


class Projection:
    """The tables of one plan, filled from its root type; indices in order of first mention."""

    def __init__(self, projector: Projector, reader: Projector) -> None:
        """`reader` says what of an answer may be had by who reads it."""
        self._projector = projector
        self._reader = reader
        self._targets = MaskTargets()
        self._message_indices: dict[str, int] = {}
        self._pending: list[Callable[[], MessagePlan]] = []
        self.messages: list[MessagePlan] = []
        self.rules: list[Rule] = []
        self._rule_indices: dict[bytes, int] = {}

    def add(self, message: Descriptor) -> int:
        """The index of a message type's projection."""
        whole = kind_of_message(message) != "message"
        return self._index_of(
            message.full_name, lambda: self._well_known_message(message) if whole else self._message(message)
        )

    @property
    def targets(self) -> tuple[MaskTarget, ...]:
        """What the masks may name."""
        return tuple(self._targets.finished)

    def finish(self) -> None:
        """Fill in what is waiting, which may add more."""
        while len(self.messages) < len(self._pending):
            self.messages.append(self._pending[len(self.messages)]())

    def rule_index(self, rule: Rule) -> int:
        """The index of a rule."""
        # Rules with a mapping in them have no hash.
        key = msgspec.json.encode(rule, order="deterministic")
        if key not in self._rule_indices:
            self._rule_indices[key] = len(self.rules)
            self.rules.append(rule)
        return self._rule_indices[key]

    def _index_of(self, name: str, make: Callable[[], MessagePlan]) -> int:
        if name not in self._message_indices:
            self._message_indices[name] = len(self._pending)
            self._pending.append(make)
        return self._message_indices[name]

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
        entry = message_of(field)

        def make() -> MessagePlan:
            rulings = zip((entry.fields_by_name["key"], entry.fields_by_name["value"]), (key, value), strict=True)
            kept = tuple(self._plain_field(part, ruling) for part, ruling in rulings if not isinstance(ruling, Reason))
            return MessagePlan(entry.full_name, kept, Form.MAP_ENTRY)

        index = self._index_of(entry.full_name, make)
        return FieldPlan(field.number, _name(field), "message", Presence.EXPANDED, message=index)

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
