"""Whatever is done to an outbox in whatever order, it holds what a dictionary would."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import Outbox
from gateway.delivery.outbox.admin import OutboxAdmin
from gateway.delivery.outbox.stored_entry import EntryFilter
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.errors import DeliveryReason
from gateway.exporters.base import BatchLimits
from tests.delivery.cases import NOW_NS
from tests.delivery.leased_entries import each
from tests.delivery.outboxes import ALL, about, opened

SUBJECTS: Final = (b"alice", b"bob", b"carol")
TIMES: Final = st.integers(NOW_NS, NOW_NS + 9)
MASKS: Final = st.integers(1, 2**12 - 1)
"""Which of what is leased: the first where the lowest bit is set, and so on, again after twelve."""

ENTRIES: Final = st.tuples(st.sampled_from(("crm", "crm", "log")), st.sampled_from(SUBJECTS), TIMES)
ACCEPT: Final = st.tuples(st.just("accept"), st.lists(ENTRIES, min_size=3, max_size=12))
LEASE: Final = st.tuples(st.just("lease"), st.integers(2, 12))
END: Final = st.tuples(st.sampled_from(("ack", "nack", "dead-letter", "purge", "defer")), MASKS)
STEPS: Final = st.one_of(
    ACCEPT,
    LEASE,
    LEASE,
    END,
    END,
    END,
    st.tuples(st.sampled_from(("expire", "forget")), TIMES),
    st.tuples(st.just("erase"), st.sampled_from(SUBJECTS)),
    st.tuples(st.sampled_from(("reopen", "replay", "retry by hand", "dead-letter by hand")), st.none()),
)
"""Half of them take leases or end them, so that rows are cut and blanked in part."""


class Held(msgspec.Struct):
    """What is known of an entry: `due` is None for a dead letter."""

    destination: str
    subject: bytes
    received_ns: int
    due: int | None = 0
    since: int = 0
    attempts: int = 0


class Model:
    """What an outbox is to hold, by text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept: dict[str, Held] = {}
        self.leased: dict[str, int] = {}
        self.names = (str(number) for number in itertools.count())

    def old(self, before_ns: int, *, dead: bool) -> list[str]:
        return [
            text
            for text, one in self.kept.items()
            if one.destination == "crm"
            and one.received_ns < before_ns
            and text not in self.leased
            and (dead or (one.due is not None and one.since < before_ns))
        ]

    def due(self, now_ns: int) -> set[str]:
        return {
            text
            for text, one in self.kept.items()
            if one.destination == "crm" and one.due is not None and text not in self.leased and one.due <= now_ns
        }

    async def step(self, outbox: SqliteOutbox, name: str, given: Any) -> None:
        match name:
            case "accept":
                await self._accept(outbox, given)
            case "lease":
                await self._lease(outbox, given)
            case "ack" | "dead-letter" | "nack" | "defer" | "purge":
                await self._end(outbox, name, given)
            case "erase":
                await self._erase(outbox, given)
            case "retry by hand" | "dead-letter by hand":
                self._by_hand(name)
            case _:
                await self._sweep(outbox, name, given)

    async def _sweep(self, outbox: SqliteOutbox, name: str, given: Any) -> None:
        match name:
            case "expire":
                old = self.old(given, dead=False)
                assert await outbox.dead_letter_expired("crm", given, NOW_NS) == len(old)
                self._kill(old)
            case "forget":
                old = self.old(given, dead=True)
                assert await outbox.delete_expired("crm", given, NOW_NS) == len(old)
                self._remove(old)
            case "replay":
                dead = [text for text, one in self.kept.items() if one.due is None and one.destination == "crm"]
                assert await outbox.replay("crm", NOW_NS + 3) == len(dead)
                for text in dead:
                    self.kept[text] = msgspec.structs.replace(self.kept[text], due=0, since=NOW_NS + 3, attempts=0)

    async def _lease(self, outbox: SqliteOutbox, limit: int) -> None:
        leased = each(await outbox.lease("crm", BatchLimits(max_items=limit), NOW_NS))
        found = {one.payload.decode() for one in leased}
        assert found <= self.due(NOW_NS)
        assert len(found) == len(leased) <= limit
        assert bool(found) == bool(self.due(NOW_NS))
        assert all(one.intact and one.attempts == self.kept[one.payload.decode()].attempts for one in leased)
        self.leased.update((one.payload.decode(), one.id) for one in leased)

    async def _accept(self, outbox: SqliteOutbox, given: Sequence[tuple[str, bytes, int]]) -> None:
        names = list(itertools.islice(self.names, len(given)))
        batches = [
            about(text, subject, destination=to, received_ns=at)
            for text, (to, subject, at) in zip(names, given, strict=True)
        ]
        await outbox.accept(batches, NOW_NS)
        self.kept.update((text, Held(*one)) for text, one in zip(names, given, strict=True))

    async def _end(self, outbox: SqliteOutbox, name: str, mask: int) -> None:
        chosen = {text: number for place, (text, number) in enumerate(self.leased.items()) if mask >> place % 12 & 1}
        numbers = chosen.values()
        match name:
            case "ack":
                await outbox.ack(numbers)
                self._remove(chosen)
            case "purge":
                await outbox.purge("crm", dict.fromkeys(numbers, DeliveryReason.CUT_OFF), NOW_NS)
                self._remove(chosen)
            case "dead-letter":
                both = (DeliveryReason.REJECTED, DeliveryReason.DAMAGED)
                await outbox.dead_letter({number: both[number % 2] for number in numbers}, NOW_NS)
                self._kill(chosen)
            case "defer":
                due = NOW_NS + mask % 10
                await outbox.defer(numbers, due)
                self._put_off(chosen, due, 1)
            case "nack":
                await outbox.defer(numbers, 0, failed=False)
                self._put_off(chosen, 0, 0)
        for text in chosen:
            self.leased.pop(text)

    async def _erase(self, outbox: SqliteOutbox, subject: bytes) -> None:
        mine = [text for text, one in self.kept.items() if one.subject == subject]
        under_way = {self.leased[text] for text in mine if text in self.leased}
        removed = (await outbox.erase([subject.ljust(16, b"\0")], NOW_NS)).values()
        assert sum(one.deleted for one in removed) == len(mine) - len(under_way)
        assert sum(one.leased for one in removed) == len(under_way)
        assert under_way <= set(outbox.erased(self.leased.values()))
        self._remove(mine)

    def _by_hand(self, name: str) -> None:
        with closing(OutboxAdmin.open(self.path, Outbox())) as admin:
            steps = admin.retry(EntryFilter()) if name == "retry by hand" else admin.dead_letter(EntryFilter())
            waiting = [text for text, one in self.kept.items() if one.due is not None]
            chosen = [text for text in waiting if name != "retry by hand" or self.kept[text].due]
            done = list(steps)
            assert sum(step.deleted + step.leased for step in done) == len(chosen)
            assert sum(step.leased for step in done) == len(self.leased.keys() & set(chosen))
        if name == "dead-letter by hand":
            self._kill(chosen)
        self._put_off(chosen, 0, 0)

    def _put_off(self, chosen: Iterable[str], due: int, failures: int) -> None:
        for one in self._waiting(chosen):
            one.due, one.attempts = due, one.attempts + failures

    def _waiting(self, chosen: Iterable[str]) -> list[Held]:
        return [self.kept[text] for text in chosen if text in self.kept and self.kept[text].due is not None]

    def _kill(self, chosen: Iterable[str]) -> None:
        for one in self._waiting(chosen):
            one.due = None

    def _remove(self, gone: Iterable[str]) -> None:
        for text in list(gone):
            self.kept.pop(text, None)

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """By destination: items, dead letters, and the bytes of both."""
        found: dict[str, tuple[int, int, int]] = {}
        for text, one in self.kept.items():
            items, dead, size = found.get(one.destination, (0, 0, 0))
            found[one.destination] = (items + (one.due is not None), dead + (one.due is None), size + 200 + len(text))
        return found

    def check_admin(self) -> None:
        """An operator sees the same, by ID."""
        with closing(OutboxAdmin.open(self.path, Outbox())) as admin:
            shown = [*admin.items(EntryFilter(), 10_000), *admin.dead(EntryFilter(), 10_000)]
            assert all(one.intact for one in shown)
            payloads = {one.id: found[1].decode() for one in shown if (found := admin.find(one.id)) is not None}
        assert sorted(payloads.values()) == sorted(self.kept)


