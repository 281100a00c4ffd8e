"""Frames: the bytes of an item around its one record, by which it is told that two items differ in the record alone."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from gateway.protobuf.wire import read_varint, value_end

MIN_FRAMED_ITEMS: Final = 8
"""Items of the smallest batch in which frames are looked for."""

MAX_MISSES: Final = 4
"""Frames found in a row of which no other item of the batch has one; then no more are looked for."""

SPARING_ITEMS: Final = 8
"""Items of one frame that together spare what it costs to decide on what is around their records by itself."""

FIRST_FRAMES: Final = 4
"""Frames of a batch of which that is decided on whatever it spares: it may be known to the next batch."""

MAX_FRAME_BYTES: Final = 4096
"""The longest frame."""

MAX_FRAME_FIELDS: Final = 32
"""Fields of an item, or of its group, among which a frame is looked for."""

_LENGTH: Final = 2
_GROUPS: Final = (3, 4)


class Frame:
    """What stands before the length of an item's group, from there to the record's length, and after each of both.

    In hexadecimal, of an item with a resource `aa`, a group with a scope `bb` and a record `cc`:

        0a 01 aa  12  06  0a 01 bb  12  01  cc
        head          ..  middle        ..  ..
    """

    __slots__ = ("_head", "_middle", "_tail", "_tails", "key")

    def __init__(self, head: bytes, middle: bytes, inner_tail: bytes, tail: bytes) -> None:
        self._head, self._middle = head, middle
        self._tail, self._tails = tail, inner_tail + tail
        lengths = b"%d %d %d " % (len(head), len(middle), len(inner_tail))
        self.key = blake2b(lengths + head + middle + self._tails, digest_size=32).digest()
        """Tells it from others, and nothing of what it holds: it is remembered longer than the batch takes."""

    def holds(self, item: bytes) -> bool:
        """Whether an item is this frame around another record."""
        head, middle = self._head, self._middle
        if not item.startswith(head) or not item.endswith(self._tails):
            return False
        try:
            size, at = read_varint(item, len(head))
            if at + size + len(self._tail) != len(item) or not item.startswith(middle, at):
                return False
            size, at = read_varint(item, at + len(middle))
        except IndexError:
            return False
        return at + size + len(self._tails) == len(item)


class FrameFinder:
    """Finds the frames of items by the number of the field that groups are in, and in these of the records'."""

    __slots__ = ("_group", "_record")

    def __init__(self, group: int, record: int) -> None:
        self._group, self._record = group, record

    def find(self, item: bytes) -> Frame | None:
        """Return the frame of an item that the runtime has parsed; None where it hasn't one group with one record."""
        try:
            opened, start, end = _only(item, 0, len(item), self._group)
            inner_opened, inner_start, inner_end = _only(item, start, end, self._record)
        except IndexError:
            return None
        frame_bytes = len(item) - (inner_end - inner_start)
        if frame_bytes > MAX_FRAME_BYTES:
            return None
        return Frame(item[:opened], item[start:inner_opened], item[inner_end:end], item[end:])


class BatchFrames:
    """The frame of one batch's items, as long as they have the same."""

    __slots__ = ("_finder", "_frame", "_held_items", "_misses")

    def __init__(self, finder: FrameFinder) -> None:
        self._finder = finder
        self._frame: Frame | None = None
        self._misses = 0
        self._held_items = FIRST_FRAMES * SPARING_ITEMS

    def key(self, item: bytes) -> bytes | None:
        """Return the key of an item's frame, if an item just before it had the same."""
        frame = self._frame
        if frame is not None and frame.holds(item):
            self._misses = 0
            self._held_items += 1
            return frame.key
        if self._misses < MAX_MISSES:
            self._misses += 1
            self._frame = self._finder.find(item)
        return None

    def is_worth_one_more(self) -> bool:
        """Whether so many items had the frame of the one before that what is around one more may be decided on.

        Of items that come in pairs, of which the frames aren't known, that is every eighth pair.
        """
        if self._held_items < SPARING_ITEMS:
            return False
        self._held_items -= SPARING_ITEMS
        return True


def _only(raw: bytes, at: int, end: int, number: int) -> tuple[int, int, int]:
    """Where the length of the only field with a number stands, where its value begins, and where that ends.

    Raises IndexError where there is none or another, a group in its proper sense, or more fields than are looked at.
    """
    found: tuple[int, int, int] | None = None
    for _ in range(MAX_FRAME_FIELDS):
        if at >= end:
            break
        tag, opened = read_varint(raw, at)
        if tag & 7 in _GROUPS:
            raise IndexError
        at = value_end(raw, opened, tag & 7)
        if tag >> 3 == number:
            if found is not None or tag & 7 != _LENGTH:
                raise IndexError
            found = opened, read_varint(raw, opened)[1], at
    if found is None or at != end:
        raise IndexError
    return found
