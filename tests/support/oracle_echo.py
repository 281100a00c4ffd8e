"""What the slow oracle takes for an echo: a value that repeats a word of the item's own person, looked for everywhere.

It shares with the engine the lists of role names and of letters that no accent explains; and nothing else.
"""

from __future__ import annotations

import html
import json
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from google.protobuf.message import DecodeError, Message

import gateway.detectors.data
from gateway.contracts.contract import Contract
from gateway.model import Category, FieldPrivacy
from gateway.patterns import compile_pattern
from gateway.plan import Text, UserId
from tests.support.known_fields import ANY, is_map

_DATA: Final = json.loads((Path(gateway.detectors.data.__file__).parent / "roles.json").read_text(encoding="utf-8"))
LONGEST: Final = 64
_ADDRESSES: Final = (Category.WORK_EMAIL, Category.PERSONAL_EMAIL)


class Said:
    """What an item says of its person."""

    def __init__(self) -> None:
        self.words: set[str] = set()
        self.joined: set[str] = set()

    def name(self, parts: list[str]) -> None:
        """Add a name in its parts."""
        told = [part for one in parts for part in _usual(one).split("@")[0].replace(",", " ").split()]
        for spelled in (told, [*map(_with_digraphs, told)]):
            if self._own(" ".join(spelled)):
                for among in (spelled, _pieces(" ".join(spelled))):
                    self._own(" ".join(one for one in map(_compact, among) if one.isalpha()))
                    for some in (among, among[::-1], *permutations(among[:6], 2)):
                        self._join("".join(some))

    def identifier(self, text: str) -> None:
        """Add an address, or a login."""
        usual = _usual(text)
        local = ("@".join(usual.split("@")[:-1]) if "@" in usual else usual).split("+")[0]
        for spelled in (local, _with_digraphs(local)):
            if self._own(spelled) or ("@" in usual and not any(map(str.isalpha, spelled))):
                self._own(" ".join(_pieces(spelled)))
                self._join(spelled)

    def _own(self, text: str) -> bool:
        """Add the words of a text; whether there are any that are no role's."""
        letters = without_accents(text)
        found = {
            letters[start:end].lower()
            for start in range(len(letters))
            for end in range(start + 1, len(letters) + 1)
            if letters[start:end].isalpha() and _is_word(letters, start, end)
        } - {*_DATA["roles"]}
        self.words |= {word[:LONGEST] for word in found if len(word) >= 3}
        return bool(found)

    def _join(self, text: str) -> None:
        whole = _compact(text)
        if len(whole) >= 3 and whole not in _DATA["roles"]:
            self.joined.add(whole[:LONGEST])


def _is_word(letters: str, start: int, end: int) -> bool:
    """Whether letters are a whole run, or what stands between two changes of case next to one another."""
    if not (is_edge(letters, start) and is_edge(letters, end)):
        return False
    inner = [at for at in range(start + 1, end) if is_edge(letters, at)]
    whole = (not start or not letters[start - 1].isalpha()) and (end == len(letters) or not letters[end].isalpha())
    return whole or not inner


def is_edge(letters: str, at: int) -> bool:
    """Whether a word may begin or end at a place."""
    if at in (0, len(letters)) or not (letters[at - 1].isalpha() and letters[at].isalpha()):
        return True
    before, after = letters[at - 1].isupper(), letters[at].isupper()
    if after:
        return not before or (at + 1 < len(letters) and letters[at + 1].islower())
    return before and at >= 2 and letters[at - 2].isupper()


def without_accents(text: str) -> str:
    """A text as somebody would write it who has no accents."""
    plain = "".join(_DATA["letters"].get(char, char) for char in text)
    return "".join(char for char in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(char))


def _usual(text: str) -> str:
    """A text in usual characters, as it was before it was escaped."""
    return html.unescape(unquote(unicodedata.normalize("NFKC", text)))


def _pieces(text: str) -> list[str]:
    """What blanks, punctuation and what nobody sees part a text into."""
    return "".join(" " if unicodedata.category(one)[0] in "PSZC" and one not in "'’" else one for one in text).split()


