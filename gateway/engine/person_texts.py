"""What an item says of its person: names and addresses, as they were written."""

from __future__ import annotations

from typing import Final

MAX_TEXT_CHARS: Final = 256
"""Characters of a name or an address that are read."""

MAX_TEXTS: Final = 64
"""Names, and addresses, of one item that are read: it is about one person, or a few."""


class PersonTexts:
    """What an item says so far: names in their parts, and identifiers."""

    __slots__ = ("identifiers", "names", "parts")

    def __init__(self) -> None:
        self.names: list[tuple[str, ...]] = []
        self.parts: list[str] = []
        self.identifiers: list[str] = []

    def end_name(self) -> None:
        """What comes next is another name."""
        if self.parts and len(self.names) < MAX_TEXTS:
            self.names.append(tuple(self.parts))
        self.parts = []


def read_name(text: str | bytes, texts: PersonTexts, _depth: int) -> None:
    """Add a part of a name."""
    if text and len(texts.parts) < MAX_TEXTS:
        texts.parts.append(_decoded(text))


def read_identifier(text: str | bytes, texts: PersonTexts, _depth: int) -> None:
    """Add an address, or a login."""
    if text and len(texts.identifiers) < MAX_TEXTS:
        texts.identifiers.append(_decoded(text))


def _decoded(text: str | bytes) -> str:
    return (text.decode("utf-8", "replace") if isinstance(text, bytes) else text)[:MAX_TEXT_CHARS]
