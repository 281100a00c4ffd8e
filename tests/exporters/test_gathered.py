from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Permanent, Reason, Retryable
from gateway.exporters.base import DELIVERED, Exporter, Outcome, Rejected, Retry
from gateway.exporters.gathered import Bounds, Gathered
from gateway.model import Release

FRAME = 6
BOUNDS = Bounds(items=5, bytes=100, at_once=2)

_numbers = count()


def release(size: int = 4, name: str = "a.Type") -> Release:
    """Unlike any other."""
    return Release("a-destination", name, f"{next(_numbers)}", b"x" * size)


def releases(number: int, size: int = 4) -> list[Release]:
    return [release(size) for _ in range(number)]


@dataclass
class Sent:
    """A batch that an exporter was given, until it is told how it fares."""

    batch: Sequence[Release]
    fate: asyncio.Future[Sequence[Outcome]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def fare(self, *fates: Outcome | Exception) -> None:
        """One for all, or one for each."""
        if isinstance(fates[0], Exception):
            self.fate.set_exception(fates[0])
        else:
            given = [fate for fate in fates if not isinstance(fate, Exception)]
            self.fate.set_result(given if len(given) > 1 else given * len(self.batch))


class Held:
    """An exporter whose batches stay under way until they are told how they fare."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.closed = 0

    @property
    def running(self) -> list[Sent]:
        return [sent for sent in self.sent if not sent.fate.done()]

    async def send(self, batch: Sequence[Release]) -> Sequence[Outcome]:
        self.sent.append(Sent(batch))
        return await self.sent[-1].fate

    async def close(self) -> None:
        self.closed += 1
        for sent in self.running:
            sent.fare(Retry())


async def turns() -> None:
    """Let everybody who can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def calling(exporter: Exporter, *batches: Sequence[Release]) -> list[asyncio.Task[Sequence[Outcome]]]:
    calls = [asyncio.create_task(exporter.send(batch)) for batch in batches]
    await turns()
    return calls


async def test_one_that_comes_alone_goes_at_once() -> None:
    gathered = Gathered(held := Held(), BOUNDS)
    batch = releases(3)
    (call,) = await calling(gathered, batch)
    assert [sent.batch for sent in held.sent] == [batch]
    held.sent[0].fare(DELIVERED, Retry(1), Rejected(Reason.TOO_LARGE))
    assert await call == [DELIVERED, Retry(1), Rejected(Reason.TOO_LARGE)]


async def test_nothing_is_nothing() -> None:
    gathered = Gathered(held := Held(), BOUNDS)
    assert await gathered.send([]) == []
    assert held.sent == []


async def test_what_comes_meanwhile_goes_with_the_next_and_each_has_its_own_outcomes() -> None:
    gathered = Gathered(held := Held(), BOUNDS)
    batches = [releases(1), releases(1), releases(2), releases(1), releases(2)]
    calls = await calling(gathered, *batches)
    assert [sent.batch for sent in held.sent] == batches[:2]
    held.sent[0].fare(DELIVERED)
    await turns()
    assert held.sent[2].batch == [*batches[2], *batches[3], *batches[4]]
    held.sent[2].fare(DELIVERED, Retry(2), Rejected(Reason.TOO_LARGE), Retry(4), DELIVERED)
    held.sent[1].fare(DELIVERED)
    assert await asyncio.gather(*calls) == [
        [DELIVERED],
        [DELIVERED],
        [DELIVERED, Retry(2)],
        [Rejected(Reason.TOO_LARGE)],
        [Retry(4), DELIVERED],
    ]


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        ([[4] * 5], [5]),
        ([[4] * 6], [5, 1]),
        ([[4] * 3, [4] * 2], [5]),
        ([[4] * 3, [4] * 3], [3, 3]),
        ([[4] * 3, [4] * 12], [3, 5, 5, 2]),
        ([[4] * 12, [4] * 3], [5, 3, 5, 2]),
        ([[100 - FRAME]], [1]),
        ([[101]], [1]),
        ([[44], [44]], [2]),
        ([[44], [45]], [1, 1]),
        ([[44, 45, 101, 4, 4]], [1, 1, 1, 2]),
        ([[1], [101], [1]], [1, 1, 1]),
    ],
)
async def test_a_batch_is_bounded_and_a_call_is_cut_only_where_it_must_be(waiting: Sequence[Sequence[int]], expected: list[int]) -> None:
    gathered = Gathered(held := Held(), Bounds(items=5, bytes=100, at_once=1))
    batches = [[release(size) for size in sizes] for sizes in waiting]
    calls = await calling(gathered, [release()], *batches)
    while held.running:
        held.running[0].fare(DELIVERED)
        await turns()
    assert [len(sent.batch) for sent in held.sent[1:]] == expected
    assert [await call for call in calls[1:]] == [[DELIVERED] * len(batch) for batch in batches]


