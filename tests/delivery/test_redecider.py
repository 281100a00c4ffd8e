"""Stored items are decided on again by the batch, and each as if it were alone."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from gateway.delivery.outbox.interface import Leased
from gateway.delivery.redecider import Redecider
from gateway.errors import CallReason, Refused, Retryable
from gateway.model import Facts, Release, Subject, Verdict, Withheld
from gateway.pipeline.decide import Decider
from gateway.pipeline.flows import Flow, Flows
from gateway.pipeline.offload import Offload
from tests.delivery.cases import NOW_NS
from tests.pipeline.test_batches import FACTS, compiled, pools
from tests.support.again import decide_again

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


def stored(count: int) -> Iterator[Leased]:
    """Items whose destination changes now and then; some aren't fed, some were about personal accounts."""
    chance = random.Random(count)
    kind, destination = "t.Job", "eu-log"
    for number in range(count):
        if chance.random() < 0.3:
            kind = chance.choice(tuple(DESTINATIONS))
            destination = chance.choice(DESTINATIONS[kind])
        raw, personal = chance.choice(pools()[kind]), chance.random() < 0.2
        yield Leased(number, destination, kind, "", raw, bytes(16), b"", NOW_NS, 0, personal=personal)


def shown(outcome: Verdict | Exception) -> object:
    return (type(outcome), outcome.reason) if isinstance(outcome, (Refused, Retryable)) else outcome


async def alone(redecider: Redecider, item: Leased) -> Verdict | Exception:
    try:
        return await decide_again(redecider, item)
    except (Refused, Retryable) as error:
        return error


async def test_each_is_decided_on_as_if_it_were_alone() -> None:
    items = [*stored(900)]
    together, single = (
        Redecider(lambda flows=flows: flows, Decider(Directory(), Offload()))  # type: ignore[misc]
        for flows in (Flows(compiled()), Flows(compiled()))
    )
    outcomes = await together.decide_all(items)
    wanted = [await alone(single, item) for item in items]
    # What is counted by category is counted in the order of decisions, which isn't that of the items.
    assert [shown(without_counts(one)) for one in outcomes] == [shown(without_counts(one)) for one in wanted]
    assert {type(outcome) for outcome in outcomes} == {Release, Withheld, Refused, Retryable}


def without_counts(outcome: Verdict | Exception) -> Verdict | Exception:
    if not isinstance(outcome, Release):
        return outcome
    return Release(
        outcome.destination,
        outcome.type,
        outcome.plan,
        outcome.payload,
        outcome.strip_counts,
        personal=outcome.personal,
    )


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
    items = [
        Leased(at, "eu-service", "t.Seen", "", raw, b"", b"", NOW_NS, 0) for at, raw in enumerate([good, b"bad", good])
    ]
    outcomes = await Redecider(lambda: flows, Decider(Directory(), Offload())).decide_all(items)
    assert [type(outcome) for outcome in outcomes] == [Release, ValueError, Release]
