"""Patterns of the policy and of annotations: RE2, matched against the whole value, of bounded length.

What a pattern means for a field is not decided here.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache
from typing import Final, Protocol

import re2

TOKEN: Final = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}"  # noqa: S105 - a token of text, no secret
"""What an OPERATIONAL string looks like where its field has no pattern of its own (design §3.2)."""

MAX_PATTERN: Final = 4096
"""Characters a pattern may have."""

_MAX_MEM: Final = 1 << 20
"""Bytes that one compiled pattern and its automata may take."""

# One lexical unit of RE2's syntax at a time, so that a quantifier is told from the same character escaped or inside a
# class. (https://github.com/google/re2/wiki/Syntax)
_UNIT: Final = re.compile(
    r"""
    (?P<raw>\\[QC])
    | \\.
    | \[\^?\]?(?>(?:\\.|\[:\^?[a-z]*:\]|[^\]\\])*)\]
    | (?P<endless>[*+]|\{[0-9]+,\})
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


# The units that say how long a match may be.
_WIDTH: Final = re.compile(
    r"""
    \\.
    | \[\^?\]?(?>(?:\\.|\[:\^?[a-z]*:\]|[^\]\\])*)\]
    | (?P<open>\((?:\?:)?)
    | (?P<close>\))
    | (?P<either>\|)
    | (?P<maybe>\?)
    | \{(?P<times>[0-9]+)(?:,(?P<most>[0-9]+))?\}
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


_PLAIN: Final = re.compile("[A-Za-z0-9_:/ @#-]+")


_ANYTHING: Final = re.compile(r"\.|\[\^|\[.*(\[:\^|\\[WSDBpPxC])|\\[WSDBpPxC0-7]", re.DOTALL)
"""Units of a pattern that may match more than ASCII."""


class Pattern(Protocol):
    """A compiled pattern. It has no memory of the values it saw, and is safe to share between threads."""

    def fullmatch(self, text: str, /) -> object | None:
        """Something true if all of `text` matches, a trailing newline included."""

    def search(self, text: str, /) -> object | None:
        """Something true if a part of `text` matches."""


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Pattern:
    """Compile `pattern`.

    Raises ValueError, with a text fit for the operator, if it is not RE2 or may match values of any length.
    """
    _check(pattern)
    try:
        compiled: Pattern = re2.compile(pattern, _options())
    except re2.error as error:
        raise ValueError(f"not a valid RE2 pattern: {_text(error)}") from None
    except UnicodeEncodeError:
        raise ValueError("not a valid RE2 pattern: lone surrogate") from None
    return compiled


def max_chars(pattern: str) -> int:
    """Return how many characters a pattern that compiles may match at most.

    In doubt, as with escapes of several characters, more.
    """
    around: list[tuple[int, int]] = []
    longest = width = atom = 0
    for unit in _WIDTH.finditer(pattern):
        match unit.lastgroup:
            case "open":
                around.append((longest, width))
                longest = width = atom = 0
            case "close":
                atom = max(longest, width)
                longest, width = around.pop()
                width += atom
            case "either":
                longest, width = max(longest, width), 0
            case "times" | "most":
                more = atom * max(0, int(unit["most"] or unit["times"]) - 1)
                width, atom = width + more, atom + more
            case "maybe":
                pass
            case _:
                atom = 1
                width += 1
    return max(longest, width)


def is_ascii(pattern: str) -> bool:
    """Return whether all that a pattern matches is ASCII. In doubt it isn't."""
    odd = (unit.group() for unit in _UNIT.finditer(pattern))
    return pattern.isascii() and "(?" not in pattern.replace("(?:", "(") and not any(map(_ANYTHING.match, odd))


def literal_prefix(pattern: str) -> str:
    """Return what every match of a pattern begins with, up to its last separator: `usr_` of `usr_x[a-z]{1,9}`."""
    depth = 0
    for unit in _WIDTH.finditer(pattern):
        depth += (unit.lastgroup == "open") - (unit.lastgroup == "close")
        if unit.lastgroup == "either" and not depth:
            return ""
    plain = _PLAIN.match(pattern)
    found = plain.group() if plain else ""
    if pattern[len(found) : len(found) + 1] in ("?", "{"):
        found = found[:-1]
    return found.rstrip(string.ascii_letters + string.digits)


def _check(pattern: str) -> None:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"longer than {MAX_PATTERN} characters")
    for unit in _UNIT.finditer(pattern):
        if unit["raw"]:
            raise ValueError(rf"'{unit['raw']}' is not supported")
        if unit["endless"]:
            raise ValueError(
                f"not bounded in length: '{unit['endless']}' (use a repetition with an upper bound, such as {{1,64}})"
            )


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEM
    return options


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
