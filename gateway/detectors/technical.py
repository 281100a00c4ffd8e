"""What is surely technical in folded text: identifiers, digests, dates and times, by shapes that are data.

It is blanked before numbers are looked for, so that they may be looked for beside letters. A shape holds no number of anybody's: it
stands between other characters than letters and digits (dates: than digits), and where it could be a number with letters around it,
letters and digits must take turns in it, as they do in what is random.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
import re2

from gateway.detectors import data


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of technical text; `changes` says by length how often letters and digits take turns in it at least, None that it needn't."""

    name: str
    source: str
    pattern: str
    changes: Mapping[int, int] | None = None
    bounds: Literal["letters", "digits"] = "letters"


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All shapes; `hint` is found in each text that holds one, and a pattern's `%part%` stands for what `parts` says."""

    hint: str
    parts: Mapping[str, str]
    shapes: Sequence[Shape]


_TABLE: Final = data.table("technical", Table)
_CHANGES: Final = {shape.name: shape.changes for shape in _TABLE.shapes}
_BOUNDS: Final = {"digits": ("(?<![0-9])", "(?![0-9])"), "letters": ("(?<![0-9A-Za-z])", "(?![0-9A-Za-z])")}


def _pattern(bounds: str) -> str:
    """The pattern of all shapes with these bounds, each in a group of its name."""
    before, after = _BOUNDS[bounds]
    found = "|".join(f"(?P<{shape.name}>{shape.pattern})" for shape in _TABLE.shapes if shape.bounds == bounds)
    for part, pattern in _TABLE.parts.items():
        found = found.replace(f"%{part}%", pattern)
    return f"{before}(?:{found}){after}"


_HINT: Final = re2.compile(_TABLE.hint)
_SHAPES: Final = re.compile("|".join(map(_pattern, _BOUNDS)))
_SHORT_CHARS: Final = 256
"""Up to here looking for the shapes costs no more than looking for the hint."""

_KINDS: Final = bytes(ord("d" if chr(code).isdigit() else "l") for code in range(128)).ljust(256, b"l")
_COMPACT: Final = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){0,2}")


def blanked(text: str) -> str:
    """Return folded text with a `~` in place of each character of what is surely technical."""
    return _SHAPES.sub(_blank, text) if len(text) <= _SHORT_CHARS or _HINT.search(text) else text


def is_technical(token: str) -> bool:
    """Whether all of a text is one shape."""
    match = _SHAPES.fullmatch(token)
    return match is not None and _is_sure(match)


def is_moment(digits: str) -> bool:
    """Whether digits are a date with an hour, as in `2026112310`."""
    return _COMPACT.fullmatch(digits) is not None


def _blank(match: re.Match[str]) -> str:
    return "~" * len(match[0]) if _is_sure(match) else match[0]


def _is_sure(match: re.Match[str]) -> bool:
    """Whether letters and digits take turns often enough for the shape that was found."""
    least = _CHANGES[match.lastgroup or ""]
    if least is None:
        return True
    kinds = match[0].encode().translate(_KINDS, b"-")
    return len(match[0]) in least and kinds.count(b"dl") + kinds.count(b"ld") >= least[len(match[0])]
