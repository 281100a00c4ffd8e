"""Costly work leaves the event loop, one piece at a time, and callers have their turns."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import pytest

from gateway.detectors.detect import mask
from gateway.detectors.work_limit import DECODING_COST_CHARS, spend_work
from gateway.errors import ItemReason, Refused
from gateway.pipeline import offload
from gateway.pipeline.caller import CALLER
from gateway.pipeline.offload import (
    BULKY_BYTES,
    BULKY_EFFORT,
    CHUNK_BYTES,
    COSTLY_BYTES,
    COSTLY_EFFORT,
    INLINE_EFFORT,
    ITEM_BYTES,
    LONG_SECONDS,
    MAX_CHUNK_BYTES,
    QUICK_NANOS,
    Chunks,
    Offload,
)
from tests.support.channels import TIMEOUT_SECONDS


@pytest.mark.parametrize(
    ("size", "thread"),
    [(0, "MainThread"), (COSTLY_BYTES - 1, "MainThread"), (COSTLY_BYTES, "costly_0"), (BULKY_BYTES, "bulky_0")],
)
async def test_work_is_done_where_its_size_says(size: int, thread: str) -> None:
    assert await Offload().run(size, lambda: threading.current_thread().name) == thread


@pytest.mark.parametrize("size", [0, COSTLY_BYTES, BULKY_BYTES])
async def test_an_error_is_raised_where_the_work_was_asked_for(size: int) -> None:
    def refuse() -> None:
        raise Refused(ItemReason.TOO_DEEP)

    held = Offload()
    for _ in range(3):
        with pytest.raises(Refused):
            await held.run(size, refuse)
    assert await held.run(size, lambda: 1) == 1


class Queue:
    """A thread whose first piece of work lasts until it may end."""

    def __init__(self) -> None:
        self.held = Offload()
        self.may = threading.Event()
        self.done: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._add("first", self._first)

    def add(self, caller: str, count: int = 1) -> None:
        for _ in range(count):
            self._add(caller, partial(self.done.append, caller))

    async def end(self) -> list[str]:
        await asyncio.sleep(0)  # all have asked
        self.may.set()
        await asyncio.wait_for(asyncio.gather(*self.tasks, return_exceptions=True), TIMEOUT_SECONDS)
        return self.done

    def _first(self) -> None:
        assert self.may.wait(TIMEOUT_SECONDS)

    def _add(self, caller: str, work: Callable[[], None]) -> None:
        async def run() -> None:
            CALLER.set(caller)
            await self.held.run(COSTLY_BYTES, work)

        self.tasks.append(asyncio.create_task(run()))


async def test_callers_have_their_turns_however_much_one_asks_for() -> None:
    queue = Queue()
    queue.add("much", 5)
    queue.add("little")
    queue.add("some", 2)
    assert await queue.end() == ["much", "little", "some", "much", "some", "much", "much", "much"]


@pytest.mark.parametrize("cancelled", [[1], [0, 1], [1, 2, 3], [3], [0]])
async def test_who_no_longer_waits_holds_nobody_up(cancelled: list[int]) -> None:
    queue = Queue()
    for caller in "abcd":
        queue.add(caller)
    await asyncio.sleep(0)
    for index in cancelled:
        queue.tasks[1 + index].cancel()
    assert await queue.end() == [caller for index, caller in enumerate("abcd") if index not in cancelled]


async def test_a_turn_that_comes_as_its_caller_leaves_is_passed_on() -> None:
    queue = Queue()
    queue.add("a")
    queue.add("b")
    await asyncio.sleep(0)
    thread = queue.held._costly
    thread._next()
    queue.tasks[1].cancel()
    assert await queue.end() == ["b"]


async def test_what_waits_behind_given_up_work_is_not_begun_once_it_is_given_up_too() -> None:
    queue = Queue()
    for caller in "abc":
        queue.add(caller)
    await asyncio.sleep(0)
    for task in queue.tasks[:2]:
        task.cancel()
        await asyncio.sleep(0)  # the next one's turn has come
    assert await queue.end() == ["b", "c"]


async def test_what_was_long_is_followed_by_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offload, "MAX_REST_SECONDS", 1000.0)
    held = Offload()

    def busy() -> None:
        end = time.thread_time() + 2 * LONG_SECONDS
        while time.thread_time() < end:
            """Busy."""

    ended: list[float] = []

    async def one(work: Callable[[], None]) -> None:
        await held.run(COSTLY_BYTES, work)
        ended.append(time.monotonic())

    await asyncio.wait_for(asyncio.gather(one(busy), one(lambda: None)), TIMEOUT_SECONDS)
    assert ended[1] - ended[0] >= LONG_SECONDS


LONG_WORK: Final = [
    (0, INLINE_EFFORT // 2, ["MainThread"]),
    (0, INLINE_EFFORT + 1, ["MainThread", "costly_0"]),
    (0, COSTLY_EFFORT + 1, ["MainThread", "costly_0", "laborious_0"]),
    (COSTLY_BYTES, INLINE_EFFORT + 1, ["costly_0"]),
    (COSTLY_BYTES, COSTLY_EFFORT + 1, ["costly_0", "laborious_0"]),
    (BULKY_BYTES, COSTLY_EFFORT + 1, ["bulky_0"]),
    (BULKY_BYTES, BULKY_EFFORT + 1, ["bulky_0", "laborious_0"]),
]


@pytest.mark.parametrize(("size", "effort", "threads"), LONG_WORK)
async def test_what_is_laborious_begins_again_where_it_holds_up_less(
    size: int, effort: int, threads: list[str]
) -> None:
    seen: list[str] = []

    def work() -> int:
        seen.append(threading.current_thread().name)
        for _ in range(-(-effort // (DECODING_COST_CHARS + 64))):
            spend_work(64)
        return effort

    assert await Offload().run(size, work) == effort
    assert seen == threads


async def test_texts_that_hide_much_are_laborious() -> None:
    seen: list[str] = []

    def work() -> list[str]:
        seen.append(threading.current_thread().name)
        return [mask(f"0.\x00?=U+004185048.85&lt;b&gt;{number}::85.85password: ?q=48.85:") for number in range(100)]

    masked = await Offload().run(len(seen), work)
    assert masked == work()
    assert seen[:2] == ["MainThread", "costly_0"]


async def test_nothing_is_begun_after_the_end() -> None:
    held = Offload()
    held.close()
    with pytest.raises(RuntimeError):
        await held.run(COSTLY_BYTES, lambda: None)
    assert await held.run(0, lambda: 1) == 1


@pytest.mark.parametrize(
    ("durations", "sizes"),
    [
        ([0, 0, 0, 0], [1, 2, 3, 3, 3]),
        ([0, QUICK_NANOS, 0, 0], [1, 2, 1, 2, 3]),
        ([QUICK_NANOS] * 4, [1, 1, 1, 1, 1]),
    ],
)
def test_what_was_quick_lets_more_be_done_at_once(durations: list[int], sizes: list[int]) -> None:
    item = CHUNK_BYTES - ITEM_BYTES
    found, took = [], iter(durations)
    chunks = Chunks([item] * sum(sizes), int)
    for chunk, cost in chunks:
        assert cost == len(chunk) * CHUNK_BYTES <= MAX_CHUNK_BYTES
        found.append(len(chunk))
        chunks.record_duration(next(took, 0))
    assert found == sizes


def test_an_item_that_is_larger_than_a_chunk_is_one_itself() -> None:
    assert [cost for _, cost in Chunks([BULKY_BYTES, 1, 2], int)] == [BULKY_BYTES + ITEM_BYTES, 3 + 2 * ITEM_BYTES]
