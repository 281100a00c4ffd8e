"""Words of a person, and whether a text repeats one of them.

Names and addresses are read as whoever writes an identifier would write them: without case, accents or separators.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from gateway.detectors.encoded_texts import encodings
from gateway.detectors.letters import LOWER, NO_ASCII_WORD, NO_WORD, compact, is_edge, lower_case, plain
from gateway.detectors.said_words import MIN_LONG_WORD_CHARS, MIN_WORD_CHARS, SaidWords
from gateway.detectors.word_search import MAX_WORD_CHARS, ByteSearch, WordIndex

MAX_COMPARED_WORDS: Final = 24
"""Words of letters that aren't looked for once more in what holds them."""

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

    __slots__ = ("_dropped", "_encoded", "_joined_index", "_sought", "_word_index", "joined", "single")

    def __init__(self, words: Sequence[str], joined: Sequence[str], encoded: Iterable[str] = ()) -> None:
        self.single, self.joined = tuple(words), tuple(joined)
        self._word_index, self._joined_index = WordIndex(words), WordIndex(joined)
        if len(words) <= MAX_COMPARED_WORDS:
            joined = [whole for whole in joined if not any(map(whole.__contains__, words))]
        self._sought = ByteSearch(map(str.encode, (*words, *joined)))
        self._encoded = ByteSearch(map(str.encode, encoded))
        self._dropped = NO_ASCII_WORD if all(map(bytes.isascii, self._sought.sought)) else NO_WORD

    def __repr__(self) -> str:
        return "PersonWords(…)"

    def may_be_in(self, raw: bytes, *, ascii: bool = False) -> bool:
        """Whether a text in these bytes may repeat a word: quickly, and never wrong where the answer is no.

        `ascii`: only texts without other characters matter.
        """
        letters = raw.translate(LOWER, self._dropped) if ascii else self._letters(raw)
        if self._sought.is_in(letters) or self._encoded.is_in(raw):
            return True
        return b"%" in raw and self._sought.is_in(self._letters(unquote_to_bytes(raw)))

    def _letters(self, raw: bytes) -> bytes:
        """The letters and digits of texts in some bytes, in lower case, without accents; and what lies between."""
        # Where the rest has no such character, the whole hasn't either: it is short.
        if not raw.isascii() and _ENCODED.search(raw.translate(None, _ASCII)):
            raw = _ENCODED.sub(_plain_character, raw)
        return raw.translate(LOWER, self._dropped)

    def repeated_in(self, text: str) -> bool:
        """Whether a text repeats a word."""
        return self._repeats(text, MIN_WORD_CHARS)

    def repeated_in_user_id(self, text: str) -> bool:
        """Whether a user ID does: what is written as one, or a long word."""
        return self._repeats(text, MIN_LONG_WORD_CHARS)

    def _repeats(self, text: str, min_word_chars: int) -> bool:
        raw = text.encode("utf-8", "replace")
        if not self.may_be_in(raw):
            return False
        if self._encoded.is_in(raw):
            return True
        said = map(plain, {text, unquote(text)})
        return any(
            _has_word(letters, self._word_index, min_word_chars) or _has_joined(letters, self._joined_index)
            for letters in said
        )


def person_words(names: Iterable[Sequence[str]], identifiers: Iterable[str]) -> PersonWords | None:
    """Return the words of names, each in its parts as they came, and of identifiers; None where there is none."""
    said = SaidWords()
    for name in names:
        said.add_name(name)
    for identifier in identifiers:
        said.add_identifier(identifier)
    if not (said.single or said.joined):
        return None
    return PersonWords((*said.single,), (*said.joined,), encodings(said.encoded))


def _plain_character(found: re.Match[bytes]) -> bytes:
    return _plain_bytes(found.group())


@lru_cache(4096)
def _plain_bytes(encoded: bytes) -> bytes:
    """A character as its letters and digits; one that isn't valid as nothing."""
    return compact(encoded.decode("utf-8", "ignore")).encode()


def _has_word(letters: str, words: WordIndex, min_chars: int) -> bool:
    """Whether a word of letters stands in a text, from where one begins to where one ends."""
    lower = lower_case(letters)
    for at in range(len(lower) - min_chars + 1):
        if is_edge(letters, at):
            for chars in words.lengths_at(lower, at):
                if chars >= min_chars and (chars == MAX_WORD_CHARS or is_edge(letters, at + chars)):
                    return True
    return False


def _has_joined(letters: str, joined: WordIndex) -> bool:
    """Whether what is written as one stands in a text, whatever separates its parts there."""
    places = [at for at, char in enumerate(letters) if char.isalnum()]
    lower = lower_case("".join(letters[at] for at in places))
    ends = [is_edge(letters, at + 1) for at in places]
    for start, first in enumerate(places):
        if is_edge(letters, first):
            for chars in joined.lengths_at(lower, start):
                end = start + chars
                if (chars == MAX_WORD_CHARS or ends[end - 1]) and not _cuts_number(
                    letters, lower[start:end], first, places[end - 1]
                ):
                    return True
    return False


def _cuts_number(letters: str, word: str, first: int, last: int) -> bool:
    """Whether a word that is a number stands within a longer one."""
    return word.isdigit() and (letters[first - 1 : first].isdigit() or letters[last + 1 : last + 2].isdigit())
