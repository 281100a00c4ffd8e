"""Stored items are decided on again by the batch, and each as if it were alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from gateway.delivery.redecided_batch import RedecidedBatch
from gateway.delivery.redecider import Redecider
from gateway.errors import CallReason, DeliveryReason, ItemReason, Retryable
from gateway.model import Facts, Release, Subject
from gateway.pipeline.decide import Decider
from gateway.pipeline.flows import Flow, Flows
from gateway.pipeline.offload import Offload
from tests.pipeline.test_batches import FACTS, compiled, pools
from tests.support.again import MinimisedItems, item_outcome, minimised

NOW_NS = 1_700_000_000_000_000_000
DESTINATIONS = {"t.Job": ("eu-store", "eu-log", "backup", "us-vendor"), "t.Seen": ("us-vendor", "eu-service")}


class Directory:
    """Knows some people at once, some after a while, and can't be asked about others."""

    knows_nobody = False

    def cached_facts(self, subject: Subject, received_ns: int) -> Facts | None:
        return None if _place(subject) > 3 else FACTS[_place(subject)]

    async def facts(self, subject: Subject, received_ns: int) -> Facts:
        if _place(subject) == 5:
            raise Retryable(CallReason.UNAVAILABLE)
        return FACTS[-1]


def _place(subject: Subject) -> int:
    """The same in every process."""
    return sum(f"{subject.user_id} {subject.work_email}".encode()) % 6


def stored(count: int) -> Iterator[MinimisedItems]:
    """Batches of one item and of many, for several destinations; some aren't fed, some items were about personal
    accounts.
    """
    chance = random.Random(count)
    for _ in range(count):
        kind = chance.choice(tuple(DESTINATIONS))
        size = chance.choice((1, 1, 2, 7, 60, 300))
        raws = chance.choices(pools()[kind], k=size)
        personal = frozenset(place for place in range(size) if chance.random() < 0.2)
        yield MinimisedItems(
            chance.choice(DESTINATIONS[kind]), kind, raws, [NOW_NS + at for at in range(size)], personal
        )


def shown(outcome: object) -> object:
    return (type(outcome), outcome.reason) if isinstance(outcome, Retryable) else outcome


def shown_all(batch: MinimisedItems, again: RedecidedBatch) -> Sequence[object]:
    return [shown(item_outcome(batch, again, place)) for place in range(len(batch.payloads))]


def singles(batch: MinimisedItems) -> Sequence[MinimisedItems]:
    """Each item of a batch, alone."""
    return [
        minimised(batch.destination, batch.type, raw, received_ns, (0,) if place in batch.personal else ())
        for place, (raw, received_ns) in enumerate(zip(batch.payloads, batch.received_ns, strict=True))
    ]


def fresh() -> Redecider:
    flows = Flows(compiled())
    return Redecider(lambda: flows, Decider(Directory(), Offload()))


@pytest.mark.parametrize("identifiers", [False, True])
async def test_each_is_decided_on_as_if_it_were_alone(identifiers: bool) -> None:
    batches, single = [*stored(60)], fresh()
    kinds = set[type]()
    for batch, again in zip(batches, await fresh().decide_all(batches, identifiers=identifiers), strict=True):
        alone = [(await single.decide_all([one], identifiers=identifiers))[0] for one in singles(batch)]
        wanted = [shown(item_outcome(batch, one, 0)) for one in alone]
        assert shown_all(batch, again) == wanted
        assert list(again.places) == sorted(again.places)
        assert list(again.subjects) == [subjects for one in alone for subjects in one.subjects]
        assert len(again.subjects) == (len(again.places) if identifiers else 0)
        kinds |= {type(item_outcome(batch, again, place)) for place in range(len(batch.payloads))}
    assert kinds == {Release, DeliveryReason, ItemReason, Retryable}


async def test_what_goes_wrong_with_one_is_that_one_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an engine does that it shouldn't."""
    decide_batch = Flow.decide_batch

    def failing(self: Flow, raws: list[bytes], facts: list[Facts], *, identifiers: bool = True) -> object:
        if b"bad" in raws:
            raise ValueError
        return decide_batch(self, raws, facts, identifiers=identifiers)

    monkeypatch.setattr(Flow, "decide_batch", failing)
    flows = Flows(compiled())
    flow = flows.only("t.Seen", "eu-service")
    monkeypatch.setattr(flow, "subject", lambda _raw: Subject())
    good = pools()["t.Seen"][-1]
    batch = MinimisedItems("eu-service", "t.Seen", [good, b"bad", good], [NOW_NS] * 3)
    (again,) = await Redecider(lambda: flows, Decider(Directory(), Offload())).decide_all([batch])
    outcomes = [item_outcome(batch, again, place) for place in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Release, ValueError, Release]


async def test_an_empty_batch_leaves_nothing() -> None:
    assert await fresh().decide_all([]) == []
    (again,) = await fresh().decide_all([MinimisedItems("eu-log", "t.Job", (), ())])
    assert (again.places, again.releases, again.ended, again.undecided) == ([], None, {}, {})
