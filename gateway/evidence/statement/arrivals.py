"""What of a message arrived: each value with its path, its text, and the category of what its field holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.evidence.statement.probe_labels import OTLP_PREFIX, Labels
from gateway.evidence.statement.probe_messages import ANY_VALUE, KEY, KEY_VALUE, PROPERTY_VALUE, VALUE
from gateway.evidence.statement.probe_values import CATEGORY_BY_TEXT
from gateway.model import INDIRECT, Category
from gateway.policy.fields import is_map, map_entry
from gateway.policy.item_types import EVENT_TYPE
from gateway.policy.rules import SCALAR_KINDS

MAX_SHOWN: Final = 4
"""Values that a result shows; the others are counted."""

_VALUES: Final = frozenset({*SCALAR_KINDS, ANY_VALUE, PROPERTY_VALUE})


class Arrival(msgspec.Struct, frozen=True):
    """A value that arrived."""

    path: str
    text: str
    category: Category

    def __str__(self) -> str:
        return f"{self.path} = {self.text}"


class Arrivals:
    """Reads released messages."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    def of(self, message: Message) -> tuple[Arrival, ...]:
        """All values of a message."""
        return tuple(self._below(message, "", ""))

    def _below(self, message: Message, path: str, event: str) -> Iterator[Arrival]:
        fields = message.ListFields()
        event = next((value for field, value in fields if field.full_name == f"{EVENT_TYPE}.name"), event)
        for field, value in fields:
            yield from self._field(field, value, path + field.name, event)

    def _field(self, field: FieldDescriptor, value: object, path: str, event: str) -> Iterator[Arrival]:
        privacy = self._labels.of_field(field)
        if is_map(field) and isinstance(value, Mapping):
            _, value_field = map_entry(field)
            planned = field.full_name == f"{EVENT_TYPE}.properties"
            for key, one in value.items():
                yield _arrival(f"{path}[key]", str(key), Category.OPERATIONAL if planned else privacy.map_key)
                category = self._labels.of_property(event, str(key)).category if planned else privacy.category
                yield from self._value(value_field, one, f"{path}[{key}]", category, event)
            return
        for one in value if field.is_repeated and isinstance(value, Iterable) else (value,):
            yield from self._value(field, one, path, privacy.category, event)

    def _value(
        self, field: FieldDescriptor, value: object, path: str, category: Category, event: str
    ) -> Iterator[Arrival]:
        if not isinstance(value, Message):
            yield _arrival(path, _text(field, value), category, field)
        elif value.DESCRIPTOR.full_name == KEY_VALUE:
            key = str(getattr(value, KEY))
            held = self._labels.of_attribute(key).category
            yield _arrival(f"{path}[{key}]", _value_text(getattr(value, VALUE)), held)
        elif value.DESCRIPTOR.full_name in _VALUES:
            yield _arrival(path, _value_text(value), category, field)
        else:
            yield from self._below(value, f"{path}.", event)


def _arrival(path: str, text: str, category: Category, field: FieldDescriptor | None = None) -> Arrival:
    """A value that arrived. A probe's text is what it is, wherever it stands."""
    is_slot = field is not None and field.full_name.startswith(OTLP_PREFIX)
    label = Category.OPERATIONAL if is_slot and category is Category.FREE_TEXT else category
    return Arrival(path, text, CATEGORY_BY_TEXT.get(text, label))


def _text(field: FieldDescriptor, value: object) -> str:
    if field.enum_type is not None and isinstance(value, int):
        named = field.enum_type.values_by_number.get(value)
        return str(value) if named is None else named.name
    if not isinstance(value, bytes):
        return str(value)
    text = value.decode(errors="replace")
    return text if text.isprintable() else value.hex()


def _value_text(value: Message) -> str:
    """A message that is one value: what its fields hold."""
    return ", ".join(str(one) for _, one in value.ListFields())


def shown(arrivals: Iterable[Arrival]) -> str:
    """What arrived, in words: what says something of a person by name, the rest by number."""
    all_of_them = [*dict.fromkeys(arrivals)]
    personal = [one for one in all_of_them if one.category is not Category.OPERATIONAL]
    named = [str(one) for one in sorted(personal, key=lambda one: one.category in INDIRECT)]
    more = len(all_of_them) - min(len(named), MAX_SHOWN)
    parts = [*named[:MAX_SHOWN], *([f"{more} other value{'' if more == 1 else 's'}"] if more else [])]
    return f"arrived: {', '.join(parts)}" if parts else "nothing arrived"
