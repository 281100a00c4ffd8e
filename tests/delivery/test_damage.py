"""A damaged file is quarantined and reported, and what can be read of it goes on: at the start, and under way."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from gateway.delivery.outbox.schema import VERSION
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.errors import BadConfig, DeliveryReason, Retryable
from gateway.exporters.base import BatchLimits
from tests.delivery.cases import NOW_NS, entries, entry, ids
from tests.delivery.damage import COUNT, asides, cut, filled, header, middle, others, page, text, unindexed
from tests.delivery.leased_entries import each
from tests.delivery.outboxes import ALL, SMALL, about, asked, counts, held, opened


def modes(folder: Path) -> dict[str, int]:
    return {one.name: one.stat().st_mode & 0o777 for one in folder.rglob("*")}


DAMAGES: Final[dict[str, tuple[Callable[[Path], None], int]]] = {
    "middle": (middle, COUNT // 2),
    "cut": (cut, COUNT // 4),
    "header": (header, 0),
    "text": (text, 0),
    "others": (others, COUNT + 20),
    "batches": (partial(page, "batches"), 1),
    "batches_due": (partial(page, "batches_due"), COUNT + 20),
    "dead": (partial(page, "dead"), COUNT + 19),
    "unindexed": (unindexed, COUNT + 20),
    "queues": (partial(page, "queues"), COUNT + 20),
    "kinds": (partial(page, "kinds"), COUNT + 20),
    "state": (partial(page, "state"), COUNT + 20),
    "gone": (partial(page, "gone"), COUNT + 20),
    "recent_keys": (partial(page, "recent_keys"), COUNT + 20),
}
"""Ways to damage a file, and how many items and dead letters can be read afterwards at least."""


@pytest.mark.parametrize("name", DAMAGES)
async def test_what_can_be_read_of_a_damaged_file_goes_on(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, (damage, least) = tmp_path / "o.db", DAMAGES[name]
    await filled(path)
    damage(path)
    before = path.read_bytes()
    async with opened(path) as outbox:
        assert outbox.quarantined == 1
        assert least <= outbox.recovered <= COUNT + 20
        items, dead = counts(outbox)
        assert (items + dead, len(await held(outbox))) == (outbox.recovered, items)
        await outbox.accept([entry("new")], NOW_NS)
        assert (await held(outbox))[-1:] == ["new"]
        assert kept_aside(path) == [before]
        await outbox.erase([b"alice".ljust(16, b"\0")], NOW_NS)
        assert counts(outbox)[0] <= 21
    assert kept_aside(path) == []
    assert [record.levelno for record in caplog.records if record.name.startswith("gateway")] == [
        logging.ERROR,
        logging.WARNING,
    ]
    async with opened(path) as outbox:
        assert outbox.quarantined == 0


def kept_aside(path: Path) -> list[bytes]:
    return [one.read_bytes() for one in asides(path)]


async def test_keys_are_known_after_damage(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    await filled(path)
    page("batches_due", path)
    async with opened(path) as outbox:
        before = counts(outbox)
        await outbox.accept([entry(f"single {number:x<300}", fingerprint=b"the mark") for number in range(20)], NOW_NS)
        assert counts(outbox) == before


FLIPS: Final = {
    "payload": ("body", b"\xc4\x015", b"\xc4\x01!"),
    "key": ("body", b"5".ljust(16, b"\0"), b"!".ljust(16, b"\0")),
    "subject": ("subjects", b"who 5", b"who !"),
    "personal marker": ("subjects", b"who 5".ljust(16, b"\0"), b"personal account"),
}


@pytest.mark.parametrize("flip", FLIPS)
@pytest.mark.parametrize("batched", [True, False])
async def test_an_entry_that_is_not_what_was_stored_is_told_and_its_neighbours_are_well(
    batched: bool, flip: str, tmp_path: Path
) -> None:
    path, (column, before, after) = tmp_path / "o.db", FLIPS[flip]
    given = [about(str(number), b"who %d" % number) for number in range(10)]
    async with opened(path) as outbox:
        for group in [given] if batched else [[one] for one in given]:
            await outbox.accept(group, NOW_NS)
    with closing(sqlite3.connect(path)) as database, database:
        for number, value in database.execute(f"SELECT id, {column} FROM batches").fetchall():
            query = f"UPDATE batches SET {column} = ? WHERE id = ?"
            database.execute(query, (value.replace(before, after), number))
    async with opened(path) as outbox:
        leased = each(await outbox.lease("crm", ALL, NOW_NS))
        assert [one.intact for one in leased] == [number != 5 for number in range(10)]
        await outbox.dead_letter({leased[5].id: DeliveryReason.DAMAGED}, NOW_NS)
        assert counts(outbox) == (9, 1)
    page("batches_due", path)
    async with opened(path) as outbox:
        assert (outbox.recovered, await held(outbox)) == (9, [str(number) for number in range(10) if number != 5])


@pytest.mark.parametrize("column", ["body", "subjects"])
async def test_a_batch_that_cannot_be_read_is_dead_letters(column: str, tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with opened(path) as outbox:
        await outbox.accept(entries(10), NOW_NS)
    asked(path, f"UPDATE batches SET {column} = x'ff'")
    async with opened(path) as outbox:
        leased = [one for _ in range(2) for one in each(await outbox.lease("crm", BatchLimits(max_items=6), NOW_NS))]
        assert [one.intact for one in leased] == [False] * 10
        await outbox.dead_letter(dict.fromkeys([one.id for one in leased[:6]], DeliveryReason.DAMAGED), NOW_NS)
        await outbox.ack([one.id for one in leased[7:]])
        assert counts(outbox) == (1, 6)


async def _give_back(outbox: SqliteOutbox) -> None:
    await outbox.defer(ids(await outbox.lease("crm", BatchLimits(max_items=6), NOW_NS)), NOW_NS)


async def _reject(outbox: SqliteOutbox) -> None:
    leased = ids(await outbox.lease("crm", BatchLimits(max_items=6), NOW_NS))
    await outbox.dead_letter(dict.fromkeys(leased, DeliveryReason.DAMAGED), NOW_NS)


async def _erase(outbox: SqliteOutbox) -> None:
    await outbox.erase([b"who 3".ljust(16, b"\0")], NOW_NS)


@pytest.mark.parametrize("part", [_give_back, _reject, _erase])
async def test_bytes_of_what_cannot_be_read_count_until_it_is_gone(
    part: Callable[[SqliteOutbox], Awaitable[None]], tmp_path: Path
) -> None:
    path = tmp_path / "o.db"
    async with opened(path) as outbox:
        await outbox.accept([about(str(number), b"who %d" % number) for number in range(10)], NOW_NS)
    asked(path, "UPDATE batches SET body = x'ff'")
    async with opened(path) as outbox:
        await part(outbox)
        while leased := ids(await outbox.lease("crm", ALL, NOW_NS)):
            await outbox.ack(leased)
        await outbox.replay("crm", NOW_NS)
        await outbox.ack(ids(await outbox.lease("crm", ALL, NOW_NS)))
    assert asked(path, "SELECT items, bytes, dead, dead_bytes FROM queues") == [(0, 0, 0, 0)]


@pytest.mark.parametrize("dead", [False, True])
@pytest.mark.parametrize("subjects", ["x'ff'", "x'91c40130'", "x'91c0'"], ids=["no list", "too few", "no hash"])
async def test_an_erasure_takes_what_cannot_be_told_whom_it_is_about(
    subjects: str, tmp_path: Path, *, dead: bool
) -> None:
    path = tmp_path / "o.db"
    async with opened(path) as outbox:
        await outbox.accept([about(f"planted {number}", b"who") for number in range(10)], NOW_NS)
    asked(path, f"UPDATE batches SET subjects = {subjects}")
    async with opened(path) as outbox:
        if dead:
            leased = ids(await outbox.lease("crm", ALL, NOW_NS))
            await outbox.dead_letter(dict.fromkeys(leased, DeliveryReason.DAMAGED), NOW_NS)
        await outbox.accept([about("another", b"other")], NOW_NS)
        await outbox.erase([b"who".ljust(16, b"\0")], NOW_NS)
        assert await held(outbox) == ["another"]
    assert b"planted" not in path.read_bytes()


@pytest.mark.parametrize("column", ["count", "kind", "queue", "attempts"])
async def test_a_row_that_makes_no_sense_stops_nothing_for_long(column: str, tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with opened(path) as outbox:
        await outbox.accept(entries(10), NOW_NS)
        await outbox.accept([entry("next")], NOW_NS)
    asked(path, f"UPDATE batches SET {column} = 'odd' WHERE id = 1")
    async with opened(path) as outbox:
        with suppress(Retryable):
            await held(outbox)
        assert await held(outbox) == ["next"]
        await outbox.accept([entry("new")], NOW_NS)
        assert await held(outbox) == ["next", "new"]


async def test_a_file_damaged_under_way_is_quarantined_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    await filled(path)
    async with opened(path) as outbox:
        leased = await outbox.lease("crm", BatchLimits(max_items=200), NOW_NS)
        middle(path)
        # Another program's commit makes the gateway read the file anew.
        asked(path, "DELETE FROM deletions")
        with pytest.raises(Retryable, match="UNAVAILABLE"):
            await outbox.lease("crm", ALL, NOW_NS)
        rest = await outbox.lease("crm", ALL, NOW_NS)
        await outbox.ack(ids(leased))
        await outbox.ack(ids(rest))
        assert (outbox.quarantined, counts(outbox)[0]) == (1, 0)
        await outbox.accept([entry("new")], NOW_NS)
        assert await held(outbox) == ["new"]


async def test_a_replacement_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    await filled(path, 50)
    path.rename(tmp_path / "o.db.salvaged")
    (tmp_path / "o.db.salvaging").write_bytes(b"half of something")
    async with opened(path) as outbox:
        assert len(await held(outbox)) == 69
    assert not (tmp_path / "o.db.salvaged").exists()


async def test_a_newer_versions_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    await filled(path, 1)
    asked(path, f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(BadConfig, match=f"is of version {VERSION + 1}"):
        SqliteOutbox.open(path, SMALL)
    assert asides(path) == []


async def test_another_gateway_keeps_out(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db"):
        with pytest.raises(BadConfig, match="another gateway has it"):
            SqliteOutbox.open(tmp_path / "o.db", SMALL)
    async with opened(tmp_path / "o.db"):
        pass


@pytest.mark.parametrize("place", ["folder", "file/o.db"])
async def test_a_path_that_cannot_be_written_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(BadConfig, match=place):
            SqliteOutbox.open(tmp_path / place, SMALL)


async def test_files_and_folders_are_for_their_owner_only(tmp_path: Path) -> None:
    async with opened(tmp_path / "state" / "deep" / "o.db") as outbox:
        await outbox.accept(entries(1), NOW_NS)
        files = ("o.db", "o.db-wal", "o.db-shm", "o.db.lock", "o.db.leased")
        assert modes(tmp_path) == {"state": 0o700, "deep": 0o700, **dict.fromkeys(files, 0o600)}
