"""Names that say what is never collected, whatever the label beside them says.

The words are in `data/prohibited.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from gateway.detectors.data import table
from gateway.detectors.phrases import Phrases, words
from gateway.model import Category


class Topic(StrEnum):
    """What a name may say that is never collected, in the order of precedence."""

    AGE = "AGE"
    GENDER = "GENDER"
    BANKING = "BANKING"
    LOCATION = "LOCATION"
    CREDENTIAL = "CREDENTIAL"
    NATIONAL_ID = "NATIONAL_ID"
    """Numbers that a state gives a person: GDPR, article 87."""
    SPECIAL = "SPECIAL"
    """Special categories: GDPR, article 9; and article 10."""

    @property
    def category(self) -> Category | None:
        """The data category of values of this topic; None if no field can have it."""
        return Category.__members__.get(self.value)


class Language(StrEnum):
    """Languages whose words are listed: ISO 639-1."""

    EN = "en"
    FR = "fr"
    DE = "de"
    ES = "es"
    IT = "it"


_Listed = Mapping[Topic, Mapping[Language, tuple[str, ...]]]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`unmistakable` phrases can hardly mean anything else.

    `ambiguous` ones mean something else in another language or trade.

    `harmless` phrases look like one of them and aren't: cursors, counters, caches, code and files. `harmless_names` are
    whole names.
    """

    unmistakable: _Listed
    ambiguous: _Listed
    harmless: tuple[str, ...]
    harmless_names: frozenset[str]


TABLE: Final = table("prohibited", _Table)


class Prohibition(msgspec.Struct, frozen=True):
    """The topic that a name speaks of; `unmistakable` if the name can hardly mean anything else."""

    topic: Topic
    unmistakable: bool


def _by_phrase(listed: _Listed, *, unmistakable: bool) -> list[tuple[str, Prohibition]]:
    topics = ((topic, phrases) for topic in Topic for phrases in listed.get(topic, {}).values())
    return [(phrase, Prohibition(topic, unmistakable)) for topic, phrases in topics for phrase in phrases]


_LISTED: Final = (*_by_phrase(TABLE.unmistakable, unmistakable=True), *_by_phrase(TABLE.ambiguous, unmistakable=False))
_PHRASES: Final = Phrases([phrase for phrase, _ in _LISTED], TABLE.harmless)


def find_prohibition(name: str) -> Prohibition | None:
    """Return what a name says that is never collected.

    The first unmistakable topic, else the first ambiguous one; None if nothing.
    """
    if name in TABLE.harmless_names:
        return None
    index = _PHRASES.first(words(name))
    return None if index is None else _LISTED[index][1]


def is_prohibited(name: str) -> bool:
    """Whether a name unmistakably says what is never collected."""
    found = find_prohibition(name)
    return found is not None and found.unmistakable
