"""Words of a name, and phrases that stand in them.

In snake, kebab, dotted or camel case, as words in a row or written as one.

What a phrase means is for `prohibited.py` and `personal_names.py` to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

Words = tuple[str, ...]

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words(name: str) -> Words:
    """Return the words of a name, in lower case without accents.

    A change to capitals starts a word, and so does a digit; the last of several capitals goes with what follows:

        userFirst_name      ->  user first name
        HTTPServerID2       ->  http server id 2
        Straße.date-née     ->  strasse date nee
    """
    plain = name if name.isascii() else _without_accents(name)
    return tuple(map(str.lower, _WORD.findall(plain)))


def _without_accents(name: str) -> str:
    parts = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    return "".join(char for char in parts if not unicodedata.combining(char))


class _Phrase(msgspec.Struct, frozen=True):
    """Some words in a row, each in all its forms; `index` is its place in the list that it comes from."""

    index: int
    parts: tuple[Words, ...]

    def matches_at(self, found: Words, start: int) -> bool:
        """Whether the words from `start` on are this phrase."""
        end = start + len(self.parts)
        return end <= len(found) and all(word in part for word, part in zip(found[start:end], self.parts, strict=True))


class _PhraseIndex:
    """Phrases by what they begin with, so that looking one up costs the same however many there are."""

    def __init__(self, phrases: Sequence[Words], forms: Callable[[str], Words]) -> None:
        self.by_head: dict[str, list[_Phrase]] = {}
        for index, phrase in enumerate(phrases):
            made = _Phrase(index, tuple(map(forms, phrase)))
            for form in made.parts[0]:
                self.by_head.setdefault(form, []).append(made)

    def matches(self, found: Words) -> Iterator[tuple[_Phrase, int]]:
        """Yield the phrases that stand somewhere in the words, and where, once for each place."""
        for start, word in enumerate(found):
            yield from ((phrase, start) for phrase in self.by_head.get(word, ()) if phrase.matches_at(found, start))


class Phrases:
    """A list of phrases, and what looks like one of them and isn't.

    Looking takes time in proportion to the name's length.
    """

    def __init__(self, phrases: Sequence[str], harmless: Sequence[str] = ()) -> None:
        listed = [words(phrase) for phrase in phrases]
        self._index, self._harmless = (
            _PhraseIndex(listed, _forms),
            _PhraseIndex([words(phrase) for phrase in harmless], _harmless_forms),
        )
        self._joined: dict[str, int] = {}
        for index, phrase in enumerate(listed):
            for form in _forms("".join(phrase)):
                self._joined.setdefault(form, index)
        self._first_words = frozenset((*self._joined, *self._index.by_head))

    def first(self, found: Words, skipped: int = 0) -> int | None:
        """Return the index of the first listed phrase that stands in the words, or ends beyond so many of them.

        None if there is none.
        """
        if self._first_words.isdisjoint(found):
            return None
        found = self._without_harmless(found)
        indices = [self._joined[word] for word in found[skipped:] if word in self._joined]
        indices += [phrase.index for phrase, start in self._index.matches(found) if start + len(phrase.parts) > skipped]
        return min(indices, default=None)

    def _without_harmless(self, found: Words) -> Words:
        """The words, with a gap where something harmless stood. What stands first in the list makes its gaps first."""
        for phrase in sorted({phrase for phrase, _ in self._harmless.matches(found)}, key=lambda phrase: phrase.index):
            size = len(phrase.parts)
            gaps = {
                start + offset
                for start in range(len(found))
                if phrase.matches_at(found, start)
                for offset in range(size)
            }
            found = tuple("" if index in gaps else word for index, word in enumerate(found))
        return found


def _forms(part: str) -> Words:
    """A word as it is and with a plural's s, or without the one that it has."""
    singular = (part[:-1],) if len(part) > 3 and part.endswith("s") else ()
    return (part, f"{part}s", *singular)


def _harmless_forms(part: str) -> Words:
    """A word as it is, and with a plural's s unless it has one.

    Password resets are counted, a password reset may come with a code.
    """
    return (part,) if part.endswith("s") else (part, f"{part}s")