async def test_types_do_not_wait_for_one_another() -> None:
    gathered = Gathered(held := Held(), Bounds(at_once=1))
    mixed = [release(name=name) for name in ("a.Type", "b.Type", "a.Type")]
    calls = await calling(gathered, mixed, [release(name="b.Type")], [release(name="c.Type")])
    assert [[sent.type for sent in sent.batch] for sent in held.sent] == [["a.Type", "a.Type"], ["b.Type"], ["c.Type"]]
    held.sent[1].fare(Retry(1))
    held.sent[2].fare(DELIVERED)
    assert await calls[2] == [DELIVERED]
    held.sent[0].fare(DELIVERED, Rejected(Reason.TOO_LARGE))
    await turns()
    held.sent[3].fare(DELIVERED)
    assert await calls[0] == [DELIVERED, Retry(1), Rejected(Reason.TOO_LARGE)]
    assert await calls[1] == [DELIVERED]


async def test_a_caller_that_goes_away_takes_nobody_with_it_and_what_it_handed_over_settles() -> None:
    gathered = Gathered(held := Held(), Bounds(items=5, at_once=1))
    batches = [releases(2), releases(2), releases(1)]
    calls = await calling(gathered, *batches)
    for gone in calls[:2]:
        gone.cancel()
    await turns()
    held.sent[0].fare(DELIVERED)
    await turns()
    assert held.sent[1].batch == [*batches[1], *batches[2]]
    held.sent[1].fare(DELIVERED, DELIVERED, Retry(1))
    assert await calls[2] == [Retry(1)]
    assert all(call.cancelled() for call in calls[:2])


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (Retryable(Reason.UNAVAILABLE, 3), Retry(3)),
        (Permanent(Reason.TOO_LARGE), Rejected(Reason.TOO_LARGE)),
        (RuntimeError("planted"), Rejected(Reason.INTERNAL)),
    ],
)
async def test_what_the_exporter_raises_becomes_outcomes(raised: Exception, expected: Outcome, caplog: pytest.LogCaptureFixture) -> None:
    gathered = Gathered(held := Held(), Bounds(at_once=1))
    calls = await calling(gathered, releases(1), releases(2), releases(1))
    held.sent[0].fare(DELIVERED)
    await turns()
    held.sent[1].fare(raised)
    assert [await call for call in calls] == [[DELIVERED], [expected] * 2, [expected]]
    assert "planted" not in caplog.text


async def test_too_many_outcomes_are_nobodys(caplog: pytest.LogCaptureFixture) -> None:
    gathered = Gathered(held := Held(), BOUNDS)
    (call,) = await calling(gathered, releases(3))
    held.sent[0].fare(DELIVERED, DELIVERED)
    assert await call == [Rejected(Reason.INTERNAL)] * 3
    assert [record.message for record in caplog.records] == ["a-destination: the exporter gave 2 outcomes for 3 releases"]


