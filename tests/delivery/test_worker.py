"""From the outbox to a recipient: every lease ends, and nothing leaves that may not leave any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.delivery.attempt import UNDECIDED_RETRY_SECONDS, DeliveryAttempt
from gateway.delivery.outbox.interface import Removed
from gateway.delivery.schedule import OPEN_AFTER_FAILURES, Circuit
from gateway.delivery.worker import DeliveryWorker
from gateway.errors import CallReason, DeliveryReason, ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, Outcome
from gateway.model import OutboxEntry
from tests.delivery.cases import (
    NOW_NS,
    TIMEOUT_SECONDS,
    DeliveryCase,
    RecordingExporter,
    Reply,
    delivery_case,
    entries,
    entry,
    ids,
)
from tests.delivery.outboxes import about, asked


@asynccontextmanager
async def running_worker(case: DeliveryCase, recipient: RecordingExporter) -> AsyncIterator[DeliveryWorker]:
    """A worker at work for the destination `crm`."""
    worker = DeliveryWorker("crm", recipient, case.deps)
    try:
        yield worker
    finally:
        await worker.stop(TIMEOUT_SECONDS)


async def idle(worker: DeliveryWorker) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await worker.wait_idle()


async def test_what_waits_is_carried_in_order_and_in_batches(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(*entries(25))
        async with running_worker(
            case, recipient := RecordingExporter(limits=BatchLimits(10, max_in_flight=1))
        ) as worker:
            await idle(worker)
        assert [len(batch) for batch in recipient.batches] == [10, 10, 5]
        assert recipient.texts == [str(number) for number in range(25)]
        assert case.waiting == 0


async def test_what_comes_later_is_delivered_when_the_worker_is_woken(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case, running_worker(case, recipient := RecordingExporter()) as worker:
        await idle(worker)
        await case.put(*entries(3))
        worker.wake()
        await recipient.wait_for(3)


async def test_a_recipient_gets_no_more_batches_at_once_than_it_takes(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(*entries(10))
        async with running_worker(
            case, recipient := RecordingExporter(limits=BatchLimits(1, max_in_flight=3), shut=True)
        ) as worker:
            await recipient.wait_for(3)
            recipient.open()
            await idle(worker)
        assert (recipient.most_in_flight, len(recipient.texts)) == (3, 10)


@pytest.mark.parametrize("failures", [0, OPEN_AFTER_FAILURES])
async def test_a_recipient_that_takes_nothing_for_now_is_not_tried_and_nothing_is_leased(
    failures: int, tmp_path: Path
) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(*entries(10))
        recipient = RecordingExporter(limits=BatchLimits(max_in_flight=0))
        async with running_worker(case, recipient) as worker:
            worker.breaker.circuit = Circuit(failures)
            await idle(worker)
            assert recipient.batches == []
            assert len(ids(await case.outbox.lease("crm", BatchLimits(), NOW_NS))) == 10
            await case.outbox.defer(range(1, 11), 0, failed=False)
            recipient.limits = BatchLimits()
            await recipient.wait_for(10)


async def test_an_entry_that_cannot_be_taken_yet_holds_up_no_other(tmp_path: Path) -> None:
    """However often it is tried: the recipient isn't failing."""
    async with delivery_case(tmp_path) as case:
        await case.put(entry("early"))
        async with running_worker(
            case, recipient := RecordingExporter(each(_early=Retryable(item_only=True)))
        ) as worker:
            for tries in range(1, OPEN_AFTER_FAILURES + 2):
                await idle(worker)
                assert recipient.texts == ["early"] * tries
                case.time.passed += 3600
            await case.put(entry("other"))
            await idle(worker)
            assert (recipient.texts.count("other"), worker.circuit.failures) == (1, 0)


