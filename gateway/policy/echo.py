"""Where items say names and addresses, whose words no open value may repeat at logs and outside the EU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.contract import Contract, message_of
from gateway.model import Category, FieldPrivacy
from gateway.plan import (
    FieldPlan,
    MessagePlan,
    PersonPlan,
    Presence,
    WordSource,
)
from gateway.policy.document import Policy
from gateway.policy.fields import is_map, map_entry, types_leading_to
from gateway.policy.rules import kind_of, kind_of_message

SOURCE_BY_CATEGORY: Final[Mapping[Category, WordSource]] = {
    Category.NAME: WordSource.NAME,
    Category.WORK_EMAIL: WordSource.IDENTIFIER,
    Category.PERSONAL_EMAIL: WordSource.IDENTIFIER,
}
"""Categories that say who a person is."""

_ADDRESSES: Final = (Category.WORK_EMAIL, Category.PERSONAL_EMAIL)

PERSON_KEYS: Final[Mapping[str, WordSource]] = {
    "enduser.id": WordSource.IDENTIFIER,
    "user.email": WordSource.IDENTIFIER,
    "user.full_name": WordSource.NAME,
    "user.name": WordSource.NAME,
}
"""Attributes that say it, whatever the policy says of them; its own keys with addresses do too.

Other names in attributes are of files, processes and databases: the item isn't about them.
https://opentelemetry.io/docs/specs/semconv/registry/attributes/user/
"""

SOURCE_BY_TYPE: Final[Mapping[str, WordSource]] = {
    "opentelemetry.proto.common.v1.KeyValue": WordSource.ATTRIBUTE,
    "opentelemetry.proto.common.v1.AnyValue": WordSource.VALUE,
    "google.protobuf.Any": WordSource.PAYLOAD,
}
"""Message types that are read as raw bytes."""

_STRING_VALUE: Final = "google.protobuf.StringValue"


class WordSources:
    """Where a contract's types say names and addresses."""

    def __init__(self, contract: Contract, classifications: Mapping[str, FieldPrivacy], policy: Policy) -> None:
        self._contract = contract
        self._classifications = classifications
        addresses = (key for key in policy.otlp.attributes if policy.otlp.privacy(key).category in _ADDRESSES)
        self._keys = {**dict.fromkeys(addresses, WordSource.IDENTIFIER), **PERSON_KEYS}
        self._plans: dict[tuple[str, str], PersonPlan | None] = {}

    def plan(self, type: str, user_id: str) -> PersonPlan | None:
        """Where items of a type say them; None where they can't. `user_id` is what user IDs look like."""
        if (type, user_id) not in self._plans:
            root = self._contract.message(type) if type in self._saying else None
            self._plans[type, user_id] = None if root is None else _Builder(self).plan(root, self._keys, user_id)
        return self._plans[type, user_id]

    def fields(self, message: Descriptor) -> Iterator[FieldDescriptor]:
        """Yield the fields of a type that say something, or lead to what does."""
        return (field for field in self._contract.fields(message) if any(self.parts(field)))

    def parts(self, field: FieldDescriptor) -> Iterator[_Part]:
        """Yield what of a field says something or leads to what does: itself, or a map's key and value."""
        for part, source in self._sources_of(field):
            held = part.message_type
            if source is not None or (held is not None and held.full_name in self._saying):
                yield part, source

    @property
    def payloads(self) -> Iterator[Descriptor]:
        """The types that say something in an `Any`."""
        return map(self._contract.message, sorted(self._saying))

    @cached_property
    def _saying(self) -> frozenset[str]:
        """The types that say something, or lead to one that does."""
        named = ((name, self._contract.message(name)) for name in self._contract.messages)
        types = {name: message for name, message in named if kind_of_message(message) == "message"}
        found = [name for name, message in types.items() if any(map(self._says, self._contract.fields(message)))]
        return types_leading_to(found, self._contract, types)

    def _says(self, field: FieldDescriptor) -> bool:
        """Whether a field says something by itself."""
        return any(source is not None for _, source in self._sources_of(field))

    def _sources_of(self, field: FieldDescriptor) -> Iterator[_Part]:
        privacy = self._classifications.get(field.full_name, FieldPrivacy())
        if not is_map(field):
            yield field, _source(field, privacy.category)
            return
        key, value = map_entry(field)
        yield key, _source(key, privacy.map_key)
        yield value, _source(value, privacy.category)


