"""A state folder of an earlier version, kept in `version_…` with the script that made it, is taken on as it is."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import sqlite3
import zlib
from collections import Counter
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from gateway.batch_verdict import ReleaseBatch
from gateway.config import Config, Outbox
from gateway.delivery.hash_secret import open_secret
from gateway.delivery.keys import Keys
from gateway.delivery.outbox import migration, schema
from gateway.delivery.outbox.admin import OutboxAdmin
from gateway.delivery.outbox.stored_entry import EntryFilter
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.entry_batch import EntryBatch
from gateway.errors import BadConfig, CallReason, Refused
from gateway.exporters.base import BatchLimits
from gateway.model import Category
from tests.delivery.cases import ids
from tests.delivery.damage import page
from tests.delivery.leased_entries import LeasedEntry, each
from tests.delivery.outboxes import SMALL, asked, mount, on_a_volume, opened

HERE: Final = Path(__file__).parent
VERSIONS: Final = (1, 2)
EXPECTED: Final[dict[int, dict[str, Any]]] = {
    version: json.loads((HERE / f"version_{version}" / "expected.json").read_text()) for version in VERSIONS
}
MIB: Final = 1024 * 1024
NOW: Final = 1_700_000_000_000_000_000
LATER: Final = NOW + 3600 * 10**9
ALL: Final = BatchLimits(max_items=1000)
FORMER_TABLES: Final = {"lanes", "items", "crates", "subjects", "seen_0", "seen_1", "seen_lately", "sweeps", "operated"}


def folder_of(version: int, tmp_path: Path) -> Path:
    shutil.copytree(HERE / f"version_{version}", tmp_path / "state")
    return tmp_path / "state"


async def leased(outbox: SqliteOutbox, destination: str, now_ns: int = LATER) -> list[LeasedEntry]:
    """Everything that can be delivered; then it is acknowledged."""
    found: list[LeasedEntry] = []
    while batches := await outbox.lease(destination, ALL, now_ns):
        found += each(batches)
        await outbox.ack(ids(batches))
    assert all(one.intact for one in found)
    return found


async def delivered(outbox: SqliteOutbox, destination: str) -> dict[str, str]:
    return {one.payload.decode(): one.key.hex() for one in await leased(outbox, destination)}


def tables(path: Path) -> set[str]:
    return {name for (name,) in asked(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}


@pytest.mark.parametrize("version", VERSIONS)
async def test_all_that_waits_is_delivered_under_its_keys(version: int, tmp_path: Path) -> None:
    """What waits, what was batched, what failed once, and what was on a lease as the gateway ended."""
    state, expected = folder_of(version, tmp_path), EXPECTED[version]
    async with opened(state / "outbox.db") as outbox:
        assert outbox.quarantined == outbox.recovered == 0
        assert {name: depth.items + depth.dead for name, depth in outbox.depths().items()} == {
            "crm": len(expected["crm"]) + len(expected["dead"]["crm"]),
            "billing": len(expected["billing"]),
        }
        assert await delivered(outbox, "crm") == expected["crm"]
        billing = await delivered(outbox, "billing")
        assert len(billing) == len(expected["billing"]) - expected["dead in billing"]
        assert set(billing.values()) <= set(expected["billing"])
        assert {name: depth.items for name, depth in outbox.depths().items()} == {"crm": 0, "billing": 0}
    assert not FORMER_TABLES & tables(state / "outbox.db")


@pytest.mark.parametrize("version", VERSIONS)
async def test_dead_letters_keep_their_reasons_and_can_be_replayed(version: int, tmp_path: Path) -> None:
    state, expected = folder_of(version, tmp_path), EXPECTED[version]
    async with opened(state / "outbox.db") as outbox:
        operations = asked(state / "outbox.db", "SELECT destination, reason, count FROM operations")
        assert operations == [("billing", "DEAD_LETTERED", 2 if version == 1 else 3)]
        with closing(OutboxAdmin.open(state / "outbox.db", Outbox())) as admin:
            dead = {one.key: one.reason for one in admin.dead(EntryFilter(destination="crm"), 100)}
            assert dead == expected["dead"]["crm"]
            assert len(admin.dead(EntryFilter(reason="DEAD_LETTERED"), 100)) == expected["dead in billing"]
            assert sum(removed.deleted for removed in admin.replay(EntryFilter())) == 6
        await delivered(outbox, "crm")
        assert sorted(one.key.hex() for one in await leased(outbox, "billing"))
        assert outbox.depths()["billing"].items == outbox.depths()["billing"].dead == 0


AGAIN: Final = {1: "batched 0", 2: "indexed 20"}
"""What is sent once more, of each version."""


@pytest.mark.parametrize("version", VERSIONS)
async def test_keys_are_made_and_known_as_before(version: int, tmp_path: Path) -> None:
    state, expected, text = folder_of(version, tmp_path), EXPECTED[version], AGAIN[version]
    keys = Keys(open_secret(Config(state=state)))
    again = keys.request_keys("web", text, [0], "crm")
    assert again.hex() == expected["again"]
    assert keys.subject(Category.USER_ID, "usr_1" if version == 1 else "usr_0").hex() == expected["person"]
    releases = ReleaseBatch("crm", "acme.v1.Item", "0" * 64, [text.encode()])
    entry = EntryBatch(releases, again, [LATER], fingerprints=keys.fingerprints([text.encode()]))
    other = EntryBatch(releases, again, [LATER], fingerprints=keys.fingerprints([b"another"]))
    async with opened(state / "outbox.db") as outbox:
        await outbox.accept([entry], LATER)
        with pytest.raises(Refused, match=CallReason.REQUEST_ID_REUSED.value):
            await outbox.accept([other], LATER)
        assert await delivered(outbox, "crm") == expected["crm"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_erasure_finds_what_is_of_before(version: int, tmp_path: Path) -> None:
    state, expected = folder_of(version, tmp_path), EXPECTED[version]
    async with opened(state / "outbox.db") as outbox:
        removed = await outbox.erase([bytes.fromhex(expected["person"])], LATER)
        of_person = {"crm": 153, "billing": 6} if version == 1 else expected["of the person"]
        assert {name: one.deleted for name, one in removed.items()} == of_person


async def test_what_is_known_of_each_entry_stays(tmp_path: Path) -> None:
    """Types, failures and when they are due, whom they are about, when they were replayed; and what was deleted."""
    state, expected = folder_of(2, tmp_path), EXPECTED[2]
    async with opened(state / "outbox.db") as outbox:
        assert asked(state / "outbox.db", "SELECT * FROM deletions") == [(NOW, "crm", "CUT_OFF", 2)]
        due_later = expected["crm"].keys() - {one.payload.decode() for one in each(await outbox.lease("crm", ALL, NOW))}
        assert sorted(expected["crm"][text] for text in due_later) == expected["deferred"]
    async with opened(state / "outbox.db") as outbox:
        # Of billing's, one was replayed long after the others came.
        assert await outbox.dead_letter_expired("billing", LATER, LATER) == len(expected["billing"]) - 3
        assert len(await leased(outbox, "billing")) == 1
        assert await outbox.replay("billing", LATER) == len(expected["billing"]) - 1
        found = await leased(outbox, "crm")
        assert {one.key.hex(): one.type for one in found} == expected["types"]
        assert Counter(one.attempts for one in found) == {1: len(expected["deferred"]), 0: len(found) - 3}
        assert {one.payload[:5] for one in found if not one.fingerprint} == {b"plain"}
        personal = {one.key.hex() for one in await leased(outbox, "billing") if one.personal}
        assert personal < set(expected["personal"])
        assert len(personal) == 3


@pytest.mark.parametrize("table", ["lanes", "items_due", "crates_lane", "subjects"])
async def test_a_damaged_file_of_an_earlier_version_is_taken_over(table: str, tmp_path: Path) -> None:
    state, expected = folder_of(2, tmp_path), EXPECTED[2]
    page(table, state / "outbox.db")
    async with opened(state / "outbox.db") as outbox:
        assert outbox.quarantined == 1
        assert outbox.recovered == sum(map(len, (expected["crm"], expected["dead"]["crm"], expected["billing"])))
        assert await delivered(outbox, "crm") == expected["crm"]
        assert outbox.depths()["crm"].dead == 4
        await outbox.erase([bytes.fromhex(expected["person"])], LATER)
        assert outbox.depths()["crm"].dead == 2


def test_an_item_that_is_not_what_was_stored_is_told_after_it_too(tmp_path: Path) -> None:
    state = folder_of(2, tmp_path)
    with closing(sqlite3.connect(state / "outbox.db")) as database, database:
        ((body,),) = database.execute("SELECT body FROM crates").fetchall()
        database.execute("UPDATE crates SET body = ?", (body.replace(b"unindexed 7", b"unindexed 8"),))
        database.execute("UPDATE items SET payload = x'21', key = x'00' WHERE payload = CAST('single 3' AS BLOB)")
    SqliteOutbox.open(state / "outbox.db", SMALL)._commits.close()
    with closing(OutboxAdmin.open(state / "outbox.db", Outbox())) as admin:
        damaged = [one for one in admin.items(EntryFilter(), 1000) if not one.intact]
        payloads = [found[1] for one in damaged if (found := admin.find(one.id)) is not None]
    assert payloads == [b"!", b"unindexed 8"]


def version_of(path: Path) -> int:
    ((found,),) = asked(path, "PRAGMA user_version")
    return int(found)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_migration_that_fails_changes_nothing(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder_of(version, tmp_path) / "outbox.db"
    before = tables(path)

    migrate = migration.MIGRATIONS[2]

    def fail(connection: sqlite3.Connection) -> None:
        migrate(connection)
        connection.execute("INSERT INTO no_such_table VALUES (1)")

    with monkeypatch.context() as broken:
        broken.setattr(migration, "MIGRATIONS", {**migration.MIGRATIONS, 2: fail})
        with pytest.raises((BadConfig, sqlite3.Error)):
            SqliteOutbox.open(path, SMALL)
    assert (version_of(path), tables(path)) == (version, before)
    async with opened(path) as outbox:
        assert outbox.quarantined == 0
        assert await delivered(outbox, "crm") == EXPECTED[version]["crm"]
    assert version_of(path) == schema.VERSION


def large(path: Path, items: int) -> None:
    """A file of version 2 with so many items more, in batches and by themselves, of about 300 bytes each."""
    encode = msgspec.msgpack.Encoder().encode
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN")
        ((first,),) = database.execute("SELECT next FROM state").fetchall()
        ((queue, kind),) = database.execute("SELECT lane, id FROM kinds WHERE type = 'acme.v1.Item' LIMIT 1").fetchall()
        for start in range(first, first + items, 100):
            batch = [_item(kind, number) for number in range(start, start + 100)]
            if start % 200:
                database.execute(
                    "INSERT INTO crates VALUES (?,?,100,?,?,?,?)",
                    (start, queue, 300 * 100, NOW, f",{kind},", encode(batch)),
                )
            else:
                database.executemany(
                    "INSERT INTO items (id, lane, kind, key, mark, received, subjects, sum, payload, attempts, due)"
                    " VALUES (?,?,?,?,?,?,?,?,?,0,0)",
                    [(number, queue, *one) for number, one in enumerate(batch, start)],
                )
        database.execute("UPDATE state SET next = ?", (first + items,))
        database.execute(
            "UPDATE lanes SET items = items + ?, bytes = bytes + ? WHERE id = ?", (items, 300 * items, queue)
        )
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _item(kind: int, number: int) -> tuple[int, bytes, bytes, int, bytes, int, bytes]:
    key, payload = number.to_bytes(16, "big"), f"{number:x>300}".encode()
    check = zlib.crc32(payload, zlib.crc32(key, (NOW ^ NOW >> 32 ^ kind << 16) & 0xFFFFFFFF))
    return kind, key, b"", NOW, b"", check, payload


def test_a_full_volume_leaves_it_as_it_was_and_says_how_much_is_missing(tmp_path: Path) -> None:
    on_a_volume(_too_little_room, tmp_path / "volume", "-t", "tmpfs", "-o", "size=20m", "none")


def _too_little_room(volume: Path) -> None:
    async def run() -> None:
        path = volume / "outbox.db"
        shutil.copy(HERE / "version_2" / "outbox.db", path)
        large(path, 20_000)
        before = tables(path)
        with pytest.raises(BadConfig, match=r"outbox\.db: is of version 2, .* make room, \d+ MiB will do"):
            SqliteOutbox.open(path, SMALL)
        assert (version_of(path), tables(path)) == (2, before)
        assert asked(path, "PRAGMA integrity_check") == [("ok",)]
        needed = int(_needed(path))
        assert mount("-o", f"remount,size={20 + needed}m", str(volume)) == 0
        async with opened(path) as outbox:
            assert (outbox.quarantined, outbox.depths()["crm"].items) == (0, 20_000 + len(EXPECTED[2]["crm"]))

    asyncio.run(run())


def test_however_little_is_missing_it_is_as_it_was_or_as_it_will_be(tmp_path: Path) -> None:
    """Also where the log has room, and not what it holds once the file takes it over."""
    on_a_volume(_step_by_step, tmp_path / "volume", "-t", "tmpfs", "-o", "size=20m", "none")


def _step_by_step(volume: Path) -> None:
    async def run() -> None:
        path = volume / "outbox.db"
        shutil.copy(HERE / "version_2" / "outbox.db", path)
        large(path, 20_000)
        first = path.stat().st_size
        for mebibytes in (1, 2, 4, *range(16, 80, 2)):
            assert mount("-o", f"remount,size={first + mebibytes * MIB}", str(volume)) == 0
            if not (refusal := await _refusal(path)):
                return
            assert re.search(r"is of version 2, .* make room, \d+ MiB will do", refusal), mebibytes
            assert version_of(path) == 2, mebibytes
        raise AssertionError

    asyncio.run(run())


async def _refusal(path: Path) -> str:
    """Why the file isn't opened; nothing where it is, and all is there."""
    try:
        async with opened(path) as outbox:
            assert outbox.depths()["crm"].items == 20_000 + len(EXPECTED[2]["crm"])
    except BadConfig as error:
        return str(error)
    return ""


