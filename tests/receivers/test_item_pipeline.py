"""Items on their way, one and many."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

import pytest

from gateway.delivery.keys import Keys
from gateway.delivery.later_subjects import LaterSubjects
from gateway.directory import NoDirectory
from gateway.entry_batch import EntryBatch, entries
from gateway.errors import CallReason, ItemReason, Reason, RefusalReason, Refused, Retryable
from gateway.exporters.base import count_entries
from gateway.model import Category, Facts, FieldPath, Identifier, Release, Subject, Verdict, Withheld
from gateway.pipeline.batch_decision import BatchDecision
from gateway.pipeline.decide import Decider
from gateway.pipeline.offload import CHUNK_BYTES, COSTLY_BYTES, ITEM_BYTES, QUICK_NANOS, Offload
from gateway.receivers.item_pipeline import MAX_CALL_ITEMS, BatchOutcome, ItemPipeline, ResolvedItems
from gateway.telemetry import Counts
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.fake_delivery import PACKER
from tests.support.one_by_one import decide_one_by_one

BAD, PRIVATE = b"bad", b"private"


class Flow:
    """Refuses what is bad, withholds what is private, and releases the rest twice."""

    key = "a.Type"
    categories: Mapping[FieldPath, Category] = {(None, "name"): Category.NAME}

    def __init__(self) -> None:
        self.decided = 0
        self.identifiers: set[bool] = set()
        """Whether people are looked for in what is left."""

    def subject(self, raw: bytes) -> Subject:
        return Subject()

    def is_personal(self, subject: Subject) -> bool:
        return False

    destinations = ("one", "two")

    def subjects(self, release: Release) -> frozenset[Identifier]:
        return self.identifiers_in(release.destination)(release.payload)

    def identifiers_in(self, destination: str) -> Callable[[bytes], frozenset[Identifier]]:
        return lambda _: frozenset({(Category.USER_ID, "usr_1")})

    def decide(self, raw: bytes, facts: Facts) -> tuple[Verdict, ...]:
        self.decided += 1
        if raw.rstrip() == BAD:
            raise Refused(ItemReason.TOO_DEEP)
        one: Verdict = (
            Withheld("one", ItemReason.PERSONAL_ACCOUNT) if raw == PRIVATE else Release("one", "a.Type", "", raw)
        )
        return one, Release("two", "a.Type", "", raw)

    def decide_batch(self, raws: Sequence[bytes], facts: Sequence[Facts], *, identifiers: bool = True) -> BatchDecision:
        self.identifiers.add(identifiers)
        return decide_one_by_one(self.decide, raws, facts, self.subjects)


class Kept:
    """A delivery that keeps what it accepts."""

    def __init__(self) -> None:
        self.accepted: list[Sequence[EntryBatch]] = []
        self.stored = True

    def stores(self, destinations: Collection[str]) -> bool:
        return self.stored

    async def accept(self, batches: Sequence[EntryBatch]) -> None:
        self.accepted.append(batches)

    async def drained(self) -> None:
        """Nothing waits."""

    async def close(self, within: float) -> None:
        """Nothing is held open."""


class Case:
    def __init__(self, flow: Flow | None = None) -> None:
        self.flow: Any = flow or Flow()
        self.kept = Kept()
        self.counts = Counts()
        self.pipeline = ItemPipeline(Decider(NoDirectory(), Offload()), self.kept, PACKER, self.counts)

    def resolve(self, raws: Sequence[bytes], first: int) -> Sequence[ResolvedItems | RefusalReason]:
        """What is empty has no flow."""
        resolved: list[ResolvedItems | RefusalReason] = []
        for known, run in itertools.groupby(raws, bool):
            items = [*run]
            resolved += (
                [ResolvedItems(self.flow, items, first=first)] if known else [ItemReason.UNKNOWN_FLOW] * len(items)
            )
        return resolved


@pytest.mark.parametrize("stores", [True, False])
async def test_people_are_looked_for_where_what_is_about_them_may_be_stored(stores: bool) -> None:
    case = Case()
    case.kept.stored = stores
    await case.pipeline.take_many(case, [b"x", b"y"])
    assert case.flow.identifiers == {stores}
    batches = [batch for sent in case.kept.accepted for batch in sent]
    assert {isinstance(batch.subjects, LaterSubjects) for batch in batches} == {not stores}
    assert {hashed for batch in batches for hashed in batch.subjects} == {
        Keys(bytes(32)).subject(Category.USER_ID, "usr_1")
    }


async def test_one_item_goes_at_once() -> None:
    case = Case()
    assert len((await case.pipeline.take_one(case, b"x")).verdicts) == 2
    assert [count_entries(batch) for batch in case.kept.accepted] == [2]


@pytest.mark.parametrize(("raw", "reason"), [(BAD, ItemReason.TOO_DEEP), (b"", ItemReason.UNKNOWN_FLOW)])
async def test_one_bad_item_is_refused(raw: bytes, reason: Reason) -> None:
    case = Case()
    with pytest.raises(Refused) as caught:
        await case.pipeline.take_one(case, raw)
    assert caught.value.reason is reason
    assert case.kept.accepted == []


async def test_many_items_go_together_and_each_has_its_fate() -> None:
    case = Case()
    batch = await case.pipeline.take_many(case, [b"x", BAD, PRIVATE, b"", b"y", PRIVATE])
    assert batch == BatchOutcome(
        accepted=4, rejected=[(1, ItemReason.TOO_DEEP), (3, ItemReason.UNKNOWN_FLOW)], withheld=[2, 5]
    )
    assert [[entry.payload for entry in entries(sent)] for sent in case.kept.accepted] == [
        [b"x", b"x", PRIVATE, b"y", b"y", PRIVATE]
    ]


@pytest.mark.parametrize("raws", [[], [BAD], [BAD] * MAX_CALL_ITEMS])
async def test_nothing_to_deliver_is_not_delivered(raws: list[bytes]) -> None:
    case = Case()
    batch = await case.pipeline.take_many(case, raws)
    assert (batch.accepted, len(batch.rejected)) == (0, len(raws))
    assert case.kept.accepted == []


@pytest.mark.parametrize("raw", [b"x", BAD, PRIVATE])
async def test_up_to_the_bound_many_are_taken_and_one_more_takes_none(raw: bytes) -> None:
    case = Case()
    batch = await case.pipeline.take_many(case, [raw] * MAX_CALL_ITEMS)
    assert batch.count == MAX_CALL_ITEMS
    decided, items = case.flow.decided, dict(case.counts.items)
    case.kept.accepted.clear()
    with pytest.raises(Refused) as caught:
        await case.pipeline.take_many(case, [raw] * (MAX_CALL_ITEMS + 1))
    assert caught.value.reason is ItemReason.TOO_MANY_ITEMS
    assert case.kept.accepted == []
    assert (case.flow.decided, dict(case.counts.items)) == (decided, items)


async def test_a_stream_may_be_longer_but_not_all_wrong() -> None:
    case, batch = Case(), BatchOutcome()
    for raw in (b"x", PRIVATE, BAD):
        for _ in range(MAX_CALL_ITEMS):
            await case.pipeline.add(batch, case, [raw])
    await case.pipeline.add(batch, case, [b"x"])
    assert (batch.accepted, len(batch.rejected)) == (2 * MAX_CALL_ITEMS + 1, MAX_CALL_ITEMS)
    with pytest.raises(Refused) as caught:
        await case.pipeline.add(batch, case, [BAD])
    assert caught.value.reason is ItemReason.TOO_MANY_ITEMS


async def test_an_answer_names_no_more_withheld_items_than_fit() -> None:
    case, batch = Case(), BatchOutcome()
    for _ in range(MAX_CALL_ITEMS + 1):
        await case.pipeline.add(batch, case, [PRIVATE])
    assert batch == BatchOutcome(accepted=MAX_CALL_ITEMS + 1, withheld=list(range(MAX_CALL_ITEMS)))


@pytest.mark.parametrize("raw", [b"x", bytes(1000)])
async def test_a_long_call_lets_others_have_their_turn(raw: bytes) -> None:
    case, turns = Case(), 0
    calling = asyncio.create_task(case.pipeline.take_many(case, [raw] * (20 * CHUNK_BYTES // (len(raw) + ITEM_BYTES))))
    while not calling.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= 20


class Noted(Flow):
    """Takes long over what is costly, and notes how many others it decides on together."""

    def __init__(self) -> None:
        super().__init__()
        self.together: list[int] = []

    def decide_batch(self, raws: Sequence[bytes], facts: Sequence[Facts], *, identifiers: bool = True) -> BatchDecision:
        if raws[0] == COSTLY:
            until = time.perf_counter_ns() + 2 * QUICK_NANOS
            while time.perf_counter_ns() < until:
                pass
        else:
            self.together.append(len(raws))
        return super().decide_batch(raws, facts, identifiers=identifiers)


COSTLY = b"costly".ljust(CHUNK_BYTES)


async def test_chunks_grow_though_others_have_long_turns_between() -> None:
    case = Case(Noted())
    await asyncio.gather(
        case.pipeline.take_many(case, [COSTLY] * 10),
        case.pipeline.take_many(case, [bytes(2_000)] * (10 * CHUNK_BYTES // (2_000 + ITEM_BYTES))),
    )
    assert max(case.flow.together) >= 2 * case.flow.together[0]


class Threaded(Flow):
    """Waits for somebody else before it decides."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()

    def decide(self, raw: bytes, facts: Facts) -> tuple[Verdict, ...]:
        assert self.may.wait(TIMEOUT_SECONDS)
        return super().decide(raw, facts)


