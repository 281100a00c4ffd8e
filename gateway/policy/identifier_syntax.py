"""The syntax of identifiers' patterns: the part of RE2's that identifiers need. What isn't in it is refused.

What a pattern's branches must be like: `identifiers.py`.
"""

from __future__ import annotations

import string
from itertools import takewhile
from typing import Final, NoReturn

import msgspec

MAX_IDENTIFIER_CHARS: Final = 128
"""Characters of the longest value that a pattern may match."""

MAX_BRANCHES: Final = 64
"""Branches that the alternatives of one pattern may come to."""

LETTERS: Final = frozenset(string.ascii_letters)
DIGITS: Final = frozenset(string.digits)
_LITERALS: Final = LETTERS | DIGITS | {"_", "-"}
_ESCAPED: Final = {"-": frozenset("-"), "|": frozenset("|"), "d": DIGITS, "w": LETTERS | DIGITS | {"_"}}


class Piece(msgspec.Struct, frozen=True):
    """Characters, one of which stands from `low` to `high` times."""

    chars: frozenset[str]
    low: int = 1
    high: int = 1

    @property
    def literal(self) -> bool:
        """Whether it is one certain character, once."""
        return len(self.chars) == self.low == self.high == 1


Branch = tuple[Piece, ...]
"""One alternative of a pattern."""


class UnsupportedPattern(ValueError):
    """What is wrong, in words that don't repeat the pattern."""