async def test_an_entry_keeps_its_key_and_is_what_was_decided_now(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(entry("x", key=b"k" * 16, fingerprint=b"m" * 8))
        async with running_worker(case, recipient := RecordingExporter()) as worker:
            await idle(worker)
        ((sent,),) = recipient.sent
        assert (sent.keys, sent.fingerprints, sent.releases.plan) == (b"k" * 16, b"m" * 8, "another-plan")


def each(**outcomes: Outcome) -> Reply:
    """By the text of an entry; the others are delivered."""
    return lambda batch: [outcomes.get(f"_{one.payload.decode()}", DELIVERED) for one in batch]


def whole(outcome: Outcome) -> Reply:
    """The same for all."""
    return lambda batch: [outcome] * len(batch)


def raising(error: Exception) -> Reply:
    def reply(batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        raise error

    return reply


OUTCOMES: dict[str, tuple[Reply, int, int, dict[tuple[str, ...], int]]] = {
    "delivered": (whole(DELIVERED), 0, 0, {("crm", "delivered"): 3}),
    "rejected": (whole(Rejected(DeliveryReason.REJECTED)), 0, 3, {("crm", "rejected"): 3}),
    "not now": (whole(Retryable()), 3, 0, {("crm", "retry"): 3}),
    "not for an hour": (whole(Retryable(after=3600)), 3, 0, {("crm", "retry"): 3}),
    "of each": (
        each(_0=Retryable(), _1=Rejected(ItemReason.TOO_LARGE)),
        1,
        1,
        {("crm", "retry"): 1, ("crm", "rejected"): 1, ("crm", "delivered"): 1},
    ),
    "raises Retryable": (raising(Retryable(CallReason.UNAVAILABLE, 9)), 3, 0, {("crm", "retry"): 3}),
    "raises Rejected": (raising(Rejected(ItemReason.TOO_LARGE)), 0, 3, {("crm", "rejected"): 3}),
    "raises what it may not": (raising(ValueError("planted")), 0, 3, {("crm", "rejected"): 3}),
    "gives too few outcomes": (lambda batch: [DELIVERED], 0, 3, {("crm", "rejected"): 3}),
}


@pytest.mark.parametrize("row", OUTCOMES)
async def test_each_lease_ends_by_its_outcome(row: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reply, waiting, dead, counted = OUTCOMES[row]
    async with delivery_case(tmp_path) as case:
        await case.put(*entries(3))
        async with running_worker(case, recipient := RecordingExporter(reply)) as worker:
            await idle(worker)
        assert (case.waiting, case.dead, len(recipient.texts)) == (waiting, dead, 3)
        assert {key: count for key, count in case.counts.deliveries.items() if count} == counted
    assert "planted" not in caplog.text


async def test_where_no_dead_letters_are_kept_what_is_refused_for_good_is_deleted_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with delivery_case(tmp_path, keeps_dead_letters=False) as case:
        await case.put(*entries(3))
        reply = each(_0=Retryable(), _1=Rejected(ItemReason.TOO_LARGE))
        async with running_worker(case, RecordingExporter(reply)) as worker:
            await idle(worker)
        assert (case.waiting, case.dead) == (1, 0)
        assert ({**case.counts.purged}, {**case.counts.dead_lettered}) == ({("crm", "TOO_LARGE"): 1}, {})
    assert "crm: the hub refuses 1 items for good: TOO_LARGE" in caplog.text


async def test_what_was_put_off_comes_again_when_it_is_due(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(*entries(1))
        async with running_worker(case, recipient := RecordingExporter(whole(Retryable(after=60)))) as worker:
            await idle(worker)
            recipient.reply = whole(DELIVERED)
            case.time.passed = 59
            await idle(worker)
            assert len(recipient.texts) == 1
            case.time.passed = 61
            await idle(worker)
        assert (len(recipient.texts), case.waiting) == (2, 0)


async def test_a_recipient_that_keeps_failing_is_left_alone_then_tried_with_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with delivery_case(tmp_path) as case:
        await case.put(*entries(OPEN_AFTER_FAILURES + 20))
        async with running_worker(
            case, recipient := RecordingExporter(whole(Retryable()), BatchLimits(1, max_in_flight=1))
        ) as worker:
            await idle(worker)
            assert len(recipient.batches) == OPEN_AFTER_FAILURES
            recipient.limits = BatchLimits(10, max_in_flight=1)
            recipient.reply = whole(DELIVERED)
            case.time.passed = 1000
            await idle(worker)
        assert len(recipient.batches[OPEN_AFTER_FAILURES]) == 1
        assert len(recipient.batches[OPEN_AFTER_FAILURES + 1]) > 1
        assert case.waiting == 0
    assert caplog.text.count("it is tried less often now") == 1


async def test_a_recipient_is_not_left_alone_for_batches_that_fail_at_once(tmp_path: Path) -> None:
    count = 2 * OPEN_AFTER_FAILURES
    async with delivery_case(tmp_path) as case:
        await case.put(*entries(count))
        recipient = RecordingExporter(whole(Retryable()), BatchLimits(1, max_in_flight=count), shut=True)
        async with running_worker(case, recipient) as worker:
            await recipient.wait_for(count)
            recipient.open()
            await idle(worker)
            assert (len(recipient.batches), worker.circuit) == (count, Circuit(failures=1))
            await case.put(entry("next"))
            await idle(worker)
            assert recipient.texts[count:] == ["next"]


STORED: dict[str, tuple[str, int, dict[tuple[str, ...], int], dict[tuple[str, ...], int]]] = {
    "cut off": ("withhold", 0, {("crm", "CUT_OFF"): 1}, {}),
    "refused by now": ("refuse", 0, {("crm", "EVENT_NOT_PLANNED"): 1}, {}),
    "in doubt": ("doubt", 1, {}, {}),
}


@pytest.mark.parametrize("row", STORED)
async def test_what_may_not_leave_any_more_does_not(row: str, tmp_path: Path) -> None:
    decision, waiting, purged, dead_lettered = STORED[row]
    async with delivery_case(tmp_path) as case:
        await case.put(*entries(3))
        getattr(case.redecider, decision)("1")
        async with running_worker(case, recipient := RecordingExporter()):
            await recipient.wait_for(2)
        assert (recipient.texts, case.waiting) == (["0", "2"], waiting)
        assert ({**case.counts.purged}, {**case.counts.dead_lettered}) == (purged, dead_lettered)
    recorded = asked(tmp_path / "outbox.db", "SELECT destination, reason, count FROM deletions")
    assert recorded == [(*key, count) for key, count in purged.items()]


async def test_a_batch_of_which_nothing_may_leave_is_not_sent(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(entry("x"))
        case.redecider.withhold("x")
        async with running_worker(case, recipient := RecordingExporter()) as worker:
            await idle(worker)
        assert (recipient.batches, case.waiting) == ([], 0)


async def test_what_is_in_flight_at_the_stop_is_acked(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(*entries(3))
        worker = DeliveryWorker("crm", recipient := RecordingExporter(shut=True), case.deps)
        await recipient.wait_for(3)
        stopping = asyncio.create_task(worker.stop(TIMEOUT_SECONDS))
        recipient.open()
        await stopping
        assert case.waiting == 0


async def test_what_is_not_answered_in_time_is_nacked(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(*entries(3))
        worker = DeliveryWorker("crm", recipient := RecordingExporter(shut=True), case.deps)
        await recipient.wait_for(3)
        await worker.stop(0.01)
        assert case.waiting == 3
        async with running_worker(case, again := RecordingExporter()):
            await again.wait_for(3)


async def failed_often(case: DeliveryCase, count: int) -> None:
    """So many items that have failed ten times each, and are due."""
    await case.put(*entries(count))
    for _ in range(10):
        leased = await case.outbox.lease("crm", BatchLimits(), 2**62)
        await case.outbox.defer(ids(leased), NOW_NS)


async def test_of_what_has_failed_often_no_more_is_under_way_than_the_recipient_takes(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await failed_often(case, 100)
        async with running_worker(case, recipient := RecordingExporter(limits=BatchLimits(max_in_flight=3), shut=True)):
            await recipient.wait_for(3)
            recipient.open()
            await recipient.wait_for(100)
        assert (recipient.most_in_flight, case.waiting) == (3, 0)


async def test_what_is_leased_and_not_begun_is_free_after_a_stop(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await failed_often(case, 10)
        worker = DeliveryWorker(
            "crm", recipient := RecordingExporter(limits=BatchLimits(max_in_flight=1), shut=True), case.deps
        )
        await recipient.wait_for(1)
        recipient.open()
        await worker.stop(TIMEOUT_SECONDS)
        assert case.waiting == 10 - len(recipient.texts)
        assert len(ids(await case.outbox.lease("crm", BatchLimits(), 2**62))) == case.waiting


@pytest.mark.parametrize(
    "told",
    [None, ["delivered"], [None], (DELIVERED for _ in range(1)), asyncio.CancelledError(), LookupError()],
    ids=["nothing", "a text", "none", "a generator", "cancelled", "an error"],
)
async def test_an_exporter_at_fault_is_asked_once(told: object, tmp_path: Path) -> None:
    def reply(batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        if isinstance(told, BaseException):
            raise told
        return told  # type: ignore[return-value]  # that is its fault

    async with delivery_case(tmp_path) as case:
        await case.put(*entries(1))
        async with running_worker(case, recipient := RecordingExporter(reply)) as worker:
            await idle(worker)
        assert (len(recipient.batches), {**case.counts.dead_lettered}) == (1, {("crm", "INTERNAL"): 1})


@pytest.mark.parametrize("error", [KeyError("x"), Retryable(CallReason.UNAVAILABLE)], ids=repr)
async def test_what_cannot_be_decided_on_is_looked_at_again_only_later(error: Exception, tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        case.redecider.verdicts["0"] = error
        await case.put(*entries(2))
        async with running_worker(case, recipient := RecordingExporter()) as worker:
            await idle(worker)
            asked = case.redecider.asked
            await idle(worker)
            assert (asked, case.redecider.asked, recipient.texts) == (2, 2, ["1"])
            case.redecider.verdicts.clear()
            case.time.passed = UNDECIDED_RETRY_SECONDS
            await idle(worker)
        assert (recipient.texts, case.waiting) == (["1", "0"], 0)


async def test_what_is_erased_while_it_is_leased_is_not_sent(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(about("a", b"alice"), about("b", b"bob"))
        leased = await case.outbox.lease("crm", BatchLimits(), NOW_NS)
        assert await case.outbox.erase([b"alice".ljust(16, b"\0")], NOW_NS) == {"crm": Removed(leased=1)}
        await DeliveryAttempt("crm", leased, case.deps).run(recipient := RecordingExporter())
        assert (recipient.texts, case.waiting, len(case.outbox.erased([1, 2]))) == (["b"], 0, 0)