def _needed(path: Path) -> str:
    with pytest.raises(BadConfig) as caught:
        SqliteOutbox.open(path, SMALL)
    found = re.search(r"(\d+) MiB will do", str(caught.value))
    assert found is not None
    return found[1]


@pytest.mark.parametrize("reached", ["batches", "dead", "the end"])
async def test_a_kill_within_leaves_it_as_it_was(reached: str, tmp_path: Path) -> None:
    path = folder_of(2, tmp_path) / "outbox.db"
    large(path, 10_000)
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(path, reached))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert version_of(path) == 2
    async with opened(path) as outbox:
        assert (outbox.quarantined, outbox.depths()["crm"].items) == (0, 10_000 + len(EXPECTED[2]["crm"]))


def _killed(path: Path, reached: str) -> None:
    """Migrate, and be killed once a statement of this kind is run."""
    texts = {"batches": "INSERT INTO batches", "dead": "INSERT INTO dead", "the end": "DROP TABLE operated"}
    connection = schema.connect(path)

    def watch(statement: str) -> None:
        # With some written: the pages that there are in memory are more than it keeps there.
        if statement.startswith(texts[reached]):
            os.kill(os.getpid(), signal.SIGKILL)

    connection.execute("PRAGMA cache_size = 10")
    connection.set_trace_callback(watch)
    migration.migrate(connection, path, 2)


