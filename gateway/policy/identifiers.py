"""Patterns that stand for identifiers, of a person or of a thing: no name and no sentence may match one.

Decided on what is written, not on samples: the part of RE2's syntax that identifiers need is parsed here. What isn't in
it doesn't load.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from itertools import groupby, takewhile
from typing import Final, NoReturn

import msgspec

MAX_IDENTIFIER_CHARS: Final = 128
"""Characters of the longest value that a pattern may match."""

MIN_SHAPE_CHARS: Final = 20
"""Places of a fixed shape, each for a letter or a digit: an ObjectId has 24, a ULID 25, a KSUID 27.

Few names have as many, none always. Telephone numbers, national identifiers (up to 18 digits) and payment cards (up to
19), which such a place matches too, have fewer.
"""

MAX_BRANCHES: Final = 64
"""Branches that the alternatives of one pattern may come to."""

SUGGESTED_FORM: Final = (
    'write a literal prefix that ends in _ or -, then a bounded repetition, such as "usr_[A-Za-z0-9]{1,32}", '
    'or a fixed shape, such as "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"'
)
"""What to write instead, for whoever reads the error."""

_LETTERS: Final = frozenset(string.ascii_letters)
_DIGITS: Final = frozenset(string.digits)
_SEPARATORS: Final = frozenset("_-|")
"""What may stand between a prefix and the rest. `|` is in a prefix only, as in Auth0's `auth0|…`."""
_LITERALS: Final = _LETTERS | _DIGITS | {"_", "-"}
_HEXADECIMALS: Final = (frozenset(string.digits + "abcdef_-"), frozenset(string.digits + "ABCDEF_-"))
_ESCAPED: Final = {"-": frozenset("-"), "|": frozenset("|"), "d": _DIGITS, "w": _LETTERS | _DIGITS | {"_"}}


class _Piece(msgspec.Struct, frozen=True):
    """Characters, one of which stands from `low` to `high` times."""

    chars: frozenset[str]
    low: int = 1
    high: int = 1

    @property
    def literal(self) -> bool:
        """Whether it is one certain character, once."""
        return len(self.chars) == self.low == self.high == 1


_Branch = tuple[_Piece, ...]


class _UnsupportedPattern(ValueError):
    """What is wrong, in words that don't repeat the pattern."""


def identifier_problem(pattern: str, *, unbroken: bool = False, prefixed: bool = False) -> str:
    """What keeps `pattern` from standing for an identifier, and what to write; empty if nothing does.

    In every branch: letters, digits, `_` and `-` alone, bounded, after a literal prefix or of a fixed shape, which is
    one for the whole pattern. `unbroken`: after the prefix there are letters and digits only. `prefixed`: no shape will
    do.
    """
    try:
        branches = _Parser(pattern).parse()
        shapes = [branch for branch in branches if not _has_prefix(branch, unbroken=unbroken)]
        if prefixed and shapes:
            raise _UnsupportedPattern("has a branch without a literal prefix")
        _check_shapes(shapes)
    except _UnsupportedPattern as error:
        return f"{error}; {SUGGESTED_FORM}"
    return ""


def _has_prefix(branch: _Branch, *, unbroken: bool) -> bool:
    """Whether a literal prefix makes it an identifier. Raises _UnsupportedPattern for what is none with or without one."""
    if not branch:
        raise _UnsupportedPattern("has a branch that is empty")
    if sum(piece.high for piece in branch) > MAX_IDENTIFIER_CHARS:
        raise _UnsupportedPattern(f"matches values longer than {MAX_IDENTIFIER_CHARS} characters")
    prefix = "".join(char for piece in takewhile(lambda piece: piece.literal, branch) for char in piece.chars)
    rest = branch[len(_up_to_separator(prefix)) :]
    if any("|" in piece.chars for piece in rest):
        raise _UnsupportedPattern("has a | behind its prefix")
    return _is_prefixed(prefix, rest, unbroken=unbroken) or _is_numbered(prefix, branch)