async def test_a_large_item_does_not_keep_others_from_their_turn() -> None:
    case = Case(Threaded())
    calling = asyncio.create_task(case.pipeline.take_one(case, bytes(COSTLY_BYTES)))
    await asyncio.sleep(0)  # its first turn
    case.flow.may.set()
    assert len((await calling).verdicts) == 2


@pytest.mark.parametrize("raw", [BAD, BAD.ljust(COSTLY_BYTES)])
async def test_a_refusal_is_one_wherever_it_was_decided(raw: bytes) -> None:
    case = Case()
    with pytest.raises(Refused) as caught:
        await case.pipeline.take_one(case, raw)
    assert caught.value.reason is ItemReason.TOO_DEEP


class Away:
    """A directory out of reach."""

    knows_nobody = False

    def cached_facts(self, subject: Subject, received_ns: int) -> None:
        return None

    async def facts(self, subject: Subject, received_ns: int) -> Facts:
        raise Retryable(CallReason.UNAVAILABLE, 5)


async def test_without_the_directory_nothing_goes() -> None:
    case = Case()
    pipeline = ItemPipeline(Decider(Away(), Offload()), case.kept, PACKER)
    with pytest.raises(Retryable):
        await pipeline.take_one(case, b"x")
    with pytest.raises(Retryable):
        await pipeline.take_many(case, [b"x"])
    assert case.kept.accepted == []


async def test_each_item_is_counted_once() -> None:
    case = Case()
    await case.pipeline.take_many(case, [b"x", BAD, b"", PRIVATE, b"y"])
    assert case.counts.items == {
        ("a.Type", "accepted", ""): 3,
        ("a.Type", "rejected", ItemReason.TOO_DEEP): 1,
        ("", "rejected", ItemReason.UNKNOWN_FLOW): 1,
    }
    assert case.counts.verdicts == {
        ("one", "release", ""): 2,
        ("one", "withhold", ItemReason.PERSONAL_ACCOUNT): 1,
        ("two", "release", ""): 3,
    }
    ((labels, buckets, total),) = case.counts.decisions.rows()
    assert labels == ["a.Type"]
    assert buckets[-1] == ("+Inf", 3)
    assert total > 0


def test_an_item_is_not_shown() -> None:
    shown = repr(ResolvedItems(cast(Any, None), (b"ada@acme.example",), "by ada"))
    assert "ada" not in shown
