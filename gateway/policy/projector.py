"""What one destination may get of a contract's types, field by field: the rulings that a plan is made of.

Which of them a plan holds: `project.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, cached_property, partial
from typing import Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.contracts.contract import Contract, message_of
from gateway.errors import FieldReason, Reason
from gateway.model import Category, FieldPrivacy, Gate
from gateway.plan import Attributes, Body, Mask, Nested, Payload, Properties, Rule
from gateway.policy.backed_up import backed_up_types
from gateway.policy.error_details import RPC_PACKAGE
from gateway.policy.fields import is_map, message_of_values, types_leading_to, value_field
from gateway.policy.item_types import log_types
from gateway.policy.log_destinations import holds_logs
from gateway.policy.masks import MaskKey, MaskResources, nested_message
from gateway.policy.open_patterns import is_open
from gateway.policy.rules import UNCATEGORISED_KINDS, RecipientTerms, kind_of, kind_of_message, rule_for

RAW_RULES: Final = (Payload, Nested, Attributes, Body, Properties)
"""Rules that read a message as raw bytes."""

NESTED_PLAN: Final = Nested(-1)
"""In `field_rules`: a plan of its own for what the field holds; the projection fills in the index."""

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
        self._terms = terms
        self._field_rules = field_rules
        self._types = tuple(contract.message(name) for name in contract.messages)
        self._own_ruling: Callable[[FieldDescriptor], Ruling] = cache(self._ruling)
        self._rule_for: Callable[[str, FieldPrivacy], Ruling] = cache(partial(rule_for, terms=terms))
        self.enum_numbers: Callable[[EnumDescriptor], tuple[int, ...]] = cache(self._enum_numbers)
        self._mask_resources = MaskResources(contract)
        self._kept_resource_fields: Callable[[MaskKey], tuple[int, ...]] = cache(self._resource_fields)
        self._live_types = self._types_leading_to(self._keeps_something, self._deciding_type)

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
        """The types that an `Any` may hold.

        Those of which something is kept, nothing required is stripped and, outside the EU, no pattern is open. None
        that needs a gate which isn't there. What is a log's is held by what is a log's.
        """
        for message in self._types:
            if (
                message.full_name in self._live_types
                and message.full_name not in self._unsendable_types
                and message.full_name not in self._open_types
                and not self.lacks_gate(message)
                and message.full_name not in self._log_types
                and kind_of_message(message) == "message"
            ):
                yield message

    def lacks_gate(self, message: Descriptor) -> bool:
        """Whether a type brings content of projects that are backed up, in it or below, and no gate is there for it."""
        return message.full_name in self._ungated_types

    def value_ruling(self, field: FieldDescriptor, privacy: FieldPrivacy) -> Ruling:
        """The ruling on a field's value, or on a map's, as if its type held something to keep."""
        kind = kind_of(field)
        if kind == "mask":
            return Mask()
        if kind not in UNCATEGORISED_KINDS:
            return self._rule_for(kind, privacy)
        if privacy.category is not Category.UNSPECIFIED and not self._terms.allows(privacy.category):
            return FieldReason.CATEGORY_NOT_ALLOWED
        if kind == "message":
            return None
        # An Any between group tags has no length: it can't be read as bytes.
        return FieldReason.OPAQUE if field.type == FieldDescriptor.TYPE_GROUP else Payload()

    def map_rulings(self, field: FieldDescriptor) -> tuple[Ruling, Ruling]:
        """The rulings on a map's keys and values."""
        privacy = self._classifications.get(field.full_name, FieldPrivacy())
        key, value = (message_of(field).fields_by_name[name] for name in ("key", "value"))
        return self._rule_for(kind_of(key), FieldPrivacy(category=privacy.map_key)), self.value_ruling(value, privacy)

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
        allowed = not special and (category is Category.UNSPECIFIED or self._terms.allows(category))
        beside = self._kept_resource_fields(found.key) if allowed else ()
        return Mask(found.types[0].full_name, beside=beside, answer=allowed and not found.beside)

    def _resource_fields(self, key: MaskKey) -> tuple[int, ...]:
        """The numbers of the fields that hold what a mask speaks of, as far as they are kept."""
        found = self._mask_resources.by_key(key)
        return () if found is None else tuple(one.number for one in found.beside if self.ruling(one) is None)

    @cached_property
    def _unsendable_types(self) -> frozenset[str]:
        """The types in which, or below which, something required is stripped."""
        return self._types_leading_to(self._is_required_and_stripped, self._kept_type)

    @cached_property
    def _lossy_types(self) -> frozenset[str]:
        """The types of which something is stripped by plan, in them or below them."""
        return self._types_leading_to(self._is_lossy, self._deciding_type)

    @cached_property
    def _open_types(self) -> frozenset[str]:
        """The types with a pattern, in them or below them, that may not leave the EU."""
        return self._types_leading_to(self._is_open, self._kept_type) if self._terms.outside_eu else frozenset()

    @cached_property
    def _ungated_types(self) -> frozenset[str]:
        """The types of which `lacks_gate` is true."""
        gates = self._terms.gates
        exempt = gates is None or Gate.BACKUP in gates or not self._terms.allows(Category.CONTENT)
        return frozenset() if exempt else self._live_types & backed_up_types(self.contract, self._kept_type)

    @cached_property
    def _log_types(self) -> frozenset[str]:
        """The types of a log's items, where none are held."""
        return frozenset() if holds_logs(self._terms) else log_types(self.contract)

    def _is_open(self, field: FieldDescriptor) -> bool:
        if field.full_name.startswith(RPC_PACKAGE) or any(
            one.selector == field.number for one in self._properties_beside(field)
        ):
            return False
        rulings = self.map_rulings(field) if is_map(field) else (self.ruling(field),)
        return any(is_open(ruling, self._terms.identifiers) for ruling in rulings)

    def _properties_beside(self, field: FieldDescriptor) -> Iterator[Properties]:
        """Yield the rules of the tracking plan in the message that holds a field."""
        holder = None if field.is_extension else field.containing_type
        beside = () if holder is None else self.contract.fields(holder)
        return (rule for one in beside if isinstance(rule := self._own_ruling(one), Properties))

    def _is_untouched(self, field: FieldDescriptor) -> bool:
        """Whether nothing in a field is stripped, whatever the plan of its type strips."""
        ruling = self.ruling(field)
        late = isinstance(ruling, (Mask, *RAW_RULES)) or kind_of(value_field(field)) == "any"
        return not isinstance(ruling, Reason) and not late

    def _is_lossy(self, field: FieldDescriptor) -> bool:
        return not self._is_untouched(field)

    def _is_dead(self, field: FieldDescriptor) -> bool:
        message = message_of_values(field)
        return (
            message is not None and kind_of_message(message) == "message" and message.full_name not in self._live_types
        )

    def _types_leading_to(
        self, starts: Callable[[FieldDescriptor], bool], leads: Callable[[FieldDescriptor], str | None]
    ) -> frozenset[str]:
        """The types with a field that `starts`, and those with one that `leads` to such a type, by name."""
        names = self.contract.messages
        found = [name for name in names if any(map(starts, self.contract.fields_of(name)))]
        return types_leading_to(found, self.contract, names, leads)

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
                ways.append(iter(self.contract.fields_of(name)))
