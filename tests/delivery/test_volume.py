"""A volume that is full, read-only or failing harms nothing, and what it stopped goes on when it is well again."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.config import Outbox
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.errors import BadConfig, CallReason, DeliveryReason, Retryable
from gateway.exporters.base import BatchLimits
from tests.delivery.cases import NOW_NS, entries, entry, ids
from tests.delivery.outboxes import ALL, asked, counts, held, mount, on_a_volume, opened, until

MIB = 1024 * 1024
KILOBYTE = "x" * 1000


def test_a_full_volume_takes_no_more_until_something_goes(tmp_path: Path) -> None:
    on_a_volume(_full_by_others, tmp_path / "volume", "-t", "tmpfs", "-o", "size=8m", "none")


def _full_by_others(folder: Path) -> None:
    async def run() -> None:
        async with opened(folder / "o.db") as outbox:
            await outbox.accept(entries(100), NOW_NS)
            leased = await outbox.lease("crm", BatchLimits(max_items=50), NOW_NS)
            _fill(folder / "other")
            await _refused(outbox, 5)
            # What was delivered meanwhile is written as soon as it can be, and not delivered again.
            await outbox.ack(ids(leased))
            assert len(ids(await outbox.lease("crm", ALL, NOW_NS))) == 50
            (folder / "other").unlink()
            await _until(lambda: outbox.accept([entry("new")], NOW_NS))
            assert counts(outbox) == (51, 0)
        async with opened(folder / "o.db") as outbox:
            assert len(await held(outbox)) == 51

    asyncio.run(run())


def test_what_was_delivered_can_be_deleted_on_a_volume_that_the_outbox_filled(tmp_path: Path) -> None:
    on_a_volume(_full_by_itself, tmp_path / "volume", "-t", "tmpfs", "-o", "size=12m", "none")


def _full_by_itself(folder: Path) -> None:
    async def run() -> None:
        async with opened(folder / "o.db", Outbox(margin=4 * MIB)) as outbox:
            for _ in range(3):
                stored = await _stored(outbox)
                assert counts(outbox)[0] == stored
                while leased := ids(await outbox.lease("crm", BatchLimits(max_items=100), NOW_NS)):
                    await outbox.ack(leased)
                    assert asked(folder / "o.db", "SELECT count(*) FROM batches") != []
                    stored -= len(leased)
                assert (stored, counts(outbox)) == (0, (0, 0))
            assert outbox.quarantined == 0

    asyncio.run(run())


async def _stored(outbox: SqliteOutbox) -> int:
    """How many can be stored until it is full."""
    stored = 0
    while True:
        try:
            await outbox.accept([entry(f"{stored}{KILOBYTE}") for _ in range(10)], NOW_NS)
        except Retryable as error:
            if error.reason is CallReason.FULL:
                return stored
            raise
        stored += 10


def test_a_volume_that_is_read_only_at_the_start_is_a_bad_configuration(tmp_path: Path) -> None:
    on_a_volume(_read_only, tmp_path / "volume", "-t", "tmpfs", "none")


def _read_only(folder: Path) -> None:
    async def run() -> None:
        async with opened(folder / "o.db") as outbox:
            await outbox.accept(entries(3), NOW_NS)
        assert mount("-o", "remount,ro", str(folder)) == 0
        for path in (folder / "o.db", folder / "deep" / "o.db"):
            with pytest.raises(BadConfig, match=str(path)):
                SqliteOutbox.open(path, Outbox())
        assert mount("-o", "remount,rw", str(folder)) == 0
        async with opened(folder / "o.db") as outbox:
            assert len(await held(outbox)) == 3

    asyncio.run(run())


def test_files_that_cannot_be_written_under_way_heal(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_unwritable, args=(tmp_path / "o.db",))
    process.start()
    process.join(120)
    assert process.exitcode == 0


def _unwritable(path: Path) -> None:
    """A limit to the size of files makes writes fail, as a volume does that goes read-only."""

    async def run() -> None:
        async with opened(path) as outbox:
            await outbox.accept(entries(100), NOW_NS)
            leased = ids(await outbox.lease("crm", BatchLimits(max_items=30), NOW_NS))
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            await _refused(outbox, 5)
            assert (outbox.check.ok, outbox.check.cause) == (False, "UNWRITABLE")
            await outbox.ack(leased[:10])
            await outbox.defer(leased[10:20], NOW_NS + 1)
            await outbox.dead_letter(dict.fromkeys(leased[20:], DeliveryReason.REJECTED), NOW_NS)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await _until(lambda: outbox.accept([entry("new")], NOW_NS))
            assert outbox.check.ok
            assert (counts(outbox), len(await held(outbox))) == ((81, 10), 71)
            assert (outbox.quarantined, len(await held(outbox, now_ns=NOW_NS + 1))) == (0, 81)

    asyncio.run(run())


def test_a_volume_that_turns_read_only_under_way_loses_nothing(tmp_path: Path) -> None:
    if not Path("/dev/loop-control").exists():
        pytest.skip("needs loop devices")
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(32 * MIB)
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("needs mkfs.ext4")
    subprocess.run(("mkfs.ext4", "-q", image), check=True)
    on_a_volume(_turns_read_only, tmp_path / "volume", "-o", "loop,errors=remount-ro", str(image))


def _turns_read_only(folder: Path) -> None:
    async def run() -> None:
        async with opened(folder / "o.db") as outbox:
            await outbox.accept(entries(100), NOW_NS)
            leased = await outbox.lease("crm", BatchLimits(max_items=10), NOW_NS)
            _break(folder)
            await _refused(outbox, 3)
            await outbox.ack(ids(leased))
        _mend(folder)
        async with opened(folder / "o.db") as outbox:
            assert (len(await held(outbox)), outbox.quarantined) == (100, 0)

    asyncio.run(run())


def _break(folder: Path) -> None:
    """Have the kernel find an error on an ext4 volume."""
    number = folder.stat().st_dev
    device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve().name
    Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")


def _mend(folder: Path) -> None:
    image = folder.with_name("image")
    subprocess.run(("umount", folder), check=True)
    # 1 says that it was mended.
    assert subprocess.run(("fsck.ext4", "-f", "-y", image), check=False, capture_output=True).returncode in {0, 1}
    assert mount("-o", "loop", str(image), str(folder)) == 0


async def test_another_program_can_write_at_the_same_time(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        for number in range(20):
            await outbox.accept([entry(str(number))], NOW_NS)
        with closing(sqlite3.connect(tmp_path / "o.db")) as database:
            for _ in range(5):
                with database:
                    database.execute("DELETE FROM batches WHERE id IN (SELECT id FROM batches LIMIT 1)")
                    database.execute("UPDATE queues SET items = items - 1, bytes = bytes - 1")
                await outbox.accept([entry("more")], NOW_NS)
        assert (len(await held(outbox)), counts(outbox)) == (20, (20, 0))


async def test_free_pages_go_back_to_the_volume(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with opened(path) as outbox:
        for number in range(30):
            await outbox.accept([entry(f"{number} {index} {KILOBYTE}") for index in range(1000)], NOW_NS)
        await outbox.ack(ids(await outbox.lease("crm", ALL, NOW_NS)))
        ((before,),) = asked(path, "PRAGMA page_count")
        await until(lambda: asked(path, "PRAGMA page_count") < [(before // 2,)])


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            for size in (1 << 16, 1 << 12):
                for _ in range(10_000):
                    if file.write(b"\0" * size) < size:
                        break
        except OSError:
            return


async def _refused(outbox: SqliteOutbox, times: int) -> None:
    for number in range(times):
        with pytest.raises(Retryable) as caught:
            await outbox.accept([entry(f"{number}{KILOBYTE * 20}")], NOW_NS)
        assert caught.value.reason in {CallReason.FULL, CallReason.UNAVAILABLE}


async def _until(work: Callable[[], Awaitable[None]]) -> None:
    """Try again until it works."""
    for _ in range(400):
        try:
            return await work()
        except Retryable:
            await asyncio.sleep(0.05)
    raise TimeoutError
