"""Whose words an item's values may not repeat: found as cheaply as its type allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from google.protobuf.message import Message

from gateway.detectors.person_words import person_words
from gateway.engine.context import DecisionContext
from gateway.engine.echo import Person
from gateway.engine.key_scan import KeyScan, split
from gateway.engine.person import PersonReader
from gateway.engine.person_texts import PersonTexts
from gateway.engine.rules import VerdictCache
from gateway.errors import ItemReason, Refused
from gateway.patterns import compile_pattern, is_ascii
from gateway.plan import FieldPlan, PersonPlan, Plan, Presence, WordSource, echo_patterns
from gateway.protobuf.schema import attribute

MAX_PERSONS: Final = 1024
"""How many persons' words are remembered; when full all are forgotten."""

MAX_REMEMBERED_BYTES: Final = 1024
"""The length of the longest message, or of attributes, of which it is remembered whom they are about."""

FindPerson = Callable[[Message, bytes, DecisionContext], None]
"""Takes an item, parsed with all that it holds and serialised; puts what it says into the context. Raises Refused."""

_Texts = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
"""Identifiers, and names in their parts."""

_OF_FIELDS: Final = frozenset({WordSource.NAME, WordSource.IDENTIFIER, WordSource.PAYLOAD})
_SIMPLE: Final = frozenset({WordSource.NAME, WordSource.IDENTIFIER})


def find_person(plan: Plan) -> FindPerson | None:
    """Return what finds the person of a plan's items; None where no rule asks for one."""
    if plan.person is None:
        return None
    field = person_field(plan)
    if field is not None:
        return PersonOfMessage(plan, plan.person, field).find
    if _OF_FIELDS.isdisjoint(plan.person.sources):
        return PersonOfAttributes(plan, plan.person).find
    if numbers := identifier_numbers(plan):
        return PersonOfIdentifiers(plan, plan.person, numbers).find
    return PersonOfItem(plan, plan.person).find


def person_field(plan: Plan) -> FieldPlan | None:
    """Return the field of the one message in which an item says all there is to say; None where there is none.

    Such a message is kept, in part: with what is unknown in it, it still says all once the item is parsed.
    """
    if plan.person is None or not _SIMPLE.issuperset(plan.person.sources):
        return None
    said = plan.person.messages[0].fields
    if len(said) != 1 or said[0].kind != "message" or said[0].message != 1 or said[0].presence is Presence.EXPANDED:
        return None
    kept = (field for field in plan.messages[0].fields if field.number == said[0].number)
    return next((field for field in kept if field.kind == "message" and field.rule is None), None)


def identifier_numbers(plan: Plan) -> tuple[int, ...]:
    """Return the fields in which an item says all there is to say, if all are single identifiers that the plan keeps.

    Empty where anything else says something. A field of a `oneof` isn't one: of several the parsed item has the last.
    """
    person = plan.person
    if person is None or {*person.sources} != {WordSource.IDENTIFIER}:
        return ()
    kept = {
        field.number
        for field in plan.messages[0].fields
        if field.kind == "string" and field.presence not in (Presence.EXPANDED, Presence.PACKED) and not field.oneof
    }
    said = person.messages[0].fields
    single = all(field.rule is not None and field.presence is Presence.EXPLICIT for field in said)
    numbers = tuple(field.number for field in said)
    return numbers if single and kept.issuperset(numbers) else ()


class PersonOfItem:
    """Parses each item."""

    def __init__(self, plan: Plan, person: PersonPlan) -> None:
        self._reader = PersonReader(person)
        self._persons = Persons(plan, person)

    def find(self, _message: Message, raw: bytes, context: DecisionContext) -> None:
        """Find the person of one item."""
        context.person = self._persons.of(self._reader.item(raw))


class PersonOfIdentifiers:
    """Looks at the fields of the parsed item: the same identifiers come again and again."""

    def __init__(self, plan: Plan, person: PersonPlan, numbers: Iterable[int]) -> None:
        self._names = tuple(map(attribute, numbers))
        self._persons = Persons(plan, person)
        self._known = VerdictCache(self._of_identifiers, MAX_PERSONS)

    def find(self, message: Message, _raw: bytes, context: DecisionContext) -> None:
        """Find the person of one item."""
        context.person = self._known[tuple([getattr(message, name) for name in self._names])]

    def _of_identifiers(self, identifiers: tuple[str, ...]) -> Person | None:
        texts = PersonTexts()
        for identifier in identifiers:
            texts.add_identifier(identifier)
        return self._persons.of(texts)


class PersonOfAttributes:
    """Looks for keys: where none is there, nothing else is done."""

    def __init__(self, plan: Plan, person: PersonPlan) -> None:
        self._reader = PersonReader(person)
        self._persons = Persons(plan, person)
        self._scan = KeyScan(person.keys)
        self._search = self._scan.search
        self._known = VerdictCache(self._of_pairs, MAX_PERSONS, MAX_REMEMBERED_BYTES)

    def find(self, _message: Message, raw: bytes, context: DecisionContext) -> None:
        """Find the person of one item."""
        match = self._search(raw)
        if match is not None:
            pairs = self._scan.pairs(raw, match)
            context.person = self._persons.of(self._reader.item(raw)) if pairs is None else self._known[pairs]

    def _of_pairs(self, pairs: bytes) -> Person | None:
        return self._persons.of(self._reader.pairs(split(pairs)))


class PersonOfMessage:
    """Looks at one message, which says all: the same one comes again and again."""

    def __init__(self, plan: Plan, person: PersonPlan, field: FieldPlan) -> None:
        self._reader = PersonReader(person)
        self._persons = Persons(plan, person)
        self._name = attribute(field.number)
        self._known = VerdictCache(self._of_message, MAX_PERSONS, MAX_REMEMBERED_BYTES)

    def find(self, message: Message, _raw: bytes, context: DecisionContext) -> None:
        """Find the person of one item, and leave the message that says it in the context."""
        if message.HasField(self._name):
            said = context.person_message = getattr(message, self._name).SerializePartialToString()
            context.person = self._known[said]

    def _of_message(self, said: bytes) -> Person | None:
        return self._persons.of(self._reader.inner(said))


class Persons:
    """The words of persons, by what is said of them.

    An identifier that is what user IDs look like says nothing.
    """

    def __init__(self, plan: Plan, person: PersonPlan) -> None:
        patterns = dict.fromkeys(pattern for rule in plan.rules for pattern in echo_patterns(rule))
        self._ascii = all(map(is_ascii, patterns))
        self._is_user_id = compile_pattern(person.user_id).fullmatch if person.user_id else None
        self._known = VerdictCache(self._of_texts, MAX_PERSONS)

    def of(self, texts: PersonTexts) -> Person | None:
        """The person that some texts are about; None where they say no word.

        Raises Refused where there is more than is read.
        """
        if texts.overflows:
            raise Refused(ItemReason.TOO_LARGE)
        if not (texts.identifiers or texts.names):
            return None
        return self._known[tuple(texts.identifiers), tuple(texts.names)]

    def _of_texts(self, said: _Texts) -> Person | None:
        identifiers, names = said
        words = person_words(names, filter(self._says_something, identifiers))
        return None if words is None else Person(words, ascii=self._ascii)

    def _says_something(self, identifier: str) -> bool:
        return self._is_user_id is None or not self._is_user_id(identifier)
