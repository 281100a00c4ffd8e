"""Where national identifiers stand in folded text: what is told by its form and check digits, and what a label stands before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import re2

from gateway.detectors import data
from gateway.detectors.check_digits import CHECKS
from gateway.detectors.compact import Compact

Span = tuple[int, int]


class Solid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Found beside anything and with separators anywhere, where no other digits are near; beside other digits in one of its layouts.

    In a layout `x` is a character, a blank a place where separators may be, `-` one where they must be.
    """

    country: str
    name: str
    check: str
    form: str
    layouts: Sequence[str]


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
_SEPARATOR: Final = r"[ \t.:/_\-+()\[\]]"
_LAYOUT_PIECES: Final = {"x": "[0-9AB]", " ": f"{_SEPARATOR}{{0,3}}+", "-": f"{_SEPARATOR}{{1,3}}+"}
_SEPARATED: Final = str.maketrans("", "", " \t.:/_-+()[]")
_OTHER: Final = r"[^0-9a-z\n]{0,3}"


def _layout(layout: str) -> str:
    """Return the pattern of one layout, beside no digit."""
    return f"(?<![0-9]){''.join(map(_LAYOUT_PIECES.__getitem__, layout))}(?![0-9])"


def _labelled(form: str) -> str:
    """Return the pattern of all labels before identifiers of one form, which is its group."""
    labels = [label for entry in _TABLE.labelled if entry.form == form for label in entry.labels]
    words = "|".join(sorted(labels, key=len, reverse=True)).replace(" ", _OTHER)
    return f"(?:^|[^a-z])(?:{words}){_OTHER}(?:(?:{'|'.join(_TABLE.fillers)}){_OTHER}){{0,3}}({_TABLE.label_forms[form]})"


_FORMS: Final = [(re.compile(entry.form, re.IGNORECASE), CHECKS[entry.check]) for entry in _TABLE.solid]
_LAYOUTS: Final = [
    (re.compile("|".join(map(_layout, entry.layouts)), re.IGNORECASE), re.compile(entry.form, re.IGNORECASE), CHECKS[entry.check])
    for entry in _TABLE.solid
    if entry.layouts
]
_ALONE: Final = re2.compile("|".join(rf"\b(?P<{entry.name}>{entry.form})\b" for entry in _TABLE.alone))
_ALONE_CHECKS: Final = {entry.name: CHECKS[entry.check] for entry in _TABLE.alone}
_LABELLED: Final = [re2.compile(f"(?i){_labelled(form)}") for form in _TABLE.label_forms]


def national_ids(text: str, compact: Compact) -> Iterator[Span]:
    """Yield where national identifiers stand in folded text, of which `compact` is the same without separators."""
    for form, check in _FORMS:
        yield from (compact.span(*match.span()) for match in form.finditer(compact.text) if check(match[0].upper()))
    for layout, form, check in _LAYOUTS:
        for match in layout.finditer(text):
            plain = match[0].translate(_SEPARATED).upper()
            if form.fullmatch(plain) and check(plain):
                yield match.span()
    yield from (match.span() for match in _ALONE.finditer(text.replace("_", "-")) if _is_checked(match))
    yield from (match.span(1) for labelled in _LABELLED for match in labelled.finditer(text))


def _is_checked(match: re.Match[str]) -> bool:
    """Return whether the check digits of an identifier that stands alone are right."""
    return _ALONE_CHECKS[match.lastgroup or ""](match[0].translate(_SEPARATED))
