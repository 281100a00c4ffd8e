"""Letters as whoever writes an identifier would write them: without case and accents, in words that case parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import msgspec

from gateway.detectors.data import table
from gateway.detectors.fold import fold


class LetterTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`letters` are those that no accent explains, as they are written without them. `roles` are nobody's name.

    `digraphs` are two letters that are usual for one.
    """

    letters: dict[str, str]
    digraphs: dict[str, str]
    roles: frozenset[str]


TABLE: Final = table("roles", LetterTable)
_LETTERS: Final = str.maketrans(TABLE.letters)
_RUN: Final = re.compile(r"[^\W\d_]+")
LOWER: Final = bytes(range(256)).lower()
NO_WORD: Final = bytes(code for code in range(128) if not chr(code).isalnum())
NO_ASCII_WORD: Final = NO_WORD + bytes(range(128, 256))


def plain(text: str) -> str:
    """Return a text without accents: `Zoë Müller-Łęcka` gives `Zoe Muller-Lecka`."""
    return text if text.isascii() else fold(text.translate(_LETTERS))


def words_of(text: str) -> Iterator[str]:
    """Yield the runs of letters in a text, whole and split where the case changes, in lower case.

    `AdaByron-ING` gives `adabyron`, `ada`, `byron`, `ing`.
    """
    for run in _RUN.findall(plain(text)):
        yield lower_case(run)
        if not (run.islower() or run.isupper() or run[1:].islower()):
            cuts = [at for at in range(len(run) + 1) if is_edge(run, at)]
            yield from (lower_case(run[one:other]) for one, other in pairwise(cuts))


def compact(text: str) -> str:
    """Return a text's letters and digits, in lower case, without accents: `O'Neil, Ada` gives `oneilada`."""
    if text.isascii():
        return text.encode().translate(LOWER, NO_ASCII_WORD).decode()
    return "".join(filter(str.isalnum, lower_case(plain(text))))


def is_edge(letters: str, at: int) -> bool:
    """Whether a word may begin or end here.

    Beside what is no letter, and where the case changes: `ada|Byron`, `ADA|Byron`, `ADA|byron`.
    """
    if at <= 0 or at >= len(letters):
        return True
    before, after = letters[at - 1], letters[at]
    if not (before.isalpha() and after.isalpha()):
        return True
    if after.isupper():
        return not before.isupper() or letters[at + 1 : at + 2].islower()
    return before.isupper() and letters[at - 2 : at - 1].isupper() if at > 1 else False


def lower_case(letters: str) -> str:
    """Letters in lower case, each of them one character as before."""
    lower = letters.lower()
    if len(lower) == len(letters):
        return lower
    return "".join(small if len(small := char.lower()) == 1 else char for char in letters)
