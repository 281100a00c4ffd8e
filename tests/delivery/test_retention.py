"""What is too old, or has lost its destination, goes: each to its own end, and counted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from gateway.batch_verdict import ReleaseBatch
from gateway.delivery.retention import Retention
from gateway.entry_batch import EntryBatch
from gateway.errors import DeliveryReason
from gateway.exporters.base import BatchLimits, Exporter
from gateway.pipeline.flows import Flows
from gateway.policy.compile import Compiler
from tests.delivery.cases import NOW_NS, SECOND_NS, DeliveryCase, RecordingExporter, delivery_case, ids
from tests.support.contracts import contract, policy, proto

DAY: Final = 86_400.0
PROTO: Final = proto("message A { string a = 1 @OPERATIONAL; }\nmessage B { string b = 1 @OPERATIONAL; }")


@cache
def flows(led: str = "{t.A: [eu-log, us-vendor], t.B: [eu-log]}") -> Flows:
    """Retention is 30 days for all."""
    return Flows(Compiler(contract(PROTO), policy(flows=led)))


def entry(number: int, destination: str = "eu-log", type: str = "t.A", days: float = 0) -> EntryBatch:
    """Received so many days ago."""
    return EntryBatch(
        ReleaseBatch(destination, type, "a-plan", [b"x"]),
        number.to_bytes(16, "big"),
        [NOW_NS - int(days * DAY) * SECOND_NS],
    )


def sweep(case: DeliveryCase, held: Flows, exporter: Exporter | None = None) -> Retention:
    """What can't be delivered within 3 days is dead-lettered."""
    return Retention(
        case.deps, lambda: held, lambda: {} if exporter is None else {"eu-log": exporter}, timedelta(days=3)
    )


AGENT_AGES: dict[str, tuple[float, int]] = {
    "new": (0, 1),
    "too old to be tried by another role": (3.01, 1),
    "almost as old as its retention": (29.9, 1),
    "older than its retention": (30.1, 0),
}


@pytest.mark.parametrize("row", AGENT_AGES)
async def test_where_no_dead_letters_are_kept_an_item_is_tried_for_its_retention(row: str, tmp_path: Path) -> None:
    days, waiting = AGENT_AGES[row]
    async with delivery_case(tmp_path, keeps_dead_letters=False) as case:
        await case.put(entry(1, days=days), entry(2))
        await sweep(case, flows()).once()
        assert (case.waiting, case.dead) == (waiting + 1, 0)
        assert sum(case.counts.purged.values()) == 1 - waiting


async def test_where_no_dead_letters_are_kept_those_of_before_wait_again(tmp_path: Path) -> None:
    async with delivery_case(tmp_path, keeps_dead_letters=False) as case:
        await case.put(*(entry(number) for number in range(3)), entry(3, "us-vendor"))
        leased = await case.outbox.lease("eu-log", BatchLimits(2), NOW_NS)
        await case.outbox.dead_letter(dict.fromkeys(ids(leased), DeliveryReason.EXPIRED), NOW_NS)
        assert (case.waiting, case.dead) == (2, 2)
        await sweep(case, flows()).once()
        assert (case.waiting, case.dead) == (4, 0)


AGES: dict[str, tuple[float, int, int]] = {
    "new": (0, 1, 0),
    "tried for as long as it may be": (2.99, 1, 0),
    "too old to be tried": (3.01, 0, 1),
    "too old for an outage, but not for its retention": (29.9, 0, 1),
    "older than its retention": (30.1, 0, 0),
    "from tomorrow, by a clock that was wrong": (-1, 1, 0),
}


@pytest.mark.parametrize("row", AGES)
async def test_what_is_too_old_is_dead_lettered_and_then_deleted(row: str, tmp_path: Path) -> None:
    days, waiting, dead = AGES[row]
    async with delivery_case(tmp_path) as case:
        await case.put(entry(1, days=days), entry(2))
        await sweep(case, flows()).once()
        assert (case.waiting, case.dead) == (waiting + 1, dead)
        assert sum(case.counts.dead_lettered.values()) == (0 if days < 3 else 1)
        assert sum(case.counts.purged.values()) == (1 if days > 30 else 0)