async def test_a_batch_that_cannot_be_taken_now_ends_its_callers_calls_and_no_others() -> None:
    gathered = Gathered(held := Held(), Bounds(items=2, at_once=1))
    calls = await calling(gathered, releases(5), releases(1))
    held.sent[0].fare(Retry(7))
    await turns()
    assert await calls[0] == [Retry(7)] * 5
    held.sent[1].fare(DELIVERED)
    assert await calls[1] == [DELIVERED]
    assert len(held.sent) == 2


async def test_a_batch_that_is_taken_in_part_ends_nothing() -> None:
    gathered = Gathered(held := Held(), Bounds(items=2, at_once=1))
    (call,) = await calling(gathered, releases(3))
    held.sent[0].fare(DELIVERED, Retry(7))
    await turns()
    held.sent[1].fare(DELIVERED)
    assert await call == [DELIVERED, Retry(7), DELIVERED]


async def test_a_huge_batch_takes_turns() -> None:
    gathered = Gathered(held := Held(), Bounds(items=5, at_once=1))
    (_, huge, *_) = calls = await calling(gathered, releases(1), releases(50), *(releases(2) for _ in range(4)))
    done = []
    while held.running:
        held.running[0].fare(DELIVERED)
        await turns()
        done.append([call.done() for call in calls].count(True))
    # After the first: five of the huge one, the small ones in two batches, and the rest of the huge one.
    assert done == [1, 1, 3, 5, *[5] * 8, 6]
    assert await huge == [DELIVERED] * 50


async def test_closing_lets_what_waits_go_and_waits_for_the_rest() -> None:
    gathered = Gathered(held := Held(), Bounds(items=2, at_once=1))
    calls = await calling(gathered, releases(3), releases(1), releases(1))
    calls[2].cancel()
    await gathered.close()
    await gathered.close()
    assert held.closed == 2
    assert [await call for call in calls[:2]] == [[Retry()] * 3, [Retry()]]
    assert [len(sent.batch) for sent in held.sent] == [2]
    with pytest.raises(Retryable):
        await gathered.send(releases(1))


