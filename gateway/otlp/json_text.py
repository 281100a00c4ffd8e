"""JSON, read token by token: RFC 8259, to the letter, and no key twice in an object.

What the values mean is others' business.

A decoder that takes a whole text in one call into C keeps the interpreter to itself all that while: milliseconds for
what is sound, seconds for what is made to last. Here a call into C takes one token, and Python goes on to the next, so
that others get their turn between any two.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed lacks it
from typing import Final

from gateway.errors import ItemReason, Refused
from gateway.otlp.hints import Hint, UnexpectedJson

MAX_NESTING: Final = 256
"""Objects and lists in one another, at most, in a value that nobody asks for."""

_SPACE: Final = re.compile(r"[ \t\n\r]*+").match
_KEY: Final = re.compile(r'"([^"\\\x00-\x1f]*+)"[ \t\n\r]*+:[ \t\n\r]*+').match
_COLON: Final = re.compile(r"[ \t\n\r]*+:[ \t\n\r]*+").match
_AFTER: Final = re.compile(r"[ \t\n\r]*+([,}\]])[ \t\n\r]*+").match
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)((?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?)").match
_LITERALS: Final = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}
_NO_NAMES: Final[Mapping[str, str]] = {}

Scalar = str | int | float | bool | None


class JsonText:
    """A text, and how far it is read: up to a value, or behind one.

    All methods raise ValueError or IndexError for what isn't JSON, UnexpectedJson for what isn't what was asked for,
    Refused for what nests too deep.
    """

    __slots__ = ("_at", "_text")

    def __init__(self, raw: bytes) -> None:
        """Stand before the first value. Raises ValueError for what isn't UTF-8."""
        self._text = raw.decode()
        self._at = _space(self._text, 0)

    def begins(self, start: str) -> bool:
        """Return whether the rest begins with that."""
        return self._text.startswith(start, self._at)

    def end(self) -> None:
        """Raise ValueError unless all is read."""
        if _space(self._text, self._at) != len(self._text):
            raise ValueError

    def members(self, names: Mapping[str, str] = _NO_NAMES) -> Iterator[str]:
        """Yield the keys of an object, by the names that they stand for.

        Who iterates reads each one's value before the next.
        """
        if not self._opens("{", "}", Hint.NOT_AN_OBJECT):
            return
        names_read: set[str] = set()
        while True:
            key = self._key()
            name = names.get(key, key)
            if name in names_read:
                raise UnexpectedJson(Hint.DUPLICATE_KEY)
            names_read.add(name)
            yield name
            if not self._goes_on("}"):
                return

    def elements(self) -> Iterator[None]:
        """Yield before each element of a list. Who iterates reads it before the next."""
        going = self._opens("[", "]", Hint.NOT_A_LIST)
        while going:
            yield
            going = self._goes_on("]")

    def scalar(self) -> Scalar:
        """Read a string, a number, a literal. Only a whole number may be larger than a double."""
        first = self._text[self._at]
        if first == '"':
            return self._string()
        if first in "[{":
            self._wrong(Hint.NOT_A_SCALAR)
        if first in _LITERALS:
            word, value = _LITERALS[first]
            if not self._takes(word):
                raise ValueError
            return value
        return self._number()

    def is_null(self) -> bool:
        """Read a `null`, if one is here."""
        return self._text[self._at] == "n" and self._takes("null")

    def skip(self, nesting: int = MAX_NESTING) -> None:
        """Read a value of any kind."""
        if nesting == 0:
            raise Refused(ItemReason.TOO_DEEP)
        match self._text[self._at]:
            case "{":
                for _ in self.members():
                    self.skip(nesting - 1)
            case "[":
                for _ in self.elements():
                    self.skip(nesting - 1)
            case _:
                self.scalar()

    def _opens(self, start: str, end: str, otherwise: Hint) -> bool:
        """Read the start of an object or a list; false if it is empty, and then read."""
        if self._text[self._at] != start:
            self._wrong(otherwise)
        self._at = _space(self._text, self._at + 1)
        return not self._takes(end)

    def _goes_on(self, end: str) -> bool:
        """Read what follows a member or an element: a comma, or the end."""
        found = _AFTER(self._text, self._at)
        if found is None or found[1] not in (",", end):
            raise ValueError
        self._at = found.end()
        return found[1] == ","

    def _key(self) -> str:
        found = _KEY(self._text, self._at)
        if found is not None:
            self._at = found.end()
            return found[1]
        if self._text[self._at] != '"':
            raise ValueError
        key = self._string()
        colon = _COLON(self._text, self._at)
        if colon is None:
            raise ValueError
        self._at = colon.end()
        return key

    def _string(self) -> str:
        """Read a string; one half of a surrogate pair is none."""
        value: str
        value, self._at = scanstring(self._text, self._at + 1)
        if not value.isascii():
            value.encode()
        return value

    def _number(self) -> int | float:
        found = _NUMBER(self._text, self._at)
        if found is None:
            raise ValueError
        self._at = found.end()
        return _value(found)

    def _takes(self, word: str) -> bool:
        if not self._text.startswith(word, self._at):
            return False
        self._at += len(word)
        return True

    def _wrong(self, hint: Hint) -> None:
        """Raise UnexpectedJson for the value that is here, unless it nests too deep, or is no JSON."""
        self.skip()
        raise UnexpectedJson(hint)


def number(text: str) -> int | float | None:
    """Return the number that a text is, as JSON writes it; None if it is none.

    Raises ValueError for one that is too large.
    """
    found = _NUMBER(text)
    return None if found is None or found.end() != len(text) else _value(found)


def _value(found: re.Match[str]) -> int | float:
    """Return a number. Of a whole one with more than 4,300 digits Python itself says that it is too large."""
    value = float(found[0]) if found[1] else int(found[0])
    if value in (math.inf, -math.inf):
        raise ValueError
    return value


def _space(text: str, at: int) -> int:
    found = _SPACE(text, at)
    assert found is not None
    return found.end()