@settings(max_examples=100, deadline=None)
@given(st.builds(lambda first, rest: [first, *rest], ACCEPT, st.lists(STEPS, min_size=6, max_size=25)))
def test_an_outbox_holds_what_a_dictionary_would(steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_compare(Path(folder) / "o.db", steps))


async def _compare(path: Path, steps: list[tuple[str, Any]]) -> None:
    model, left = Model(path), iter(steps)
    again = True
    while again:
        again = False
        model.leased.clear()
        async with opened(path) as outbox:
            for name, given_ in left:
                if again := name == "reopen":
                    break
                await model.step(outbox, name, given_)
                # What another program did is seen with the next group.
                await outbox.lease("none", ALL, NOW_NS)
                there = {
                    name: (depth.items, depth.dead, depth.bytes + depth.dead_bytes)
                    for name, depth in outbox.depths().items()
                    if depth.items or depth.dead
                }
                assert there == model.counts()
            model.check_admin()
            if not again:
                found = each(await outbox.lease("crm", ALL, NOW_NS + 10))
                assert {one.payload.decode() for one in found} == model.due(NOW_NS + 10)
    _check_nothing_is_left_over(path)


def _check_nothing_is_left_over(path: Path) -> None:
    """Each blank is within a row."""
    with closing(sqlite3.connect(path)) as database:
        ((left,),) = database.execute(
            "SELECT count(*) FROM gone WHERE NOT EXISTS"
            " (SELECT 1 FROM (SELECT id, count FROM batches UNION ALL SELECT id, count FROM dead) AS row"
            " WHERE gone.id >= row.id AND gone.id < row.id + row.count)"
        ).fetchall()
    assert left == 0
