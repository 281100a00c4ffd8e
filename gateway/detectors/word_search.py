"""Words looked for in a text: what that costs doesn't grow with how many they are."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

MAX_WORD_CHARS: Final = 64
"""Characters of a word that are looked for; a longer one is cut to so many."""

MIN_HEAD_BYTES: Final = 3
"""What bytes that are looked for begin with, at least: texts are looked through for that first."""

MAX_LISTED_WORDS: Final = 48
"""Words that are looked for one by one."""


class ByteSearch:
    """Whether one of some words stands anywhere in some bytes.

    Of few words each is looked for; of many, what stands at a place is compared with the one word that may: where none
    begins another, that is the last of those that sort before it.
    """

    __slots__ = ("_beginnings", "_longest", "sought")

    def __init__(self, words: Iterable[bytes]) -> None:
        kept: list[bytes] = []
        for word in sorted(words):
            if not kept or not word.startswith(kept[-1]):
                kept.append(word)
        self.sought = tuple(kept)
        self._beginnings = frozenset(word[:MIN_HEAD_BYTES] for word in kept) if len(kept) > MAX_LISTED_WORDS else None
        self._longest = max(map(len, kept), default=0)

    def is_in(self, raw: bytes) -> bool:
        """Whether one of the words stands in some bytes."""
        if self._beginnings is None:
            return any(map(raw.__contains__, self.sought))
        heads, words, longest = self._beginnings, self.sought, self._longest
        for at in range(len(raw) - MIN_HEAD_BYTES + 1):
            if raw[at : at + MIN_HEAD_BYTES] in heads:
                found = bisect_right(words, raw[at : at + longest])
                if found and raw.startswith(words[found - 1], at):
                    return True
        return False


class WordIndex:
    """Which of some words stand at a place of a text.

    Of `ada`, `adam` and `byron` at `adamant`: `adam` sorts last before it, and `ada` is the longest that begins `adam`.
    """

    __slots__ = ("_shorter", "_sorted")

    def __init__(self, words: Iterable[str]) -> None:
        self._sorted: Sequence[str] = sorted(words)
        self._shorter: list[int] = []
        for index, word in enumerate(self._sorted):
            before = index - 1
            while before >= 0 and not word.startswith(self._sorted[before]):
                before = self._shorter[before]
            self._shorter.append(before)

    def lengths_at(self, text: str, at: int) -> Iterator[int]:
        """Yield how long the words are that stand at a place, the longest first."""
        found = bisect_right(self._sorted, text[at : at + MAX_WORD_CHARS]) - 1
        while found >= 0:
            word = self._sorted[found]
            if text.startswith(word, at):
                yield len(word)
            found = self._shorter[found]
