"""What an item says of its person: names and addresses, as they were written."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

MAX_TEXT_CHARS: Final = 1024
"""Characters of the longest name or address that is read."""

MAX_TEXTS: Final = 256
"""Names and their parts, and addresses, of one item that are read: it is about one person, or a few."""


class PersonTexts:
    """What an item says so far: names in their parts, and identifiers. `overflows`: it says more than is read."""

    __slots__ = ("_name_texts", "identifiers", "names", "overflows", "parts")

    def __init__(self) -> None:
        self.names: list[tuple[str, ...]] = []
        self.parts: list[str] = []
        self.identifiers: list[str] = []
        self.overflows = False
        self._name_texts = 0

    def end_name(self) -> None:
        """What comes next is another name."""
        if self.parts:
            self.names.append(tuple(self.parts))
        self.parts = []

    def add_part(self, text: str | bytes) -> None:
        """Add a part of a name."""
        self._name_texts += 1
        self._add(self.parts, text, self._name_texts)

    def add_identifier(self, text: str | bytes) -> None:
        """Add an address, or a login."""
        self._add(self.identifiers, text, len(self.identifiers) + 1)

    def add_names(self, lists: Sequence[Sequence[str]]) -> None:
        """Add texts in lists, or one text: each is a name, and those of a list together, and all of them, are too."""
        for text in chain.from_iterable(lists):
            self.add_part(text)
            self.end_name()
        if not self.overflows:
            self.names += (tuple(texts) for texts in lists if len(texts) > 1)
            if len(lists) > 1:
                self.names.append((*chain.from_iterable(lists),))

    def _add(self, texts: list[str], text: str | bytes, count: int) -> None:
        decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        self.overflows |= len(decoded) > MAX_TEXT_CHARS or count > MAX_TEXTS
        if decoded and not self.overflows:
            texts.append(decoded)


def read_name(text: str | bytes, texts: PersonTexts, _depth: int) -> None:
    """Add a part of a name."""
    texts.add_part(text)


def read_identifier(text: str | bytes, texts: PersonTexts, _depth: int) -> None:
    """Add an address, or a login."""
    texts.add_identifier(text)