class _Parser:
    r"""Reads a pattern into the branches that its alternatives come to, from left to right and without looking back.

    Known are: letters, digits, `_`, `-`, `\-`, `\|`, `\d`, `\w`, classes of them, `{n}`, `{m,n}`, `?`, `|`, `(…)` and
    `(?:…)`.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def parse(self) -> list[Branch]:
        """The branches. Raises UnsupportedPattern."""
        branches = self._alternatives()
        if self._at < len(self._pattern):
            raise UnsupportedPattern("has a ) that closes nothing")
        return branches

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._peek()
        self._at += 1
        return char

    def _skips(self, text: str) -> bool:
        """Whether `text` comes next; then it is passed."""
        found = self._pattern.startswith(text, self._at)
        self._at += len(text) if found else 0
        return found

    def _alternatives(self) -> list[Branch]:
        branches = self._sequence()
        while self._skips("|"):
            branches = _check_size([*branches, *self._sequence()])
        return branches

    def _sequence(self) -> list[Branch]:
        branches: list[Branch] = [()]
        while self._peek() not in ("", "|", ")"):
            tails = self._repeated(self._atom())
            branches = _check_size([(*head, *tail) for head in branches for tail in tails])
        if branches == [()]:
            raise UnsupportedPattern("has an empty alternative")
        return branches

    def _atom(self) -> list[Branch]:
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            return [(Piece(self._class()),)]
        if char == "\\":
            return [(Piece(self._escape()),)]
        if char not in _LITERALS:
            _refuse_char(char)
        return [(Piece(frozenset(char)),)]

    def _group(self) -> list[Branch]:
        self._depth += 1
        if self._depth > 8:
            raise UnsupportedPattern("has groups in groups in groups")
        if not self._skips("?:") and self._peek() == "?":
            raise UnsupportedPattern("has a group with flags or a name")
        branches = self._alternatives()
        if not self._skips(")"):
            raise UnsupportedPattern("has a ( that nothing closes")
        self._depth -= 1
        return branches

    def _escape(self) -> frozenset[str]:
        char = self._take()
        if char not in _ESCAPED:
            raise UnsupportedPattern("has an escape other than \\d, \\w, \\- and \\|")
        return _ESCAPED[char]

    def _class(self) -> frozenset[str]:
        chars: frozenset[str] = frozenset()
        while not self._skips("]"):
            chars |= self._member(first=not chars)
        if not chars or "|" in chars:
            raise UnsupportedPattern("has a class that is empty, or with a | in it")
        return chars

    def _member(self, *, first: bool) -> frozenset[str]:
        """A character of a class, or a range. A `-` stands for itself at either end only, where all readers agree."""
        char = self._take()
        if char == "\\":
            return self._escape()
        if char == "-" and (first or self._peek() == "]"):
            return frozenset(char)
        if char not in _LITERALS or char == "-":
            raise UnsupportedPattern(
                "has a class with more in it than letters, digits, _ and - (one that is negated, or [:named:])"
            )
        if self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] != "]":
            return self._range(char)
        return frozenset(char)

    def _range(self, low: str) -> frozenset[str]:
        self._take()
        high = self._take()
        for kind in (string.digits, string.ascii_lowercase, string.ascii_uppercase):
            if low in kind and high and high in kind and low <= high:
                return frozenset(kind[kind.index(low) : kind.index(high) + 1])
        raise UnsupportedPattern("has a range that isn't within a-z, A-Z or 0-9")

    def _repeated(self, atom: list[Branch]) -> list[Branch]:
        low, high = self._bounds()
        if self._peek() in ("?", "*", "+", "{") and (low, high) != (1, 1):
            raise UnsupportedPattern("has a repetition of a repetition, or one marked as lazy")
        match atom:
            case [(Piece(low=1, high=1) as piece,)]:
                return [(Piece(piece.chars, low, high),)]
        return _repeat(atom, low, high)

    def _bounds(self) -> tuple[int, int]:
        if self._skips("?"):
            return 0, 1
        if not self._skips("{"):
            return 1, 1
        low = self._number()
        high = self._number() if self._skips(",") else low
        if not self._skips("}") or low > high or not high:
            raise UnsupportedPattern("has a repetition other than {n} and {m,n}")
        return low, high

    def _number(self) -> int:
        digits = "".join(takewhile(DIGITS.__contains__, self._pattern[self._at : self._at + 4]))
        self._at += len(digits)
        if not digits or int(digits) > MAX_IDENTIFIER_CHARS:
            raise UnsupportedPattern(f"has a repetition without an upper bound of {MAX_IDENTIFIER_CHARS} or less")
        return int(digits)


def _repeat(group: list[Branch], low: int, high: int) -> list[Branch]:
    """A group again and again: as often always, or once and not at all. Repeated, all in it must be of fixed length."""
    if (low, high) in ((1, 1), (0, 1)):
        return _check_size([*([()] if low == 0 else []), *group])
    if low != high or any(piece.low != piece.high for branch in group for piece in branch):
        raise UnsupportedPattern("has a group that is repeated, and not of a fixed length")
    branches: list[Branch] = [()]
    for _ in range(low):
        branches = _check_size([(*head, *tail) for head in branches for tail in group])
    return branches


def _check_size(branches: list[Branch]) -> list[Branch]:
    if len(branches) > MAX_BRANCHES:
        raise UnsupportedPattern(f"comes to more than {MAX_BRANCHES} branches")
    if any(len(branch) > MAX_IDENTIFIER_CHARS for branch in branches):
        raise UnsupportedPattern(f"matches values longer than {MAX_IDENTIFIER_CHARS} characters")
    return branches


def _refuse_char(char: str) -> NoReturn:
    if char in ("*", "+"):
        raise UnsupportedPattern("is not bounded in length")
    if char in ("^", "$"):
        raise UnsupportedPattern("has an anchor, which it needs not: a pattern matches the whole value")
    if char in ("?", "{"):
        raise UnsupportedPattern("has a repetition of nothing")
    raise UnsupportedPattern("allows characters other than letters, digits, _ and -")


def parse(pattern: str) -> list[Branch]:
    """Return the branches that a pattern's alternatives come to. Raises UnsupportedPattern.

    u(sr|ser)_[0-9]{4}   →   [u s r _ [0-9]{4}], [u s e r _ [0-9]{4}]
    [a-z]{2}|x           →   [[a-z]{2}], [x]
    (ab){2}              →   [a b a b]
    a*                   →   UnsupportedPattern: is not bounded in length
    """
    return _Parser(pattern).parse()