@pytest.mark.parametrize("end", ["close", "cancel"])
def test_nothing_is_left_behind_at_the_end(end: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[dict[str, Any]] = []

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        gathered = Gathered(Held(), Bounds(items=2, at_once=1))
        calls = await calling(gathered, releases(3), releases(1), [release(), release(name="b.Type")])
        if end == "close":
            calls[0].cancel()
            await gathered.close()

    asyncio.run(play())
    gc.collect()
    assert told == []
    assert [record.message for record in caplog.records if record.levelno > logging.INFO] == []


# Random callers, batches and faults, beside what must be true of each step.

SIZES = st.sampled_from([1, 4, 10, 30, 94, 95, 200])
NAMES = st.sampled_from(["a.Type", "b.Type"])
BATCHES = st.lists(st.tuples(SIZES, NAMES), max_size=4) | st.lists(st.tuples(st.just(1), st.just("a.Type")), min_size=10, max_size=40)
FATES: dict[str, Callable[[Sequence[Release]], Sequence[Outcome | Exception]]] = {
    "delivered": lambda batch: [DELIVERED],
    "retry": lambda batch: [Retry(3)],
    "rejected": lambda batch: [Rejected(Reason.TOO_LARGE)],
    "mixed": lambda batch: [(DELIVERED, Retry(1), Rejected(Reason.MALFORMED))[int(release.plan) % 3] for release in batch],
    "retryable": lambda batch: [Retryable(Reason.UNAVAILABLE, 5)],
    "permanent": lambda batch: [Permanent(Reason.TOO_LARGE)],
    "fault": lambda batch: [RuntimeError()],
}
EXPECTED: dict[str, Outcome] = {
    "delivered": DELIVERED,
    "retry": Retry(3),
    "rejected": Rejected(Reason.TOO_LARGE),
    "retryable": Retry(5),
    "permanent": Rejected(Reason.TOO_LARGE),
    "fault": Rejected(Reason.INTERNAL),
}
STEPS = st.lists(
    st.tuples(st.just("call"), BATCHES)
    | st.tuples(st.just("fare"), st.integers(0, 3), st.sampled_from([*FATES]))
    | st.tuples(st.just("leave"), st.integers(0, 9)),
    max_size=30,
)


class Play:
    """A gathering exporter, its callers, and what each release must have come to."""

    def __init__(self) -> None:
        self.held = Held()
        self.gathered = Gathered(self.held, BOUNDS)
        self.calls: list[tuple[list[Release], asyncio.Task[Sequence[Outcome]]]] = []
        self.fates: dict[str, Outcome] = {}
        self.ended: dict[tuple[int, str], Outcome] = {}

    async def call(self, given: Sequence[tuple[int, str]]) -> None:
        batch = [release(size, name) for size, name in given]
        self.calls.append((batch, asyncio.create_task(self.gathered.send(batch))))

    async def fare(self, index: int, how: str) -> None:
        if self.held.running:
            sent = self.held.running[index % len(self.held.running)]
            fates = FATES[how](sent.batch)
            sent.fare(*fates)
            outcomes = [EXPECTED[how]] * len(sent.batch) if how != "mixed" else [fate for fate in fates if not isinstance(fate, Exception)]
            for one, outcome in zip(sent.batch, outcomes, strict=True):
                self.fates[one.plan] = outcome
            if all(isinstance(outcome, Retry) for outcome in outcomes):
                for one in sent.batch:
                    self.ended.setdefault((self.caller(one), one.type), outcomes[-1])

    async def leave(self, index: int) -> None:
        if self.calls:
            self.calls[index % len(self.calls)][1].cancel()

    def caller(self, one: Release) -> int:
        return next(number for number, (batch, _) in enumerate(self.calls) if any(one is other for other in batch))

    def check(self) -> None:
        """What holds after each step."""
        begun = [one.plan for sent in self.held.sent for one in sent.batch]
        assert len(begun) == len(set(begun))
        for sent in self.held.sent:
            assert len({one.type for one in sent.batch}) == 1
            assert len(sent.batch) <= BOUNDS.items
            assert len(sent.batch) == 1 or sum(len(one.payload) + FRAME for one in sent.batch) <= BOUNDS.bytes
            callers = [self.caller(one) for one in sent.batch]
            assert len([*groupby(callers)]) == len(set(callers))
        for name in ("a.Type", "b.Type"):
            running = sum(sent.batch[0].type == name for sent in self.held.running)
            assert running <= BOUNDS.at_once
            assert running == BOUNDS.at_once or not self.waiting(name)

    def waiting(self, name: str) -> list[Release]:
        begun = {one.plan for sent in self.held.sent for one in sent.batch}
        return [
            one
            for number, (batch, _) in enumerate(self.calls)
            for one in batch
            if one.type == name and one.plan not in begun and (number, name) not in self.ended
        ]

    def conclude(self) -> None:
        """What each caller got, once nothing is under way."""
        begun = [one for sent in self.held.sent for one in sent.batch]
        for number, (batch, task) in enumerate(self.calls):
            for name in ("a.Type", "b.Type"):
                mine = [one for one in batch if one.type == name]
                sent = [one for one in begun if self.caller(one) == number and one.type == name]
                assert sent == mine[: len(sent)], "each once, in order"
            assert task.done()
            if not task.cancelled():
                expected = [self.fates.get(one.plan) or self.ended[number, one.type] for one in batch]
                assert task.result() == expected


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_each_caller_gets_the_outcomes_of_its_own(steps: Sequence[tuple[Any, ...]]) -> None:
    async def play() -> None:
        played = Play()
        for name, *with_ in steps:
            step: Callable[..., Awaitable[None]] = getattr(played, name)
            await step(*with_)
            await turns()
            played.check()
        while played.held.running:
            await played.fare(0, "delivered")
            await turns()
            played.check()
        played.conclude()

    asyncio.run(play())
