"""Delivery by way of an outbox: stored together or not at all, delivered by workers, also those of another policy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.config import Outbox
from gateway.delivery.dispatcher import OutboxDispatcher
from gateway.errors import Refused, Retryable
from gateway.exporters.base import Exporter
from gateway.exporters.null.exporter import NullExporter
from tests.delivery.cases import TIMEOUT_SECONDS, DeliveryCase, RecordingExporter, delivery_case, entries, entry

SMALL = Outbox(max_bytes=64 * 1024)


@asynccontextmanager
async def storing(case: DeliveryCase, exporters: Mapping[str, Exporter]) -> AsyncIterator[OutboxDispatcher]:
    delivery = OutboxDispatcher(case.deps)
    delivery.replace(exporters, case.redecider)
    try:
        yield delivery
    finally:
        await delivery.close(TIMEOUT_SECONDS)


async def test_what_is_accepted_reaches_each_destination(tmp_path: Path) -> None:
    async with (
        delivery_case(tmp_path) as case,
        storing(case, {"crm": (crm := RecordingExporter()), "log": (log := RecordingExporter())}) as delivery,
    ):
        await delivery.accept([entry("a"), entry("b", "log"), entry("c")])
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        assert (crm.texts, log.texts) == (["a", "c"], ["b"])


async def test_accepted_means_stored_whether_its_recipient_is_there_or_not(tmp_path: Path) -> None:
    async with (
        delivery_case(tmp_path) as case,
        storing(case, {"crm": (crm := RecordingExporter(shut=True))}) as delivery,
    ):
        await asyncio.wait_for(delivery.accept(entries(3)), TIMEOUT_SECONDS)
        assert delivery.depths()["crm"].items == 3
        crm.open()


async def test_of_a_call_that_is_refused_nothing_is_stored(tmp_path: Path) -> None:
    async with (
        delivery_case(tmp_path, SMALL) as case,
        storing(case, {"crm": (crm := RecordingExporter()), "none": (none := NullExporter())}) as delivery,
    ):
        with pytest.raises(Refused, match="TOO_LARGE"):
            await delivery.accept([entry("x" * 40_000, name) for name in ("crm", "crm", "none")])
        assert (case.waiting, crm.batches, none.delivered) == (0, [], 0)


async def test_nothing_is_stored_for_an_exporter_that_keeps_nothing(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case, storing(case, {"crm": (null := NullExporter())}) as delivery:
        await delivery.accept(entries(3))
        assert (null.delivered, {**delivery.depths()}) == (3, {})


async def test_another_exporter_takes_over_what_waits(tmp_path: Path) -> None:
    async with (
        delivery_case(tmp_path) as case,
        storing(case, {"crm": (old := RecordingExporter(shut=True)), "log": (kept := RecordingExporter())}) as delivery,
    ):
        await delivery.accept(entries(1))
        await old.wait_for(1)
        delivery.replace({"crm": (new := RecordingExporter()), "log": kept}, case.redecider)
        await delivery.accept([entry("next")])
        assert (old.closed, kept.closed) == (0, 0)
        old.open()
        await asyncio.wait_for(delivery.drained(), TIMEOUT_SECONDS)
        await delivery.accept([entry("last")])
        await new.wait_for(1)
    # What the old one has not answered is given up, and sent again.
    assert (old.texts, sorted(new.texts)) == (["0"], ["0", "last", "next"])
    assert (old.closed, kept.closed) == (1, 1)


async def test_what_a_call_has_for_a_destination_that_a_reload_took_away_is_cut_off_and_counted(tmp_path: Path) -> None:
    async with (
        delivery_case(tmp_path) as case,
        storing(case, {"crm": (crm := RecordingExporter()), "log": (log := RecordingExporter())}) as delivery,
    ):
        delivery.replace({"log": log}, case.redecider)
        await delivery.accept([entry("x"), entry("y", "log")])
        await log.wait_for(1)
        assert ({**case.counts.purged}, list(case.outbox.depths())) == ({("crm", "CUT_OFF"): 1}, ["log"])
    assert (crm.texts, crm.closed, log.texts) == ([], 1, ["y"])


async def test_a_reload_while_a_call_is_being_stored_does_not_fail_it(tmp_path: Path) -> None:
    async with (
        delivery_case(tmp_path) as case,
        storing(case, {"crm": RecordingExporter(), "log": (log := RecordingExporter())}) as delivery,
    ):
        storing_ = asyncio.create_task(delivery.accept([entry("x"), entry("y", "log")]))
        await asyncio.sleep(0)
        delivery.replace({"log": log}, case.redecider)
        await asyncio.wait_for(storing_, TIMEOUT_SECONDS)


async def test_a_worker_that_is_replaced_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with (
        delivery_case(tmp_path) as case,
        storing(case, {"crm": (old := RecordingExporter(shut=True))}) as delivery,
    ):
        await delivery.accept(entries(1))
        await old.wait_for(1)
        idle = asyncio.create_task(delivery.idle())
        await asyncio.sleep(0)
        delivery.replace({"crm": RecordingExporter()}, case.redecider)
        old.open()
        await asyncio.wait_for(idle, TIMEOUT_SECONDS)


async def test_closing_sends_what_can_be_sent_and_leaves_the_rest(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        delivery = OutboxDispatcher(case.deps)
        delivery.replace(
            {"crm": (crm := RecordingExporter()), "log": (away := RecordingExporter(shut=True))}, case.redecider
        )
        await delivery.accept([*entries(5), entry("x", "log")])
        await delivery.close(0.2)
        assert (len(crm.texts), crm.closed, away.closed) == (5, 1, 1)
        with pytest.raises(Retryable):
            await delivery.accept(entries(1))
    async with delivery_case(tmp_path) as case:
        assert case.waiting == 1
