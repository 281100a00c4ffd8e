"""Words of a person, and whether a text repeats one of them.

Names and addresses are read as whoever writes an identifier would write them: without case, accents or separators.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import permutations
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from gateway.detectors.encoded_texts import encodings
from gateway.detectors.letters import (
    LOWER,
    NO_ASCII_WORD,
    NO_WORD,
    TABLE,
    compact,
    is_edge,
    lower_case,
    plain,
    words_of,
)

MIN_WORD_CHARS: Final = 3
"""Characters of the shortest word that is looked for."""

MIN_LONG_WORD_CHARS: Final = 5
"""Letters of the shortest word that counts in a user ID by itself."""

MAX_PAIRED_PARTS: Final = 6
"""Parts of a name of which each two are looked for as one."""

MAX_COMPARED_WORDS: Final = 128
"""Words that are compared with one another, to look only for those that others hold."""

MAX_ENCODED_TEXTS: Final = 32
"""Names and addresses that are looked for in other encodings too: the first ones."""


_DIGRAPHS: Final = str.maketrans(TABLE.digraphs)
_ENCODED: Final = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")
"""A character that is no ASCII, in UTF-8."""
_ASCII: Final = bytes(range(128))


class PersonWords:
    """What a text may not repeat: `single` words of letters alone, and what is written as one, `joined`.

    Of Ada Byron with `ada.byron2@acme.example`:

        single   ada, byron
        joined   adabyron, byronada, adabyron2
        "render-ada-7", "AdaByronJob", "adabyron"    repeat one
        "canada", "radar"                            don't: no word ends there
    """

    __slots__ = ("_dropped", "_encoded", "_long", "_shortest", "joined", "single")

    def __init__(self, words: Sequence[str], joined: Sequence[str], encoded: Iterable[str] = ()) -> None:
        self.single, self.joined = tuple(words), tuple(joined)
        self._encoded = tuple(map(str.encode, dict.fromkeys(encoded)))
        self._long = tuple(word for word in words if len(word) >= MIN_LONG_WORD_CHARS)
        every = sorted({*words, *joined})
        if len(every) <= MAX_COMPARED_WORDS:
            every = [one for one in every if sum(map(one.__contains__, every)) == 1]
        shortest = every
        self._shortest = tuple(map(str.encode, shortest))
        self._dropped = NO_ASCII_WORD if all(map(str.isascii, shortest)) else NO_WORD

    def __repr__(self) -> str:
        return "PersonWords(…)"

    def may_be_in(self, raw: bytes, *, ascii: bool = False) -> bool:
        """Whether a text in these bytes may repeat a word: quickly, and never wrong where the answer is no.

        `ascii`: only texts without other characters matter.
        """
        letters = raw.translate(LOWER, self._dropped) if ascii else self._letters(raw)
        if any(map(letters.__contains__, self._shortest)) or any(map(raw.__contains__, self._encoded)):
            return True
        return b"%" in raw and self._is_quoted(raw)

    def _is_quoted(self, raw: bytes) -> bool:
        letters = self._letters(unquote_to_bytes(raw))
        return any(map(letters.__contains__, self._shortest))

    def _letters(self, raw: bytes) -> bytes:
        """The letters and digits of texts in some bytes, in lower case, without accents; and what lies between."""
        # Where the rest has no such character, the whole hasn't either: it is short.
        if not raw.isascii() and _ENCODED.search(raw.translate(None, _ASCII)):
            raw = _ENCODED.sub(_plain_character, raw)
        return raw.translate(LOWER, self._dropped)

    def repeated_in(self, text: str) -> bool:
        """Whether a text repeats a word."""
        return self._repeats(text, self.single)

    def repeated_in_user_id(self, text: str) -> bool:
        """Whether a user ID does: what is written as one, or a long word."""
        return self._repeats(text, self._long)

    def _repeats(self, text: str, words: Sequence[str]) -> bool:
        raw = text.encode("utf-8", "replace")
        if not self.may_be_in(raw):
            return False
        if any(map(raw.__contains__, self._encoded)):
            return True
        said = {text, unquote(text)}
        return any(_has_word(one, words) or _has_joined(one, self.joined) for one in said)


def person_words(names: Iterable[Sequence[str]], identifiers: Iterable[str]) -> PersonWords | None:
    """Return the words of names, each in its parts as they came, and of identifiers; None where there is none.

    A name is read without what follows an `@`, an identifier without what follows the `+` before it either.
    """
    words: dict[str, None] = {}
    joined: dict[str, None] = {}
    texts: list[str] = []
    for name in names:
        parts = [part for one in name for part in one.partition("@")[0].replace(",", " ").split()]
        for spelling in _spellings(parts):
            if _add_words(words, spelling):
                _add_words(words, filter(str.isalpha, map(compact, spelling)))
                _add_joined(joined, *_joined([*map(compact, spelling)]))
                texts += _texts(" ".join(spelling), *spelling)
    for identifier in identifiers:
        local = identifier.rpartition("@")[0] if "@" in identifier else identifier
        for spelling in _spellings([local.partition("+")[0]]):
            if _add_words(words, spelling):
                _add_joined(joined, *map(compact, spelling))
                texts += _texts(identifier, *spelling)
    return PersonWords((*words,), (*joined,), encodings(texts[:MAX_ENCODED_TEXTS])) if words or joined else None


def _texts(*texts: str) -> Iterator[str]:
    """Yield those that are looked for in other encodings: long ones, and no role's name."""
    return (text for text in texts if len(text) >= MIN_LONG_WORD_CHARS and lower_case(text) not in TABLE.roles)