_Part = tuple[FieldDescriptor, WordSource | None]
"""A field, or a map's key or value, and what it says by itself."""


def _source(part: FieldDescriptor, category: Category) -> WordSource | None:
    held = part.message_type
    if held is not None and held.full_name in SOURCE_BY_TYPE:
        # Between group tags it has no length: it can't be read as bytes, and no such plan keeps it.
        return None if part.type == FieldDescriptor.TYPE_GROUP else SOURCE_BY_TYPE[held.full_name]
    return SOURCE_BY_CATEGORY.get(category) if kind_of(part) == "string" else None


class _Builder:
    """Builds the plan of one type: a projection with nothing else. A map is read as the list of its entries."""

    def __init__(self, sources: WordSources) -> None:
        self._sources = sources
        self._indices: dict[str, int] = {}
        self._waiting: list[Descriptor | FieldDescriptor | WordSource] = []
        self._found: list[WordSource] = []
        self._messages: list[MessagePlan] = []

    def plan(self, root: Descriptor, keys: Mapping[str, WordSource], user_id: str) -> PersonPlan:
        """The plan of a type."""
        self._add(root.full_name, root)
        self._finish()
        anys: dict[str, int] = {}
        if WordSource.PAYLOAD in self._found:
            anys = {one.full_name: self._add(one.full_name, one) for one in self._sources.payloads}
            self._finish()
        by_key = not {WordSource.ATTRIBUTE, WordSource.VALUE}.isdisjoint(self._found)
        return PersonPlan(tuple(self._messages), tuple(self._found), anys, keys if by_key else {}, user_id)

    def _finish(self) -> None:
        while len(self._messages) < len(self._waiting):
            self._messages.append(self._message(self._waiting[len(self._messages)]))

    def _add(self, name: str, held: Descriptor | FieldDescriptor | WordSource) -> int:
        if name not in self._indices:
            self._indices[name] = len(self._waiting)
            self._waiting.append(held)
        return self._indices[name]

    def _rule(self, source: WordSource) -> int:
        if source not in self._found:
            self._found.append(source)
        return self._found.index(source)

    def _message(self, held: Descriptor | FieldDescriptor | WordSource) -> MessagePlan:
        if isinstance(held, WordSource):
            value = FieldPlan(1, "value", "bytes", Presence.EXPLICIT, rule=self._rule(held))
            return MessagePlan(_STRING_VALUE, (value,))
        if isinstance(held, FieldDescriptor):
            entry = tuple(self._part(*part) for part in self._sources.parts(held))
            return MessagePlan(message_of(held).full_name, entry)
        return MessagePlan(held.full_name, tuple(map(self._field, self._sources.fields(held))))

    def _field(self, field: FieldDescriptor) -> FieldPlan:
        if not is_map(field):
            return next(self._part(*part) for part in self._sources.parts(field))
        entry = self._add(message_of(field).full_name, field)
        return FieldPlan(field.number, field.name, "message", Presence.EXPANDED, message=entry)

    def _part(self, field: FieldDescriptor, source: WordSource | None) -> FieldPlan:
        presence = Presence.EXPANDED if field.is_repeated else Presence.EXPLICIT
        held = field.message_type
        if source is not None and (held is None or held.full_name in SOURCE_BY_TYPE):
            return FieldPlan(field.number, field.name, "bytes", presence, rule=self._rule(source))
        name = f"{_STRING_VALUE} {source}" if source is not None else message_of(field).full_name
        index = self._add(name, message_of(field) if source is None else source)
        kind = "group" if field.type == FieldDescriptor.TYPE_GROUP else "message"
        return FieldPlan(field.number, field.name, kind, presence, message=index)
