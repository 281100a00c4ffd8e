"""How full an outbox says it is, and what operators did to it meanwhile.

What a metric shows must add up to what a caller is refused by.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from gateway.config import Outbox
from gateway.delivery.outbox.admin import OutboxAdmin
from gateway.delivery.outbox.dedup import MAX_TABLE_KEYS
from gateway.delivery.outbox.interface import Removed
from gateway.delivery.outbox.store import ENTRY_OVERHEAD_BYTES
from gateway.delivery.outbox.stored_entry import EntryFilter
from gateway.delivery.outbox.writer import MAX_PENDING_BYTES, SqliteOutbox
from gateway.errors import DeliveryReason, Retryable
from gateway.telemetry import ResourceUsage
from tests.delivery.cases import NOW_NS, entry, ids
from tests.delivery.outboxes import ALL, asked, opened, until

KEPT: Final = Outbox(max_bytes=64 * 1024, margin=12_345)


def kept(outbox: SqliteOutbox) -> int:
    return sum(depth.bytes + depth.dead_bytes for depth in outbox.depths().values())


async def test_what_waits_and_what_is_dead_add_up_to_what_the_limit_counts(tmp_path: Path) -> None:
    draw = random.Random(27)
    async with opened(tmp_path / "o.db", KEPT) as outbox:
        use = outbox.uses()["outbox"]
        for _ in range(60):
            size, name = draw.randrange(1, 3000), draw.choice(["crm", "log"])
            room = KEPT.max_bytes - use().used
            with pytest.raises(Retryable) if size + ENTRY_OVERHEAD_BYTES > room else nullcontext():
                await outbox.accept([entry("x" * size, name)], NOW_NS)
            leased = ids(await outbox.lease(name, ALL, NOW_NS))
            draw.shuffle(leased)
            await outbox.dead_letter(dict.fromkeys(leased[:1], DeliveryReason.REJECTED), NOW_NS)
            await outbox.ack(leased[2:4] if draw.random() < 0.3 else ())
            await outbox.defer(leased[1:], 0, failed=False)
            assert use() == ResourceUsage(kept(outbox), KEPT.max_bytes)
        assert {
            name for name, depth in outbox.depths().items() if depth.dead_bytes > depth.dead * ENTRY_OVERHEAD_BYTES > 0
        } == {
            "crm",
            "log",
        }


async def test_all_that_an_outbox_bounds_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db", KEPT) as outbox:
        await outbox.accept([entry("a", key=b"1" * 16, fingerprint=b"the mark"), entry("b")], NOW_NS)
        uses = {name: use() for name, use in outbox.uses().items()}
    volume = uses.pop("volume")
    assert uses == {
        "outbox": ResourceUsage(2 + 2 * ENTRY_OVERHEAD_BYTES, 64 * 1024),
        "outbox_unwritten": ResourceUsage(0, MAX_PENDING_BYTES),
        "request_ids": ResourceUsage(1, MAX_TABLE_KEYS),
    }
    assert volume.limit is not None
    assert volume.used > 0
    assert (volume.limit + KEPT.margin) % 512 == 0


Act = Callable[[OutboxAdmin], Iterable[Removed]]

ACTS: Final[dict[str, tuple[Act, dict[tuple[str, str], int]]]] = {
    "dead-letter": (lambda admin: admin.dead_letter(EntryFilter(destination="crm")), {("crm", "DEAD_LETTERED"): 3}),
    "dead-letter all": (
        lambda admin: admin.dead_letter(EntryFilter()),
        {("crm", "DEAD_LETTERED"): 3, ("log", "DEAD_LETTERED"): 2},
    ),
    "purge": (lambda admin: admin.purge(EntryFilter(destination="log")), {("log", "PURGED"): 2}),
    "purge dead letters": (lambda admin: admin.purge_dead(EntryFilter()), {("dead", "PURGED"): 1}),
    "replay": (lambda admin: admin.replay(EntryFilter()), {}),
    "retry": (lambda admin: admin.retry(EntryFilter()), {}),
}


@pytest.mark.parametrize(("act", "expected"), ACTS.values(), ids=ACTS)
async def test_what_an_operator_does_is_counted(act: Act, expected: dict[tuple[str, str], int], tmp_path: Path) -> None:
    async with opened(tmp_path / "o.db") as outbox:
        await outbox.accept(
            [*(entry(text) for text in "abc"), *(entry(text, "log") for text in "de"), entry("f", "dead")], NOW_NS
        )
        (dead,) = await outbox.lease("dead", ALL, NOW_NS)
        await outbox.dead_letter({dead.ids.start: DeliveryReason.REJECTED}, NOW_NS)
        with closing(OutboxAdmin.open(tmp_path / "o.db", Outbox())) as admin:
            list(act(admin))
            list(admin.dead_letter(EntryFilter(destination="nobody")))
        # It is looked at once a second: what comes after has been looked at with it.
        await until(lambda: outbox.removed_by_operator() == expected)
        assert outbox.removed_by_operator() == expected
    async with opened(tmp_path / "o.db") as outbox:
        assert outbox.removed_by_operator() == {}


async def test_counts_only_grow_whatever_becomes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with opened(path) as outbox:
        for total in ({("crm", "DEAD_LETTERED"): count} for count in (1, 2, 3)):
            await outbox.accept([entry("a")], NOW_NS)
            with closing(OutboxAdmin.open(path, Outbox())) as admin:
                list(admin.dead_letter(EntryFilter()))
            await until(partial(_is, outbox, total))
            assert outbox.removed_by_operator() == total
            asked(path, "DELETE FROM operations")
            await until(lambda: not outbox._commits.gauges._total_before)


def _is(outbox: SqliteOutbox, removed_by_operator: object) -> bool:
    return outbox.removed_by_operator() == removed_by_operator
