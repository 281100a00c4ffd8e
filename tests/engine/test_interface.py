"""An engine is what its interface says: the smallest one takes the reference engine's place in every flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from gateway.batch_verdict import BatchVerdict
from gateway.engine.interface import Engines, FieldCounter
from gateway.engine.reference import ReferenceEngine, ReferenceEngines
from gateway.errors import ItemReason, Refused
from gateway.model import MAX_ITEM_BYTES, NO_SUBJECT, NOBODY, Facts, Identifier, Outcome, Release, Subject
from gateway.pipeline.flows import Flows, single
from gateway.plan import Plan, SubjectPlan
from tests.support.contracts import UNKNOWN_FACTS, compiler
from tests.support.requests import field

BODY: Final = "message Seen { string user_id = 1 @USER_ID; string name = 2 @NAME; }"
TYPE: Final = "t.Seen"
ITEM: Final = field(1, b"usr_1") + field(2, b"Ana")
MALFORMED: Final = b"\x0a\xff"
PERSONAL: Final = Facts(received_ns=0, personal=True)


class EmptyingEngine:
    """Releases every item, and nothing in it; refuses those that are too large."""

    def __init__(self, plan: Plan, max_bytes: int) -> None:
        self.plan, self.digest = plan, plan.digest
        self._max_bytes = max_bytes

    def decide(self, raw: bytes, facts: Facts) -> Outcome:
        if len(raw) > self._max_bytes:
            return Refused(ItemReason.TOO_LARGE)
        return Release(self.plan.destination, self.plan.type, self.digest, b"")

    def decide_batch(self, raws: Sequence[bytes], facts: Sequence[Facts], *, identifiers: bool = True) -> BatchVerdict:
        large = {index: Refused(ItemReason.TOO_LARGE) for index, raw in enumerate(raws) if len(raw) > self._max_bytes}
        payloads = [None if index in large else b"" for index in range(len(raws))]
        return BatchVerdict(self.plan.destination, self.plan.type, self.digest, payloads, [NOBODY] * len(raws), large)

    def subjects(self, payload: bytes) -> frozenset[Identifier]:
        assert not payload
        return NOBODY


class NoSubjects:
    """Knows nobody."""

    def __init__(self, plan: SubjectPlan) -> None:
        self.plan = plan

    def read(self, raw: bytes) -> Subject:
        return NO_SUBJECT

    def is_personal(self, subject: Subject) -> bool:
        return False


class EmptyingEngines:
    def engine(self, plan: Plan, max_bytes: int, counter: FieldCounter | None = None) -> EmptyingEngine:
        return EmptyingEngine(plan, max_bytes)

    def subject_reader(self, plan: SubjectPlan) -> NoSubjects:
        return NoSubjects(plan)


@pytest.mark.parametrize(
    ("engines", "payloads", "subject"),
    [
        (ReferenceEngines(), [ITEM, field(1, b"usr_1")], Subject("usr_1")),
        (EmptyingEngines(), [b"", b""], NO_SUBJECT),
    ],
)
def test_any_engine_decides_in_every_flow(engines: Engines, payloads: list[bytes], subject: Subject) -> None:
    flows = Flows(compiler(BODY, flows="{t.Seen: [eu-service, us-vendor]}"), engines)
    flow = flows.of_type(TYPE)
    releases = flow.decide(ITEM, UNKNOWN_FACTS)
    assert [release.payload for release in releases if isinstance(release, Release)] == payloads
    assert [release.destination for release in releases] == ["eu-service", "us-vendor"]
    assert flow.subject(ITEM) == subject
    for other in (flows.only(TYPE, "us-vendor"), single(flows.compiler, TYPE, "us-vendor", engines)):
        assert list(map(shown, other.decide(ITEM, UNKNOWN_FACTS))) == payloads[1:]


def test_a_flow_decides_on_a_batch_by_any_engine() -> None:
    flow = Flows(compiler(BODY, flows="{t.Seen: [eu-service, us-vendor]}"), EmptyingEngines()).of_type(TYPE)
    batch = flow.decide_batch([ITEM, bytes(MAX_ITEM_BYTES + 1), b""], [UNKNOWN_FACTS] * 3)
    assert (batch.indices, batch.refused) == ([0, 2], {1: ItemReason.TOO_LARGE})
    assert [verdict.payloads for verdict in batch.verdicts] == [[b"", b""]] * 2


def test_one_item_spoils_no_other() -> None:
    engine = ReferenceEngine(compiler(BODY).plan(TYPE, "us-vendor"), len(ITEM))
    items = [(ITEM, UNKNOWN_FACTS), (MALFORMED, UNKNOWN_FACTS), (ITEM * 2, UNKNOWN_FACTS), (ITEM, PERSONAL)]
    verdict = engine.decide_batch(*zip(*items * 2, strict=True))
    assert [shown(verdict.outcome(index)) for index in range(8)] == [
        field(1, b"usr_1"), ItemReason.MALFORMED, ItemReason.TOO_LARGE, ItemReason.PERSONAL_ACCOUNT,
    ] * 2  # fmt: skip
    assert (verdict.releases, len(verdict.ended)) == (2, 6)


def test_a_refusal_holds_nothing_of_the_item() -> None:
    engine = ReferenceEngine(compiler(BODY).plan(TYPE, "eu-service"))
    for refusal in (
        engine.decide(MALFORMED, UNKNOWN_FACTS),
        engine.decide_batch([MALFORMED], [UNKNOWN_FACTS]).outcome(0),
    ):
        assert isinstance(refusal, Refused)
        assert (refusal.__traceback__, refusal.__cause__, refusal.__context__) == (None, None, None)


def test_a_batch_shows_nothing_of_its_items() -> None:
    engine = ReferenceEngine(compiler(BODY).plan(TYPE, "eu-service"))
    assert repr(engine.decide_batch([ITEM], [UNKNOWN_FACTS])) == "BatchVerdict(1 of t.Seen for eu-service)"


def shown(outcome: Outcome) -> object:
    return outcome.payload if isinstance(outcome, Release) else outcome.reason
