from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery import Delivery
from gateway.delivery.direct import Direct, Load
from gateway.errors import Permanent, Reason, Refused, Retryable
from gateway.exporters.base import DELIVERED, Exporter, Outcome, Rejected, Retry
from gateway.exporters.null import Null
from gateway.model import Release


def release(destination: str, size: int = 1) -> Release:
    return Release(destination, "a.Type", "a-digest", b"x" * size)


class Told:
    """Keeps what it gets, and answers what it is told, once it may."""

    def __init__(self, *answers: Outcome | Exception, held: bool = False) -> None:
        self.batches: list[Sequence[Release]] = []
        self.closed = 0
        self.reached = asyncio.Event()
        self.may = asyncio.Event()
        self._answers = list(answers)
        if not held:
            self.may.set()

    async def send(self, batch: Sequence[Release]) -> Sequence[Outcome]:
        self.batches.append(batch)
        self.reached.set()
        await self.may.wait()
        for answer in self._answers:
            if isinstance(answer, Exception):
                raise answer
        return [answer for answer in self._answers if not isinstance(answer, Exception)] or [DELIVERED] * len(batch)

    async def close(self) -> None:
        self.closed += 1


class Rough(Told):
    """Answers at once, without a task."""

    def settle(self, batch: Sequence[Release]) -> Sequence[Outcome]:
        self.batches.append(batch)
        return [answer for answer in self._answers if not isinstance(answer, Exception)] or [DELIVERED] * len(batch)


async def test_releases_of_one_destination_are_one_batch_in_order() -> None:
    one, two, null = Told(), Told(), Null()
    delivery: Delivery = Direct({"one": one, "two": two, "null": null, "unused": Told(Retry())})
    sent = [release(name, size) for size, name in enumerate(["one", "two", "one", "null", "two", "one"])]
    await delivery.accept(sent)
    assert one.batches == [[sent[0], sent[2], sent[5]]]
    assert two.batches == [[sent[1], sent[4]]]
    assert null.delivered == 1


async def test_nothing_is_nothing() -> None:
    await Direct({}).accept([])


async def test_destinations_are_served_at_the_same_time() -> None:
    one, two = Told(held=True), Told(held=True)
    accepting = asyncio.create_task(Direct({"one": one, "two": two}).accept([release("one"), release("two")]))
    await asyncio.gather(one.reached.wait(), two.reached.wait())
    one.may.set()
    two.may.set()
    await accepting


OUTCOMES: list[tuple[list[Outcome | Exception], Exception | None]] = [
    ([DELIVERED, DELIVERED], None),
    ([DELIVERED, Retry()], Retryable(Reason.UNAVAILABLE)),
    ([Retry(2), Retry(5)], Retryable(Reason.UNAVAILABLE, 5)),
    ([Retry(2), Retry()], Retryable(Reason.UNAVAILABLE, 2)),
    ([Retry(0), Rejected(Reason.MALFORMED)], Retryable(Reason.UNAVAILABLE, 0)),
    ([Rejected(Reason.MALFORMED), Retry(3)], Retryable(Reason.UNAVAILABLE, 3)),
    ([DELIVERED, Rejected(Reason.MALFORMED)], Permanent(Reason.MALFORMED)),
    ([Retryable(Reason.FULL, 4)], Retryable(Reason.UNAVAILABLE, 4)),
    ([Permanent(Reason.UNKNOWN_TYPE)], Permanent(Reason.UNKNOWN_TYPE)),
    ([ValueError("planted")], Permanent(Reason.INTERNAL)),
    ([DELIVERED], Permanent(Reason.INTERNAL)),
    ([DELIVERED] * 3, Permanent(Reason.INTERNAL)),
]


def facts(error: Exception | None) -> tuple[object, ...]:
    return type(error), getattr(error, "reason", None), getattr(error, "after", None)


async def tried(direct: Direct, releases: Sequence[Release]) -> Exception | None:
    try:
        await direct.accept(releases)
    except (Retryable, Permanent, Refused) as error:
        return error
    return None


@pytest.mark.parametrize(("answers", "expected"), OUTCOMES)
async def test_the_caller_learns_what_to_do_next(
    answers: list[Outcome | Exception], expected: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    direct = Direct({"one": Told(*answers), "other": Told()})
    assert facts(await tried(direct, [release("one"), release("other"), release("one")])) == facts(expected)
    assert direct.in_flight == Load()
    assert "planted" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "expected"), [(Retry(7), Retryable(Reason.UNAVAILABLE, 7)), (Rejected(Reason.MALFORMED), Permanent(Reason.MALFORMED))]
)
async def test_an_immediate_outcome_counts_too(answer: Outcome, expected: Exception) -> None:
    other = Told()
    assert facts(await tried(Direct({"one": Rough(answer), "other": other}), [release("one"), release("other")])) == facts(expected)
    assert len(other.batches) == 1


async def test_all_have_settled_before_the_caller_learns_of_a_failure() -> None:
    slow = Told(held=True)
    direct = Direct({"failing": Told(Retry(1)), "slow": slow})
    accepting = asyncio.create_task(direct.accept([release("failing"), release("slow")]))
    await slow.reached.wait()
    assert direct.in_flight != Load()
    slow.may.set()
    with pytest.raises(Retryable):
        await accepting


