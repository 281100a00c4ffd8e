"""Where secrets stand in folded text: keys and tokens of known shape, passwords and the like after their name or in URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from gateway.detectors import data
from gateway.detectors.hints import automaton

Span = tuple[int, int]


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shape that no other text has, in RE2; `hint` is found in each text that has one."""

    name: str
    hint: str
    pattern: str


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is known. Names of secrets that `=` or `:` follows: `whole_words` alone, the others also at the end of longer names.

    `schemes` may stand before the value, as in `Authorization: Bearer …`. A value that is `harmless` tells nothing.
    """

    shapes: Sequence[Shape]
    passwords: Sequence[str]
    anywhere: Sequence[str]
    whole_words: Sequence[str]
    schemes: Sequence[str]
    harmless: Sequence[str]


_TABLE: Final = data.table("secrets", Table)
_PASSWORDS: Final = "|".join(_TABLE.passwords)
_OTHERS: Final = rf"{'|'.join(_TABLE.anywhere)}|(?:^|[^a-z0-9_-])(?:{'|'.join(_TABLE.whole_words)})"
_NAME: Final = rf"(?:{_PASSWORDS}|{_OTHERS})[\"'`\])]{{0,2}}[ \t]{{0,3}}(?:=>|:=|[:=])[ \t]{{0,3}}"
_SCHEME: Final = rf"(?:(?:{'|'.join(_TABLE.schemes)})[ \t]{{1,3}})?"
_VALUE: Final = r"\"[^\"\n]+|'[^'\n]+|`[^`\n]+|[^\s\"'`&;<>]+"
_AROUND_VALUE: Final = "\"'`,.)!?"
_MIN_TOKEN_CHARS: Final = 6

HINT: Final = "|".join((*(shape.hint for shape in _TABLE.shapes), f"(?i:{_PASSWORDS}|{_OTHERS}):"))
"""Found by RE2 in each token that holds a secret."""

_ANY_HINT: Final = automaton("|".join((*(shape.hint for shape in _TABLE.shapes), f"(?i:{_PASSWORDS}|{_OTHERS})")))
_SHAPES: Final = automaton("|".join(f"(?:{shape.pattern})" for shape in _TABLE.shapes))
_NAMED: Final = automaton(f"(?i){_NAME}{_SCHEME}(?:{_VALUE})")
_PARTS: Final = re.compile(rf"(?P<name>[^:=]*)(?P<sign>[:=>]+)[ \t]*(?P<scheme>{_SCHEME})(?P<value>.+)", re.IGNORECASE | re.DOTALL)
_IS_PASSWORD: Final = re.compile(_PASSWORDS, re.IGNORECASE)
_HARMLESS: Final = re.compile("|".join(_TABLE.harmless), re.IGNORECASE)


def secrets(text: str) -> Iterator[Span]:
    """Yield where secrets stand in folded text: of a named one its value alone, of a URL all from the user to the host."""
    if _ANY_HINT.search(text):
        yield from _of_known_shape(text)
        yield from _named(text)


def _of_known_shape(text: str) -> Iterator[Span]:
    for match in _SHAPES.finditer(text):
        start, end = match.span()
        if text.startswith("://", start):
            start += len("://")
            if _is_harmless(text[start:end].rpartition("@")[0].partition(":")[2]):
                continue
        yield start, end


def _named(text: str) -> Iterator[Span]:
    for match in _NAMED.finditer(text):
        parts = _PARTS.fullmatch(match[0])
        if parts and _tells(parts):
            value = parts["value"]
            start = match.start() + parts.start("value") + len(value) - len(value.lstrip(_AROUND_VALUE))
            yield start, start + len(value.strip(_AROUND_VALUE))


def _tells(parts: re.Match[str]) -> bool:
    """Return whether a value is a secret: any of a password; others after a colon may be words, as in `token: expired by then`."""
    value = parts["value"].strip(_AROUND_VALUE)
    if _is_harmless(value):
        return False
    if parts["scheme"] or "=" in parts["sign"] or _IS_PASSWORD.search(parts["name"]):
        return True
    return len(value) >= _MIN_TOKEN_CHARS and any(map(str.isdigit, value))


def _is_harmless(value: str) -> bool:
    return not value or _HARMLESS.fullmatch(value) is not None
