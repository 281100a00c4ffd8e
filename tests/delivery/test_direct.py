"""Direct delivery: the recipient first; what it doesn't take is stored under the same keys, and sent once it can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.delivery import direct_sends
from gateway.delivery.dispatcher import OutboxDispatcher
from gateway.entry_batch import EntryBatch
from gateway.errors import DeliveryReason, Refused, Rejected, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, Exporter, Outcome
from gateway.exporters.null.exporter import NullExporter
from gateway.model import OutboxEntry
from tests.delivery.cases import (
    NOW_NS,
    TIMEOUT_SECONDS,
    DeliveryCase,
    RecordingExporter,
    delivered,
    delivery_case,
    entries,
    entry,
    together,
)

NEAR: Final = frozenset({"crm"})


@asynccontextmanager
async def sending(case: DeliveryCase, exporters: Mapping[str, Exporter]) -> AsyncIterator[OutboxDispatcher]:
    delivery = OutboxDispatcher(case.deps)
    delivery.replace(exporters, case.redecider, NEAR)
    try:
        yield delivery
    finally:
        await delivery.close(TIMEOUT_SECONDS)


def sent_again(text: str = "a", *, fingerprint: bytes = b"the item") -> EntryBatch:
    """An entry of a request with an ID: it can come again."""
    return entry(text, key=b"a request's key!", fingerprint=fingerprint)


async def test_what_the_recipient_takes_is_acknowledged_then_and_never_stored(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        async with sending(case, {"crm": (crm := RecordingExporter(shut=True))}) as delivery:
            accepting = asyncio.create_task(delivery.accept(entries(3)))
            await crm.wait_for(3)
            assert not accepting.done()
            crm.open()
            await accepting
            assert (crm.texts, case.waiting) == (["0", "1", "2"], 0)
            assert (await case.outbox.kinds())[1] == 1  # the first ID is still to come
        assert case.counts.deliveries["crm", "delivered"] == 3
        assert case.counts.direct_fallbacks["crm",] == 0


async def test_what_it_is_silent_on_is_stored_and_so_is_what_comes_after(tmp_path: Path) -> None:
    async with (
        delivery_case(tmp_path) as case,
        sending(case, {"crm": (crm := RecordingExporter(shut=True))}) as delivery,
    ):
        await asyncio.wait_for(delivery.accept([entry("first")]), TIMEOUT_SECONDS)
        assert (case.waiting, case.counts.direct_fallbacks["crm",]) == (1, 1)
        await asyncio.wait_for(delivery.accept([entry("second")]), TIMEOUT_SECONDS)
        assert (case.waiting, case.counts.direct_fallbacks["crm",]) == (2, 1)
        crm.open()
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        # The first was given up on its way: it may have arrived, and comes again under its key.
        assert crm.texts[0] == "first"
        assert sorted(crm.texts[1:]) == ["first", "second"]
        assert len({one.key for batch in crm.batches for one in batch if one.payload == b"first"}) == 1
        await delivery.accept([entry("third")])
        assert (crm.texts[-1], case.waiting) == ("third", 0)


def replying(*replies: Sequence[Outcome] | Exception) -> Callable[[Sequence[OutboxEntry]], Sequence[Outcome]]:
    """One reply after another; then all is well."""
    left = [*replies]

    def reply(batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        said = left.pop(0) if left else [DELIVERED] * len(batch)
        if isinstance(said, Exception):
            raise said
        return said

    return reply


@pytest.mark.parametrize(
    ("reply", "again"),
    [
        (Retryable(), ["a", "b"]),
        ([DELIVERED, Retryable()], ["b"]),
        ([DELIVERED, Rejected(DeliveryReason.REJECTED)], ["b"]),
    ],
)
@pytest.mark.parametrize("batches", [[entry("a"), entry("b")], [together("a", "b")]], ids=["two batches", "one"])
async def test_what_it_does_not_take_is_stored_alone(
    reply: Sequence[Outcome] | Exception, again: list[str], batches: Sequence[EntryBatch], tmp_path: Path
) -> None:
    async with (
        delivery_case(tmp_path) as case,
        sending(case, {"crm": (crm := RecordingExporter(replying(reply)))}) as delivery,
    ):
        await delivery.accept(batches)
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert [[one.payload.decode() for one in batch] for batch in crm.batches] == [["a", "b"], again]
        assert case.dead == 0


async def test_what_is_rejected_becomes_a_dead_letter(tmp_path: Path) -> None:
    rejected = [Rejected(DeliveryReason.REJECTED)]
    crm = RecordingExporter(replying(rejected, rejected))
    async with delivery_case(tmp_path) as case, sending(case, {"crm": crm}) as delivery:
        await delivery.accept([entry("a")])
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert (case.waiting, case.dead) == (0, 1)


@pytest.mark.parametrize(
    ("items", "limits", "because"),
    [
        ([entry("a"), entry("a", "log")], BatchLimits(), "two destinations get it in one transaction, or neither"),
        (entries(3), BatchLimits(max_items=2), "it is more than one batch"),
        ([entry("a" * 9)], BatchLimits(max_bytes=8), "it is larger than a batch"),
        ([entry("a")], BatchLimits(max_in_flight=0), "the recipient takes nothing for now"),
        ([entry("a", plan="a former plan")], BatchLimits(), "plan"),
        ([entry("a", "log")], BatchLimits(), "the destination isn't near"),
    ],
)
async def test_what_cant_go_at_once_is_stored(
    items: list[EntryBatch], limits: BatchLimits, because: str, tmp_path: Path
) -> None:
    shut = {name: RecordingExporter(limits=limits, shut=True) for name in ("crm", "log")}
    async with delivery_case(tmp_path) as case, sending(case, shut) as delivery:
        await asyncio.wait_for(delivery.accept(items), TIMEOUT_SECONDS)
        assert case.waiting == len(items), because
        for exporter in shut.values():
            exporter.open()


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_request_that_comes_again_is_sent_once(tmp_path: Path, *, at_once: bool) -> None:
    async with (
        delivery_case(tmp_path) as case,
        sending(case, {"crm": (crm := RecordingExporter())}) as delivery,
    ):
        if at_once:
            await asyncio.gather(*(delivery.accept([sent_again()]) for _ in range(3)))
        else:
            await delivery.accept([sent_again()])
            await delivery.accept([sent_again()])
        assert (crm.texts, case.waiting) == (["a"], 0)
        with pytest.raises(Refused, match="REQUEST_ID_REUSED"):
            await delivery.accept([sent_again("b", fingerprint=b"another!")])


async def test_a_request_that_was_sent_is_known_after_a_restart(tmp_path: Path) -> None:
    for texts in (["a"], []):
        async with (
            delivery_case(tmp_path) as case,
            sending(case, {"crm": (crm := RecordingExporter())}) as delivery,
        ):
            await delivery.accept([sent_again()])
            assert (crm.texts, case.waiting) == (texts, 0)


async def test_a_request_that_was_stored_is_not_sent_directly(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(sent_again())
        async with sending(case, {"crm": (crm := RecordingExporter())}) as delivery:
            await delivery.accept([sent_again()])
            await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
            await delivery.accept([sent_again()])
            assert crm.texts == ["a"]


async def test_what_is_on_its_way_by_an_exporter_that_is_replaced_is_stored_for_the_next(tmp_path: Path) -> None:
    async with (
        delivery_case(tmp_path) as case,
        sending(case, {"crm": (old := RecordingExporter(shut=True))}) as delivery,
    ):
        accepting = asyncio.create_task(delivery.accept([entry("a")]))
        await old.wait_for(1)
        delivery.replace({"crm": (new := RecordingExporter())}, case.redecider, NEAR)
        await asyncio.wait_for(accepting, TIMEOUT_SECONDS)
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert (old.in_flight, new.texts) == (0, ["a"])


async def test_a_caller_that_leaves_takes_back_what_is_on_its_way(tmp_path: Path) -> None:
    async with (
        delivery_case(tmp_path) as case,
        sending(case, {"crm": (crm := RecordingExporter(shut=True))}) as delivery,
    ):
        accepting = asyncio.create_task(delivery.accept([sent_again()]))
        await crm.wait_for(1)
        accepting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await accepting
        assert (case.waiting, case.counts.direct_fallbacks["crm",]) == (0, 1)
        crm.open()
        await asyncio.wait_for(delivery.accept([sent_again()]), TIMEOUT_SECONDS)
        assert crm.texts == ["a", "a"]


async def test_what_waits_for_the_same_request_does_not_leave_by_a_policy_that_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its recipient failed the first; by the second's turn another exporter is there."""
    monkeypatch.setattr(direct_sends, "DIRECT_SECONDS", TIMEOUT_SECONDS)
    old, new = RecordingExporter(shut=True), RecordingExporter()
    async with delivery_case(tmp_path) as case, sending(case, {"crm": old}) as delivery:
        first = asyncio.create_task(delivery.accept([sent_again()]))
        await old.wait_for(1)
        second = asyncio.create_task(delivery.accept([sent_again()]))
        await asyncio.sleep(0)
        first.cancel()
        delivery.replace({"crm": new}, case.redecider, NEAR)
        await asyncio.wait_for(second, TIMEOUT_SECONDS)
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert (old.texts, new.texts) == (["a"], ["a"])


