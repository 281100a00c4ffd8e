"""The slow oracle's field masks.

Each path is asked anew, of the original types, what it names and what of that has been stripped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.contracts.contract import Contract
from gateway.errors import ItemReason, Refused
from gateway.model import Category, FieldPrivacy
from gateway.policy.masks import MaskResource, MaskResources
from gateway.policy.rules import RecipientTerms, kind_of_message

MASK: Final = "google.protobuf.FieldMask"

Names = tuple[str, ...]
PathTest = Callable[[Names], bool]
"""Asks something of the value that names lead to."""


class Masks:
    """The masks of one contract at one site."""

    def __init__(
        self,
        contract: Contract,
        classes: Mapping[str, FieldPrivacy],
        site: RecipientTerms,
        stays: Callable[[FieldDescriptor], bool],
    ) -> None:
        self._contract = contract
        self._classes = classes
        self._site = site
        self._stays = stays
        self._referents = MaskResources(contract)

    def survey(self, message: Any) -> None:
        """Narrow a message's own masks by the plan, and by what nobody knows. Raises Refused."""
        for field in self._own(message):
            value = message.Extensions[field] if field.is_extension else getattr(message, field.name)
            if _is_map(field):
                raise Refused(ItemReason.MASK_UNCLEAR)
            for mask in value if field.is_repeated else [value]:
                self._survey(message, field, mask)

    def _survey(self, message: Any, field: FieldDescriptor, mask: Any) -> None:
        found = self._referents.of(field)
        if not mask.paths:
            return
        if found is None:
            raise Refused(ItemReason.MASK_UNCLEAR)
        beside = self._beside(message, found)
        _narrow(mask, lambda path: self._left(field, found, path, _is_unknown(beside), _holds_unknown(beside)))

    def settle(self, message: Any, lost: Sequence[Names]) -> None:
        """Narrow a message's own masks by the places at which values were stripped. Raises Refused."""
        for field in self._own(message):
            found = None if field.is_repeated or field.is_extension else self._referents.of(field)
            mask = getattr(message, field.name) if found is not None else None
            if found is None or mask is None or not mask.paths:
                continue
            names = {one.name for one in found.beside if self._stays(one)}
            places = {place[1:] for place in lost if place[0] in names}
            if places:
                _narrow(mask, lambda path: self._left(field, found, path, _is_in(places), _starts(places)))  # noqa: B023

    def _own(self, message: Any) -> list[FieldDescriptor]:
        """The fields of masks that are there.

        Of a map also by entries that the runtime doesn't know, for what else is in them.
        """
        present = {field.number for field, value in message.ListFields() if not field.is_repeated or len(value)}
        unknown = {one.field_number for one in UnknownFieldSet(message) if one.wire_type == 2}  # type: ignore[attr-defined]
        masks = [field for field in self._contract.fields(message.DESCRIPTOR) if _holds(field) == "mask"]
        return [field for field in masks if field.number in present or (_is_map(field) and field.number in unknown)]

    def _beside(self, message: Any, found: MaskResource) -> list[Message]:
        stay = filter(self._stays, found.beside)
        values = [
            getattr(message, field.name) if not field.is_extension else message.Extensions[field] for field in stay
        ]
        return [one for value in values for one in ([value] if isinstance(value, Message) else value)]

    def _left(
        self, field: FieldDescriptor, found: MaskResource, path: str, gone: PathTest, touched: PathTest
    ) -> list[str]:
        """The paths that are left of one."""
        category = self._classes.get(field.full_name, FieldPrivacy()).category
        if category is not Category.UNSPECIFIED and not self._site.allows(category):
            return []
        if not found.beside:
            return [path] if any(self._answers(one, path.split(".")) for one in found.types) else []
        if not any(map(self._stays, found.beside)):
            return []
        (target,) = found.types
        if path != "*":
            return self._to(target, tuple(path.split(".")), gone, touched)
        if all(map(self._is_whole, self._fields(target))) and not touched(()):
            return ["*"]
        return [
            left
            for one in _by_number(target)
            for left in self._parts(one, (one.name,), {target.full_name}, gone, touched)
        ]

    def _to(self, type: Descriptor, names: Names, gone: PathTest, touched: PathTest) -> list[str]:
        at: Descriptor | None = type
        field: Any = None
        for index, name in enumerate(names):
            field = None if at is None else at.fields_by_name.get(name)
            if field is None or not self._is_nameable(field) or gone(names[: index + 1]):
                return []
            at = field.message_type if _holds(field) == "message" and not field.is_repeated else None
        return self._parts(field, names, set(), gone, touched)

    def _parts(
        self, field: FieldDescriptor, names: Names, above: set[str], gone: PathTest, touched: PathTest
    ) -> list[str]:
        if not self._is_nameable(field) or gone(names):
            return []
        if self._is_whole(field) and not touched(names):
            return [".".join(names)]
        inner = field.message_type
        if field.is_repeated or inner is None or _holds(field) != "message" or inner.full_name in above:
            return []
        below = above | {inner.full_name}
        return [
            left for one in _by_number(inner) for left in self._parts(one, (*names, one.name), below, gone, touched)
        ]

    def _answers(self, type: Descriptor, names: list[str]) -> bool:
        """Whether a path leads to something that an answer keeps."""
        if names == ["*"]:
            return any(map(self._stays, type.fields))
        if names[0] == "*":
            return False
        field = type.fields_by_name.get(names[0])
        if field is None or not self._stays(field):
            return False
        rest = names[2:] if names[1:2] == ["*"] and field.is_repeated else names[1:]
        return not rest or (_holds(field) == "message" and rest[0] != "*" and self._answers(_held(field), rest))

    def _is_nameable(self, field: FieldDescriptor) -> bool:
        return self._stays(field) and _holds(field) not in ("any", "mask")

    def _is_whole(self, field: FieldDescriptor, above: frozenset[str] = frozenset()) -> bool:
        """Whether everything in a field stays, whatever it is."""
        if not self._is_nameable(field):
            return False
        if _holds(field) != "message" or _held(field).full_name in above:
            return True
        return all(self._is_whole(one, above | {_held(field).full_name}) for one in self._fields(_held(field)))

    def _fields(self, type: Descriptor) -> Sequence[FieldDescriptor]:
        return self._contract.fields(type)


