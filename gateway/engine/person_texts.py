"""What an item says of its person: names and addresses, as they were written."""

from __future__ import annotations

from typing import Final

MAX_TEXT_CHARS: Final = 4096
"""Characters of the longest name or address that is read."""

MAX_TEXTS: Final = 256
"""Names, and addresses, of one item that are read: it is about one person, or a few."""


class PersonTexts:
    """What an item says so far: names in their parts, and identifiers. `overflows`: it says more than is read."""

    __slots__ = ("identifiers", "names", "overflows", "parts")

    def __init__(self) -> None:
        self.names: list[tuple[str, ...]] = []
        self.parts: list[str] = []
        self.identifiers: list[str] = []
        self.overflows = False

    def end_name(self) -> None:
        """What comes next is another name."""
        if self.parts:
            self.overflows |= len(self.names) >= MAX_TEXTS
            self.names.append(tuple(self.parts))
        self.parts = []

    def add(self, texts: list[str], text: str | bytes) -> None:
        """Add a text to the parts or to the identifiers."""
        decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        self.overflows |= len(decoded) > MAX_TEXT_CHARS or len(texts) >= MAX_TEXTS
        if decoded and not self.overflows:
            texts.append(decoded)


def read_name(text: str | bytes, texts: PersonTexts, _depth: int) -> None:
    """Add a part of a name."""
    texts.add(texts.parts, text)


def read_identifier(text: str | bytes, texts: PersonTexts, _depth: int) -> None:
    """Add an address, or a login."""
    texts.add(texts.identifiers, text)