@pytest.mark.parametrize(
    ("held", "offered", "expected"),
    [
        (0, [1, 1, 1, 1], None),
        (0, [100], None),
        (0, [0] * 5, Refused(Reason.TOO_LARGE)),
        (0, [101], Refused(Reason.TOO_LARGE)),
        (1, [1, 1, 1], None),
        (1, [99], None),
        (1, [1, 1, 1, 1], Retryable(Reason.FULL, 0.5)),
        (1, [100], Retryable(Reason.FULL, 0.5)),
    ],
)
async def test_no_more_than_the_bound_is_in_flight(held: int, offered: list[int], expected: Exception | None) -> None:
    busy, other, null = Told(held=True), Told(), Null()
    direct = Direct({"busy": busy, "other": other, "null": null}, bound=Load(items=4, bytes=100), after=0.5)
    waiting = [asyncio.create_task(direct.accept([release("busy")])) for _ in range(held)]
    if waiting:
        await busy.reached.wait()
    assert facts(await tried(direct, [release("null"), *(release("other", size) for size in offered)])) == facts(expected)
    assert (null.delivered, len(other.batches)) == ((0, 0) if expected else (1, 1))
    busy.may.set()
    await asyncio.gather(*waiting)
    assert direct.in_flight == Load()


async def test_an_unknown_destination_stops_the_whole_call() -> None:
    null, told = Null(), Told()
    error = await tried(Direct({"null": null, "told": told}), [release("null"), release("told"), release("nowhere")])
    assert facts(error) == facts(Refused(Reason.UNKNOWN_DESTINATION))
    assert (null.delivered, told.batches) == (0, [])


async def test_what_a_vanished_caller_began_settles_and_counts_until_then() -> None:
    told = Told(held=True)
    direct = Direct({"one": told}, bound=Load(items=2, bytes=100))
    gone = asyncio.create_task(direct.accept([release("one", 10), release("one", 20)]))
    await told.reached.wait()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert direct.in_flight == Load(2, 30)
    assert facts(await tried(direct, [release("one")])) == facts(Retryable(Reason.FULL, 1))
    told.may.set()
    await direct.close()
    assert direct.in_flight == Load()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("answer", [DELIVERED, Retry(), Permanent(Reason.MALFORMED), ValueError("planted")])
async def test_nobody_misses_the_outcome_of_a_vanished_caller(answer: Outcome | Exception) -> None:
    told = Told(answer, held=True)
    direct = Direct({"one": told})
    gone = asyncio.create_task(direct.accept([release("one")]))
    await told.reached.wait()
    gone.cancel()
    told.may.set()
    await asyncio.wait([gone])
    await direct.close()
    assert direct.in_flight == Load()


async def test_a_caller_that_vanishes_before_its_turn_leaves_nothing_behind() -> None:
    told = Told(held=True)
    direct = Direct({"one": told})
    gone = asyncio.create_task(direct.accept([release("one")]))
    gone.cancel()
    await asyncio.wait([gone])
    assert direct.in_flight == Load()
    assert told.batches == []


async def test_closing_lets_what_is_under_way_settle() -> None:
    told = Told(held=True)
    direct = Direct({"one": told, "also-one": told, "null": Null()})
    accepting = asyncio.create_task(direct.accept([release("one")]))
    await told.reached.wait()
    closing = asyncio.create_task(direct.close())
    await asyncio.sleep(0)  # its first turn
    assert facts(await tried(direct, [release("null")])) == facts(Retryable(Reason.UNAVAILABLE))
    assert told.closed == 0
    told.may.set()
    await asyncio.gather(accepting, closing)
    assert told.closed == 1


async def test_closing_waits_no_longer_than_told(caplog: pytest.LogCaptureFixture) -> None:
    told = Told(held=True)
    direct = Direct({"one": told})
    accepting = asyncio.create_task(direct.accept([release("one")]))
    await told.reached.wait()
    await direct.close(within=0.01)
    with pytest.raises(Retryable):
        await accepting
    assert direct.in_flight == Load()
    assert told.closed == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


class Stuck(Told):
    async def close(self) -> None:
        await asyncio.Event().wait()


class Broken(Told):
    async def close(self) -> None:
        raise ValueError("planted")


@pytest.mark.parametrize("kind", [Stuck, Broken])
async def test_an_exporter_that_cannot_close_keeps_nobody(kind: type[Told], caplog: pytest.LogCaptureFixture) -> None:
    other = Told()
    direct = Direct({"one": kind(), "other": other})
    await direct.close(within=0.01)
    assert other.closed == 1
    assert len(caplog.records) == 1
    assert "planted" not in caplog.text


STEPS = st.lists(st.tuples(st.sampled_from(["one", "two"]), st.integers(1, 3), st.sampled_from(["settle", "vanish"])), max_size=12)


@given(STEPS)
def test_the_count_in_flight_is_right_whoever_vanishes(steps: list[tuple[str, int, str]]) -> None:
    async def play() -> None:
        exporters = {"one": Told(held=True), "two": Told(held=True)}
        direct = Direct(dict[str, Exporter](exporters), bound=Load(items=8, bytes=1000))
        calls: list[asyncio.Task[Exception | None]] = []
        for name, count, fate in steps:
            before = direct.in_flight.items
            call = asyncio.create_task(tried(direct, [release(name)] * count))
            await asyncio.sleep(0)  # its first turn: admitted, or full
            assert direct.in_flight.items == (before + count if before + count <= 8 else before)
            calls.append(call)
            if fate == "vanish":
                call.cancel()
        for told in exporters.values():
            told.may.set()
        await asyncio.gather(*calls, return_exceptions=True)
        await direct.close()
        assert direct.in_flight == Load()

    asyncio.run(play())