def _with_digraphs(text: str) -> str:
    """A text as somebody would write it who has two letters for one with an accent."""
    return "".join(_DATA["digraphs"].get(char, char) for char in unicodedata.normalize("NFC", text))


def _compact(text: str) -> str:
    return "".join(char for char in without_accents(text).lower() if char.isalnum())


def repeats(text: str, said: Said, *, user_id: bool = False) -> bool:
    """Whether a text repeats a word, at any place between two edges."""
    if not said.words and not said.joined:
        return False
    if "%" in text and repeats(unquote(text).replace("%", " "), said, user_id=user_id):
        return True
    letters = without_accents(text)
    words = {word for word in said.words if len(word) >= 5 or not user_id}
    edges = [at for at in range(len(letters) + 1) if is_edge(letters, at)]
    return any(_is_said(letters, [at for at in edges if at >= start], words, said.joined) for start in edges)


def _is_said(letters: str, edges: list[int], words: set[str], joined: set[str]) -> bool:
    """Whether what begins at the first of some places, and ends at another, is a word or written as one."""
    lower, whole, longest = letters.lower(), "", max(map(len, words | joined), default=0)
    for before, end in pairwise(edges):
        whole += "".join(filter(str.isalnum, lower[before:end]))
        if lower[edges[0] : end][:LONGEST] in words:
            return True
        if whole[:LONGEST] in joined and not (whole.isdigit() and _is_within_number(letters, edges[0], end)):
            return True
        if len(whole) > longest:
            return False
    return False


def _is_within_number(letters: str, start: int, end: int) -> bool:
    """Whether more digits stand before or behind a place."""
    return letters[max(0, start - 1) : start].isdigit() or letters[end : end + 1].isdigit()


def is_echo(rule: Any, value: Any, said: Said) -> bool:
    """Whether what a rule lets pass repeats a word."""
    if not isinstance(rule, (Text, UserId)) or rule.echo is None:
        return False
    return repeats(str(value).removeprefix(rule.echo), said, user_id=isinstance(rule, UserId))


def said_in(contract: Contract, classes: Mapping[str, FieldPrivacy], type: str, raw: bytes, user_id: str) -> Said:
    """What a serialised message says, at every depth; nothing where it can't be read."""
    reader = _Reader(contract, classes, user_id)
    try:
        reader.message(contract.message_class(type).FromString(raw))
    except DecodeError:
        return Said()
    return reader.said


class _Reader:
    def __init__(self, contract: Contract, classes: Mapping[str, FieldPrivacy], user_id: str) -> None:
        self.said = Said()
        self._contract, self._classes = contract, classes
        self._is_user_id = compile_pattern(user_id).fullmatch

    def message(self, message: Any) -> None:
        """Read all fields of a message: its names are parts of one."""
        if message.DESCRIPTOR.full_name == ANY:
            self._payload(message)
            return
        parts: list[str] = []
        for field, value in sorted(message.ListFields(), key=lambda pair: pair[0].number):
            privacy = self._classes.get(field.full_name, FieldPrivacy())
            if is_map(field):
                for key in value:
                    self._apart(key, privacy.map_key)
                    self._apart(value[key], privacy.category)
                continue
            for one in value if field.is_repeated else [value]:
                self._value(one, privacy.category, parts)
        if parts:
            self.said.name(parts)

    def _payload(self, message: Any) -> None:
        name = message.type_url.rpartition("/")[2]
        if name == ANY or name in self._contract.messages:
            with suppress(DecodeError):
                self.message(self._contract.message_class(name).FromString(message.value))

    def _apart(self, value: Any, category: Category) -> None:
        """A name by itself."""
        parts: list[str] = []
        self._value(value, category, parts)
        if parts:
            self.said.name(parts)

    def _value(self, value: Any, category: Category, parts: list[str]) -> None:
        if isinstance(value, Message):
            if value.DESCRIPTOR.full_name == "google.protobuf.StringValue":
                self._apart(getattr(value, "value"), category)  # noqa: B009 - no message says that it has one
            else:
                self.message(value)
        elif isinstance(value, str) and value and category is Category.NAME:
            parts.append(value)
        elif isinstance(value, str) and value and category in _ADDRESSES and not self._is_user_id(value):
            self.said.identifier(value)
