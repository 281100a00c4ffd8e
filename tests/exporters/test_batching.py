"""How a batch becomes requests, and how blame is narrowed down."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.errors import DeliveryReason, ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED, Outcome
from gateway.exporters.batching import chunks, send_bisecting, send_in_requests


@pytest.mark.parametrize(
    ("sizes", "items", "room", "expected"),
    [
        ([], 3, 10, []),
        ([1], 3, 10, [[0]]),
        ([5, 5, 1], 3, 10, [[0, 1], [2]]),
        ([1, 1, 1, 1], 3, 10, [[0, 1, 2], [3]]),
        ([11, 1], 3, 10, [[0], [1]]),
        ([1, 11, 1], 3, 10, [[0], [1], [2]]),
        ([6, 6, 6], 3, 10, [[0], [1], [2]]),
    ],
)
def test_a_request_has_bounds(sizes: list[int], items: int, room: int, expected: list[list[int]]) -> None:
    assert [list(run) for run in chunks(sizes, items, room)] == expected


class Vendor:
    """Refuses a request that holds a bad item, without saying which; `busy` from that many requests on."""

    def __init__(self, busy: int = 1000) -> None:
        self.asked: list[bytes] = []
        self._busy = busy

    async def __call__(self, items: Sequence[bytes]) -> Sequence[Outcome]:
        self.asked.append(b"".join(items))
        if len(self.asked) > self._busy:
            raise Retryable(after=5.0)
        if b"x" in items:
            raise Rejected(DeliveryReason.REJECTED)
        return [DELIVERED] * len(items)


def letters(text: str) -> list[bytes]:
    return [letter.encode() for letter in text]


@pytest.mark.parametrize("text", ["a", "x", "ab", "xa", "aaax", "axaaxaaa", "xxxx"])
async def test_the_bad_ones_alone_are_rejected(text: str) -> None:
    outcomes = await send_bisecting(Vendor(), letters(text))
    assert outcomes == [Rejected(DeliveryReason.REJECTED) if letter == "x" else DELIVERED for letter in text]


async def test_who_is_told_to_wait_asks_no_more() -> None:
    vendor = Vendor(busy=1)
    assert await send_bisecting(vendor, letters("abxc")) == [Retryable(after=5.0)] * 4
    assert vendor.asked == [b"abxc", b"ab"]


async def test_what_was_rejected_before_is_not_sent() -> None:
    vendor = Vendor()
    large = Rejected(ItemReason.TOO_LARGE)
    assert await send_in_requests([b"a", large, b"b", large, b"c"], vendor, 2, 100) == [
        DELIVERED,
        large,
        DELIVERED,
        large,
        DELIVERED,
    ]
    assert vendor.asked == [b"ab", b"c"]


async def test_after_a_wait_later_requests_wait_too() -> None:
    vendor = Vendor(busy=1)
    assert await send_in_requests(letters("abcdef"), vendor, 2, 100) == [
        DELIVERED,
        DELIVERED,
        *[Retryable(after=5.0)] * 4,
    ]
    assert vendor.asked == [b"ab", b"cd"]
