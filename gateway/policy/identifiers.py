"""Patterns that stand for identifiers, of a person or of a thing: no name and no sentence may match one.

Decided on what is written, not on samples: see `identifier_syntax.py` for what a pattern may hold at all.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from itertools import groupby, takewhile
from operator import attrgetter
from typing import Final

from gateway.policy.identifier_syntax import (
    DIGITS,
    LETTERS,
    MAX_IDENTIFIER_CHARS,
    Branch,
    Piece,
    UnsupportedPattern,
    parse,
)

MIN_SHAPE_CHARS: Final = 20
"""Places of a fixed shape, each for a letter or a digit: an ObjectId has 24, a ULID 25, a KSUID 27.

Few names have as many, none always. Telephone numbers, national identifiers (up to 18 digits) and payment cards (up to
19), which such a place matches too, have fewer.
"""

SUGGESTED_FORM: Final = (
    'write a literal prefix that ends in _ or -, then a bounded repetition, such as "usr_[A-Za-z0-9]{1,32}", '
    'or a fixed shape, such as "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"'
)
"""What to write instead, for whoever reads the error."""

_SEPARATORS: Final = frozenset("_-|")
"""What may stand between a prefix and the rest. `|` is in a prefix only, as in Auth0's `auth0|…`."""
_HEXADECIMALS: Final = (frozenset(string.digits + "abcdef_-"), frozenset(string.digits + "ABCDEF_-"))


def identifier_problem(pattern: str, *, unbroken: bool = False, prefixed: bool = False) -> str:
    """What keeps `pattern` from standing for an identifier, and what to write; empty if nothing does.

    In every branch: letters, digits, `_` and `-` alone, bounded, after a literal prefix or of a fixed shape, which is
    one for the whole pattern. `unbroken`: after the prefix there are letters and digits only. `prefixed`: no shape will
    do.
    """
    try:
        branches = parse(pattern)
        shapes = [branch for branch in branches if not _has_prefix(branch, unbroken=unbroken)]
        if prefixed and shapes:
            raise UnsupportedPattern("has a branch without a literal prefix")
        _check_shapes(shapes)
    except UnsupportedPattern as error:
        return f"{error}; {SUGGESTED_FORM}"
    return ""


def thing_identifier_problem(pattern: str) -> str:
    """What keeps `pattern` from standing for a thing's identifier outside the EU, and what to write; empty if nothing.

    In every branch: a literal prefix that ends in `_` or `-`, then letters and digits alone, bounded.
    """
    if text := identifier_problem(pattern, unbroken=True, prefixed=True):
        return text
    prefixes = (_up_to_separator(_literal_prefix(branch)) for branch in parse(pattern))
    if not all(prefix.endswith(("_", "-")) for prefix in prefixes):
        return f"has a branch without a literal prefix that ends in _ or -; {SUGGESTED_FORM.partition(', or')[0]}"
    return ""


def _literal_prefix(branch: Branch) -> str:
    return "".join(char for piece in takewhile(attrgetter("literal"), branch) for char in piece.chars)


def _has_prefix(branch: Branch, *, unbroken: bool) -> bool:
    """Whether a literal prefix makes it an identifier. Raises UnsupportedPattern for what can't be one anyway."""
    if not branch:
        raise UnsupportedPattern("has a branch that is empty")
    if sum(piece.high for piece in branch) > MAX_IDENTIFIER_CHARS:
        raise UnsupportedPattern(f"matches values longer than {MAX_IDENTIFIER_CHARS} characters")
    prefix = _literal_prefix(branch)
    rest = branch[len(_up_to_separator(prefix)) :]
    if any("|" in piece.chars for piece in rest):
        raise UnsupportedPattern("has a | behind its prefix")
    return _is_prefixed(prefix, rest, unbroken=unbroken) or _is_numbered(prefix, branch)


def _check_shapes(shapes: Sequence[Branch]) -> None:
    """Raises UnsupportedPattern unless each is a fixed shape, and all are of one.

    Several lengths together are one that varies.
    """
    if not all(map(_is_shape, shapes)):
        raise UnsupportedPattern("has a branch without a literal prefix or a fixed shape, which a name could match")
    if len(set(map(_outline, shapes))) > 1:
        raise UnsupportedPattern("has fixed shapes of several lengths, or with _ and - in several places")


def _up_to_separator(prefix: str) -> str:
    """The prefix up to its last separator."""
    return prefix[: max(map(prefix.rfind, _SEPARATORS)) + 1]


def _is_prefixed(prefix: str, rest: Sequence[Piece], *, unbroken: bool) -> bool:
    broken = unbroken and any(piece.chars & _SEPARATORS for piece in rest)
    return len(_up_to_separator(prefix)) > 1 and prefix[0] not in _SEPARATORS and not broken


def _is_numbered(prefix: str, branch: Branch) -> bool:
    """Whether it is letters, the same ones always, and then a number: `u[0-9]{1,9}`."""
    rest = branch[len(prefix) :]
    return (
        not LETTERS.isdisjoint(prefix)
        and all(piece.chars <= DIGITS for piece in rest)
        and sum(piece.low for piece in rest) > 0
    )


def _is_shape(branch: Branch) -> bool:
    """Whether all values are as long, with the same separators in the same places, and longer parts than names have.

    Between separators a word could stand, so each part must be long enough by itself. Hexadecimal digits spell none: it
    is all parts together.
    """
    if not all(piece.low == piece.high and (piece.literal or piece.chars.isdisjoint(_SEPARATORS)) for piece in branch):
        return False
    sizes = [
        sum(map(_alphanumeric_places, part)) for separator, part in groupby(branch, _is_separator) if not separator
    ]
    chars = frozenset[str]().union(*(piece.chars for piece in branch))
    hexadecimal = any(chars <= known for known in _HEXADECIMALS)
    return (sum(sizes) if hexadecimal else min(sizes, default=0)) >= MIN_SHAPE_CHARS


def _is_separator(piece: Piece) -> bool:
    return not piece.chars.isdisjoint(_SEPARATORS)


def _alphanumeric_places(piece: Piece) -> int:
    """Of how many places it is that may hold a letter or a digit.

    Others add nothing: letters alone spell, digits alone count.
    """
    return 0 if piece.chars.isdisjoint(LETTERS) or piece.chars.isdisjoint(DIGITS) else piece.high


def _outline(shape: Branch) -> str:
    """Its length and its separators: `xxxx-xx`."""
    return "".join("".join(piece.chars) if _is_separator(piece) else "x" * piece.high for piece in shape)
