"""Reads the words of an item's own person, from the raw item, before anything is stripped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message

from gateway.detectors.person_words import person_words
from gateway.engine.attributes import ANY_VALUE, ARRAY, KEY, KEY_VALUE, KIND, LIST, VALUE, key_prefixes
from gateway.engine.context import Person
from gateway.engine.key_scan import KeyScan, PersonTexts, read_identifier, read_name
from gateway.errors import Refused
from gateway.patterns import compile_pattern, is_ascii
from gateway.plan import (
    Attributes,
    Body,
    FieldPlan,
    MessagePlan,
    PersonPlan,
    Presence,
    Properties,
    Rule,
    SpanName,
    Text,
    UserId,
    WordSource,
)
from gateway.protobuf.any_message import ANY, open_any
from gateway.protobuf.schema import Schema, attribute, build, read

MAX_PERSONS: Final = 512
"""How many persons' words are remembered; when full all are forgotten."""

MAX_MESSAGE_BYTES: Final = 1024
"""Bytes of the longest message of which it is remembered whom it is about."""

MAX_DEPTH: Final = 60
"""Lists in lists, or payloads in payloads, that are read; an item that has more is refused by its own rules."""


class PersonReader:
    """Reads whom an item's values may not repeat.

    Of an item with a name in two parts, an address, and an attribute `enduser.id`:

        {first_name: "Ada", last_name: "Byron"}     one name: ada, byron, adabyron, byronada
        {work_email: "ada.b@acme.example"}          ada, and adab as one
        enduser.id: "usr_1"                         nothing where that is what user IDs look like
    """

    def __init__(self, plan: PersonPlan, rules: Sequence[Rule] = ()) -> None:
        """`rules` are those of the values: what characters these can have."""
        self._ascii = all(map(is_ascii, _patterns(rules)))
        self._scan = KeyScan(plan.keys)
        self._is_marked = self._scan.is_marked
        self._fields_say = any(source in _OF_FIELDS for source in plan.sources)
        self._schemas = build(plan.messages)
        self._anys = plan.anys
        self._keys = plan.keys
        self._list_paths = frozenset(head for key in plan.keys for head in key_prefixes(key))
        self._is_user_id = compile_pattern(plan.user_id).fullmatch if plan.user_id else None
        self._only = _only_message(plan)
        self._only_name = attribute(plan.messages[0].fields[0].number)
        self._by_message: dict[bytes, Person | None] = {}
        self._persons: dict[tuple[tuple[str, ...], ...], Person | None] = {}
        self._walks: list[list[Callable[[Message, PersonTexts, int], None]]] = [[] for _ in plan.messages]
        for index, message in enumerate(plan.messages):
            self._walks[index] += [self._walk_of(field, plan) for field in message.fields]

    def read(self, raw: bytes) -> Person | None:
        """The words that a serialised item says of its person; None where it says none, or says them nowhere else.

        Raises Refused.
        """
        person = self._read_all(raw) if self._only is None else self._read_one(raw, self._only)
        return person if person is not None and person.is_elsewhere(raw) else None

    def _read_one(self, raw: bytes, only: Schema) -> Person | None:
        """Of an item in which one message says all: the same person comes again and again."""
        held = getattr(read(only, raw), self._only_name)
        if len(held) != 1:
            return self._read_all(raw) if held else None
        known = self._by_message
        if held[0] not in known:
            person = self._read_all(raw)
            if len(known) >= MAX_PERSONS:
                known.clear()
            if len(held[0]) <= MAX_MESSAGE_BYTES:
                known[held[0]] = person
            return person
        return known[held[0]]

    def _read_all(self, raw: bytes) -> Person | None:
        texts = PersonTexts()
        if self._fields_say or not self._scan.read(raw, texts):
            self._message(read(self._schemas[0], raw), 0, texts, 0)
        return self._person(texts) if texts.identifiers or texts.names else None

    def _person(self, texts: PersonTexts) -> Person | None:
        key = (tuple(texts.identifiers), *texts.names)
        if key not in self._persons:
            if len(self._persons) >= MAX_PERSONS:
                self._persons.clear()
            words = person_words(texts.names, filter(self._says_something, texts.identifiers))
            told = [*texts.identifiers, *(part for name in texts.names for part in name)]
            self._persons[key] = None if words is None else Person(words, told, ascii=self._ascii)
        return self._persons[key]

    def _says_something(self, identifier: str) -> bool:
        return self._is_user_id is None or not self._is_user_id(identifier)

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
            if self._is_marked(raw):
                self._pair(read(KEY_VALUE, raw), "", texts)

    def _read_value(self, raw: bytes, texts: PersonTexts, _depth: int) -> None:
        with suppress(Refused):
            if self._is_marked(raw):
                self._below(read(ANY_VALUE, raw), "", texts)

    def _pair(self, pair: Message, above: str, texts: PersonTexts) -> None:
        path, value = above + getattr(pair, KEY), getattr(pair, VALUE)
        source = self._keys.get(path)
        if source is not None:
            for text in _strings(value):
                (read_name if source is WordSource.NAME else read_identifier)(text, texts, 0)
            texts.end_name()
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


_SIMPLE: Final = frozenset({WordSource.NAME, WordSource.IDENTIFIER})
_OF_FIELDS: Final = frozenset({WordSource.NAME, WordSource.IDENTIFIER, WordSource.PAYLOAD})


def _patterns(rules: Iterable[Rule | None]) -> Iterator[str]:
    """Yield the patterns of values that must not repeat a word."""
    for rule in rules:
        match rule:
            case Text() | UserId() if rule.echo is not None:
                yield rule.pattern
            case Attributes():
                yield from _patterns(value.string for value in (*rule.exact.values(), *rule.prefixes.values()))
            case Body():
                yield from _patterns([rule.attributes])
            case SpanName():
                yield from _patterns([rule.forms, rule.routed, rule.made])
            case Properties():
                yield from _patterns(value.string for event in rule.events.values() for value in event.values())


def _only_message(plan: PersonPlan) -> Schema | None:
    """What reads the one message that says all, as raw bytes; None where more than one field does, or might."""
    root = plan.messages[0]
    if len(root.fields) != 1 or root.fields[0].kind != "message" or not _SIMPLE.issuperset(plan.sources):
        return None
    raw = FieldPlan(root.fields[0].number, root.fields[0].name, "bytes", Presence.EXPANDED)
    return build((MessagePlan(root.name, (raw,)),))[0]


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


def _strings(value: Message) -> Iterator[str]:
    """The strings of a value: its own, or an array's."""
    kind = value.WhichOneof(KIND)
    if kind == KEY:
        yield getattr(value, KEY)
    elif kind == ARRAY:
        for one in getattr(getattr(value, ARRAY), KEY):
            yield from _strings(one)
