"""Words of names and addresses, as whoever writes an identifier would write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Final

from gateway.detectors.escapes import EscapePass, unescape
from gateway.detectors.letters import TABLE, compact, lower_case, words_of
from gateway.detectors.word_search import MAX_WORD_CHARS

MIN_WORD_CHARS: Final = 3
"""Characters of the shortest word that is looked for."""

MIN_LONG_WORD_CHARS: Final = 5
"""Letters of the shortest word that counts in a user ID by itself, and characters of what counts when encoded."""

MAX_PAIRED_PARTS: Final = 6
"""Parts of a name of which each two are looked for as one."""

MAX_ENCODED_TEXTS: Final = 32
"""Names and addresses that are looked for in other encodings too: the first ones."""

MAX_UNESCAPINGS: Final = 3
"""How often a text may have been escaped that is read."""

MAX_REMEMBERED_CHARS: Final = 4096
"""Characters of which it is remembered whether they part names."""

_DIGRAPHS: Final = str.maketrans(TABLE.digraphs)
_MAYBE_ESCAPED: Final = re.compile(r"[%&\\=<]")
_APOSTROPHES: Final = "'`\u00b4\u02bc\u2019"
_SEPARATORS: Final = frozenset("PSZC")
"""Categories of characters between the parts of a name, invisible ones too."""


class SaidWords:
    """What names and addresses say: words of letters, what is written as one, and texts that count when encoded."""

    def __init__(self) -> None:
        self.single: dict[str, None] = {}
        self.joined: dict[str, None] = {}
        self._texts: list[str] = []

    @property
    def encoded(self) -> Iterable[str]:
        """What is looked for in other encodings too: long texts, and no role's name."""
        long = (text for text in self._texts if len(text) >= MIN_LONG_WORD_CHARS)
        return [text for text in long if lower_case(text) not in TABLE.roles][:MAX_ENCODED_TEXTS]

    def add_name(self, name: Sequence[str]) -> None:
        """Add a name in its parts as they came, without what follows an `@`."""
        parts = [part for one in map(_unescaped, name) for part in one.partition("@")[0].replace(",", " ").split()]
        for spelling in _spellings(parts):
            if self._add_words(spelling):
                pieces = [piece for part in spelling for piece in _pieces(part)]
                for some in (spelling, pieces) if pieces != spelling else (spelling,):
                    self._add_parts([*map(compact, some)])
                self._texts += (" ".join(spelling), *spelling)

    def add_identifier(self, identifier: str) -> None:
        """Add an address, or a login, without what follows an `@` and the `+` before it.

        What stands before an `@` counts without a letter in it, too.
        """
        text = _unescaped(identifier)
        local = (text.rpartition("@")[0] if "@" in text else text).partition("+")[0]
        is_number = "@" in text and not any(map(str.isalpha, local))
        for spelling in _spellings([local]):
            if self._add_words(spelling) or is_number:
                self._add_words(_pieces(*spelling))
                self._add_joined(map(compact, spelling))
                self._texts += (text, *spelling)

    def _add_parts(self, parts: Sequence[str]) -> None:
        """Add parts of a name, and what is written as one: all of them, in both orders, and each two."""
        self._add_words(filter(str.isalpha, parts))
        self._add_joined(("".join(parts), "".join(reversed(parts))))
        self._add_joined(one + other for one, other in permutations(parts[:MAX_PAIRED_PARTS], 2))

    def _add_words(self, parts: Iterable[str]) -> bool:
        """Add the words of some parts; whether there is one, however short, that is no role's name."""
        found = [word for part in dict.fromkeys(parts) for word in words_of(part) if word not in TABLE.roles]
        self.single.update(dict.fromkeys(word[:MAX_WORD_CHARS] for word in found if len(word) >= MIN_WORD_CHARS))
        return bool(found)

    def _add_joined(self, wholes: Iterable[str]) -> None:
        long = (whole for whole in wholes if len(whole) >= MIN_WORD_CHARS and whole not in TABLE.roles)
        self.joined.update(dict.fromkeys(whole[:MAX_WORD_CHARS] for whole in long))


def _unescaped(text: str) -> str:
    """A text in usual characters, with its escapes undone."""
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    for _ in range(MAX_UNESCAPINGS):
        if _MAYBE_ESCAPED.search(text) is None:
            break
        text = unescape(unescape(text, EscapePass.ESCAPES), EscapePass.PRINTABLE)
    return text


def _spellings(parts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield parts of a name as they are, and with two letters for one where that is usual: `Müller`, `Mueller`."""
    yield parts
    if not all(map(str.isascii, parts)):
        other = [part.translate(_DIGRAPHS) for part in parts]
        if other != parts:
            yield other


def _pieces(part: str) -> Sequence[str]:
    """What hyphens, dots and the like part a part of a name into: `Ada-Maria` gives `Ada` and `Maria`."""
    return part.translate(_BLANKS).split()


class _Blanks(dict[int, str]):
    """Blanks for what stands between the parts of a name, in the form of `str.translate`; the first are remembered."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        is_between = char not in _APOSTROPHES and unicodedata.category(char)[0] in _SEPARATORS
        made = " " if is_between else char
        if len(self) < MAX_REMEMBERED_CHARS:
            self[code] = made
        return made


_BLANKS: Final[Mapping[int, str]] = _Blanks()
