"""A state folder of an earlier version, kept in `version_1` with the script that made it, is taken on as it is."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.config import Config, Outbox
from gateway.delivery.hash_secret import open_secret
from gateway.delivery.keys import Keys
from gateway.delivery.outbox import schema
from gateway.delivery.outbox.admin import OutboxAdmin
from gateway.delivery.outbox.stored_entry import EntryFilter
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.errors import BadConfig
from gateway.exporters.base import BatchLimits
from gateway.model import Category, OutboxEntry, Release
from tests.delivery.outboxes import SMALL, asked, opened

FOLDER: Final = Path(__file__).parent / "version_1"
EXPECTED: Final[dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())
LATER: Final = 1_700_000_000_000_000_000 + 3600 * 10**9
ALL: Final = BatchLimits(max_items=1000)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "state")
    return tmp_path / "state"


async def delivered(outbox: SqliteOutbox, destination: str) -> dict[str, str]:
    """Everything that can be delivered, with its keys; then it is acknowledged."""
    found: dict[str, str] = {}
    while leased := await outbox.lease(destination, ALL, LATER):
        assert all(one.intact for one in leased)
        found |= {one.payload.decode(): one.key.hex() for one in leased}
        await outbox.ack([one.id for one in leased])
    return found


async def test_all_that_waits_is_delivered_under_its_keys(state: Path) -> None:
    """What waits, what was batched, what failed once, and what was on a lease as the gateway ended."""
    async with opened(state / "outbox.db") as outbox:
        assert outbox.quarantined == outbox.recovered == 0
        assert await delivered(outbox, "crm") == EXPECTED["crm"]
        billing = await delivered(outbox, "billing")
        assert len(billing) == len(EXPECTED["billing"]) - EXPECTED["dead in billing"]
        assert set(billing.values()) <= set(EXPECTED["billing"])


async def test_dead_letters_keep_their_reasons_and_can_be_replayed(state: Path) -> None:
    async with opened(state / "outbox.db") as outbox:
        with closing(sqlite3.connect(state / "outbox.db")) as connection:
            removed_by_operator = connection.execute("SELECT destination, reason, count FROM operated").fetchall()
        assert removed_by_operator == [("billing", "DEAD_LETTERED", EXPECTED["dead in billing"])]
        with closing(OutboxAdmin.open(state / "outbox.db", Outbox())) as admin:
            dead = {one.key: one.reason for one in admin.dead(EntryFilter(destination="crm"), 100)}
            assert dead == EXPECTED["dead"]["crm"]
            assert len(admin.dead(EntryFilter(reason="DEAD_LETTERED"), 100)) == EXPECTED["dead in billing"]
            assert sum(removed.deleted for removed in admin.replay(EntryFilter())) == 6
        await delivered(outbox, "crm")
        assert sorted((await delivered(outbox, "billing")).values()) == EXPECTED["billing"]


async def test_keys_are_made_and_known_as_before(state: Path) -> None:
    keys = Keys(open_secret(Config(state=state)))
    again, text = keys.key("web", "batched 0", 0, "crm"), b"batched 0"
    assert again.hex() == EXPECTED["again"]
    assert keys.subject(Category.USER_ID, "usr_1").hex() == EXPECTED["person"]
    entry = OutboxEntry(Release("crm", "acme.v1.Item", "0" * 64, text), again, keys.fingerprint(text), LATER)
    async with opened(state / "outbox.db") as outbox:
        await outbox.accept([entry], LATER)
        assert await delivered(outbox, "crm") == EXPECTED["crm"]


async def test_erasure_finds_what_is_of_before(state: Path) -> None:
    async with opened(state / "outbox.db") as outbox:
        removed = await outbox.erase([bytes.fromhex(EXPECTED["person"])], LATER)
        assert {name: one.deleted for name, one in removed.items()} == {"crm": 153, "billing": 6}


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
    return int(found)


async def test_a_migration_that_fails_changes_nothing(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = state / "outbox.db"
    with monkeypatch.context() as broken:
        broken.setitem(schema.MIGRATIONS, 1, f"{schema.MIGRATIONS[1]} INSERT INTO no_such_table VALUES (1);")
        with pytest.raises((BadConfig, sqlite3.Error)):
            SqliteOutbox.open(path, SMALL)
    assert version(path) == 1
    async with opened(path) as outbox:
        assert outbox.quarantined == 0
        assert await delivered(outbox, "crm") == EXPECTED["crm"]
    assert version(path) == schema.VERSION


async def test_a_newer_version_is_refused_with_what_to_do(state: Path) -> None:
    asked(state / "outbox.db", f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(BadConfig, match="start the gateway that wrote it, or a newer one"):
        SqliteOutbox.open(state / "outbox.db", SMALL)
    assert version(state / "outbox.db") == schema.VERSION + 1


async def test_an_operators_command_leaves_it_as_it_is_and_says_what_to_start(state: Path) -> None:
    """A gateway of the version that wrote it may be running on it."""
    before = (state / "outbox.db").read_bytes()
    with pytest.raises(BadConfig, match=r"outbox\.db: is of version 1; .* start the gateway of this version first"):
        OutboxAdmin.open(state / "outbox.db", Outbox())
    assert version(state / "outbox.db") == 1
    assert (state / "outbox.db").read_bytes() == before
    async with opened(state / "outbox.db"):
        OutboxAdmin.open(state / "outbox.db", Outbox()).close()