def _check_shapes(shapes: Sequence[_Branch]) -> None:
    """Raises _UnsupportedPattern unless each is a fixed shape, and all are of one.

    Several lengths together are one that varies.
    """
    if not all(map(_is_shape, shapes)):
        raise _UnsupportedPattern("has a branch without a literal prefix or a fixed shape, which a name could match")
    if len(set(map(_outline, shapes))) > 1:
        raise _UnsupportedPattern("has fixed shapes of several lengths, or with _ and - in several places")


def _up_to_separator(prefix: str) -> str:
    """The prefix up to its last joint."""
    return prefix[: max(map(prefix.rfind, _SEPARATORS)) + 1]


def _is_prefixed(prefix: str, rest: Sequence[_Piece], *, unbroken: bool) -> bool:
    broken = unbroken and any(piece.chars & _SEPARATORS for piece in rest)
    return len(_up_to_separator(prefix)) > 1 and prefix[0] not in _SEPARATORS and not broken


def _is_numbered(prefix: str, branch: _Branch) -> bool:
    """Whether it is letters, the same ones always, and then a number: `u[0-9]{1,9}`."""
    rest = branch[len(prefix) :]
    return (
        not _LETTERS.isdisjoint(prefix)
        and all(piece.chars <= _DIGITS for piece in rest)
        and sum(piece.low for piece in rest) > 0
    )


def _is_shape(branch: _Branch) -> bool:
    """Whether all values are as long, with the same joints in the same places, and longer parts than names have.

    Between joints a word could stand, so each part must be long enough by itself. Hexadecimal digits spell none: it is
    all parts together.
    """
    if not all(piece.low == piece.high and (piece.literal or piece.chars.isdisjoint(_SEPARATORS)) for piece in branch):
        return False
    sizes = [sum(map(_alphanumeric_places, part)) for joint, part in groupby(branch, _is_separator) if not joint]
    chars = frozenset[str]().union(*(piece.chars for piece in branch))
    hexadecimal = any(chars <= known for known in _HEXADECIMALS)
    return (sum(sizes) if hexadecimal else min(sizes, default=0)) >= MIN_SHAPE_CHARS


def _is_separator(piece: _Piece) -> bool:
    return not piece.chars.isdisjoint(_SEPARATORS)


def _alphanumeric_places(piece: _Piece) -> int:
    """Of how many places it is that may hold a letter or a digit.

    Others add nothing: letters alone spell, digits alone count.
    """
    return 0 if piece.chars.isdisjoint(_LETTERS) or piece.chars.isdisjoint(_DIGITS) else piece.high


def _outline(shape: _Branch) -> str:
    """Its length and its joints: `xxxx-xx`."""
    return "".join("".join(piece.chars) if _is_separator(piece) else "x" * piece.high for piece in shape)


