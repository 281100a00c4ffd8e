"""Whatever is done to an outbox in whatever order, it holds what a dictionary would."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.errors import DeliveryReason
from gateway.exporters.base import BatchLimits
from gateway.model import OutboxEntry
from tests.delivery.cases import NOW_NS
from tests.delivery.outboxes import ALL, about, opened, texts

SUBJECTS: Final = (b"alice", b"bob", b"carol")
TIMES: Final = st.integers(NOW_NS, NOW_NS + 9)
STEPS: Final = st.one_of(
    st.tuples(
        st.just("accept"),
        st.lists(st.tuples(st.sampled_from(("crm", "log")), st.sampled_from(SUBJECTS), TIMES), max_size=12),
    ),
    st.tuples(st.sampled_from(("lease", "ack", "nack", "dead-letter")), st.integers(1, 8)),
    st.tuples(st.just("defer"), TIMES),
    st.tuples(st.sampled_from(("expire", "forget")), TIMES),
    st.tuples(st.just("erase"), st.sampled_from(SUBJECTS)),
    st.tuples(st.just("reopen"), st.none()),
)


class Model:
    """What an outbox is to hold: by text, each entry with the time when it is due, None for a dead letter."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[OutboxEntry, int | None]] = {}
        self.leased: dict[str, int] = {}
        self.names = (str(number) for number in itertools.count())

    def old(self, before_ns: int, *, dead: bool) -> list[str]:
        return [
            text
            for text, (one, due) in self.kept.items()
            if one.release.destination == "crm"
            and one.received_ns < before_ns
            and (dead if due is None else text not in self.leased)
        ]

    def due(self, now_ns: int) -> set[str]:
        crm = {
            text: due for text, (one, due) in self.kept.items() if one.release.destination == "crm" and due is not None
        }
        return {text for text, due in crm.items() if text not in self.leased and due <= now_ns}

    async def step(self, outbox: SqliteOutbox, name: str, given: Any) -> None:
        match name:
            case "accept":
                await self._accept(outbox, given)
            case "lease":
                leased = await outbox.lease("crm", BatchLimits(max_items=given), NOW_NS)
                assert set(texts(leased)) <= self.due(NOW_NS)
                self.leased.update((one.payload.decode(), one.id) for one in leased)
            case "ack" | "dead-letter" | "nack" | "defer":
                await self._end(outbox, name, given)
            case "expire":
                old = self.old(given, dead=False)
                assert await outbox.dead_letter_expired("crm", given, NOW_NS) == len(old)
                self.kept.update((text, (self.kept[text][0], None)) for text in old)
            case "forget":
                old = self.old(given, dead=True)
                assert await outbox.delete_expired("crm", given, NOW_NS) == len(old)
                self._remove(old)
            case "erase":
                mine = [text for text, (one, _) in self.kept.items() if given.ljust(16, b"\0") in one.subjects]
                under_way = sum(text in self.leased for text in mine)
                removed = (await outbox.erase([given.ljust(16, b"\0")], NOW_NS)).values()
                assert sum(one.deleted for one in removed) == len(mine) - under_way
                assert sum(one.leased for one in removed) == under_way
                self._remove(mine)

    async def _accept(self, outbox: SqliteOutbox, given: Sequence[tuple[str, bytes, int]]) -> None:
        new = [about(next(self.names), subject, destination=to, received_ns=at) for to, subject, at in given]
        await outbox.accept(new, NOW_NS)
        self.kept.update((one.release.payload.decode(), (one, 0)) for one in new)

    async def _end(self, outbox: SqliteOutbox, name: str, given: int) -> None:
        chosen = dict(itertools.islice(self.leased.items(), 8 if name == "defer" else given))
        match name:
            case "ack":
                await outbox.ack(chosen.values())
                self._remove(chosen)
            case "dead-letter":
                await outbox.dead_letter(dict.fromkeys(chosen.values(), DeliveryReason.REJECTED), NOW_NS)
                self.kept.update((text, (self.kept[text][0], None)) for text in chosen if text in self.kept)
            case "defer":
                await outbox.defer(chosen.values(), given)
                self.kept.update((text, (self.kept[text][0], given)) for text in chosen if text in self.kept)
            case "nack":
                await outbox.defer(chosen.values(), 0, failed=False)
                self.kept.update((text, (self.kept[text][0], 0)) for text in chosen if text in self.kept)
        for text in chosen:
            self.leased.pop(text)

    def _remove(self, gone: Any) -> None:
        for text in gone:
            self.kept.pop(text, None)

    def counts(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for one, due in self.kept.values():
            items, dead = found.get(one.release.destination, (0, 0))
            found[one.release.destination] = (items + (due is not None), dead + (due is None))
        return found


@settings(max_examples=100, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_an_outbox_holds_what_a_dictionary_would(steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_compare(Path(folder) / "o.db", steps))


async def _compare(path: Path, steps: list[tuple[str, Any]]) -> None:
    model, left = Model(), iter(steps)
    again = True
    while again:
        again = False
        model.leased.clear()
        async with opened(path) as outbox:
            for name, given_ in left:
                if again := name == "reopen":
                    break
                await model.step(outbox, name, given_)
                there = {
                    name: (depth.items, depth.dead)
                    for name, depth in outbox.depths().items()
                    if depth.items or depth.dead
                }
                assert there == model.counts()
            if not again:
                assert set(texts(await outbox.lease("crm", ALL, NOW_NS + 10))) == model.due(NOW_NS + 10)
