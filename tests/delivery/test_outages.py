"""A recipient that is away for longer than its data may be kept, and a clock that is set.

What becomes of what waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from gateway.delivery.retention import Retention
from gateway.delivery.worker import DeliveryWorker
from gateway.errors import Retryable
from gateway.exporters.base import BatchLimits, Outcome
from gateway.model import OutboxEntry
from tests.delivery.cases import TIMEOUT_SECONDS, DeliveryCase, RecordingExporter, delivered, delivery_case
from tests.delivery.test_retention import DAY, entry, flows

HOUR: Final = 3600.0


def away(batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
    return [Retryable()] * len(batch)


def sweep(case: DeliveryCase) -> Retention:
    """Delivery is tried for 3 days; the retention is 30 days."""
    return Retention(case.deps, flows, dict, timedelta(days=3))


async def idle(worker: DeliveryWorker) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await worker.wait_idle()


async def test_a_recipient_that_is_away_for_longer_than_the_retention_gets_nothing_of_before(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(*(entry(number) for number in range(10)))
        worker = DeliveryWorker(
            "eu-log", recipient := RecordingExporter(away, BatchLimits(1, max_in_flight=1)), case.deps
        )
        for day, expected in ((1, (10, 0)), (4, (0, 10)), (29, (0, 10)), (31, (0, 0))):
            case.time.passed = day * DAY
            await idle(worker)
            await sweep(case).once()
            assert (case.waiting, case.dead) == expected, day
        recipient.batches.clear()
        recipient.reply = delivered
        case.time.passed = 32 * DAY
        await case.put(entry(11))
        await idle(worker)
        await worker.stop(TIMEOUT_SECONDS)
        assert [one.key for batch in recipient.batches for one in batch] == [(11).to_bytes(16, "big")]
        assert {**case.counts.dead_lettered} == {("eu-log", "EXPIRED"): 10}
        assert {**case.counts.purged} == {("eu-log", "EXPIRED"): 10}


@pytest.mark.parametrize(
    ("name", "jump"), [("back an hour", -HOUR), ("forward a day", DAY), ("back a year", -365 * DAY)]
)
async def test_what_was_put_off_comes_though_the_clock_was_set(name: str, jump: float, tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(*(entry(number) for number in range(3)))
        worker = DeliveryWorker("eu-log", recipient := RecordingExporter(away), case.deps)
        await idle(worker)
        recipient.reply = delivered
        case.time.set = jump
        await sweep(case).once()
        assert (case.waiting, case.dead) in {(3, 0), (0, 0)}, "it waits, or is delivered at once"
        # No recipient is waited for longer than two hours, whatever the clock says.
        case.time.passed += 2 * HOUR
        await idle(worker)
        await worker.stop(TIMEOUT_SECONDS)
        assert (case.waiting, len(recipient.texts)) == (0, 6)


async def test_a_clock_set_forward_past_the_time_of_delivery_dead_letters_and_nothing_is_lost(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(*(entry(number) for number in range(3)))
        case.time.set = 4 * DAY
        await sweep(case).once()
        assert (case.waiting, case.dead) == (0, 3)
