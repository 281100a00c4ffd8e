"""What is surely technical in folded text: identifiers, digests, dates and times, by shapes that are data.

It is blanked before numbers are looked for, so that they may be looked for beside letters. A shape holds no number of
anybody's: it stands between other characters than letters and digits (dates: than digits), and where it could be a
number with letters around it, letters and digits must take turns in it, as they do in what is random.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from gateway.detectors import data
from gateway.detectors.hints import automaton
from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.spans import Span


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of technical text.

    `changes` says by length how often letters and digits take turns in it at least, None that it needn't.
    """

    name: str
    source: str
    pattern: str
    changes: Mapping[int, int] | None = None
    bounds: Literal["letters", "digits"] = "letters"


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All shapes; `hint` is found in each text that holds one; `%part%` in a pattern stands for what `parts` says."""

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


_HINT: Final = automaton(_TABLE.hint)
_SHAPES: Final = LazyPattern("|".join(map(_pattern, _BOUNDS)))
_HEX: Final = re.compile("[0-9A-Fa-f]{4,}")
_MIN_READABLE_CHARS: Final = 6
_MIN_READABLE_CHARS_OF_LONG: Final = 8
_READABLE: Final = {
    count: re.compile(
        rb"(?:[\x20-\x7e](?:\0|\xc2\xad|\xe2\x80[\x8b-\x8f])?){%d}|(?:\0?[\x20-\x7e]){%d}" % (count, count)
    )
    for count in (_MIN_READABLE_CHARS, _MIN_READABLE_CHARS_OF_LONG)
}
"""That many readable characters in a row, of UTF-8 or UTF-16, invisible ones between them left out."""

_MIN_LONG_CHARS: Final = 24
"""From here on digits at both ends count as one turn more: who glues letters to a number glues them to its ends."""

_KINDS: Final = bytes(ord("d" if chr(code).isdigit() else "l") for code in range(128)).ljust(256, b"l")
_DATE_WITH_HOUR: Final = re.compile(
    r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){0,2}"
)


def technical_spans(text: str) -> Sequence[Span]:
    """Return from where to where in folded text something surely technical stands."""
    if not _HINT.search(text):
        return ()
    return [match.span() for match in _SHAPES.finditer(text) if _is_sure(match)]


def undecodable(text: str, spans: Sequence[Span]) -> Sequence[Span]:
    """Return those of some spans that aren't the hexadecimal of a text."""
    return [span for span in spans if not _is_hex_text(text[slice(*span)])]


def is_date_with_hour(digits: str) -> bool:
    """Whether digits are a date with an hour, as in `2026112310`."""
    return _DATE_WITH_HOUR.fullmatch(digits) is not None


def _is_sure(match: re.Match[str]) -> bool:
    """Whether letters and digits take turns often enough for the shape that was found."""
    least = _CHANGES[match.lastgroup or ""]
    if least is None:
        return True
    kinds = match[0].encode().translate(_KINDS, b"-")
    turns = kinds.count(b"dl") + kinds.count(b"ld")
    if turns and len(kinds) >= _MIN_LONG_CHARS and kinds[:1] == kinds[-1:] == b"d":
        turns += 1
    return len(match[0]) in least and turns >= least[len(match[0])]


def _is_hex_text(found: str) -> bool:
    """Whether hexadecimal digits are a readable text, at either alignment, so much of it that it is no chance.

    Of eight bytes six.
    """
    digits = found.replace("-", "").replace(":", "")
    if not _HEX.fullmatch(digits):
        return False
    texts = (bytes.fromhex(digits[skip : len(digits) - (len(digits) - skip) % 2]) for skip in (0, 1))
    return any(
        _READABLE[
            _MIN_READABLE_CHARS_OF_LONG if len(text) > _MIN_READABLE_CHARS_OF_LONG else _MIN_READABLE_CHARS
        ].search(text)
        for text in texts
    )
