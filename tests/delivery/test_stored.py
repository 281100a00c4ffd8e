"""Delivery by way of an outbox: stored together or not at all, carried by workers, also those of another policy."""

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
from gateway.exporters.null import Null
from tests.delivery.desk import SECONDS, Case, Recipient, desk, entries, entry

SMALL = Outbox(max_bytes=64 * 1024)


@asynccontextmanager
async def storing(case: Case, exporters: Mapping[str, Exporter]) -> AsyncIterator[OutboxDispatcher]:
    delivery = OutboxDispatcher(case.desk)
    delivery.replace(exporters, case.again)
    try:
        yield delivery
    finally:
        await delivery.close(SECONDS)


async def test_what_is_accepted_reaches_each_destination(tmp_path: Path) -> None:
    async with (
        desk(tmp_path) as case,
        storing(case, {"crm": (crm := Recipient()), "log": (log := Recipient())}) as delivery,
    ):
        await delivery.accept([entry("a"), entry("b", "log"), entry("c")])
        await asyncio.wait_for(delivery.drained(), SECONDS)
        assert (crm.texts, log.texts) == (["a", "c"], ["b"])


async def test_accepted_means_stored_whether_its_recipient_is_there_or_not(tmp_path: Path) -> None:
    async with desk(tmp_path) as case, storing(case, {"crm": (crm := Recipient(shut=True))}) as delivery:
        await asyncio.wait_for(delivery.accept(entries(3)), SECONDS)
        assert delivery.depths()["crm"].items == 3
        crm.open()


async def test_of_a_call_that_is_refused_nothing_is_stored(tmp_path: Path) -> None:
    async with (
        desk(tmp_path, SMALL) as case,
        storing(case, {"crm": (crm := Recipient()), "none": (none := Null())}) as delivery,
    ):
        with pytest.raises(Refused, match="TOO_LARGE"):
            await delivery.accept([entry("x" * 40_000, name) for name in ("crm", "crm", "none")])
        assert (case.waiting, crm.batches, none.delivered) == (0, [], 0)


async def test_nothing_is_stored_for_an_exporter_that_keeps_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as case, storing(case, {"crm": (null := Null())}) as delivery:
        await delivery.accept(entries(3))
        assert (null.delivered, {**delivery.depths()}) == (3, {})


async def test_another_exporter_takes_over_what_waits(tmp_path: Path) -> None:
    async with (
        desk(tmp_path) as case,
        storing(case, {"crm": (old := Recipient(shut=True)), "log": (kept := Recipient())}) as delivery,
    ):
        await delivery.accept(entries(1))
        await old.until(1)
        delivery.replace({"crm": (new := Recipient()), "log": kept}, case.again)
        await delivery.accept([entry("next")])
        assert (old.closed, kept.closed) == (0, 0)
        old.open()
        await asyncio.wait_for(delivery.drained(), SECONDS)
        await delivery.accept([entry("last")])
        await new.until(1)
    # What the old one has not answered is given up, and sent again.
    assert (old.texts, sorted(new.texts)) == (["0"], ["0", "last", "next"])
    assert (old.closed, kept.closed) == (1, 1)


async def test_what_a_call_has_for_a_destination_that_a_reload_took_away_is_cut_off_and_counted(tmp_path: Path) -> None:
    async with (
        desk(tmp_path) as case,
        storing(case, {"crm": (crm := Recipient()), "log": (log := Recipient())}) as delivery,
    ):
        delivery.replace({"log": log}, case.again)
        await delivery.accept([entry("x"), entry("y", "log")])
        await log.until(1)
        assert ({**case.counts.purges}, list(case.outbox.depths())) == ({("crm", "CUT_OFF"): 1}, ["log"])
    assert (crm.texts, crm.closed, log.texts) == ([], 1, ["y"])


async def test_a_reload_while_a_call_is_being_stored_does_not_fail_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as case, storing(case, {"crm": Recipient(), "log": (log := Recipient())}) as delivery:
        storing_ = asyncio.create_task(delivery.accept([entry("x"), entry("y", "log")]))
        await asyncio.sleep(0)
        delivery.replace({"log": log}, case.again)
        await asyncio.wait_for(storing_, SECONDS)


async def test_a_courier_that_is_replaced_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with desk(tmp_path) as case, storing(case, {"crm": (old := Recipient(shut=True))}) as delivery:
        await delivery.accept(entries(1))
        await old.until(1)
        idle = asyncio.create_task(delivery.idle())
        await asyncio.sleep(0)
        delivery.replace({"crm": Recipient()}, case.again)
        old.open()
        await asyncio.wait_for(idle, SECONDS)


async def test_closing_sends_what_can_be_sent_and_leaves_the_rest(tmp_path: Path) -> None:
    async with desk(tmp_path) as case:
        delivery = OutboxDispatcher(case.desk)
        delivery.replace({"crm": (crm := Recipient()), "log": (away := Recipient(shut=True))}, case.again)
        await delivery.accept([*entries(5), entry("x", "log")])
        await delivery.close(0.2)
        assert (len(crm.texts), crm.closed, away.closed) == (5, 1, 1)
        with pytest.raises(Retryable):
            await delivery.accept(entries(1))
    async with desk(tmp_path) as case:
        assert case.waiting == 1
