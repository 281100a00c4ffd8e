"""Which category a field has: by its number in a message type, or by its place in an item.

For counting; nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.contract import Contract
from gateway.model import Category, FieldPath, FieldPrivacy
from gateway.policy.fields import message_of_values

MAX_CACHED_PLACES: Final = 10_000
"""Places that are remembered: recursive types have more than anybody can count."""


class Categories:
    """What a classification says of all fields of a contract."""

    def __init__(self, contract: Contract, classes: Mapping[str, FieldPrivacy]) -> None:
        self._contract = contract
        self._classes = classes
        self.numbers = cache(self._numbers)
        self._extensions = cache(self._extended)

    def places(self, type: str) -> Places:
        """The categories of the places in a message type."""
        return Places(self, type)

    def _numbers(self, type: str) -> Mapping[int, Category]:
        """The categories of a message type's fields, by number."""
        return {field.number: self.of(field) for field in self._contract.fields(self._contract.message(type))}

    def of(self, field: FieldDescriptor) -> Category:
        """The category of a field."""
        privacy = self._classes.get(field.full_name)
        return Category.UNSPECIFIED if privacy is None else privacy.category

    def find(self, type: str, at: FieldPath) -> FieldDescriptor | None:
        """The field at a place; None where the contract alone doesn't tell: in an `Any`, among attributes."""
        names: list[str] = []
        while at is not None:
            at, name = at
            names.append(name.removesuffix("[*]"))
        message: Descriptor | None = self._contract.message(type)
        field: FieldDescriptor | None = None
        for name in reversed(names):
            field = None if message is None else self._field(message, name)
            message = None if field is None else message_of_values(field)
        return field

    def _field(self, message: Descriptor, name: str) -> FieldDescriptor | None:
        """A field by its name in a plan: an extension's is in brackets."""
        if name.startswith("["):
            return self._extensions(message).get(name[1:-1])
        field: FieldDescriptor | None = message.fields_by_name.get(name)
        return field

    def _extended(self, message: Descriptor) -> Mapping[str, FieldDescriptor]:
        """The extensions of a message type, by full name."""
        return {field.full_name: field for field in self._contract.fields(message) if field.is_extension}


class Places(dict[FieldPath, Category]):
    """The categories of the places in one message type, each looked up when first asked for."""

    def __init__(self, categories: Categories, type: str) -> None:
        super().__init__()
        self._categories = categories
        self._type = type

    def __missing__(self, at: FieldPath) -> Category:
        if len(self) >= MAX_CACHED_PLACES:
            self.clear()
        field = self._categories.find(self._type, at)
        category = self[at] = Category.UNSPECIFIED if field is None else self._categories.of(field)
        return category
