"""Words of a person, and whether a text repeats one of them.

Names and addresses are read as whoever writes an identifier would write them: without case, accents or separators.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

import msgspec

from gateway.detectors.data import table
from gateway.detectors.fold import fold

MIN_WORD_CHARS: Final = 3
"""Characters of the shortest word that is looked for."""

MIN_LONG_WORD_CHARS: Final = 5
"""Letters of the shortest word that counts in a user ID by itself."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`letters` are those that no accent explains, as they are written without them. `roles` are nobody's name."""

    letters: dict[str, str]
    roles: frozenset[str]


_TABLE: Final = table("roles", _Table)
_LETTERS: Final = str.maketrans(_TABLE.letters)
_RUN: Final = re.compile(r"[^\W\d_]+")
_ENCODED: Final = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")
"""A character that is no ASCII, in UTF-8."""
_ASCII: Final = bytes(range(128))
_LOWER: Final = bytes(range(256)).lower()
_NO_WORD: Final = bytes(code for code in range(128) if not chr(code).isalnum())
_NO_ASCII_WORD: Final = _NO_WORD + bytes(range(128, 256))


def plain(text: str) -> str:
    """Return a text without accents: `Zoë Müller-Łęcka` gives `Zoe Muller-Lecka`."""
    return text if text.isascii() else fold(text.translate(_LETTERS))


def words_of(text: str) -> Iterator[str]:
    """Yield the runs of letters in a text, whole and split where the case changes, in lower case.

    `AdaByron-ING` gives `adabyron`, `ada`, `byron`, `ing`.
    """
    for run in _RUN.findall(plain(text)):
        yield _lower(run)
        if not (run.islower() or run.isupper() or run[1:].islower()):
            cuts = [at for at in range(len(run) + 1) if _is_edge(run, at)]
            yield from (_lower(run[one:other]) for one, other in pairwise(cuts))


def compact(text: str) -> str:
    """Return a text's letters and digits, in lower case, without accents: `O'Neil, Ada` gives `oneilada`."""
    if text.isascii():
        return text.encode().translate(_LOWER, _NO_ASCII_WORD).decode()
    return "".join(filter(str.isalnum, _lower(plain(text))))


class PersonWords:
    """What a text may not repeat: `single` words of letters alone, and what is written as one, `joined`.

    Of Ada Byron with `ada.byron2@acme.example`:

        single   ada, byron
        joined   adabyron, byronada, adabyron2
        "render-ada-7", "AdaByronJob", "adabyron"    repeat one
        "canada", "radar"                            don't: no word ends there
    """

    __slots__ = ("_dropped", "_long", "_shortest", "joined", "single")

    def __init__(self, words: Sequence[str], joined: Sequence[str]) -> None:
        self.single, self.joined = tuple(words), tuple(joined)
        self._long = tuple(word for word in words if len(word) >= MIN_LONG_WORD_CHARS)
        every = sorted({*words, *joined})
        shortest = [one for one in every if sum(map(one.__contains__, every)) == 1]
        self._shortest = tuple(map(str.encode, shortest))
        self._dropped = _NO_ASCII_WORD if all(map(str.isascii, shortest)) else _NO_WORD

    def __repr__(self) -> str:
        return "PersonWords(…)"

    def may_be_in(self, raw: bytes, *, ascii: bool = False) -> bool:
        """Whether a text in these bytes may repeat a word: quickly, and never wrong where the answer is no.

        `ascii`: only texts without other characters matter.
        """
        letters = raw.translate(_LOWER, self._dropped) if ascii else self._letters(raw)
        return any(map(letters.__contains__, self._shortest))

    def _letters(self, raw: bytes) -> bytes:
        """The letters and digits of texts in some bytes, in lower case, without accents; and what lies between."""
        # Where the rest has no such character, the whole hasn't either: it is short.
        if not raw.isascii() and _ENCODED.search(raw.translate(None, _ASCII)):
            raw = _ENCODED.sub(_plain_character, raw)
        return raw.translate(_LOWER, self._dropped)

    def repeated_in(self, text: str) -> bool:
        """Whether a text repeats a word."""
        return self.may_be_in(text.encode("utf-8", "replace")) and (
            _has_word(text, self.single) or _has_joined(text, self.joined)
        )

    def repeated_in_user_id(self, text: str) -> bool:
        """Whether a user ID does: what is written as one, or a long word."""
        return self.may_be_in(text.encode("utf-8", "replace")) and (
            _has_word(text, self._long) or _has_joined(text, self.joined)
        )


def person_words(names: Iterable[Sequence[str]], identifiers: Iterable[str]) -> PersonWords | None:
    """Return the words of names, each in its parts as they came, and of identifiers; None where there is none.

    A name is read without what follows an `@`, an identifier without what follows the `+` before it either.
    """
    words: dict[str, None] = {}
    joined: dict[str, None] = {}
    for name in names:
        parts = [part for one in name for part in one.partition("@")[0].replace(",", " ").split()]
        if _add_words(words, parts):
            told = [*map(compact, parts)]
            _add_joined(joined, "".join(told), "".join(reversed(told)))
            if len(told) > 2:
                _add_joined(joined, told[0] + told[-1], told[-1] + told[0])
    for identifier in identifiers:
        local = identifier.rpartition("@")[0] if "@" in identifier else identifier
        local = local.partition("+")[0]
        if _add_words(words, (local,)):
            _add_joined(joined, compact(local))
    return PersonWords((*words,), (*joined,)) if words or joined else None


def _add_words(words: dict[str, None], parts: Iterable[str]) -> bool:
    """Add the words of some parts; whether there is one, however short, that is no role's name."""
    found = [word for part in parts for word in words_of(part) if word not in _TABLE.roles]
    words.update(dict.fromkeys(word for word in found if len(word) >= MIN_WORD_CHARS))
    return bool(found)


def _add_joined(joined: dict[str, None], *wholes: str) -> None:
    joined.update(
        dict.fromkeys(whole for whole in wholes if len(whole) >= MIN_WORD_CHARS and whole not in _TABLE.roles)
    )


def _plain_character(found: re.Match[bytes]) -> bytes:
    return _plain_bytes(found.group())


@lru_cache(4096)
def _plain_bytes(encoded: bytes) -> bytes:
    """A character as its letters and digits; one that isn't valid as nothing."""
    return compact(encoded.decode("utf-8", "ignore")).encode()


def _has_word(text: str, words: Sequence[str]) -> bool:
    """Whether a word of letters stands in a text, from where one begins to where one ends."""
    letters = plain(text)
    lower = _lower(letters)
    for word in words:
        at = lower.find(word)
        while at >= 0:
            if _is_edge(letters, at) and _is_edge(letters, at + len(word)):
                return True
            at = lower.find(word, at + 1)
    return False


def _has_joined(text: str, joined: Sequence[str]) -> bool:
    """Whether what is written as one stands in a text, whatever separates its parts there."""
    if not joined:
        return False
    letters = plain(text)
    places = [at for at, char in enumerate(letters) if char.isalnum()]
    lower = _lower("".join(letters[at] for at in places))
    for word in joined:
        at = lower.find(word)
        while at >= 0:
            first, last = places[at], places[at + len(word) - 1]
            if _is_edge(letters, first) and _is_edge(letters, last + 1):
                return True
            at = lower.find(word, at + 1)
    return False


def _is_edge(letters: str, at: int) -> bool:
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


def _lower(letters: str) -> str:
    """Letters in lower case, each of them one character as before."""
    lower = letters.lower()
    if len(lower) == len(letters):
        return lower
    return "".join(small if len(small := char.lower()) == 1 else char for char in letters)
