"""A stream's way to delivery."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import CallReason, Retryable
from gateway.model import OutboxEntry, Release
from gateway.receivers.lane import AHEAD, AHEAD_BYTES, Lane


def numbered(number: int, size: int = 0) -> OutboxEntry:
    return OutboxEntry(Release("a-destination", "a.Type", str(number), bytes(size)), b"", b"", 0)


class Recipient:
    """Keeps batches; takes each once it may."""

    def __init__(self) -> None:
        self.batches: list[list[OutboxEntry]] = []
        self.came = asyncio.Event()
        self.may = asyncio.Event()

    async def deliver(self, batch: list[OutboxEntry]) -> None:
        self.batches.append(batch)
        self.came.set()
        await self.may.wait()

    @property
    def numbers(self) -> list[int]:
        return [int(entry.release.plan) for batch in self.batches for entry in batch]


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_comes_meanwhile_is_the_next_batch_in_order() -> None:
    recipient = Recipient()
    lane = Lane(recipient.deliver)
    running = asyncio.create_task(lane.run())
    await lane.put([numbered(0)])
    await recipient.came.wait()
    for number in range(1, 6):
        await lane.put([numbered(number), numbered(number)])
    await lane.put([])
    lane.end()
    recipient.may.set()
    await running
    assert [len(batch) for batch in recipient.batches] == [1, 10]
    assert recipient.numbers == sorted(recipient.numbers)


async def test_nothing_is_delivered_as_nothing() -> None:
    recipient = Recipient()
    lane = Lane(recipient.deliver)
    await lane.put([])
    lane.end()
    await lane.run()
    assert recipient.batches == []


async def test_nobody_waits_for_the_end_to_be_delivered() -> None:
    recipient = Recipient()
    recipient.may.set()
    lane = Lane(recipient.deliver)
    running = asyncio.create_task(lane.run())
    for number in range(3):
        recipient.came.clear()
        await lane.put([numbered(number)])
        await recipient.came.wait()
    lane.end()
    await running
    assert recipient.numbers == [0, 1, 2]


@pytest.mark.parametrize(
    ("size", "room"), [(0, AHEAD), (1, AHEAD), (AHEAD_BYTES // 4, 4), (AHEAD_BYTES // 4 + 1, 4), (2 * AHEAD_BYTES, 1)]
)
async def test_the_sender_waits_when_enough_waits(size: int, room: int) -> None:
    recipient = Recipient()
    lane = Lane(recipient.deliver)
    running = asyncio.create_task(lane.run())
    await lane.put([numbered(0)])
    await recipient.came.wait()
    for number in range(1, room):
        await lane.put([numbered(number, size)])
    last = asyncio.create_task(lane.put([numbered(room, size)]))
    await turns()
    assert not last.done()
    recipient.may.set()
    await last
    lane.end()
    await running
    assert recipient.numbers == list(range(room + 1))


async def test_a_failure_ends_it() -> None:
    async def fail(batch: list[OutboxEntry]) -> None:
        raise Retryable(CallReason.UNAVAILABLE)

    lane = Lane(fail)
    await lane.put([numbered(0)])
    with pytest.raises(Retryable):
        await lane.run()
