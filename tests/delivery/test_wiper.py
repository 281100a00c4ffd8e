"""What is gone stands in no file of the state folder, however it was stored and whatever took it away."""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from gateway.config import Outbox
from gateway.delivery.outbox import schema
from gateway.delivery.outbox.admin import OutboxAdmin
from gateway.delivery.outbox.store import MAX_TIME_NANOS
from gateway.delivery.outbox.stored_entry import EntryFilter
from gateway.delivery.outbox.wiper import WIPE_SECONDS
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.entry_batch import EntryBatch
from gateway.errors import DeliveryReason
from tests.delivery.cases import NOW_NS, SECOND_NS, ids
from tests.delivery.damage import page
from tests.delivery.leased_entries import each
from tests.delivery.outboxes import ALL, about, opened

BOUND_SECONDS: Final = WIPE_SECONDS + 5
"""As `docs/delivery.md` has it."""

PLANTED: Final = re.compile(rb"<<(\d{6})>>|who (\d{6})")


def text(number: int, size: int = 300) -> str:
    """A text that is found in part too, unless hardly anything of it is left."""
    return f"<<{number:06d}>>" * (size // 10)


def planted(numbers: Iterable[int], size: int = 300, received_ns: int = NOW_NS) -> list[EntryBatch]:
    return [about(text(number, size), f"who {number:06d}".encode(), received_ns=received_ns) for number in numbers]


def found(folder: Path) -> set[int]:
    """The numbers of all texts of which something stands in a file, or of whose subjects' hashes."""
    raw = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    return {int(text or subject) for text, subject in PLANTED.findall(raw)}


def copy_files(folder: Path, other: Path) -> None:
    for file in folder.glob("o.db*"):
        (other / file.name).write_bytes(file.read_bytes())


async def until_gone(folder: Path, numbers: Iterable[int], seconds: float = BOUND_SECONDS) -> None:
    gone, end = set(numbers), time.monotonic() + seconds
    while left := found(folder) & gone:
        assert time.monotonic() < end, (folder.name, sorted(left))
        await asyncio.sleep(0.1)


# A table: how it is stored, and what takes it away.


async def _single(outbox: SqliteOutbox) -> None:
    for number in range(6):
        await outbox.accept(planted([number]), NOW_NS)


async def _batch(outbox: SqliteOutbox) -> None:
    await outbox.accept(planted(range(6)), NOW_NS)


async def _large(outbox: SqliteOutbox) -> None:
    for number in range(6):
        await outbox.accept(planted([number], 30_000), NOW_NS)


async def _large_batch(outbox: SqliteOutbox) -> None:
    await outbox.accept(planted(range(6), 20_000), NOW_NS)


async def _dead(outbox: SqliteOutbox) -> None:
    await _batch(outbox)
    await outbox.dead_letter(
        dict.fromkeys(ids(await outbox.lease("crm", ALL, NOW_NS)), DeliveryReason.REJECTED), NOW_NS
    )


async def _put_off(outbox: SqliteOutbox) -> None:
    await _batch(outbox)
    await outbox.defer(ids(await outbox.lease("crm", ALL, NOW_NS)), NOW_NS + SECOND_NS)


FORMS: Final = {
    "single": _single,
    "batch": _batch,
    "large": _large,
    "large batch": _large_batch,
    "dead": _dead,
    "put off": _put_off,
}

HALF: Final = (1, 3, 5)
"""Those of the six that go, so that what stays is beside them. Their IDs are one more."""


async def _leased(outbox: SqliteOutbox) -> Sequence[int]:
    leased = each(await outbox.lease("crm", ALL, NOW_NS + SECOND_NS))
    return [one.id for one in leased if int(one.payload[2:8]) in HALF]


async def _deliver(outbox: SqliteOutbox, _: Path) -> None:
    await outbox.ack(await _leased(outbox))


async def _erase(outbox: SqliteOutbox, _: Path) -> None:
    await outbox.erase([f"who {number:06d}".encode().ljust(16, b"\0") for number in HALF], NOW_NS)


async def _purge(_: SqliteOutbox, path: Path) -> None:
    with closing(OutboxAdmin.open(path, Outbox())) as admin:
        ids = EntryFilter(tuple(number + 1 for number in HALF))
        assert sum(step.deleted for step in (*admin.purge(ids), *admin.purge_dead(ids))) == 3
        admin.wipe()


async def _retention(outbox: SqliteOutbox, _: Path) -> None:
    assert await outbox.delete_expired("crm", NOW_NS + SECOND_NS, NOW_NS) == 6


async def _cut_off(outbox: SqliteOutbox, _: Path) -> None:
    await outbox.delete_of_types("crm", {"a.Type"}, MAX_TIME_NANOS, NOW_NS)


async def _expire(outbox: SqliteOutbox, path: Path) -> None:
    """Dead letters first, then gone."""
    await outbox.dead_letter_expired("crm", NOW_NS + SECOND_NS, NOW_NS)
    with closing(OutboxAdmin.open(path, Outbox())) as admin:
        assert sum(step.deleted for step in admin.purge_dead(EntryFilter())) == 6
        admin.wipe()


async def _dead_letter_and_purge(_: SqliteOutbox, path: Path) -> None:
    with closing(OutboxAdmin.open(path, Outbox())) as admin:
        list(admin.dead_letter(EntryFilter()))
        list(admin.purge_dead(EntryFilter()))
        admin.wipe()


async def _replay_and_deliver(outbox: SqliteOutbox, path: Path) -> None:
    with closing(OutboxAdmin.open(path, Outbox())) as admin:
        list(admin.dead_letter(EntryFilter()))
        list(admin.replay(EntryFilter()))
    await _deliver(outbox, path)


SIX: Final = tuple(range(6))
REMOVALS: Final = {
    "deliver": (_deliver, HALF),
    "erase": (_erase, HALF),
    "purge": (_purge, HALF),
    "retention": (_retention, SIX),
    "cut off": (_cut_off, SIX),
    "expire": (_expire, SIX),
    "dead-letter and purge": (_dead_letter_and_purge, SIX),
    "replay and deliver": (_replay_and_deliver, HALF),
}
"""What takes items away, and which of the six."""

WAITING_ONLY: Final = frozenset({"deliver", "cut off"})
"""What has nothing to do with dead letters."""

AT_ONCE: Final = frozenset({"erase", "purge", "retention", "cut off", "expire", "dead-letter and purge"})


@pytest.mark.parametrize("removal", REMOVALS)
async def test_what_is_gone_stands_in_no_file(removal: str, tmp_path: Path) -> None:
    """Whatever its form: side by side, for some of it takes a while."""
    forms = FORMS.keys() - ({"dead"} if removal in WAITING_ONLY else set())
    async with asyncio.TaskGroup() as tasks:
        for form in forms:
            (folder := tmp_path / form).mkdir()
            tasks.create_task(_removed(removal, form, folder), name=form)


async def _removed(removal: str, form: str, folder: Path) -> None:
    remove, gone = REMOVALS[removal]
    async with opened(folder / "o.db") as outbox:
        await FORMS[form](outbox)
        assert found(folder) == {*SIX}, form
        await remove(outbox, folder / "o.db")
        await until_gone(folder, gone, 0.0 if removal in AT_ONCE else BOUND_SECONDS)
        assert found(folder) >= {*SIX} - {*gone}, form


async def test_nothing_stays_of_rows_that_were_moved_within_their_page(tmp_path: Path) -> None:
    """Items of many sizes come and go in any order, some of them for good a long time after their neighbours."""
    draw, alive, names = random.Random(7), set[int](), iter(range(100_000))
    async with opened(tmp_path / "o.db") as outbox:
        for _ in range(150):
            numbers = [next(names) for _ in range(draw.choice((1, 3, 40)))]
            await outbox.accept(
                [one for number in numbers for one in planted([number], draw.choice((60, 250, 1000)))], NOW_NS
            )
            alive.update(numbers)
            leased = each(await outbox.lease("crm", ALL, NOW_NS))
            draw.shuffle(leased)
            gone, late = leased[: draw.randrange(12)], leased[12:20]
            await outbox.ack([one.id for one in gone])
            await outbox.defer([one.id for one in late], NOW_NS if draw.random() < 0.5 else 0)
            await outbox.defer([one.id for one in leased if one not in gone and one not in late], 0, failed=False)
            alive.difference_update(int(one.payload[2:8]) for one in gone)
        await until_gone(tmp_path, {*range(next(names))} - alive)
        assert found(tmp_path) == alive


async def test_what_was_in_a_damaged_file_goes_with_what_was_taken_over(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        for start in range(0, 300, 30):
            await outbox.accept(planted(range(start, start + 30)), NOW_NS)
    page("batches_due", tmp_path / "o.db")
    async with opened(tmp_path / "o.db") as outbox:
        assert (outbox.quarantined, outbox.recovered) == (1, 300)
        await outbox.ack(ids(await outbox.lease("crm", ALL, NOW_NS)))
        await until_gone(tmp_path, range(300))


async def test_what_a_killed_gateway_left_in_its_log_goes_at_the_next_start(tmp_path: Path) -> None:
    path, killed = tmp_path / "o.db", tmp_path / "killed"
    killed.mkdir()
    async with opened(path) as outbox:
        await outbox.accept(planted(range(3)), NOW_NS)
        await outbox.ack(ids(await outbox.lease("crm", ALL, NOW_NS)))
        copy_files(tmp_path, killed)
    (killed / "o.db.salvaging").write_text(text(3))
    assert found(killed) == {0, 1, 2, 3}
    async with opened(killed / "o.db"):
        await until_gone(killed, range(4))


async def test_a_reader_keeps_it_only_as_long_as_it_reads_and_holds_nobody_up(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(planted(range(3)), NOW_NS)
        with closing(sqlite3.connect(tmp_path / "o.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM batches").fetchone()
            begun = time.monotonic()
            await outbox.erase([b"who 000001".ljust(16, b"\0")], NOW_NS)
            await outbox.accept(planted([4]), NOW_NS)
            assert time.monotonic() - begun < 5
            assert 1 in found(tmp_path)
            reader.execute("ROLLBACK")
        await until_gone(tmp_path, [1], 5)


async def test_the_log_does_not_grow_by_what_is_tidied_while_somebody_reads(tmp_path: Path) -> None:
    log = tmp_path / "o.db-wal"
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(planted(range(500)), NOW_NS)
        with closing(sqlite3.connect(tmp_path / "o.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM batches").fetchone()
            await outbox.erase([b"who 000001".ljust(16, b"\0")], NOW_NS)
            first = log.stat().st_size
            for number in range(2, 12):
                await outbox.erase([(b"who %06d" % number).ljust(16, b"\0")], NOW_NS)
            # As much as each erasure itself writes: the whole file is not written again.
            assert log.stat().st_size < 2 * first
        await until_gone(tmp_path, range(1, 12), 5)


async def test_another_programs_deletions_are_wiped_too(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(planted(range(6)), NOW_NS)
        with closing(OutboxAdmin.open(tmp_path / "o.db", Outbox())) as admin:
            list(admin.purge(EntryFilter()))
        await until_gone(tmp_path, range(6))


def test_no_connection_forgets_to_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    path.touch()
    with closing(schema.connect(path)) as connection:
        assert connection.execute("PRAGMA secure_delete").fetchone() == (1,)
