"""Where national identifiers stand in folded text.

What is told by its form and check digits, and what a label stands before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from gateway.detectors import data
from gateway.detectors.check_digits import CHECKS
from gateway.detectors.compact import Compact
from gateway.detectors.decode import Decoding
from gateway.detectors.hints import automaton
from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.spans import Span


class Solid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Found beside anything.

    Where no other digits are near with separators anywhere (`any_groups`), else in one of its layouts.

    In a layout `x` is a character, a blank a place where separators may be, `-` one where they must be. With
    `beside_digits` other digits don't matter.
    """

    country: str
    name: str
    check: str
    form: str
    layouts: Sequence[str]
    any_groups: bool = True
    beside_digits: bool = False


class Alone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Found in capitals that no letter or digit touches: glued to others it couldn't be told from what is random."""

    country: str
    name: str
    check: str
    form: str


class Labelled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Found after one of its labels; its form is one of `label_forms`."""

    country: str
    labels: Sequence[str]
    form: str


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is known; a label may be followed by `fillers`."""

    solid: Sequence[Solid]
    alone: Sequence[Alone]
    label_forms: dict[str, str]
    labelled: Sequence[Labelled]
    fillers: Sequence[str]


_TABLE: Final = data.table("national_ids", Table)
_SEPARATOR: Final = r"[ \t.:/_\-+()\[\]\x01]"
_LAYOUT_PIECES: Final = {"x": "[0-9AB]", " ": f"{_SEPARATOR}{{0,3}}+", "-": f"{_SEPARATOR}{{1,3}}+"}
_SEPARATED: Final = str.maketrans("", "", " \t.:/_-+()[]\x01")
_OTHER: Final = r"[^0-9a-z]{0,3}"
_DECIMAL: Final = re.compile(r"[0-9]+\.[0-9]+")
"""A number with decimals, such as the time in seconds. An identifier that is written so is found by its layout."""


def _no_digits_around(pattern: str) -> str:
    return f"(?<![0-9])(?:{pattern})(?![0-9])"


def _layout(layout: str) -> str:
    return _no_digits_around("".join(map(_LAYOUT_PIECES.__getitem__, layout)))


def _labelled(form: str) -> str:
    """Return the pattern of all labels before identifiers of one form."""
    labels = [label for entry in _TABLE.labelled if entry.form == form for label in entry.labels]
    words = "|".join(sorted(labels, key=len, reverse=True)).replace(" ", _OTHER)
    return f"(?:^|[^a-z])(?:{words}){_OTHER}(?:(?:{'|'.join(_TABLE.fillers)}){_OTHER}){{0,3}}"


_SOME_DIGITS: Final = re.compile(r"[0-9](?:[^0-9]*+[0-9]){4}")
"""In each text with an identifier, but for an Italian one in which more than two digits were replaced."""

# RE2 finds what one automaton tells; `re` then tells its parts, at which RE2 is slow.
_HINT: Final = automaton(f"(?i){'|'.join(entry.form for entry in _TABLE.solid)}")
_SOLID: Final = [
    (
        LazyPattern(entry.form if entry.beside_digits else _no_digits_around(entry.form), re.IGNORECASE),
        CHECKS[entry.check],
    )
    for entry in _TABLE.solid
    if entry.any_groups
]
_WHOLE: Final = [(re.compile(entry.form), CHECKS[entry.check]) for entry in _TABLE.solid if entry.check]
_LAYOUTS: Final = [
    (LazyPattern("|".join(map(_layout, entry.layouts)), re.IGNORECASE), LazyPattern(entry.form), CHECKS[entry.check])
    for entry in _TABLE.solid
    if entry.layouts
]
_ALONE: Final = LazyPattern(
    rf"\b(?=[0-9A-Z]{{2}})(?:{'|'.join(f'(?P<{entry.name}>{entry.form})' for entry in _TABLE.alone)})\b"
)
_ALONE_CHECKS: Final = {entry.name: CHECKS[entry.check] for entry in _TABLE.alone}
_LABELLED: Final = [
    (automaton(f"(?i){_labelled(form)}(?:{pattern})"), LazyPattern(f"{_labelled(form)}({pattern})", re.IGNORECASE))
    for form, pattern in _TABLE.label_forms.items()
]
_LABELS: Final = "|".join(label.replace(" ", _OTHER) for entry in _TABLE.labelled for label in entry.labels)
LABEL_HINT: Final = f"(?i:(?:^|[^a-z])(?:{_LABELS})(?:[^a-z]|{'|'.join(_TABLE.fillers)}))"
"""What RE2 finds in each text with a label."""

_APART_HINT: Final = automaton(rf"\b(?:{'|'.join(entry.form for entry in _TABLE.alone)})\b|{LABEL_HINT}")
"""What it finds in each text with an identifier that stands alone or behind a label, underscores replaced by dashes."""


def national_ids(decoding: Decoding) -> Iterator[Span]:
    """Yield where national identifiers stand in a decoding."""
    text = decoding.nontechnical
    if not _SOME_DIGITS.search(text):
        return
    for compact in decoding.compacts:
        if _HINT.search(compact.text):
            yield from _solid(compact)
    dashed = text.replace("_", "-")
    if _APART_HINT.search(dashed):
        yield from (match.span() for match in _ALONE.finditer(dashed) if _is_checked(match))
        yield from _labelled_ids(text)


def is_national_id(number: str) -> bool:
    """Return whether the digits of a whole number are an identifier that form and check digits tell by themselves."""
    return any(form.fullmatch(number) and check(number) for form, check in _WHOLE)


def _labelled_ids(text: str) -> Iterator[Span]:
    for found, parts in _LABELLED:
        for match in found.finditer(text):
            labelled = parts.fullmatch(match[0])
            if labelled:
                yield match.start() + labelled.start(1), match.end()


def _solid(compact: Compact) -> Iterator[Span]:
    for form, check in _SOLID:
        spans = (compact.span(*match.span()) for match in form.finditer(compact.text) if check(match[0].upper()))
        yield from ((start, end) for start, end in spans if not _DECIMAL.fullmatch(compact.spaced, start, end))
    for layout, form, check in _LAYOUTS:
        for match in layout.finditer(compact.spaced):
            plain = match[0].translate(_SEPARATED).upper()
            if form.fullmatch(plain) and check(plain):
                yield match.span()


def _is_checked(match: re.Match[str]) -> bool:
    """Return whether an identifier that stands alone has the right check digits."""
    return _ALONE_CHECKS[match.lastgroup or ""](match[0].translate(_SEPARATED))
