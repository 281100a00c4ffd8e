"""Where secrets stand in folded text.

Keys and tokens of known shape, passwords and the like after their name or in URLs.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from gateway.detectors import data
from gateway.detectors.hints import automaton
from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.secret_values import value_span
from gateway.detectors.spans import Span


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shape that no other text has, in RE2; `hint` is found in each text that has one."""

    name: str
    hint: str
    pattern: str


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is known.

    Names of secrets that `=` or `:` follows: `whole_words` alone, the others also at the end of longer names.

    After one of `phrases` stand several words.
    `schemes` may stand before the value, as in `Authorization: Bearer …`. A value that is `harmless` tells nothing.
    """

    shapes: Sequence[Shape]
    passwords: Sequence[str]
    phrases: Sequence[str]
    anywhere: Sequence[str]
    whole_words: Sequence[str]
    schemes: Sequence[str]
    harmless: Sequence[str]


_TABLE: Final = data.table("secrets", Table)
_PHRASES: Final = "|".join(_TABLE.phrases)
_PASSWORDS: Final = f"{'|'.join(_TABLE.passwords)}|{_PHRASES}"
_OTHERS: Final = rf"{'|'.join(_TABLE.anywhere)}|(?:^|[^a-z0-9_-])(?:{'|'.join(_TABLE.whole_words)})"
_NAMES: Final = f"(?:{_PASSWORDS}|{_OTHERS})"
# An element's tag, an option of a command, or what a sign follows, quotes, brackets and emphasis between.
_TAG: Final = rf"<[a-z0-9_:.-]{{0,32}}{_NAMES}[a-z0-9_-]{{0,8}}>"
_OPTION: Final = (
    rf"--[a-z0-9_-]{{0,32}}(?:{_PASSWORDS}|{'|'.join(_TABLE.anywhere)}|{'|'.join(_TABLE.whole_words)})[ \t]{{1,3}}"
)
_SIGN: Final = r"[\\\"'`\])*_]{0,4}[ \t]{0,3}(?:=>|:=|[:=])(?:[*_]{1,3}[ \t])?[ \t]{0,3}"
_SCHEME: Final = rf"(?:[\\\"']{{0,2}}(?:{'|'.join(_TABLE.schemes)})[ \t]{{1,3}})?"
_MIN_TOKEN_CHARS: Final = 6

_HINTS: Final = "|".join(shape.hint for shape in _TABLE.shapes)
_BASIC: Final = r"[Bb](?:asic|ASIC)(?:[ \t]{1,3}|[:=][ \t]{0,3})([A-Za-z0-9+/_-]{6,}={0,2})"

HINT: Final = f"{_HINTS}|(?i:{_PASSWORDS}|{_OTHERS}|basic):"
"""Found by RE2 in each token that holds a secret."""

_ANY_HINT: Final = automaton(f"{_HINTS}|(?i:{_PASSWORDS}|{_OTHERS}|basic)")
_SHAPES: Final = automaton("|".join(f"(?:{shape.pattern})" for shape in _TABLE.shapes))
_BASIC_FOUND: Final = re.compile(_BASIC)
_NAMED: Final = automaton(f"(?i)(?:{_TAG}|{_OPTION}|{_NAMES}{_SIGN}{_SCHEME})")
_PARTS: Final = LazyPattern(
    rf"(?P<name>[^:=]*)(?P<sign>[:=>]+)[*_]*[ \t]*(?P<scheme>{_SCHEME})", re.IGNORECASE | re.DOTALL
)
_IS_PASSWORD: Final = LazyPattern(_PASSWORDS, re.IGNORECASE)
_IS_PHRASE: Final = re.compile(_PHRASES, re.IGNORECASE)
_HARMLESS: Final = LazyPattern("|".join(_TABLE.harmless), re.IGNORECASE)
_IN_QUERY: Final = re.compile(r"[?&][^\s?&]*\Z")
_MAX_QUERY_CHARS: Final = 64
_PUNCTUATION: Final = ",.;:!?"


def secrets(text: str) -> Iterator[Span]:
    """Yield where secrets stand in folded text.

    Of a named one its value alone, of a URL all from the user to the host.
    """
    if _ANY_HINT.search(text):
        yield from _of_known_shape(text)
        yield from (match.span(1) for match in _BASIC_FOUND.finditer(text) if _is_basic(match[1]))
        yield from _named(text)


def _of_known_shape(text: str) -> Iterator[Span]:
    for match in _SHAPES.finditer(text):
        start, end = match.span()
        if text.startswith("://", start):
            start += len("://")
            if _is_harmless(text[start:end].rpartition("@")[0].partition(":")[2]):
                continue
        yield start, end


def _is_basic(value: str) -> bool:
    """Return whether a value is a user and a password as RFC 7617 writes them."""
    plain = b64decode(value.rstrip("=") + "===", altchars=b"-_" if "-" in value or "_" in value else None)
    return b":" in plain and plain.isascii() and plain.decode("ascii").isprintable()


def _named(text: str) -> Iterator[Span]:
    done = 0
    for match in _NAMED.finditer(text):
        if match.start() >= done:
            start, done = _value(text, match[0], match.start(), match.end())
            if start < done and _is_secret(match[0], text[start:done]):
                yield start, done


def _value(text: str, named: str, start: int, end: int) -> Span:
    """Return where the value stands that something names from `start` to `end`."""
    query = _IN_QUERY.search(text, max(0, start - _MAX_QUERY_CHARS), start) is not None and "=" in named
    return value_span(
        text, end, phrase=_IS_PHRASE.search(named) is not None, element=named.startswith("<"), query=query
    )


def _is_secret(named: str, value: str) -> bool:
    """Return whether a value is a secret: any of a password.

    Others after a colon may be words, as in `token: expired by then`.
    """
    if _is_harmless(value):
        return False
    parts = _PARTS.match(named)
    if not parts or parts["scheme"] or "=" in parts["sign"] or _IS_PASSWORD.search(named):
        return True
    return len(value) >= _MIN_TOKEN_CHARS and any(map(str.isdigit, value))


def _is_harmless(value: str) -> bool:
    plain = value.strip(_PUNCTUATION)
    return not plain or any(map(_HARMLESS.fullmatch, (plain, value.strip())))
