"""An operator's hands on an outbox, with a gateway's outbox open on the same file."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from gateway.batch_verdict import ReleaseBatch
from gateway.config import Outbox
from gateway.delivery.outbox import schema
from gateway.delivery.outbox.admin import OutboxAdmin, QueueStats
from gateway.delivery.outbox.id_ranges import IdSet
from gateway.delivery.outbox.interface import Removed
from gateway.delivery.outbox.leased_ids import LeasedIds
from gateway.delivery.outbox.stored_entry import EntryFilter
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.entry_batch import EntryBatch
from gateway.errors import BadConfig, DeliveryReason, ItemReason
from gateway.exporters.base import BatchLimits
from tests.delivery.cases import NOW_NS, SECOND_NS, entries, ids
from tests.delivery.damage import filled, middle
from tests.delivery.leased_entries import each
from tests.delivery.outboxes import ALL, asked, counts, held, opened

HOUR: Final = 3600 * SECOND_NS
FIVE: Final = BatchLimits(max_items=5)


def typed(number: int, type: str, destination: str = "crm") -> EntryBatch:
    return EntryBatch(
        ReleaseBatch(destination, type, "a-plan", [str(number).encode()]), number.to_bytes(16, "big"), [NOW_NS]
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "o.db"


async def fill(outbox: SqliteOutbox) -> None:
    """1,200 items for two destinations: of the first ten at crm five are dead, five put off."""
    for number in range(1, 11):
        await outbox.accept([typed(number, "a.One" if number % 2 else "a.Other")], NOW_NS)
    await outbox.accept([typed(number, "a.One" if number <= 505 else "a.Other") for number in range(11, 1001)], NOW_NS)
    await outbox.accept([typed(number, "a.One", "log") for number in range(1001, 1201)], NOW_NS)
    dead = await outbox.lease("crm", FIVE, NOW_NS)
    await outbox.dead_letter(
        {number: DeliveryReason.REJECTED if number % 2 else ItemReason.TOO_LARGE for number in ids(dead)}, NOW_NS
    )
    late = await outbox.lease("crm", FIVE, NOW_NS)
    await outbox.defer(ids(late), NOW_NS + HOUR)


def total(steps: Iterable[Removed]) -> tuple[int, int]:
    """How many, and how many more were on their way."""
    done = list(steps)
    return sum(step.deleted for step in done), sum(step.leased for step in done)


def counts_of(admin: OutboxAdmin) -> dict[str, tuple[int, int]]:
    return {queue.destination: (queue.items, queue.dead) for queue in admin.queues()}


async def test_what_is_there_is_told(path: Path) -> None:
    async with opened(path) as outbox:
        await fill(outbox)
        with closing(OutboxAdmin.open(path, Outbox())) as admin:
            assert counts_of(admin) == {"crm": (995, 5), "log": (200, 0)}
            assert [one.id for one in admin.items(EntryFilter(), 10_000)] == list(range(6, 1201))
            assert [one.id for one in admin.items(EntryFilter(destination="log"), 3)] == [1001, 1002, 1003]
            assert {one.type for one in admin.items(EntryFilter(type="a.Other"), 10_000)} == {"a.Other"}
            assert [(one.attempts, one.next_attempt_at_ns) for one in admin.items(EntryFilter(), 6)] == [
                (1, NOW_NS + HOUR)
            ] * 5 + [(0, 0)]
            assert [(one.id, one.reason) for one in admin.dead(EntryFilter(), 10)] == [
                (number, "REJECTED" if number % 2 else "TOO_LARGE") for number in range(1, 6)
            ]
            assert [one.id for one in admin.dead(EntryFilter(reason="TOO_LARGE"), 10)] == [2, 4]


@pytest.mark.parametrize(("number", "where"), [(1, "dead"), (6, "row"), (500, "batch"), (1200, "batch")])
async def test_one_is_found_wherever_it_is(number: int, where: str, path: Path) -> None:
    async with opened(path) as outbox:
        await fill(outbox)
        with closing(OutboxAdmin.open(path, Outbox())) as admin:
            found = admin.find(number)
            assert found is not None
            assert (found[0].id, found[1], found[0].reason != "") == (number, str(number).encode(), where == "dead")
            assert admin.find(1201) is None


Act = Callable[[OutboxAdmin], Iterator[Removed]]

ACTS: Final[dict[str, tuple[Act, int, dict[str, tuple[int, int]]]]] = {
    "retry all": (lambda admin: admin.retry(EntryFilter()), 5, {"crm": (995, 5), "log": (200, 0)}),
    "retry some": (lambda admin: admin.retry(EntryFilter(type="a.One")), 2, {"crm": (995, 5), "log": (200, 0)}),
    "dead-letter all": (lambda admin: admin.dead_letter(EntryFilter()), 1195, {"crm": (0, 1000), "log": (0, 200)}),
    "dead-letter a type": (
        lambda admin: admin.dead_letter(EntryFilter(type="a.Other")),
        498,
        {"crm": (497, 503), "log": (200, 0)},
    ),
    "dead-letter a destination": (
        lambda admin: admin.dead_letter(EntryFilter(destination="log")),
        200,
        {"crm": (995, 5), "log": (0, 200)},
    ),
    "dead-letter IDs": (
        lambda admin: admin.dead_letter(EntryFilter((1, 6, 700, 700, 5000))),
        2,
        {"crm": (993, 7), "log": (200, 0)},
    ),
    "purge all": (lambda admin: admin.purge(EntryFilter()), 1195, {"crm": (0, 5), "log": (0, 0)}),
    "purge IDs": (lambda admin: admin.purge(EntryFilter((1, 6, 700))), 2, {"crm": (993, 5), "log": (200, 0)}),
    "purge dead": (lambda admin: admin.purge_dead(EntryFilter()), 5, {"crm": (995, 0), "log": (200, 0)}),
    "purge dead IDs": (lambda admin: admin.purge_dead(EntryFilter((1, 6))), 1, {"crm": (995, 4), "log": (200, 0)}),
    "replay all": (lambda admin: admin.replay(EntryFilter()), 5, {"crm": (1000, 0), "log": (200, 0)}),
    "replay a reason": (
        lambda admin: admin.replay(EntryFilter(reason="REJECTED")),
        3,
        {"crm": (998, 2), "log": (200, 0)},
    ),
    "replay IDs": (lambda admin: admin.replay(EntryFilter((2, 3, 4, 6))), 3, {"crm": (998, 2), "log": (200, 0)}),
}
"""What is done, to how many, and how many items and dead letters there are then."""


@pytest.mark.parametrize("name", ACTS)
async def test_what_is_done_is_done_to_what_was_chosen_and_the_gateway_goes_on(name: str, path: Path) -> None:
    act, count, after = ACTS[name]
    async with opened(path) as outbox:
        await fill(outbox)
        with closing(OutboxAdmin.open(path, Outbox())) as admin:
            assert total(act(admin)) == (count, 0)
            assert counts_of(admin) == after
        leased = [await outbox.lease(destination, ALL, NOW_NS + 2 * HOUR) for destination in ("crm", "log")]
        assert [len(ids(found)) for found in leased] == [after["crm"][0], after["log"][0]]
        assert all(one.payload == str(one.id).encode() and one.intact for found in leased for one in each(found))
        for found in leased:
            await outbox.ack(ids(found))
        assert {name: counts(outbox, name) for name in after} == {name: (0, dead) for name, (_, dead) in after.items()}


async def test_what_was_put_off_is_due_at_once(path: Path) -> None:
    async with opened(path) as outbox:
        await fill(outbox)
        with closing(OutboxAdmin.open(path, Outbox())) as admin:
            assert ids(await outbox.lease("crm", BatchLimits(max_items=1), NOW_NS)) == [11]
            assert total(admin.retry(EntryFilter())) == (5, 0)
            assert ids(await outbox.lease("crm", FIVE, NOW_NS)) == [6, 7, 8, 9, 10]


async def test_what_was_replayed_is_tried_as_long_as_what_comes_now_and_kept_no_longer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = NOW_NS + 100 * HOUR
    monkeypatch.setattr("time.time_ns", lambda: now)
    async with opened(path) as outbox:
        await outbox.accept(entries(2), NOW_NS)
        assert await outbox.dead_letter_expired("crm", NOW_NS + HOUR, now) == 2
        with closing(OutboxAdmin.open(path, Outbox())) as admin:
            assert total(admin.replay(EntryFilter())) == (2, 0)
        assert await outbox.dead_letter_expired("crm", now, now) == 0
        assert await outbox.dead_letter_expired("crm", now + 1, now) == 2
        assert await outbox.delete_expired("crm", NOW_NS + 1, now) == 2


async def test_what_is_delivered_while_an_operator_dead_letters_it_is_no_dead_letter(path: Path) -> None:
    async with opened(path) as outbox:
        await outbox.accept(entries(20), NOW_NS)
        leased = await outbox.lease("crm", FIVE, NOW_NS)
        with closing(OutboxAdmin.open(path, Outbox())) as admin:
            assert total(admin.dead_letter(EntryFilter())) == (15, 5)
        await outbox.ack(ids(leased))
        assert counts(outbox) == (0, 15)


@pytest.mark.parametrize("ended", ["ack", "defer", "dead-letter"])
async def test_what_an_operator_purges_under_way_stays_gone(ended: str, path: Path) -> None:
    async with opened(path) as outbox:
        await outbox.accept(entries(20), NOW_NS)
        leased = ids(await outbox.lease("crm", FIVE, NOW_NS))
        with closing(OutboxAdmin.open(path, Outbox())) as admin:
            assert total(admin.purge(EntryFilter())) == (15, 5)
        if ended == "ack":
            await outbox.ack(leased)
        elif ended == "defer":
            await outbox.defer(leased, NOW_NS + HOUR)
        else:
            await outbox.dead_letter(dict.fromkeys(leased, DeliveryReason.REJECTED), NOW_NS)
        assert (counts(outbox), await held(outbox)) == ((0, 0), [])
    assert asked(path, "SELECT destination, reason, sum(count) FROM deletions GROUP BY 1, 2") == [("crm", "PURGED", 15)]


async def test_what_was_on_its_way_is_told_until_its_lease_ends(path: Path) -> None:
    async with opened(path) as outbox:
        await outbox.accept(entries(20), NOW_NS)
        leased = ids(await outbox.lease("crm", FIVE, NOW_NS))
        await outbox.defer(leased[:2], NOW_NS + HOUR)
        with closing(OutboxAdmin.open(path, Outbox())) as admin:
            assert total(admin.purge(EntryFilter((*leased, 20)))) == (3, 3)


async def test_nothing_is_leased_while_an_operator_deletes(path: Path) -> None:
    async with opened(path) as outbox:
        await outbox.accept(entries(20), NOW_NS)
        list_ = LeasedIds(path)
        with list_.alone(wait=True):
            assert await outbox.lease("crm", FIVE, NOW_NS) == ()
        assert len(ids(await outbox.lease("crm", FIVE, NOW_NS))) == 5
        list_.close()


async def test_what_was_on_its_way_at_a_kill_is_told_too(path: Path) -> None:
    """Nobody can say whether it was delivered."""
    async with opened(path) as outbox:
        await outbox.accept(entries(3), NOW_NS)
    list_ = LeasedIds(path)
    list_.write(IdSet([range(1, 2)]))
    list_.close()
    with closing(OutboxAdmin.open(path, Outbox())) as admin:
        assert total(admin.purge(EntryFilter())) == (2, 1)


async def test_what_comes_meanwhile_is_left_alone(path: Path) -> None:
    async with opened(path) as outbox:
        await outbox.accept(entries(1200), NOW_NS)
        with closing(OutboxAdmin.open(path, Outbox())) as admin:
            steps = admin.purge(EntryFilter())
            first = next(steps)
            await outbox.accept([typed(1, "a.Type")], NOW_NS)
            assert total([first, *steps]) == (1200, 0)
            assert admin.queues() == [QueueStats("crm", 1, 1, NOW_NS, 0, 0)]


def test_where_there_is_no_outbox_none_is_made(path: Path) -> None:
    with pytest.raises(BadConfig, match="there is no outbox"):
        OutboxAdmin.open(path, Outbox())
    assert not path.exists()


@pytest.mark.parametrize("begun", [False, True], ids=["empty", "without tables"])
def test_a_file_that_a_gateway_only_begins_is_left_to_it(begun: bool, path: Path) -> None:
    path.touch()
    if begun:
        schema.connect(path).close()
    before = path.read_bytes()
    with pytest.raises(BadConfig, match="there is no outbox"):
        OutboxAdmin.open(path, Outbox())
    assert path.read_bytes() == before


async def _damaged(path: Path) -> None:
    await filled(path)
    middle(path)


async def _a_newer_ones(path: Path) -> None:
    await filled(path, 1)
    asked(path, "PRAGMA user_version = 99")


async def _anothers(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE other (id)")


FAULTS: Final[list[tuple[Callable[[Path], Awaitable[None]], str]]] = [
    (_damaged, "is damaged"),
    (_a_newer_ones, "is of version 99"),
    (_anothers, "is damaged, or no outbox"),
]


@pytest.mark.parametrize(("make", "text"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
async def test_a_file_that_cannot_be_read_is_named(
    make: Callable[[Path], Awaitable[None]], text: str, path: Path
) -> None:
    await make(path)
    with pytest.raises(BadConfig, match=rf"o\.db: {text}"):
        _used(path)


def _used(path: Path) -> Sequence[Removed]:
    with closing(OutboxAdmin.open(path, Outbox())) as admin:
        return list(admin.dead_letter(EntryFilter()))
