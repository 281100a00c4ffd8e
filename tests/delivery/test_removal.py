"""What leaves the outbox without being delivered: dead letters, and what is erased, too old or without a flow."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from gateway.delivery.outbox import schema
from gateway.delivery.outbox.interface import Removed
from gateway.delivery.outbox.queues import RECORD_SPAN_NANOS
from gateway.delivery.outbox.store import MAX_TIME_NANOS, Store
from gateway.entry_batch import EntryBatch
from gateway.errors import DeliveryReason, ItemReason
from gateway.exporters.base import BatchLimits
from tests.delivery.cases import NOW_NS, SECOND_NS, entries, entry, ids
from tests.delivery.damage import filled, text
from tests.delivery.outboxes import about, asked, counts, held, opened

HOUR = 3600 * SECOND_NS
DAY = 24 * HOUR
MANY = 250


@pytest.mark.parametrize("count", [3, MANY])
async def test_a_dead_letter_is_kept_and_not_leased(count: int, tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(entries(count), NOW_NS)
        leased = await outbox.lease("crm", BatchLimits(max_items=2), NOW_NS)
        await outbox.dead_letter(
            {ids(leased)[0]: DeliveryReason.REJECTED, ids(leased)[1]: DeliveryReason.DAMAGED}, NOW_NS
        )
        assert (len(await held(outbox)), counts(outbox)) == (count - 2, (count - 2, 2))
    assert asked(tmp_path / "o.db", "SELECT id, reason FROM dead ORDER BY id") == [(1, "REJECTED"), (2, "DAMAGED")]


def _about_two(count: int) -> list[EntryBatch]:
    return [about(f"{number}", b"alice" if number % 3 == 0 else b"bob", b"all") for number in range(count)]


@pytest.mark.parametrize("count", [3, MANY, 1400])
async def test_what_is_about_a_subject_is_erased_wherever_it_is(count: int, tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(_about_two(count), NOW_NS)
        await outbox.accept([about("elsewhere", b"alice", destination="log")], NOW_NS)
        leased = ids(await outbox.lease("crm", BatchLimits(max_items=2), NOW_NS))
        await outbox.dead_letter({leased[0]: DeliveryReason.REJECTED}, NOW_NS)
        erased = await outbox.erase([b"alice".ljust(16, b"\0"), b"nobody".ljust(16, b"\0")], NOW_NS)
        alices = -(-count // 3)
        assert erased == {"crm": Removed(alices), "log": Removed(1)}
        assert counts(outbox) == (count - alices, 0)
        await outbox.defer([leased[1]], 0, failed=False)
        assert await held(outbox) == [str(number) for number in range(count) if number % 3]
        assert await outbox.erase([b"all".ljust(16, b"\0")], NOW_NS) == {"crm": Removed(count - alices)}
        assert await held(outbox) == []
    assert asked(tmp_path / "o.db", "SELECT count(*) FROM gone") == [(0,)]
    assert asked(tmp_path / "o.db", "SELECT reason, sum(count) FROM deletions GROUP BY reason") == [
        ("ERASED", count + 1)
    ]


async def test_hashes_that_only_follow_each_other_are_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept([about("a", b"0123456789abcdef", b"ghijklmnopqrstuv")], NOW_NS)
        assert await outbox.erase([b"89abcdefghijklmn"], NOW_NS) == {}
        assert await held(outbox) == ["a"]


async def test_what_came_in_the_same_transaction_is_erased_too(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        with closing(sqlite3.connect(tmp_path / "o.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            calls = [
                asyncio.create_task(outbox.lease("none", BatchLimits(), NOW_NS)),
                asyncio.create_task(outbox.accept([about("a", b"alice"), about("b", b"bob")], NOW_NS)),
                asyncio.create_task(outbox.erase([b"alice".ljust(16, b"\0")], NOW_NS)),
            ]
            await asyncio.sleep(0)
            other.execute("COMMIT")
            await asyncio.gather(*calls)
        assert await held(outbox) == ["b"]


async def test_what_was_erased_does_not_come_back_with_a_retry(tmp_path: Path) -> None:
    given = [msgspec.structs.replace(about("a", b"alice"), fingerprints=b"the mark")]
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(given, NOW_NS)
        await outbox.erase([given[0].subjects[0]], NOW_NS)
        await outbox.accept(given, NOW_NS)
        assert await held(outbox) == []


@pytest.mark.parametrize("count", [3, MANY])
async def test_what_is_too_old_expires_but_for_what_is_leased(count: int, tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept([entry(str(number), received_ns=NOW_NS + number) for number in range(count)], NOW_NS)
        leased = await outbox.lease("crm", BatchLimits(max_items=1), NOW_NS)
        assert await outbox.dead_letter_expired("crm", NOW_NS + 2, NOW_NS) == 1
        assert counts(outbox) == (count - 1, 1)
        await outbox.ack([ids(leased)[0]])
        assert await held(outbox) == [str(number) for number in range(2, count)]
    assert asked(tmp_path / "o.db", "SELECT * FROM deletions") == []


@pytest.mark.parametrize("count", [3, 1200])
async def test_what_is_forgotten_is_gone_dead_letters_too_with_one_record(count: int, tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(entries(count), NOW_NS)
        leased = await outbox.lease("crm", BatchLimits(max_items=1), NOW_NS)
        await outbox.dead_letter({ids(leased)[0]: DeliveryReason.REJECTED}, NOW_NS)
        await outbox.accept([entry("young", received_ns=NOW_NS + HOUR)], NOW_NS)
        assert await outbox.delete_expired("crm", NOW_NS + HOUR, NOW_NS) == count
        assert (await held(outbox), counts(outbox)) == (["young"], (1, 0))
    assert asked(tmp_path / "o.db", "SELECT * FROM deletions") == [(NOW_NS, "crm", "EXPIRED", count)]


async def test_purges_of_one_minute_are_one_record_of_each_reason(tmp_path: Path) -> None:
    minute = RECORD_SPAN_NANOS
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(entries(8), NOW_NS)
        numbers = ids(await outbox.lease("crm", BatchLimits(), NOW_NS))
        for number, at_ns in zip(numbers, (0, 1, minute, minute + 1, minute + 2, minute * 3), strict=False):
            reason = ItemReason.EVENT_NOT_PLANNED if number == numbers[1] else DeliveryReason.CUT_OFF
            await outbox.purge("crm", {number: reason}, NOW_NS + at_ns)
        assert counts(outbox) == (2, 0)
    assert asked(tmp_path / "o.db", "SELECT at, reason, count FROM deletions") == [
        (NOW_NS, "CUT_OFF", 2),
        (NOW_NS + 1, "EVENT_NOT_PLANNED", 1),
        (NOW_NS + minute + 1, "CUT_OFF", 2),
        (NOW_NS + minute * 3, "CUT_OFF", 1),
    ]


@pytest.mark.parametrize("count", [2, 1400])
async def test_what_lost_its_flow_is_dropped_and_its_type_no_longer_listed(count: int, tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        mixed = [_typed(f"{number}", "a.One" if number % 2 else "a.Other") for number in range(count)]
        for start in range(0, count, 350):
            await outbox.accept(mixed[start : start + 350], NOW_NS)
        assert set((await outbox.kinds())[0]) == {("crm", "a.One"), ("crm", "a.Other")}
        assert await outbox.delete_of_types("crm", {"a.One"}, MAX_TIME_NANOS, NOW_NS) == count // 2
        assert set((await outbox.kinds())[0]) == {("crm", "a.Other")}
        assert await held(outbox) == [str(number) for number in range(0, count, 2)]
        assert await outbox.delete_of_types("crm", {"a.One", "a.None"}, MAX_TIME_NANOS, NOW_NS) == 0


async def test_what_is_leased_is_not_dropped_and_its_type_stays_listed(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept([_typed("a", "a.One"), _typed("b", "a.One")], NOW_NS)
        leased = await outbox.lease("crm", BatchLimits(max_items=1), NOW_NS)
        assert await outbox.delete_of_types("crm", {"a.One"}, MAX_TIME_NANOS, NOW_NS) == 1
        assert set((await outbox.kinds())[0]) == {("crm", "a.One")}
        await outbox.defer([ids(leased)[0]], 0, failed=False)
        assert await held(outbox) == ["a"]


def _typed(text: str, type: str) -> EntryBatch:
    one = entry(text)
    return msgspec.structs.replace(one, releases=msgspec.structs.replace(one.releases, type=type))


async def test_an_operator_can_replay_dead_letters_and_delete_items_beside_the_gateway(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with opened(path) as outbox:
        await outbox.accept([about(str(number), b"alice") for number in range(MANY)], NOW_NS)
        leased = await outbox.lease("crm", BatchLimits(max_items=3), NOW_NS)
        await outbox.dead_letter(dict.fromkeys(ids(leased), DeliveryReason.REJECTED), NOW_NS)
        with closing(schema.connect(path)) as connection:
            schema.check(connection, path)
            store = Store(connection, 1 << 30, 0)
            store.begin()
            assert (store.replay([ids(leased)[0], ids(leased)[1]], NOW_NS), store.ack([ids(leased)[2] + 1])) == (2, 1)
            store.commit()
        assert await held(outbox) == ["0", "1", *(str(number) for number in range(4, MANY))]
        assert await outbox.erase([b"alice".ljust(16, b"\0")], NOW_NS) == {"crm": Removed(MANY - 1)}


def on_the_volume(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def take_away(folder: Path) -> None:
    for path in folder.glob("o.db*"):
        path.unlink()


async def test_what_is_erased_is_wiped_from_the_volume(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept([about("of alice's", b"alice"), about("of bob's", b"bob")], NOW_NS)
        await outbox.erase([b"alice".ljust(16, b"\0")], NOW_NS)
        assert (b"of alice's" in on_the_volume(tmp_path), b"of bob's" in on_the_volume(tmp_path)) == (False, True)


async def test_a_damaged_file_goes_when_it_is_older_than_an_item_may_be(tmp_path: Path) -> None:
    await filled(tmp_path / "o.db", 50)
    text(tmp_path / "o.db")
    async with opened(tmp_path / "o.db") as outbox:
        assert [
            await outbox.discard_quarantined(time.time_ns() + seconds * SECOND_NS) for seconds in (-3600, 3600, 3600)
        ] == [
            0,
            1,
            0,
        ]
    assert b"no database" not in on_the_volume(tmp_path)


async def test_a_file_that_somebody_takes_away_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(entries(1), NOW_NS)
        take_away(tmp_path)
        await outbox.accept([entry("b")], NOW_NS)
        assert await held(outbox) == ["b"]
    assert "was taken away" in caplog.text
    async with opened(tmp_path / "o.db") as outbox:
        assert await held(outbox) == ["b"]
