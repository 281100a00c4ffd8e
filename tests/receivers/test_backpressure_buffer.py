"""Entries of a stream before their delivery."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import CallReason, Retryable
from gateway.receivers.backpressure_buffer import MAX_WAITING_BYTES, MAX_WAITING_ITEMS, BackpressureBuffer

Numbered = tuple[int, bytes]
"""A number, and some bytes."""


def numbered(number: int, size: int = 0) -> Numbered:
    return number, bytes(size)


def payload_bytes(entry: Numbered) -> int:
    return len(entry[1])


class Recipient:
    """Keeps batches; takes each once it may."""

    def __init__(self) -> None:
        self.batches: list[list[Numbered]] = []
        self.came = asyncio.Event()
        self.may = asyncio.Event()

    async def deliver(self, batch: list[Numbered]) -> None:
        self.batches.append(batch)
        self.came.set()
        await self.may.wait()

    @property
    def numbers(self) -> list[int]:
        return [number for batch in self.batches for number, _ in batch]


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_comes_meanwhile_is_the_next_batch_in_order() -> None:
    recipient = Recipient()
    buffer = BackpressureBuffer(recipient.deliver, payload_bytes)
    running = asyncio.create_task(buffer.run())
    await buffer.put([numbered(0)])
    await recipient.came.wait()
    for number in range(1, 6):
        await buffer.put([numbered(number), numbered(number)])
    await buffer.put([])
    buffer.end()
    recipient.may.set()
    await running
    assert [len(batch) for batch in recipient.batches] == [1, 10]
    assert recipient.numbers == sorted(recipient.numbers)


async def test_nothing_is_delivered_as_nothing() -> None:
    recipient = Recipient()
    buffer = BackpressureBuffer(recipient.deliver, payload_bytes)
    await buffer.put([])
    buffer.end()
    await buffer.run()
    assert recipient.batches == []


async def test_nobody_waits_for_the_end_to_be_delivered() -> None:
    recipient = Recipient()
    recipient.may.set()
    buffer = BackpressureBuffer(recipient.deliver, payload_bytes)
    running = asyncio.create_task(buffer.run())
    for number in range(3):
        recipient.came.clear()
        await buffer.put([numbered(number)])
        await recipient.came.wait()
    buffer.end()
    await running
    assert recipient.numbers == [0, 1, 2]


@pytest.mark.parametrize(
    ("size", "room"),
    [
        (0, MAX_WAITING_ITEMS),
        (1, MAX_WAITING_ITEMS),
        (MAX_WAITING_BYTES // 4, 4),
        (MAX_WAITING_BYTES // 4 + 1, 4),
        (2 * MAX_WAITING_BYTES, 1),
    ],
)
async def test_the_sender_waits_when_enough_waits(size: int, room: int) -> None:
    recipient = Recipient()
    buffer = BackpressureBuffer(recipient.deliver, payload_bytes)
    running = asyncio.create_task(buffer.run())
    await buffer.put([numbered(0)])
    await recipient.came.wait()
    for number in range(1, room):
        await buffer.put([numbered(number, size)])
    last = asyncio.create_task(buffer.put([numbered(room, size)]))
    await turns()
    assert not last.done()
    recipient.may.set()
    await last
    buffer.end()
    await running
    assert recipient.numbers == list(range(room + 1))


async def test_what_stands_for_many_counts_as_many() -> None:
    recipient = Recipient()
    buffer = BackpressureBuffer(recipient.deliver, payload_bytes, lambda entry: entry[0])
    running = asyncio.create_task(buffer.run())
    await buffer.put([numbered(MAX_WAITING_ITEMS - 1)])
    await recipient.came.wait()
    await buffer.put([numbered(1), numbered(MAX_WAITING_ITEMS - 2)])
    last = asyncio.create_task(buffer.put([numbered(1)]))
    await turns()
    assert not last.done()
    recipient.may.set()
    await last
    buffer.end()
    await running
    assert [len(batch) for batch in recipient.batches] == [1, 3]


async def test_a_failure_ends_it() -> None:
    async def fail(batch: list[Numbered]) -> None:
        raise Retryable(CallReason.UNAVAILABLE)

    buffer = BackpressureBuffer(fail, payload_bytes)
    await buffer.put([numbered(0)])
    with pytest.raises(Retryable):
        await buffer.run()
