"""A message's own fields, read one by one from its bytes: https://protobuf.dev/programming-guides/encoding/.

The runtime parses in one call, in which nothing else runs: millions of small fields would hold up everybody. This takes
turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Final

from gateway.errors import ItemReason, Refused
from gateway.protobuf.wire import read_varint

MAX_GROUP_DEPTH: Final = 100
"""As the runtime has it."""

MAX_TURN_SECONDS: Final = 0.005
"""How long one message is read before others get their turn."""

MAX_OTHER_FIELDS: Final = 1_000
"""Fields of a message that aren't the repeated one that it is about."""

FIELDS_PER_CLOCK_CHECK: Final = 256
"""Fields between two looks at the clock: about a tenth of a millisecond."""

_MAX_TAG_BYTES: Final = 5
_MAX_SIZE_BYTES: Final = 5
_MAX_NUMBER: Final = 2**29 - 1
_START, _END = 3, 4

Value = bytes | int | None
"""Bytes of what is length-delimited, an int of a varint, None of all else."""

Field = tuple[int, Value]
"""A number, which is 0 within a group, and the value."""


def fields(raw: bytes) -> Iterator[Field]:
    """Yield each field of a message, in order, those within groups too.

    Raises Refused, once all before the fault are yielded.
    """
    at, end = 0, len(raw)
    groups: list[int] = []
    try:
        while at < end:
            tag, at = read_varint(raw, at, _MAX_TAG_BYTES)
            number, kind = tag >> 3, tag & 7
            if not 0 < number <= _MAX_NUMBER:
                raise IndexError
            if kind in (_START, _END):
                _nest(groups, number, kind)
                yield 0, None
                continue
            value, at = _READERS[kind](raw, at)
            yield (0, None) if groups else (number, value)
    except (IndexError, KeyError):
        raise Refused(ItemReason.MALFORMED) from None
    if groups:
        raise Refused(ItemReason.MALFORMED)


def _nest(groups: list[int], number: int, kind: int) -> None:
    """Begin a group, or end the last one, which must be the same. Raises IndexError."""
    if kind == _START:
        groups.append(number)
    elif groups.pop() != number:
        raise IndexError
    if len(groups) > MAX_GROUP_DEPTH:
        raise IndexError


# What stands at a place, and where it ends. Each raises IndexError beyond the end.


def _delimited(raw: bytes, at: int) -> tuple[bytes, int]:
    size, at = read_varint(raw, at, _MAX_SIZE_BYTES)
    return raw[at : at + size], _within(raw, at + size)


def _fixed64(raw: bytes, at: int) -> tuple[None, int]:
    return None, _within(raw, at + 8)


def _fixed32(raw: bytes, at: int) -> tuple[None, int]:
    return None, _within(raw, at + 4)


def _within(raw: bytes, end: int) -> int:
    if end > len(raw):
        raise IndexError
    return end


_READERS: Final[Mapping[int, Callable[[bytes, int], tuple[Value, int]]]] = {
    0: read_varint,
    1: _fixed64,
    2: _delimited,
    5: _fixed32,
}
"""By wire type."""


class Repeated:
    """A message whose bulk is one repeated field of messages, or several. Reading it lets others have their turn.

    What a later version may add are a few fields more, never thousands: they would cost more than they are worth
    reading.
    """

    def __init__(self, raw: bytes, *numbers: int, max_messages: int | None = None) -> None:
        """`numbers` are the repeated fields', which may have `max_messages` together."""
        self._raw = raw
        self._numbers = frozenset(numbers)
        self._max_messages = max_messages

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield the messages, still as bytes. Raises Refused."""
        async for _, value in self.numbered_messages():
            yield value

    async def numbered_messages(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the messages, each with its field's number. Raises Refused."""
        async for number, value in self._fields():
            if number in self._numbers and isinstance(value, bytes):
                yield number, value

    async def integer(self, number: int) -> int:
        """Return the value of the singular integer field with a number, 0 without it. Raises Refused."""
        last = 0
        async for name, value in self._fields():
            if name == number and isinstance(value, int):
                last = value
        return last

    async def _fields(self) -> AsyncIterator[Field]:
        others, since = 0, time.monotonic()
        for count, (number, value) in enumerate(fields(self._raw)):
            others += number not in self._numbers
            if others > MAX_OTHER_FIELDS:
                raise Refused(ItemReason.MALFORMED)
            if self._max_messages is not None and count - others >= self._max_messages:
                raise Refused(ItemReason.TOO_MANY_ITEMS)
            if not count % FIELDS_PER_CLOCK_CHECK and time.monotonic() - since > MAX_TURN_SECONDS:
                await asyncio.sleep(0)
                since = time.monotonic()
            yield number, value