def _narrow(mask: Any, left: Callable[[str], list[str]]) -> None:
    kept = [one for path in mask.paths for one in left(path)]
    if not kept:
        raise Refused(ItemReason.MASK_EMPTY)
    mask.paths[:] = kept


def _is_in(places: set[Names]) -> PathTest:
    return lambda names: names in places


def _starts(places: set[Names]) -> PathTest:
    return lambda names: any(place[: len(names)] == names for place in places)


def _is_unknown(beside: Sequence[Any]) -> PathTest:
    """Whether what stands at a field is nothing that its type knows."""

    def asked(names: Names) -> bool:
        return any(_unknown_here(holder, names[-1]) for holder in _at(beside, names[:-1]))

    return asked


def _holds_unknown(beside: Sequence[Any]) -> PathTest:
    """The same, or below the field."""

    def asked(names: Names) -> bool:
        if not names:
            return any(map(_unknown_below, beside))
        holders = _at(beside, names[:-1])
        return _is_unknown(beside)(names) or any(
            _unknown_below(held) for one in holders for held in _messages(getattr(one, names[-1]))
        )

    return asked


def _at(messages: Sequence[Any], names: Names) -> list[Any]:
    for name in names:
        messages = [getattr(one, name) for one in messages]
    return list(messages)


def _unknown_here(holder: Any, name: str) -> bool:
    field = holder.DESCRIPTOR.fields_by_name[name]
    numbers = {one.field_number for one in UnknownFieldSet(holder)}  # type: ignore[attr-defined]
    return field.number in numbers or _unlisted(field, getattr(holder, name))


def _unknown_below(message: Any) -> bool:
    if len(UnknownFieldSet(message)):
        return True
    return any(
        _unlisted(field, value) or any(map(_unknown_below, _messages(value))) for field, value in message.ListFields()
    )


def _unlisted(field: FieldDescriptor, value: Any) -> bool:
    """Whether an enum's number is none of its own."""
    kind = _value_of(field).enum_type
    if kind is None:
        return False
    numbers = value.values() if _is_map(field) else value if field.is_repeated else [value]
    return any(number not in kind.values_by_number for number in numbers)


def _messages(value: Any) -> list[Any]:
    if isinstance(value, Message):
        return [value]
    if isinstance(value, (str, bytes, int, float)):
        return []
    return [one for one in (value.values() if hasattr(value, "values") else value) if isinstance(one, Message)]


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _value_of(field: FieldDescriptor) -> Any:
    return field.message_type.fields_by_name["value"] if field.message_type is not None and _is_map(field) else field


def _held(field: FieldDescriptor) -> Any:
    return _value_of(field).message_type


def _holds(field: FieldDescriptor) -> str:
    """What kind of message a field's values are; nothing for others."""
    return "" if _held(field) is None else kind_of_message(_held(field))


def _by_number(type: Descriptor) -> list[FieldDescriptor]:
    return sorted(type.fields, key=lambda field: field.number)
