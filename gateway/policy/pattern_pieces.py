"""What a pattern is made of: RE2's syntax read into pieces, for whoever asks what its values look like.

They tell, they don't prove: what a value must be is for RE2 to say.
"""

from __future__ import annotations

import re
import string
from functools import cache
from typing import Final

import msgspec
import re2

_UNIT: Final = re.compile(
    r"""
    (?P<flags>\(\?[a-zA-Z-]+\))
    | (?P<open>\((?:\?(?:P?<\w+>|[a-zA-Z-]*:))?)
    | (?P<close>\))
    | (?P<either>\|)
    | (?P<maybe>\?)\??
    | \{(?P<low>[0-9]+)(?:,(?P<high>[0-9]+))?\}\??
    | \\p\{[^}]*\} | \\[pP][A-Z] | \\x[0-9a-fA-F]{2} | \\.
    | \[\^?\]?(?>(?:\\.|\[:\^?[a-z]*:\]|[^\]\\])*)\]
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
"""One lexical unit of RE2's syntax: what isn't named is a character, or nothing where it is an anchor."""

_PRINTABLE: Final = string.ascii_letters + string.digits + string.punctuation + " "

_ALPHABETS: Final = "ΑαАаאءअกあア一가"
"""The first letters of Greek, Cyrillic, Hebrew, Arabic, Devanagari, Thai, hiragana, katakana, Chinese and Hangul."""

_OTHER_LETTERS: Final = "".join(chr(ord(first) + at) for first in _ALPHABETS for at in range(16))
"""Some letters of other scripts than Latin."""


class PatternPiece(msgspec.Struct):
    """What stands from `low` to `high` times: one of `chars`, or what one of `branches` gives."""

    chars: str = ""
    branches: list[list[PatternPiece]] = []
    low: int = 1
    high: int = 1


def pattern_branches(pattern: str) -> list[list[PatternPiece]]:
    """Return the pieces of each alternative of a pattern that compiles."""
    around: list[list[list[PatternPiece]]] = [[[]]]
    for unit in _UNIT.finditer(pattern):
        match unit.lastgroup:
            case "open":
                around.append([[]])
            case "close":
                branches = around.pop()
                around[-1][-1].append(PatternPiece(branches=branches))
            case "either":
                around[-1].append([])
            case "maybe":
                around[-1][-1][-1].low = 0
            case "low" | "high":
                last = around[-1][-1][-1]
                last.low, last.high = int(unit["low"]), int(unit["high"] or unit["low"])
            case "flags":
                pass
            case _:
                around[-1][-1].append(PatternPiece(_chars(unit[0])))
    return around[0]


@cache
def _chars(unit: str) -> str:
    """The characters that one unit matches: of a class the printable ones of ASCII, then some letters of other scripts.

    Of a dot, often meant, a dot.
    """
    if len(unit) == 1:
        return "" if unit in "^$" else unit
    return "".join(re2.compile(unit).findall(_PRINTABLE + _OTHER_LETTERS))