async def test_a_dead_letter_goes_when_its_retention_is_over(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(entry(1, days=4))
        await sweep(case, flows()).once()
        assert case.dead == 1
        case.time.passed = 27 * DAY
        await sweep(case, flows()).once()
        assert (case.waiting, case.dead) == (0, 0)
        assert {**case.counts.purged} == {("eu-log", "EXPIRED"): 1}


async def test_what_is_being_delivered_is_left_alone(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(entry(1, days=4), entry(2, days=4))
        (leased,) = await case.outbox.lease("eu-log", BatchLimits(1), NOW_NS)
        await sweep(case, flows()).once()
        assert (case.waiting, case.dead) == (1, 1)
        await case.outbox.ack(leased.ids)
        assert case.waiting == 0


CUT: dict[str, tuple[str, int]] = {
    "nothing": ("{t.A: [eu-log, us-vendor], t.B: [eu-log]}", 3),
    "a type at one destination": ("{t.A: [eu-log], t.B: [eu-log]}", 2),
    "a type": ("{t.A: [eu-log, us-vendor]}", 2),
    "all": ("{}", 0),
    # Not a flow that was taken out, but a contract that is missing: what was acknowledged waits for it.
    "a type, and another's contract": ("{t.A: [eu-log, us-vendor], u.C: [eu-log]}", 2),
}


@pytest.mark.parametrize("row", CUT)
async def test_what_lost_its_flow_goes(row: str, tmp_path: Path) -> None:
    led, left = CUT[row]
    async with delivery_case(tmp_path) as case:
        await case.put(entry(1), entry(2, "us-vendor"), entry(3, type="t.B"))
        await sweep(case, flows(led)).once()
        assert case.waiting == left
        assert sum(case.counts.purged.values()) == 3 - left
        assert {reason for _, reason in case.counts.purged} <= {"CUT_OFF"}


async def test_what_has_its_flow_and_lost_its_contract_waits(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(entry(1), entry(2, type="u.C"), entry(3, "us-vendor", type="u.C"))
        await sweep(case, flows("{t.A: [eu-log], u.C: [eu-log]}")).once()
        assert (case.waiting, {**case.counts.purged}) == (2, {("us-vendor", "CUT_OFF"): 1})


async def test_a_destination_that_the_policy_no_longer_has_holds_nothing(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(entry(1, "once-there"), entry(2))
        await sweep(case, flows()).once()
        assert {name: depth.items for name, depth in case.outbox.depths().items()} == {"once-there": 0, "eu-log": 1}


async def test_dead_letters_of_a_destination_that_the_policy_no_longer_has_go_when_items_would_be_given_up(
    tmp_path: Path,
) -> None:
    async with delivery_case(tmp_path) as case:
        await case.put(entry(1, "once-there"))
        (leased,) = await case.outbox.lease("once-there", BatchLimits(1), NOW_NS)
        await case.outbox.dead_letter(dict.fromkeys(leased.ids, DeliveryReason.REJECTED), NOW_NS)
        for days, dead in ((2.9, 1), (3.1, 0)):
            case.time.passed = days * DAY
            await sweep(case, flows()).once()
            assert case.dead == dead


async def test_a_sweep_that_began_before_a_reload_takes_nothing_that_the_new_policy_leads_somewhere(
    tmp_path: Path,
) -> None:
    old, new = flows("{t.A: [eu-log]}"), flows()
    async with delivery_case(tmp_path) as case:
        await case.put(*(entry(number, days=4) for number in range(2000)))
        now = old
        sweeping = asyncio.create_task(Retention(case.deps, lambda: now, dict, timedelta(days=3)).once())
        await asyncio.sleep(0)
        now = new
        await case.put(entry(5001, "us-vendor"), entry(5002, type="t.B"))
        await sweeping
        assert (case.waiting, case.dead) == (2, 2000)


class Log(RecordingExporter):
    """An exporter that keeps files."""

    def __init__(self) -> None:
        super().__init__()
        self.swept: list[float] = []

    async def sweep(self, now: float) -> int:
        self.swept.append(now)
        return 2


async def test_exporters_that_keep_files_are_swept_too(tmp_path: Path) -> None:
    async with delivery_case(tmp_path) as case:
        await sweep(case, flows(), log := Log()).once()
        assert log.swept == [NOW_NS / SECOND_NS]
