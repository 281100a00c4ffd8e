"""What is taken over from a damaged file is all there, whatever else is wrong with the file or its volume."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.config import Outbox
from gateway.errors import Retryable
from tests.delivery.cases import NOW_NS, SECOND_NS, entry
from tests.delivery.damage import PAGE, filled, overwrite, page
from tests.delivery.outboxes import asked, held, on_a_volume, opened, until


async def test_damage_where_the_oldest_is_looked_up_holds_no_leases(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with opened(path) as outbox:
        for number in range(20):
            await outbox.accept([entry(str(number))], NOW_NS)
        asked(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        page("batches_oldest", path)
        # Another program's commit makes the gateway read the file anew.
        asked(path, "INSERT INTO deletions VALUES (1, 'crm', 'EXPIRED', 1)")
        await until(lambda: outbox.quarantined == 1)
        assert len(await held(outbox)) == 20


@pytest.mark.parametrize("table", ["recent_keys", "keys_0"])
async def test_keys_that_cannot_be_read_stop_nothing_for_long(
    table: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "o.db"
    async with opened(path, Outbox(margin=0, remember=1)) as outbox:
        # Two turns, so that both tables hold some.
        for number in range(3):
            await outbox.accept([entry(str(number), fingerprint=b"the mark")], NOW_NS + 2 * number * SECOND_NS)
    asked(path, f"UPDATE {table} SET keys = x'ff'")
    async with opened(path) as outbox:
        with pytest.raises(Retryable, match="UNAVAILABLE"):
            await outbox.accept([entry("new", fingerprint=b"the mark")], NOW_NS)
        await outbox.accept([entry("new", fingerprint=b"the mark")], NOW_NS)
        assert (outbox.quarantined, outbox.recovered, await held(outbox)) == (1, 3, ["0", "1", "2", "new"])
    assert any("is damaged" in record.message for record in caplog.records)


@pytest.mark.parametrize("state", ["next = 'odd'", "next = -1", "next = 0", "turn = 7", "began = 'odd'"])
async def test_a_state_that_makes_no_sense_does_not_stop_the_start(state: str, tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    await filled(path, 50)
    asked(path, f"UPDATE state SET {state}")
    page("batches_due", path)
    async with opened(path) as outbox:
        assert (outbox.recovered, len(await held(outbox))) == (70, 69)
        await outbox.accept([entry("new", fingerprint=b"the mark")], NOW_NS)


async def test_an_index_that_its_table_contradicts_stops_nothing_for_long(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with opened(path) as outbox:
        await outbox.accept([entry("a")], NOW_NS)
        asked(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        ((root,),) = asked(path, "SELECT rootpage FROM sqlite_master WHERE name = 'kinds'")
        at = path.read_bytes().index(b"a.Type", (root - 1) * PAGE)
        overwrite(path, at, b"b")
        # Another program's commit makes the gateway read the file anew.
        asked(path, "INSERT INTO deletions VALUES (1, 'crm', 'EXPIRED', 1)")
        with pytest.raises(Retryable, match="UNAVAILABLE"):
            await outbox.accept([entry("b")], NOW_NS)
        await outbox.accept([entry("b")], NOW_NS)
        assert (outbox.quarantined, await held(outbox)) == (1, ["a", "b"])


def test_what_is_taken_over_is_there_on_a_volume_with_little_room(tmp_path: Path) -> None:
    on_a_volume(_little_room, tmp_path / "volume", "-t", "tmpfs", "-o", "size=8m", "none")


def _little_room(folder: Path) -> None:
    """Room for the damaged file and the new one, but for no more."""

    async def run() -> None:
        async with opened(folder / "o.db") as outbox:
            for number in range(30):
                await outbox.accept([entry(f"{number} {index:x<1000}") for index in range(100)], NOW_NS)
        page("batches_due", folder / "o.db")
        async with opened(folder / "o.db") as outbox:
            assert (outbox.recovered, len(await held(outbox))) == (3000, 3000)

    asyncio.run(run())


async def test_where_the_names_of_destinations_are_lost_the_gateway_starts_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    await filled(path)
    page("queues", path)
    page("sqlite_autoindex_queues_1", path)
    for _ in range(2):
        async with opened(path) as outbox:
            await outbox.accept([entry("new")], NOW_NS)
            assert (await held(outbox))[0] == "new"
