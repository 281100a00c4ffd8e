"""What an item says of its person, and keys that say it in serialised items, found without parsing them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.engine.attributes import key_prefixes
from gateway.plan import WordSource

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

    def clear(self) -> None:
        """Forget all."""
        self.names, self.parts, self.identifiers = [], [], []

    def end_name(self) -> None:
        """What comes next is another name."""
        if self.parts and len(self.names) < MAX_TEXTS:
            self.names.append(tuple(self.parts))
        self.parts = []


class KeyScan:
    """Looks for keys in serialised items, without parsing them.

    Of the key `user.name`, whose list may be `user`:

        0a 09 user.name 12 05 0a 03 Ada     a pair as it is usually written: says Ada
        0a 07 user.id …                     says nothing
        user.name written in any other way, or 0a 04 user: the item must be parsed
    """

    def __init__(self, keys: Mapping[str, WordSource]) -> None:
        heads = {head for key in keys for head in key_prefixes(key)}
        marks = {key.encode(): source for key, source in keys.items()}
        lists = {b"\x0a%c%b" % (len(head), head.encode()): None for head in heads}
        self._sources: list[tuple[int, int, WordSource | None]] = []
        self._infix = _common_infix([*marks, *lists])
        tails: list[bytes] = []
        for mark, source in sorted({**marks, **lists}.items(), key=lambda pair: -len(pair[0])):
            before, _, after = mark.partition(self._infix)
            ahead = b"(?<=%b)" % re.escape(before) if before else b""
            tails.append(b"(%b%b)" % (ahead, re.escape(self._infix + after)))
            self._sources.append((len(before), len(mark), source))
        self._match = re.compile(b"|".join(tails)).match

    def is_marked(self, raw: bytes) -> bool:
        """Whether a key, or a list that leads to one, stands anywhere in the bytes."""
        at = raw.find(self._infix)
        while at >= 0:
            if self._match(raw, at):
                return True
            at = raw.find(self._infix, at + 1)
        return False

    def read(self, raw: bytes, texts: PersonTexts) -> bool:
        """Read what the keys in an item say; false where it must be parsed for that."""
        infix = self._infix
        at = raw.find(infix)
        while at >= 0:
            if (found := self._match(raw, at)) is not None:
                before, length, source = self._sources[(found.lastindex or 1) - 1]
                if source is None or not _read_pair(raw, at - before, length, source, texts):
                    texts.clear()
                    return False
            at = raw.find(infix, at + 1)
        return True


def _read_pair(raw: bytes, start: int, length: int, source: WordSource, texts: PersonTexts) -> bool:
    """Read the string beside a key; false where the pair isn't written as usual."""
    end = start + length
    head = raw[end : end + 4]
    if raw[start - 2 : start] != b"\x0a%c" % length or len(head) < 4 or head[0] != 0x12 or head[2] != 0x0A:
        return False
    size = head[3]
    if size > 125 or head[1] != size + 2:
        return False
    text = raw[end + 4 : end + 4 + size]
    if source is WordSource.NAME:
        read_name(text, texts, 0)
        texts.end_name()
    else:
        read_identifier(text, texts, 0)
    return True


def _common_infix(marks: Sequence[bytes]) -> bytes:
    """The longest bytes that are in each of some marks; none where there are no marks."""
    shortest = min(marks, key=len, default=b"")
    pieces = (shortest[start:end] for start in range(len(shortest)) for end in range(start + 1, len(shortest) + 1))
    return max((one for one in pieces if all(one in mark for mark in marks)), key=len, default=b"")


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
