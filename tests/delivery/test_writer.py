"""The outbox as its protocol promises it.

What is accepted can be leased, until it is acked, dead-lettered, erased or too old.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from gateway.config import Outbox
from gateway.delivery.outbox.interface import LeasedBatch
from gateway.delivery.outbox.store import ENTRY_OVERHEAD_BYTES
from gateway.errors import CallReason, DeliveryReason, ItemReason, Refused, Retryable
from gateway.exporters.base import BatchLimits
from tests.delivery.cases import NOW_NS, SECOND_NS, entries, entry, ids
from tests.delivery.leased_entries import each
from tests.delivery.outboxes import ALL, counts, held, opened, texts

HOUR = 3600 * SECOND_NS
DAY = 24 * HOUR
MANY = 250


@pytest.mark.parametrize("count", [1, 3, 4, 99, 100, 101, MANY])
async def test_what_is_accepted_is_leased_in_order_as_it_was(count: int, tmp_path: Path) -> None:
    given = entries(count)
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(given, NOW_NS)
        leased = each(await outbox.lease("crm", ALL, NOW_NS))
        assert [
            (one.destination, one.type, one.plan, one.payload, one.key, one.fingerprint, one.received_ns)
            for one in leased
        ] == [
            ("crm", "a.Type", "a-plan", one.releases.payloads[0], one.keys, one.fingerprints, one.received_ns[0])
            for one in given
        ]
        assert all(one.intact and one.attempts == 0 for one in leased)


@pytest.mark.parametrize("count", [3, MANY])
async def test_it_is_there_after_a_restart_until_it_is_acked(count: int, tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(entries(count), NOW_NS)
        await outbox.lease("crm", ALL, NOW_NS)
    async with opened(tmp_path / "o.db") as outbox:
        leased = await outbox.lease("crm", ALL, NOW_NS)
        assert len(ids(leased)) == counts(outbox)[0] == count
        await outbox.ack(ids(leased))
    async with opened(tmp_path / "o.db") as outbox:
        assert (await held(outbox), counts(outbox)) == ([], (0, 0))


async def test_what_is_leased_is_not_leased_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(entries(MANY), NOW_NS)
        first, second = await asyncio.gather(
            *(outbox.lease("crm", BatchLimits(max_items=120), NOW_NS) for _ in range(2))
        )
        rest = await outbox.lease("crm", ALL, NOW_NS)
        assert sorted(ids((*first, *second, *rest))) == list(range(1, MANY + 1))


@pytest.mark.parametrize(
    ("sizes", "bounds", "expected"),
    [
        ([10] * 5, BatchLimits(max_items=2), [2, 2, 1]),
        ([10] * 5, BatchLimits(max_bytes=25), [2, 2, 1]),
        ([10, 100, 10], BatchLimits(max_bytes=25), [1, 1, 1]),
        ([100], BatchLimits(max_bytes=25), [1]),
        ([10] * 120, BatchLimits(max_items=50), [50, 50, 20]),
        ([10] * 1200, BatchLimits(max_items=1100), [1024, 176]),
    ],
)
async def test_a_batch_is_within_its_bounds_and_a_larger_item_goes_alone(
    sizes: Sequence[int], bounds: BatchLimits, expected: list[int], tmp_path: Path
) -> None:
    given = [entry(f"{number:x<{size}}", key=number.to_bytes(16)) for number, size in enumerate(sizes)]
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(given, NOW_NS)
        taken = [len(ids(await outbox.lease("crm", bounds, NOW_NS))) for _ in range(len(expected) + 1)]
        assert taken == [*expected, 0]


async def test_each_destination_has_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept([entry("a"), entry("b", "log"), *entries(5), *entries(5, "log")], NOW_NS)
        assert await held(outbox, "crm") == ["a", *"01234"]
        assert await held(outbox, "log") == ["b", *"01234"]
        assert await held(outbox, "none") == []


@pytest.mark.parametrize("count", [3, MANY])
@pytest.mark.parametrize("take", [1, 2, 3])
async def test_what_is_put_off_comes_back_when_it_is_due_and_first(count: int, take: int, tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(entries(count), NOW_NS)
        leased = await outbox.lease("crm", BatchLimits(max_items=take), NOW_NS)
        await outbox.defer(ids(leased), NOW_NS + SECOND_NS)
        assert len(await held(outbox)) == count - take
        again = await outbox.lease("crm", ALL, NOW_NS + SECOND_NS)
        assert texts(again)[:take] == texts(leased)
        assert [one.attempts for one in each(again)] == [1] * take + [0] * (count - take)


@pytest.mark.parametrize(
    ("passed", "expected"), [(-HOUR, []), (-3 * HOUR, ["a"]), (-DAY, ["a"]), (0, []), (DAY, ["a"])]
)
async def test_a_clock_that_was_set_holds_nothing_back_for_long(
    passed: int, expected: list[str], tmp_path: Path
) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept([entry("a")], NOW_NS)
        (leased,) = await outbox.lease("crm", ALL, NOW_NS)
        await outbox.defer(leased.ids, NOW_NS + 60 * SECOND_NS)
        assert await held(outbox, now_ns=NOW_NS + passed) == expected


async def test_a_time_beyond_all_that_can_be_stored_holds_nothing_back(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept([entry("a")], NOW_NS)
        (leased,) = await outbox.lease("crm", ALL, NOW_NS)
        await outbox.defer(leased.ids, 2**64)
        assert await held(outbox) == ["a"]


async def test_what_is_nacked_is_the_next_and_has_not_failed(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(entries(MANY), NOW_NS)
        leased = await outbox.lease("crm", BatchLimits(max_items=10), NOW_NS)
        await outbox.lease("crm", BatchLimits(max_items=10), NOW_NS)
        await outbox.defer(ids(leased), 0, failed=False)
        again = await outbox.lease("crm", BatchLimits(max_items=10), NOW_NS)
        assert texts(again) == texts(leased)
        assert {one.attempts for one in each(again)} == {0}


async def test_what_is_replayed_is_leased_though_what_came_after_it_has_been(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        for group in range(3):
            await outbox.accept([entry(f"{group} {number}") for number in range(2)], NOW_NS)
        leased = ids(await outbox.lease("crm", BatchLimits(max_items=4), NOW_NS))
        await outbox.dead_letter(dict.fromkeys(leased[:2], DeliveryReason.REJECTED), NOW_NS)
        assert await outbox.replay("crm", NOW_NS) == 2
        assert texts(await outbox.lease("crm", ALL, NOW_NS)) == ["0 0", "0 1", "2 0", "2 1"]


async def test_a_lease_that_nobody_waits_for_any_more_is_nacked(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(entries(5), NOW_NS)
        task = asyncio.create_task(outbox.lease("crm", ALL, NOW_NS))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        leased: Sequence[LeasedBatch] = ()
        for _ in range(100):
            leased = leased or await outbox.lease("crm", ALL, NOW_NS)
        assert len(ids(leased)) == 5


async def test_what_is_known_is_not_stored_again(tmp_path: Path) -> None:
    given = [entry(str(number), fingerprint=bytes([number + 1] * 8)) for number in range(120)]
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept([*given, given[0]], NOW_NS)
        await outbox.accept([*given, entry("new", fingerprint=b"new mark")], NOW_NS)
        assert counts(outbox) == (121, 0)
        await outbox.ack(ids(await outbox.lease("crm", ALL, NOW_NS)))
        await outbox.accept(given, NOW_NS)
        assert counts(outbox) == (0, 0)
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(given, NOW_NS)
        assert counts(outbox) == (0, 0)


async def test_without_a_fingerprint_nothing_is_known(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept([entry("a"), entry("a")], NOW_NS)
        assert await held(outbox) == ["a", "a"]


@pytest.mark.parametrize("together", [True, False])
async def test_a_key_of_something_else_is_refused_with_all_that_came_with_it(together: bool, tmp_path: Path) -> None:
    one, other = entry("a", key=b"k" * 16, fingerprint=b"one mark"), entry("b", key=b"k" * 16, fingerprint=b"another.")
    async with opened(tmp_path / "o.db") as outbox:
        if not together:
            await outbox.accept([one], NOW_NS)
        with pytest.raises(Refused) as caught:
            await outbox.accept([entry("c", fingerprint=b"the mark"), *([one] if together else []), other], NOW_NS)
        assert caught.value.reason is CallReason.REQUEST_ID_REUSED
        assert await held(outbox) == ([] if together else ["a"])


async def test_what_is_refused_spoils_nothing_that_is_committed_with_it(tmp_path: Path) -> None:
    one, other = entry("a", key=b"k" * 16, fingerprint=b"one mark"), entry("b", key=b"k" * 16, fingerprint=b"another.")
    large = entry("x" * 70_000)
    async with opened(tmp_path / "o.db", Outbox(max_bytes=64 * 1024, margin=0)) as outbox:
        offers = [
            [one],
            [other],
            [large],
            [entry("far", received_ns=2**64 - 1)],
            [entry("odd", "\ud800")],
            [entry("z")],
        ]
        done = await asyncio.gather(*(outbox.accept(offer, NOW_NS) for offer in offers), return_exceptions=True)
        reasons = [answer.reason if isinstance(answer, Refused | Retryable) else answer for answer in done]
        assert reasons == [
            None,
            CallReason.REQUEST_ID_REUSED,
            ItemReason.TOO_LARGE,
            CallReason.INTERNAL,
            CallReason.UNAVAILABLE,
            None,
        ]
        assert await held(outbox) == ["a", "z"]


@pytest.mark.parametrize(
    ("passed", "known"), [(0, True), (HOUR, True), (HOUR - SECOND_NS, True), (-HOUR, True), (DAY, True)]
)
async def test_a_key_is_known_for_as_long_as_was_asked_whatever_the_clock_does(
    passed: int, known: bool, tmp_path: Path
) -> None:
    mine = entry("mine", fingerprint=b"my mark.")
    async with opened(tmp_path / "o.db", Outbox(margin=0, remember=3600)) as outbox:
        await outbox.accept([mine], NOW_NS)
        await outbox.accept([entry("other", fingerprint=b"another.")], NOW_NS + passed)
        await outbox.accept([mine], NOW_NS + passed)
        assert (await held(outbox)).count("mine") == (1 if known else 2)


async def test_a_key_is_forgotten_one_day(tmp_path: Path) -> None:
    mine = entry("mine", fingerprint=b"my mark.")
    async with opened(tmp_path / "o.db", Outbox(margin=0, remember=3600)) as outbox:
        for hours in range(4):
            await outbox.accept(
                [entry(f"other {hours}", fingerprint=b"another.")] if hours in {1, 2} else [mine], NOW_NS + hours * HOUR
            )
        assert (await held(outbox)).count("mine") == 2


@pytest.mark.parametrize("acked", [True, False])
async def test_full_is_full_until_something_goes(acked: bool, tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db", Outbox(max_bytes=64 * 1024, margin=0)) as outbox:
        await outbox.accept([entry(f"{number:x<1000}") for number in range(50)], NOW_NS)
        more = [entry(f"{number:y<1000}") for number in range(10)]
        with pytest.raises(Retryable) as caught:
            await outbox.accept(more, NOW_NS)
        assert (caught.value.reason, caught.value.after) == (CallReason.FULL, 1.0)
        if acked:
            await outbox.ack(ids(await outbox.lease("crm", BatchLimits(max_items=30), NOW_NS)))
        else:
            await outbox.delete_expired("crm", NOW_NS + 1, NOW_NS)
        await outbox.accept(more, NOW_NS)


async def test_depths_say_what_waits_and_since_when(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(
            [entry("abc", received_ns=NOW_NS + 5), entry("d", received_ns=NOW_NS + 3), *entries(4, "log")], NOW_NS
        )
        crm = outbox.depths()["crm"]
        assert (crm.items, crm.bytes, crm.oldest_ns, crm.dead) == (2, 4 + 2 * ENTRY_OVERHEAD_BYTES, NOW_NS + 3, 0)
        assert outbox.depths()["log"].items == 4


async def test_the_oldest_is_not_what_has_expired(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept([entry(str(number), received_ns=NOW_NS + number) for number in range(5)], NOW_NS)
        await outbox.dead_letter_expired("crm", NOW_NS + 2, NOW_NS)
        assert (outbox.depths()["crm"].oldest_ns, counts(outbox)) == (NOW_NS + 2, (3, 2))


async def test_what_waits_is_bounded_also_where_callers_gave_up(tmp_path: Path) -> None:
    path, large = tmp_path / "o.db", [entry("x" * 4_000_000)]
    async with opened(path) as outbox:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            calls = [asyncio.create_task(outbox.accept(large, NOW_NS)) for _ in range(40)]
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            done = await asyncio.gather(*calls, return_exceptions=True)
            assert any(isinstance(answer, Retryable) and answer.reason is CallReason.FULL for answer in done)
            with pytest.raises(Retryable, match="FULL"):
                await outbox.accept(large, NOW_NS)
            other.execute("COMMIT")
        await outbox.lease("none", ALL, NOW_NS)
        await outbox.accept(large, NOW_NS)


async def test_after_closing_nothing_is_accepted(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.close()
        with pytest.raises(Retryable):
            await outbox.accept(entries(1), NOW_NS)
