"""Samples of what a pattern matches, for whoever asks what its values look like. They tell, they don't prove."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, TypeVar

import msgspec
import re2

from gateway.patterns import compile_pattern

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


_Choice = TypeVar("_Choice")


class _SeededChooser:
    """Chooses as if by chance, and the same for the same seed: a linear congruential generator (Knuth's MMIX)."""

    def __init__(self, seed: str) -> None:
        self._state = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])

    def below(self, count: int) -> int:
        """Return a whole number from 0 to one less than `count`."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self._state >> 33) % count

    def choice(self, among: Sequence[_Choice]) -> _Choice:
        """Return one of several."""
        return among[self.below(len(among))]


class _Piece(msgspec.Struct):
    """What stands from `low` to `high` times: one of `chars`, or what one of `branches` gives."""

    chars: str = ""
    branches: list[list[_Piece]] = []
    low: int = 1
    high: int = 1


def samples(pattern: str, count: int) -> Iterator[str]:
    """Yield up to `most` texts that a pattern that compiles matches: the same ones each time."""
    chance = _SeededChooser(pattern)
    compiled, branches = compile_pattern(pattern), _parse(pattern)
    made = (_sample(branches, chance) for _ in range(count))
    yield from (text for text in made if compiled.fullmatch(text))


def _parse(pattern: str) -> list[list[_Piece]]:
    around: list[list[list[_Piece]]] = [[[]]]
    for unit in _UNIT.finditer(pattern):
        match unit.lastgroup:
            case "open":
                around.append([[]])
            case "close":
                branches = around.pop()
                around[-1][-1].append(_Piece(branches=branches))
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
                around[-1][-1].append(_Piece(_chars(unit[0])))
    return around[0]


@cache
def _chars(unit: str) -> str:
    """The printable characters of ASCII that one unit matches; of a dot, which is often meant, a dot alone."""
    if unit == ".":
        return unit
    one = re2.compile(unit)
    return "".join(char for char in _PRINTABLE if one.fullmatch(char))


def _sample(branches: list[list[_Piece]], chance: _SeededChooser) -> str:
    return "".join(_repeated(piece, chance) for piece in chance.choice(branches))


def _repeated(piece: _Piece, chance: _SeededChooser) -> str:
    times = range(piece.low + chance.below(piece.high - piece.low + 1))
    if piece.branches:
        return "".join(_sample(piece.branches, chance) for _ in times)
    return "".join(chance.choice(piece.chars) for _ in times) if piece.chars else ""
