"""Bodies in gzip at their worst.

Whatever is sent, others get their turn, and a megabyte takes no more than a bounded time.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pytest

from gateway.errors import Refused
from gateway.receivers.body import gunzip
from tests.receivers.gil_time import MAX_MESSAGE_BYTES, MB, assert_within_limits

EMPTY: Final = gzip.compress(b"")
HEAD: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
NAMED: Final = b"\x1f\x8b\x08\x08\0\0\0\0\0\xff"

SHAPES: Final[dict[str, Callable[[int], bytes]]] = {
    "a bomb": lambda size: gzip.compress(bytes(size * 32)),
    "a bomb in members": lambda size: gzip.compress(bytes(size)) * 1000,
    "empty members": lambda size: EMPTY * (size // len(EMPTY)),
    "members of a byte": lambda size: gzip.compress(b"x") * (size // 21),
    "empty blocks": lambda size: HEAD + b"\0\0\0\xff\xff" * (size // 5),
    "zeros between members": lambda size: EMPTY + bytes(size - 40) + EMPTY,
    "a name": lambda size: NAMED + b"a" * (size - 40) + b"\0" + EMPTY[10:],
    "names": lambda size: (NAMED + b"a" * 200 + b"\0" + EMPTY[10:]) * (size // 221),
    "a name without an end": lambda size: NAMED + b"a" * size,
    "what doesn't compress": lambda size: gzip.compress(random.Random(0).randbytes(size - 1000)),
}


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
def test_no_body_holds_others_up(make: Callable[[int], bytes]) -> None:
    raw = make(MB // 2)

    def unpack() -> None:
        with suppress(Refused):
            gunzip(raw, MAX_MESSAGE_BYTES)

    assert_within_limits(unpack, MAX_MESSAGE_BYTES)
