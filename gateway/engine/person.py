"""Reads what an item says of its own person, from the raw item, before anything is stripped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, Final

from google.protobuf.message import Message

from gateway.engine.attributes import ARRAY, KEY, KIND, LIST, VALUE, attribute_messages, key_prefixes
from gateway.engine.key_scan import KeyScan
from gateway.engine.person_texts import PersonTexts, read_identifier, read_name
from gateway.errors import Refused
from gateway.plan import FieldPlan, PersonPlan, Presence, WordSource
from gateway.protobuf.any_message import ANY, open_any
from gateway.protobuf.schema import attribute, build, read

MAX_DEPTH: Final = 60
"""Lists in lists, or payloads in payloads, that are read; an item that has more is refused by its own rules."""

_BYTES: Final = attribute(7)
_KEY_VALUE, _ANY_VALUE, _, _ = build(
    attribute_messages(FieldPlan(7, "bytes", "bytes", Presence.EXPLICIT, oneof="kind"))
)


class PersonReader:
    """Reads whom an item's values may not repeat.

    Of an item with a name in two parts, an address, and an attribute `user.name`:

        {first_name: "Ada", last_name: "Byron"}     a name in two parts
        {work_email: "ada.b@acme.example"}          an identifier
        user.name: "Ada"                            a name
    """

    def __init__(self, plan: PersonPlan) -> None:
        self._schemas = build(plan.messages)
        self._anys = plan.anys
        self._keys = plan.keys
        self._is_marked = KeyScan(plan.keys).search
        self._list_paths = frozenset(head for key in plan.keys for head in key_prefixes(key))
        self._walks: list[list[Callable[[Message, PersonTexts, int], None]]] = [[] for _ in plan.messages]
        for index, message in enumerate(plan.messages):
            self._walks[index] += [self._walk_of(field, plan) for field in message.fields]

    def item(self, raw: bytes) -> PersonTexts:
        """What a serialised item says. Raises Refused."""
        return self._at(0, raw)

    def inner(self, raw: bytes) -> PersonTexts:
        """What the only message in an item that says something says. Raises Refused."""
        return self._at(1, raw)

    def pairs(self, pairs: Iterable[bytes]) -> PersonTexts:
        """What serialised attributes say."""
        texts = PersonTexts()
        for raw in pairs:
            self._read_attribute(raw, texts, 0)
        return texts

    def _at(self, index: int, raw: bytes) -> PersonTexts:
        texts = PersonTexts()
        self._message(read(self._schemas[index], raw), index, texts, 0)
        return texts

    def _message(self, message: Message, index: int, texts: PersonTexts, depth: int) -> None:
        outside, texts.parts = texts.parts, []
        for walk in self._walks[index]:
            walk(message, texts, depth)
        texts.end_name()
        texts.parts = outside

    def _walk_of(self, field: FieldPlan, plan: PersonPlan) -> Callable[[Message, PersonTexts, int], None]:
        name = attribute(field.number)
        walk = _walk_many if field.presence in (Presence.EXPANDED, Presence.PACKED) else _walk_one
        if field.rule is None:
            return partial(walk, name, partial(self._read_message, field.message or 0))
        return partial(walk, name, self._read_of(plan.sources[field.rule]))

    def _read_message(self, index: int, message: Message, texts: PersonTexts, depth: int) -> None:
        self._message(message, index, texts, depth)

    def _read_of(self, source: WordSource) -> Callable[[Any, PersonTexts, int], None]:
        match source:
            case WordSource.NAME:
                return read_name
            case WordSource.IDENTIFIER:
                return read_identifier
            case WordSource.ATTRIBUTE:
                return self._read_attribute
            case WordSource.VALUE:
                return self._read_value
        return self._read_any

    def _read_any(self, raw: bytes, texts: PersonTexts, depth: int) -> None:
        # What can't be read says nothing: where it isn't stripped as a whole, its own rule refuses the item.
        with suppress(Refused):
            name, value = open_any(raw)
            if depth >= MAX_DEPTH:
                return
            if name == ANY:
                self._read_any(value, texts, depth + 1)
            elif (index := self._anys.get(name)) is not None:
                self._message(read(self._schemas[index], value), index, texts, depth + 1)

    def _read_attribute(self, raw: bytes, texts: PersonTexts, _depth: int) -> None:
        # What can't be read says nothing: where it isn't stripped by its key alone, its own rule refuses the item.
        with suppress(Refused):
            if self._is_marked(raw) is not None:
                self._pair(read(_KEY_VALUE, raw), "", texts)

    def _read_value(self, raw: bytes, texts: PersonTexts, _depth: int) -> None:
        with suppress(Refused):
            if self._is_marked(raw) is not None:
                self._below(read(_ANY_VALUE, raw), "", texts)

    def _pair(self, pair: Message, above: str, texts: PersonTexts) -> None:
        path, value = above + getattr(pair, KEY), getattr(pair, VALUE)
        source = self._keys.get(path)
        if source is WordSource.NAME:
            texts.add_names([*_lists(value)])
        elif source is not None:
            for text in chain.from_iterable(_lists(value)):
                texts.add_identifier(text)
        if path in self._list_paths:
            self._below(value, f"{path}.", texts)

    def _below(self, value: Message, above: str, texts: PersonTexts) -> None:
        kind = value.WhichOneof(KIND)
        if kind == ARRAY:
            for one in getattr(getattr(value, ARRAY), KEY):
                self._below(one, above, texts)
        elif kind == LIST:
            for pair in getattr(getattr(value, LIST), KEY):
                self._pair(pair, above, texts)


def _walk_one(
    name: str, read: Callable[[Any, PersonTexts, int], None], message: Message, texts: PersonTexts, depth: int
) -> None:
    if message.HasField(name):
        read(getattr(message, name), texts, depth)


def _walk_many(
    name: str, read: Callable[[Any, PersonTexts, int], None], message: Message, texts: PersonTexts, depth: int
) -> None:
    for one in getattr(message, name):
        read(one, texts, depth)


def _lists(value: Message) -> Iterator[Sequence[str]]:
    """The texts of a value, whatever it is called in it: its own one, or those of each list at any depth."""
    held, own = [value], list[str]()
    kind = value.WhichOneof(KIND)
    if kind == ARRAY:
        held = getattr(getattr(value, ARRAY), KEY)
    elif kind == LIST:
        held = [getattr(pair, VALUE) for pair in getattr(getattr(value, LIST), KEY)]
    for one in held:
        kind = one.WhichOneof(KIND)
        if kind == KEY:
            own.append(getattr(one, KEY))
        elif kind == _BYTES:
            own.append(getattr(one, _BYTES).decode("utf-8", "replace"))
        elif kind in (ARRAY, LIST):
            yield from _lists(one)
    if own:
        yield own
