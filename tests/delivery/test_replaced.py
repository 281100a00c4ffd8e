"""Exporters and decisions change at one moment.

What leaves by the old ones has left before, and nobody is disturbed in vain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from gateway.delivery.redecided_batch import MinimisedBatch, RedecidedBatch
from gateway.entry_batch import EntryBatch
from gateway.entry_batch import entries as entries_in
from gateway.errors import DeliveryReason
from gateway.exporters.base import DELIVERED, BatchLimits, Exporter, Outcome
from gateway.model import OutboxEntry
from tests.delivery.cases import TIMEOUT_SECONDS, RecordingExporter, ScriptedRedecider, delivery_case, entries
from tests.delivery.test_dispatcher import storing

ONE: Final = BatchLimits(1, max_in_flight=1)


def planned(*destinations: str, plan: str = "another") -> ScriptedRedecider:
    """Decides by another plan than before for these destinations."""
    again = ScriptedRedecider()
    again.plans = dict.fromkeys(destinations, plan)
    return again


async def drained(delivery: object) -> None:
    await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)  # type: ignore[attr-defined]


async def sleeping() -> None:
    """Let everybody do what they can."""
    for _ in range(50):
        await asyncio.sleep(0.001)


CHANGES: Final = ("exporter", "plan", "both")


def changed(what: str, old: RecordingExporter) -> tuple[RecordingExporter, ScriptedRedecider]:
    """The exporter and the decisions after a change."""
    new = RecordingExporter() if what in ("exporter", "both") else old
    return new, planned("crm") if what in ("plan", "both") else ScriptedRedecider()


@pytest.mark.parametrize("what", CHANGES)
async def test_from_the_moment_on_nothing_leaves_by_the_old(what: str, tmp_path: Path) -> None:
    async with (
        delivery_case(tmp_path) as case,
        storing(case, {"crm": (old := RecordingExporter(limits=ONE, shut=True))}) as delivery,
    ):
        await delivery.accept(entries(20))
        await old.wait_for(1)
        new, again = changed(what, old)
        delivery.replace({"crm": new}, again)
        by_old = case.redecider.asked
        old.open()
        await drained(delivery)
        # What was on its way is decided on again, and comes again.
        after = old.texts[1:] if new is old else new.texts
        assert sorted(after, key=int) == [str(number) for number in range(20)]
        assert (old.texts[0], len(old.texts) - len(after) * (new is old)) == ("0", 1)
        assert (case.redecider.asked, again.asked) == (by_old, 20)


async def test_where_nothing_changed_nobody_is_disturbed(tmp_path: Path) -> None:
    exporters: Mapping[str, Exporter] = {
        "crm": (crm := RecordingExporter(shut=True)),
        "log": (log := RecordingExporter(shut=True)),
    }
    async with delivery_case(tmp_path) as case, storing(case, exporters) as delivery:
        await delivery.accept([*entries(3), *entries(3, "log")])
        await crm.wait_for(3)
        await log.wait_for(3)
        delivery.replace(exporters, planned("log"))
        crm.open()
        log.open()
        await drained(delivery)
    assert (crm.texts, log.texts) == (["0", "1", "2"], ["0", "1", "2"] * 2)


class Slow(ScriptedRedecider):
    """Takes its time over each decision, until told."""

    def __init__(self) -> None:
        super().__init__()
        self.told_to = asyncio.Event()
        self.reached = asyncio.Event()

    async def decide_all(
        self, batches: Sequence[MinimisedBatch], *, identifiers: bool = False
    ) -> Sequence[RedecidedBatch]:
        try:
            return await super().decide_all(batches, identifiers=identifiers)
        finally:
            self.reached.set()
            await self.told_to.wait()


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("decision", ["released", "withheld", "refused"])
async def test_what_was_decided_and_not_sent_is_decided_again(what: str, decision: str, tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        slow = Slow()
        for text in "012" if decision != "released" else "":
            (slow.withhold if decision == "withheld" else slow.refuse)(text)
        async with storing(case, {}) as delivery:
            delivery.replace({"crm": (old := RecordingExporter())}, slow)
            await delivery.accept(entries(3))
            await asyncio.wait_for(slow.reached.wait(), TIMEOUT_SECONDS)
            new, again = changed(what, old)
            again.plans["crm"] = "yet another"
            delivery.replace({"crm": new}, again)
            slow.told_to.set()
            await drained(delivery)
        assert (sorted(new.texts), again.asked) == (["0", "1", "2"], 3)
        assert new is old or old.texts == []
        # Nor was anything deleted because what is no longer in force said so.
        assert {**case.counts.purged} == {}


async def test_what_may_leave_no_more_is_not_sent_by_whom_it_waits_for(tmp_path: Path) -> None:
    """The same recipient: half a batch is on its way, the rest queues within the exporter."""
    async with (
        delivery_case(tmp_path) as case,
        storing(case, {"crm": (crm := RecordingExporter(limits=ONE, shut=True))}) as delivery,
    ):
        await delivery.accept(entries(5))
        await crm.wait_for(1)
        again = planned("crm")
        for text in "01234":
            again.withhold(text, DeliveryReason.CUT_OFF)
        delivery.replace({"crm": crm}, again)
        crm.open()
        await drained(delivery)
        assert (crm.texts, {**case.counts.purged}) == (["0"], {("crm", "CUT_OFF"): 5})


class Stubborn(RecordingExporter):
    """Takes a while to let go of what is given up, and notes who else is at work meanwhile."""

    def __init__(self, working: set[Stubborn], takes: float = 0.05) -> None:
        super().__init__(limits=ONE)
        self.takes = takes
        self.hanging = True
        self.working = working
        self.together = 0

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        batch = [*entries_in(batches)]
        self.together = max(self.together, len(self.working))
        self.working.add(self)
        self.batches.append(batch)
        async with self._came:
            self._came.notify_all()
        try:
            if self.hanging:
                await asyncio.Event().wait()
            return [DELIVERED] * len(batch)
        finally:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(self.takes)
            self.working.discard(self)


async def test_old_and_new_never_overlap_however_fast_they_change(tmp_path: Path) -> None:
    working: set[Stubborn] = set()
    async with delivery_case(tmp_path) as case, storing(case, {"crm": (first := Stubborn(working))}) as delivery:
        await delivery.accept(entries(3))
        await first.wait_for(1)
        every = [first, *(Stubborn(working) for _ in range(5))]
        for exporter in every[1:]:
            delivery.replace({} if exporter is every[2] else {"crm": exporter}, case.redecider)
        last = every[-1]
        last.hanging = False
        await drained(delivery)
        assert sorted(last.texts) == ["0", "1", "2"]
        assert [exporter.together for exporter in every] == [0] * 6
        assert [len(exporter.texts) for exporter in every[:-1]] == [1, 0, 0, 0, 0]
    assert [exporter.closed for exporter in every if exporter is not every[2]] == [1] * 5


async def test_all_destinations_change_at_once_and_nobody_waits_for_who_hangs(tmp_path: Path) -> None:
    names = [f"d{number}" for number in range(20)]
    old = {name: Stubborn(set(), takes=0.2) for name in names}
    async with delivery_case(tmp_path) as case, storing(case, old) as delivery:
        await delivery.accept([one for name in names for one in entries(1, name)])
        for exporter in old.values():
            await exporter.wait_for(1)
        new = {name: RecordingExporter() for name in names}
        loop = asyncio.get_running_loop()
        begun = loop.time()
        delivery.replace(new, case.redecider)
        assert loop.time() - begun < 0.1
        await asyncio.gather(*(exporter.wait_for(1) for exporter in new.values()))
        # One after another it would be four seconds.
        assert loop.time() - begun < 2


async def test_a_lease_that_is_being_taken_is_nacked_undecided(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case, storing(case, {"crm": (old := RecordingExporter())}) as delivery:
        await sleeping()
        lease, reached, may = case.outbox.lease, asyncio.Event(), asyncio.Event()

        async def slowly(*given: object) -> object:
            leased = await lease(*given)  # type: ignore[arg-type]
            reached.set()
            await may.wait()
            return leased

        case.outbox.lease = slowly  # type: ignore[assignment, method-assign]
        await delivery.accept(entries(3))
        await asyncio.wait_for(reached.wait(), TIMEOUT_SECONDS)
        delivery.replace({"crm": (new := RecordingExporter())}, again := planned("crm"))
        case.outbox.lease = lease  # type: ignore[method-assign]
        may.set()
        await drained(delivery)
        assert (old.texts, case.redecider.asked, sorted(new.texts), again.asked) == ([], 0, ["0", "1", "2"], 3)


async def test_a_failing_recipient_that_stays_is_left_alone_as_before(tmp_path: Path) -> None:
    def away(batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        raise ConnectionError

    async with (
        delivery_case(tmp_path) as case,
        storing(case, {"crm": (crm := RecordingExporter(limits=ONE))}) as delivery,
    ):
        worker = delivery._workers["crm"]
        worker.breaker.circuit = worker.circuit.failed(worker.circuit, 0, 3600, 1.0)
        delivery.replace({"crm": crm}, planned("crm"))
        assert delivery._workers["crm"].circuit is worker.circuit
        delivery.replace({"crm": RecordingExporter()}, planned("crm"))
        assert delivery._workers["crm"].circuit.failures == 0