def _spellings(parts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield parts of a name as they are, and with two letters for one where that is usual: `Müller`, `Mueller`."""
    yield parts
    if not all(map(str.isascii, parts)):
        yield [unicodedata.normalize("NFC", part).translate(_DIGRAPHS) for part in parts]


def _joined(parts: Sequence[str]) -> Iterator[str]:
    """Yield parts written as one: all of them, in both orders, and each two."""
    yield from ("".join(parts), "".join(reversed(parts)))
    yield from (one + other for one, other in permutations(parts[:MAX_PAIRED_PARTS], 2))


def _add_words(words: dict[str, None], parts: Iterable[str]) -> bool:
    """Add the words of some parts; whether there is one, however short, that is no role's name."""
    found = [word for part in parts for word in words_of(part) if word not in TABLE.roles]
    words.update(dict.fromkeys(word for word in found if len(word) >= MIN_WORD_CHARS))
    return bool(found)


def _add_joined(joined: dict[str, None], *wholes: str) -> None:
    joined.update(dict.fromkeys(whole for whole in wholes if len(whole) >= MIN_WORD_CHARS and whole not in TABLE.roles))


def _plain_character(found: re.Match[bytes]) -> bytes:
    return _plain_bytes(found.group())


@lru_cache(4096)
def _plain_bytes(encoded: bytes) -> bytes:
    """A character as its letters and digits; one that isn't valid as nothing."""
    return compact(encoded.decode("utf-8", "ignore")).encode()


def _has_word(text: str, words: Sequence[str]) -> bool:
    """Whether a word of letters stands in a text, from where one begins to where one ends."""
    letters = plain(text)
    lower = lower_case(letters)
    for word in words:
        at = lower.find(word)
        while at >= 0:
            if is_edge(letters, at) and is_edge(letters, at + len(word)):
                return True
            at = lower.find(word, at + 1)
    return False


def _has_joined(text: str, joined: Sequence[str]) -> bool:
    """Whether what is written as one stands in a text, whatever separates its parts there."""
    if not joined:
        return False
    letters = plain(text)
    places = [at for at, char in enumerate(letters) if char.isalnum()]
    lower = lower_case("".join(letters[at] for at in places))
    for word in joined:
        at = lower.find(word)
        while at >= 0:
            first, last = places[at], places[at + len(word) - 1]
            if is_edge(letters, first) and is_edge(letters, last + 1):
                return True
            at = lower.find(word, at + 1)
    return False
