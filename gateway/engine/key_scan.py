"""Keys that say who an item's person is, found in serialised items without parsing them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Final

from gateway.engine.attributes import KEY_TAG, key_prefixes

VALUE_TAG: Final = 2 << 3 | 2
"""What a pair's value begins with on the wire; its length follows."""

MAX_PAIR_BYTES: Final = 127
"""The longest pair whose length is one byte."""

Search = Callable[..., "re.Match[bytes] | None"]


class KeyScan:
    """Looks for keys in serialised items, without parsing them.

    Of the key `user.name`, whose list may be `user`:

        0a 09 user.name 12 05 0a 03 Ada     a pair as it is usually written: found
        0a 07 user.id …                     says nothing
        user.name written in any other way, or 0a 04 user: the item must be parsed
    """

    __slots__ = ("_ahead", "search")

    def __init__(self, keys: Collection[str]) -> None:
        names = {key.encode(): True for key in keys}
        lists = {b"%c%c%b" % (KEY_TAG, len(head), head.encode()): False for key in keys for head in key_prefixes(key)}
        marks = [_Mark(mark, name, _infix([*names, *lists])) for mark, name in (names | lists).items()]
        # The longest first: one may begin with another.
        marks.sort(key=lambda mark: -len(mark.after))
        usual = [mark for mark in marks if mark.is_key]
        self._ahead = [*(2 + len(mark.before) for mark in usual), *(None for _ in marks)]
        rests = [*(mark.usual for mark in usual), *(mark.other for mark in marks)]
        infix = re.escape(_infix([*names, *lists]))
        # What begins with literal bytes is found many times as fast.
        self.search: Search = re.compile(b"%b(?:(%b))" % (infix, b")|(".join(rests)), re.DOTALL).search
        """Finds the first key, or list that leads to one, from a place on."""

    def pairs(self, raw: bytes, match: re.Match[bytes]) -> bytes | None:
        """Return all pairs of a key and a text, one after the other; None where the item must be parsed for that.

        `match` is the first that was found.
        """
        pairs, search = b"", self.search
        found: re.Match[bytes] | None = match
        while found is not None:
            end = found.end()
            ahead = self._ahead[(found.lastindex or 1) - 1]
            if ahead is None:
                return None
            start, size = found.start() - ahead, raw[end - 1]
            length = end + size - start
            if start < 1 or length > MAX_PAIR_BYTES or raw[start - 1] != length or raw[end - 3] != size + 2:
                return None
            pairs += raw[start : end + size]
            found = search(raw, end)
        return pairs


def split(pairs: bytes) -> Iterator[bytes]:
    """Yield pairs, which stand one after the other, one by one."""
    while pairs:
        end = 4 + pairs[1] + pairs[3 + pairs[1]]
        yield pairs[:end]
        pairs = pairs[end:]


class _Mark:
    """A key, or what a list that leads to one begins with, as patterns of what follows the bytes common to all.

    `usual` is a key in a pair that is written as usual, `other` one in any other.
    """

    __slots__ = ("after", "before", "is_key", "other", "usual")

    def __init__(self, literal: bytes, is_key: bool, infix: bytes) -> None:
        self.before, _, self.after = literal.partition(infix) if infix else (b"", b"", literal)
        self.is_key = is_key
        # The literal first: that is what most fail by.
        self.other = b"%b(?<=%b)" % (re.escape(self.after), re.escape(literal))
        told = b"%c%c%b" % (KEY_TAG, len(literal), literal)
        self.usual = b"%b(?<=%b)%c.%c." % (re.escape(self.after), re.escape(told), VALUE_TAG, KEY_TAG)


def _infix(marks: Collection[bytes]) -> bytes:
    """The longest bytes that are in each of some marks."""
    shortest = min(marks, key=len, default=b"")
    pieces = (shortest[start:end] for start in range(len(shortest)) for end in range(start + 1, len(shortest) + 1))
    return max((one for one in pieces if all(one in mark for mark in marks)), key=len, default=b"")