def test_a_long_queue_is_migrated_in_little_memory(tmp_path: Path) -> None:
    path = folder_of(2, tmp_path) / "outbox.db"
    large(path, 100_000)
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_measured, args=(theirs, path))
    process.start()
    more_kib = ours.recv()
    process.join(60)
    assert path.stat().st_size > 30 * 2**20
    # SQLite's cache is 16 MiB of it.
    assert more_kib < 28 * 1024
    assert version_of(path) == schema.VERSION


def _measured(pipe: Connection, path: Path) -> None:
    """Tell how many KiB more were resident at the most."""
    with closing(schema.connect(path)) as connection:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        migration.migrate(connection, path, 2)
        pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


async def test_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    state = folder_of(2, tmp_path)
    asked(state / "outbox.db", f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(BadConfig, match="start the gateway that wrote it, or a newer one"):
        SqliteOutbox.open(state / "outbox.db", SMALL)
    assert version_of(state / "outbox.db") == schema.VERSION + 1


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_operators_command_leaves_it_as_it_is_and_says_what_to_start(version: int, tmp_path: Path) -> None:
    """A gateway of the version that wrote it may be running on it."""
    path = folder_of(version, tmp_path) / "outbox.db"
    before = path.read_bytes()
    text = rf"outbox\.db: is of version {version}; .* start the gateway of this version first"
    with pytest.raises(BadConfig, match=text):
        OutboxAdmin.open(path, Outbox())
    assert version_of(path) == version
    assert path.read_bytes() == before
    async with opened(path):
        OutboxAdmin.open(path, Outbox()).close()