class _Parser:
    r"""Reads a pattern into the branches that its alternatives come to, from left to right and without looking back.

    Known are: letters, digits, `_`, `-`, `\-`, `\|`, `\d`, `\w`, classes of them, `{n}`, `{m,n}`, `?`, `|`, `(…)` and
    `(?:…)`.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def parse(self) -> list[_Branch]:
        """The branches. Raises _UnsupportedPattern."""
        branches = self._alternatives()
        if self._at < len(self._pattern):
            raise _UnsupportedPattern("has a ) that closes nothing")
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

    def _alternatives(self) -> list[_Branch]:
        branches = self._sequence()
        while self._skips("|"):
            branches = _check_size([*branches, *self._sequence()])
        return branches

    def _sequence(self) -> list[_Branch]:
        branches: list[_Branch] = [()]
        while self._peek() not in ("", "|", ")"):
            tails = self._repeated(self._atom())
            branches = _check_size([(*head, *tail) for head in branches for tail in tails])
        if branches == [()]:
            raise _UnsupportedPattern("has an empty alternative")
        return branches

    def _atom(self) -> list[_Branch]:
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            return [(_Piece(self._class()),)]
        if char == "\\":
            return [(_Piece(self._escape()),)]
        if char not in _LITERALS:
            _refuse_char(char)
        return [(_Piece(frozenset(char)),)]

    def _group(self) -> list[_Branch]:
        self._depth += 1
        if self._depth > 8:
            raise _UnsupportedPattern("has groups in groups in groups")
        if not self._skips("?:") and self._peek() == "?":
            raise _UnsupportedPattern("has a group with flags or a name")
        branches = self._alternatives()
        if not self._skips(")"):
            raise _UnsupportedPattern("has a ( that nothing closes")
        self._depth -= 1
        return branches

    def _escape(self) -> frozenset[str]:
        char = self._take()
        if char not in _ESCAPED:
            raise _UnsupportedPattern("has an escape other than \\d, \\w, \\- and \\|")
        return _ESCAPED[char]

    def _class(self) -> frozenset[str]:
        chars: frozenset[str] = frozenset()
        while not self._skips("]"):
            chars |= self._member(first=not chars)
        if not chars or "|" in chars:
            raise _UnsupportedPattern("has a class that is empty, or with a | in it")
        return chars

    def _member(self, *, first: bool) -> frozenset[str]:
        """A character of a class, or a range. A `-` stands for itself at either end only, where all readers agree."""
        char = self._take()
        if char == "\\":
            return self._escape()
        if char == "-" and (first or self._peek() == "]"):
            return frozenset(char)
        if char not in _LITERALS or char == "-":
            raise _UnsupportedPattern(
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
        raise _UnsupportedPattern("has a range that isn't within a-z, A-Z or 0-9")

    def _repeated(self, atom: list[_Branch]) -> list[_Branch]:
        low, high = self._bounds()
        if self._peek() in ("?", "*", "+", "{") and (low, high) != (1, 1):
            raise _UnsupportedPattern("has a repetition of a repetition, or one marked as lazy")
        match atom:
            case [(_Piece(low=1, high=1) as piece,)]:
                return [(_Piece(piece.chars, low, high),)]
        return _repeat(atom, low, high)

    def _bounds(self) -> tuple[int, int]:
        if self._skips("?"):
            return 0, 1
        if not self._skips("{"):
            return 1, 1
        low = self._number()
        high = self._number() if self._skips(",") else low
        if not self._skips("}") or low > high or not high:
            raise _UnsupportedPattern("has a repetition other than {n} and {m,n}")
        return low, high

    def _number(self) -> int:
        digits = "".join(takewhile(_DIGITS.__contains__, self._pattern[self._at : self._at + 4]))
        self._at += len(digits)
        if not digits or int(digits) > MAX_IDENTIFIER_CHARS:
            raise _UnsupportedPattern(f"has a repetition without an upper bound of {MAX_IDENTIFIER_CHARS} or less")
        return int(digits)


def _repeat(group: list[_Branch], low: int, high: int) -> list[_Branch]:
    """A group again and again: as often always, or once and not at all. Repeated, all in it must be of fixed length."""
    if (low, high) in ((1, 1), (0, 1)):
        return _check_size([*([()] if low == 0 else []), *group])
    if low != high or any(piece.low != piece.high for branch in group for piece in branch):
        raise _UnsupportedPattern("has a group that is repeated, and not of a fixed length")
    branches: list[_Branch] = [()]
    for _ in range(low):
        branches = _check_size([(*head, *tail) for head in branches for tail in group])
    return branches


def _check_size(branches: list[_Branch]) -> list[_Branch]:
    if len(branches) > MAX_BRANCHES:
        raise _UnsupportedPattern(f"comes to more than {MAX_BRANCHES} branches")
    if any(len(branch) > MAX_IDENTIFIER_CHARS for branch in branches):
        raise _UnsupportedPattern(f"matches values longer than {MAX_IDENTIFIER_CHARS} characters")
    return branches


def _refuse_char(char: str) -> NoReturn:
    if char in ("*", "+"):
        raise _UnsupportedPattern("is not bounded in length")
    if char in ("^", "$"):
        raise _UnsupportedPattern("has an anchor, which it needs not: a pattern matches the whole value")
    if char in ("?", "{"):
        raise _UnsupportedPattern("has a repetition of nothing")
    raise _UnsupportedPattern("allows characters other than letters, digits, _ and -")