async def test_a_request_that_is_on_its_way_is_not_stored_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_sends, "DIRECT_SECONDS", TIMEOUT_SECONDS)
    crm = RecordingExporter(shut=True)
    async with delivery_case(tmp_path) as case, sending(case, {"crm": crm}) as delivery:
        first = asyncio.create_task(delivery.accept([sent_again()]))
        await crm.wait_for(1)
        await case.put(entry("older"))
        second = asyncio.create_task(delivery.accept([sent_again()]))
        await asyncio.sleep(0)
        await case.put(entry("last"))  # after what the second has stored, if it has
        crm.open()
        await asyncio.wait_for(asyncio.gather(first, second), TIMEOUT_SECONDS)
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert sorted(crm.texts) == ["a", "last", "older"]


async def test_what_is_noted_first_in_a_new_outbox_is_known(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.outbox.remember([sent_again()], NOW_NS)
        await case.outbox.remember([sent_again()], NOW_NS)
        assert not await case.outbox.unknown([sent_again()])


async def test_calls_that_one_pause_of_the_recipient_meets_are_one_failure(tmp_path: Path) -> None:
    """However many there are at once: it is asked again soon, and then goes on as before."""
    async with (
        delivery_case(tmp_path) as case,
        sending(case, {"crm": (crm := RecordingExporter(shut=True))}) as delivery,
    ):
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await asyncio.gather(*(delivery.accept([entry(f"{number}")]) for number in range(20)))
            assert (case.waiting, case.counts.direct_fallbacks["crm",]) == (20, 4)  # the others waited for their turn
            crm.open()
            await delivery.drained()
            await delivery.accept([entry("after it")])
        assert (case.waiting, crm.texts[-1]) == (0, "after it")


async def test_what_was_delivered_and_could_not_be_noted_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unwritable(batches: Sequence[EntryBatch], now_ns: int) -> None:
        raise Retryable

    async with (
        delivery_case(tmp_path) as case,
        sending(case, {"crm": (crm := RecordingExporter())}) as delivery,
    ):
        with monkeypatch.context() as volume:
            volume.setattr(case.outbox, "remember", unwritable)
            await delivery.accept([sent_again()])
            for again in (sent_again(), entry("b", key=b"another request!", fingerprint=b"another")):
                with pytest.raises(Retryable):
                    await delivery.accept([again])
        await delivery.accept([sent_again()])
        assert crm.texts == ["a"]


ONE_AT_ONCE: Final = BatchLimits(max_items=6, max_in_flight=1)


@asynccontextmanager
async def waiting_calls(
    tmp_path: Path, *waiting: Sequence[EntryBatch], reply: Callable[..., Sequence[Outcome]] = delivered
) -> AsyncIterator[tuple[DeliveryCase, RecordingExporter, OutboxDispatcher, list[asyncio.Task[None]]]]:
    """Calls that wait while the entry `first` is on its way to a recipient that takes one batch at once."""
    crm = RecordingExporter(reply, ONE_AT_ONCE, shut=True)
    async with delivery_case(tmp_path) as case, sending(case, {"crm": crm}) as delivery:
        first = asyncio.create_task(delivery.accept([entry("first")]))
        await crm.wait_for(1)
        calls = [asyncio.create_task(delivery.accept(batches)) for batches in waiting]
        await asyncio.sleep(0)
        yield case, crm, delivery, [first, *calls]


async def test_no_more_is_sent_at_once_than_the_recipient_takes_and_what_waits_goes_together(tmp_path: Path) -> None:
    calls = [together("a", "b")], [entry("c"), entry("d")], [together("e", "f", "g")]
    async with waiting_calls(tmp_path, *calls) as (case, crm, _, tasks):
        crm.open()
        await asyncio.wait_for(asyncio.gather(*tasks), TIMEOUT_SECONDS)
        batches = [[one.payload.decode() for one in batch] for batch in crm.batches]
        assert batches == [["first"], ["a", "b", "c", "d"], ["e", "f", "g"]]
        assert (crm.most_in_flight, case.waiting, (await case.outbox.kinds())[1]) == (1, 0, 1)
        assert case.counts.deliveries["crm", "delivered"] == 8


async def test_of_calls_that_go_together_each_has_its_own_outcome(tmp_path: Path) -> None:
    mixed: list[Outcome] = [
        DELIVERED,
        Retryable(item_only=True),
        DELIVERED,
        DELIVERED,
        Rejected(DeliveryReason.REJECTED),
    ]
    reply = replying([DELIVERED], mixed)
    calls = [together("a", "b")], [entry("c"), entry("d")], [entry("e")]
    async with waiting_calls(tmp_path, *calls, reply=reply) as (case, crm, delivery, tasks):
        crm.open()
        await asyncio.wait_for(asyncio.gather(*tasks), TIMEOUT_SECONDS)
        assert case.counts.direct_fallbacks["crm",] == 1
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert crm.texts == ["first", *"abcde", "b", "e"]


async def test_a_caller_that_leaves_while_it_waits_for_its_turn_was_never_sent(tmp_path: Path) -> None:
    async with waiting_calls(tmp_path, [entry("a")], [entry("b")]) as (case, crm, _, tasks):
        first, leaving, other = tasks
        leaving.cancel()
        crm.open()
        await asyncio.wait_for(asyncio.gather(first, other), TIMEOUT_SECONDS)
        assert (crm.texts, case.waiting, case.counts.direct_fallbacks["crm",]) == (["first", "b"], 0, 0)


async def test_of_what_goes_together_one_caller_may_leave(tmp_path: Path) -> None:
    async with waiting_calls(tmp_path) as (case, crm, delivery, (first,)):
        calls = [asyncio.create_task(delivery.accept([entry(text)])) for text in "ab"]
        await asyncio.sleep(0)
        crm.open()
        await first
        await crm.wait_for(3)
        calls[0].cancel()
        await asyncio.wait_for(calls[1], TIMEOUT_SECONDS)
        assert (crm.texts, case.waiting) == (["first", "a", "b"], 0)


async def test_what_was_decided_on_before_an_erasure_is_stored_and_decided_on_again(tmp_path: Path) -> None:
    crm = RecordingExporter()
    async with delivery_case(tmp_path) as case, sending(case, {"crm": crm}) as delivery:
        await case.outbox.erase([b"alice".ljust(16, b"\0")], NOW_NS)
        case.redecider.withhold("before")
        await delivery.accept([entry("before", received_ns=NOW_NS)])
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert (crm.texts, case.redecider.asked) == ([], 1)
        await delivery.accept([entry("after", received_ns=NOW_NS + 1)])
        assert (crm.texts, case.redecider.asked) == (["after"], 1)


async def test_what_waits_for_its_turn_is_decided_on_again_after_an_erasure(tmp_path: Path) -> None:
    calls = [entry("before")], [entry("after", received_ns=NOW_NS + 1)]
    async with waiting_calls(tmp_path, *calls) as (case, crm, delivery, tasks):
        await case.outbox.erase([b"alice".ljust(16, b"\0")], NOW_NS)
        crm.open()
        await asyncio.wait_for(asyncio.gather(*tasks), TIMEOUT_SECONDS)
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert (sorted(crm.texts), case.redecider.asked) == (["after", "before", "first"], 1)


async def test_a_request_that_is_sent_hundreds_of_times_at_once_wakes_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, wait = [], asyncio.wait

    async def counted(*given: Any, **named: Any) -> Any:
        waits.append(given)
        return await wait(*given, **named)

    monkeypatch.setattr(direct_sends, "DIRECT_SECONDS", TIMEOUT_SECONDS)
    crm = RecordingExporter(shut=True)
    async with delivery_case(tmp_path) as case, sending(case, {"crm": crm}) as delivery:
        calls = [asyncio.create_task(delivery.accept([sent_again()])) for _ in range(300)]
        await crm.wait_for(1)
        monkeypatch.setattr(asyncio, "wait", counted)
        crm.open()
        await asyncio.wait_for(asyncio.gather(*calls), TIMEOUT_SECONDS)
        monkeypatch.setattr(asyncio, "wait", wait)
        assert (crm.texts, case.waiting) == (["a"], 0)
        assert len(waits) <= len(calls)


async def test_who_leaves_before_its_turn_lets_nobody_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_sends, "DIRECT_SECONDS", TIMEOUT_SECONDS)
    crm = RecordingExporter(shut=True)
    async with delivery_case(tmp_path) as case, sending(case, {"crm": crm}) as delivery:
        first = asyncio.create_task(delivery.accept([sent_again()]))
        await crm.wait_for(1)
        leaving = [asyncio.create_task(delivery.accept([sent_again()])) for _ in range(3)]
        last = asyncio.create_task(delivery.accept([sent_again()]))
        await asyncio.sleep(0)
        for one in leaving:
            one.cancel()
        await asyncio.wait(leaving)
        assert not last.done()
        crm.open()
        await asyncio.wait_for(asyncio.gather(first, last), TIMEOUT_SECONDS)
        assert (crm.texts, case.waiting) == (["a"], 0)


