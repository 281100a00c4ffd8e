"""Direct delivery: the recipient first; what it doesn't take is stored under the same keys, and sent once it can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from gateway.delivery import worker
from gateway.delivery.dispatcher import OutboxDispatcher
from gateway.errors import DeliveryReason, Refused, Rejected, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, Exporter, Outcome
from gateway.model import OutboxEntry, Release
from tests.delivery.cases import NOW_NS, TIMEOUT_SECONDS, DeliveryCase, RecordingExporter, delivery_case, entries, entry

NEAR: Final = frozenset({"crm"})


@asynccontextmanager
async def sending(case: DeliveryCase, exporters: Mapping[str, Exporter]) -> AsyncIterator[OutboxDispatcher]:
    delivery = OutboxDispatcher(case.deps)
    delivery.replace(exporters, case.redecider, NEAR)
    try:
        yield delivery
    finally:
        await delivery.close(TIMEOUT_SECONDS)


def sent_again(text: str = "a", *, fingerprint: bytes = b"the item") -> OutboxEntry:
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
        assert len({one.key for batch in crm.batches for one in batch if one.release.payload == b"first"}) == 1
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
async def test_what_it_does_not_take_is_stored_alone(
    reply: Sequence[Outcome] | Exception, again: list[str], tmp_path: Path
) -> None:
    async with (
        delivery_case(tmp_path) as case,
        sending(case, {"crm": (crm := RecordingExporter(replying(reply)))}) as delivery,
    ):
        await delivery.accept([entry("a"), entry("b")])
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert [[one.release.payload.decode() for one in batch] for batch in crm.batches] == [["a", "b"], again]
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
        ([OutboxEntry(Release("crm", "a.Type", "a former plan", b"a"), bytes(16), b"", NOW_NS)], BatchLimits(), "plan"),
        ([entry("a", "log")], BatchLimits(), "the destination isn't near"),
    ],
)
async def test_what_cant_go_at_once_is_stored(
    items: list[OutboxEntry], limits: BatchLimits, because: str, tmp_path: Path
) -> None:
    shut = {name: RecordingExporter(limits=limits, shut=True) for name in ("crm", "log")}
    async with delivery_case(tmp_path) as case, sending(case, shut) as delivery:
        await asyncio.wait_for(delivery.accept(items), TIMEOUT_SECONDS)
        assert case.waiting == len(items), because
        for exporter in shut.values():
            exporter.open()


@pytest.mark.parametrize("together", [False, True])
async def test_a_request_that_comes_again_is_sent_once(tmp_path: Path, *, together: bool) -> None:
    async with (
        delivery_case(tmp_path) as case,
        sending(case, {"crm": (crm := RecordingExporter())}) as delivery,
    ):
        if together:
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
    monkeypatch.setattr(worker, "DIRECT_SECONDS", TIMEOUT_SECONDS)
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
    monkeypatch.setattr(worker, "DIRECT_SECONDS", TIMEOUT_SECONDS)
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
            assert (case.waiting, case.counts.direct_fallbacks["crm",]) == (20, 20)
            crm.open()
            await delivery.drained()
            await delivery.accept([entry("after it")])
        assert (case.waiting, crm.texts[-1]) == (0, "after it")


async def test_what_was_delivered_and_could_not_be_noted_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unwritable(entries: Sequence[OutboxEntry], now_ns: int) -> None:
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