@pytest.mark.parametrize("sent", [False, True])
async def test_a_caller_that_leaves_as_it_is_told_is_counted_once(tmp_path: Path, *, sent: bool) -> None:
    async with waiting_calls(tmp_path, [entry("a")]) as (case, crm, delivery, (first, waiting)):
        leaving = first if sent else waiting
        delivery.replace({"crm": RecordingExporter()}, case.redecider, NEAR)
        leaving.cancel()
        await asyncio.wait([first, waiting], timeout=TIMEOUT_SECONDS)
        assert leaving.cancelled()
        assert case.counts.direct_fallbacks["crm",] == 1  # of the two, one was on its way
        crm.open()


async def test_whatever_happens_to_a_batch_its_callers_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with delivery_case(tmp_path) as case, sending(case, {"crm": (crm := RecordingExporter())}) as delivery:
        record = case.counts.record_delivery

        def fail_once(*given: Any) -> None:
            monkeypatch.setattr(case.counts, "record_delivery", record)
            raise ZeroDivisionError

        monkeypatch.setattr(case.counts, "record_delivery", fail_once)
        await asyncio.wait_for(delivery.accept([entry("a")]), TIMEOUT_SECONDS)
        assert (crm.texts[0], case.counts.direct_fallbacks["crm",]) == ("a", 1)
        assert "crm: a batch failed: ZeroDivisionError" in caplog.text
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert crm.texts == ["a", "a"]


async def test_what_is_for_one_near_recipient_is_probably_not_stored(tmp_path: Path) -> None:
    crm = RecordingExporter()
    exporters: dict[str, Exporter] = {"crm": crm, "log": RecordingExporter(), "null": NullExporter()}
    async with delivery_case(tmp_path) as case, sending(case, exporters) as delivery:
        stored = {names: delivery.stores(names) for names in (("crm",), ("log",), ("crm", "log"), ("null",), ("gone",))}
        assert stored == {("crm",): False, ("log",): True, ("crm", "log"): True, ("null",): False, ("gone",): True}
        assert not delivery.stores(("crm", "null"))
        crm.reply = replying(Retryable())
        await delivery.accept([entry("a")])
        assert delivery.stores(("crm",))
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert not delivery.stores(("crm",))
