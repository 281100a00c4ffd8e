"""Whatever is decided on goes one way: its subject, the facts of it, the plan."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

import pytest

from gateway.detectors.work_limit import spend_work
from gateway.errors import CallReason, ItemReason, Refused, Retryable
from gateway.model import Facts, Release, Subject, Verdict
from gateway.pipeline.batch_decision import BatchDecision
from gateway.pipeline.decide import Decider, UndecidedBatch
from gateway.pipeline.offload import COSTLY_BYTES, INLINE_EFFORT, Offload
from tests.support.one_by_one import decide_one_by_one

ANNA: Final = Subject("usr_1", "anna@acme.example")


class Flow:
    """Notes what it is asked, and by what facts."""

    def __init__(self) -> None:
        self.facts: list[Facts] = []
        self.read = 0
        self.threads: set[str] = set()

    def subject(self, raw: bytes) -> Subject:
        self.read += 1
        self.threads.add(threading.current_thread().name)
        if raw == b"bad":
            raise Refused(ItemReason.MALFORMED)
        return ANNA

    def is_personal(self, subject: Subject) -> bool:
        return subject.work_email == "anna@personal.example"

    def decide(self, raw: bytes, facts: Facts) -> tuple[Verdict, ...]:
        self.facts.append(facts)
        self.threads.add(threading.current_thread().name)
        return (Release("one", "a.Type", "", raw),)

    def decide_batch(self, raws: Sequence[bytes], facts: Sequence[Facts], *, identifiers: bool = True) -> BatchDecision:
        return decide_one_by_one(self.decide, raws, facts)


class Directory:
    """Knows everybody, at once or after a wait; or can't be reached."""

    knows_nobody = False

    def __init__(self, how: str) -> None:
        self._how = how

    def cached_facts(self, subject: Subject, received_ns: int) -> Facts | None:
        return Facts(received_ns, directory=True) if self._how == "at hand" else None

    async def facts(self, subject: Subject, received_ns: int) -> Facts:
        if self._how == "away":
            raise Retryable(CallReason.UNAVAILABLE)
        return Facts(received_ns, directory=True)


@pytest.mark.parametrize("how", ["at hand", "awaited"])
@pytest.mark.parametrize(("size", "thread"), [(1, "MainThread"), (COSTLY_BYTES, "costly_0")])
async def test_a_decision_has_the_facts_of_its_subject(how: str, size: int, thread: str) -> None:
    flow = Flow()
    subject, verdicts = await Decider(Directory(how), Offload()).decide(flow, bytes(size), 7)
    assert (subject, len(verdicts), flow.facts) == (ANNA, 1, [Facts(7, directory=True)])
    assert flow.threads == {thread}


class LaboriousFlow(Flow):
    """Has each decision look at more than the event loop has time for."""

    def decide(self, raw: bytes, facts: Facts) -> tuple[Verdict, ...]:
        verdicts = super().decide(raw, facts)
        spend_work(INLINE_EFFORT)
        return verdicts


@pytest.mark.parametrize(("size", "threads"), [(1, {"MainThread", "costly_0"}), (COSTLY_BYTES, {"costly_0"})])
async def test_what_is_short_and_laborious_is_decided_elsewhere_once_begun(size: int, threads: set[str]) -> None:
    flow = LaboriousFlow()
    subject, verdicts = await Decider(Directory("at hand"), Offload()).decide(flow, bytes(size), 7)
    assert (subject, len(verdicts)) == (ANNA, 1)
    assert (len(flow.facts), flow.threads) == (len(threads), threads)


@pytest.mark.parametrize("how", ["at hand", "awaited"])
@pytest.mark.parametrize("personal", [(), (0,), (1,), (0, 1)])
async def test_what_an_earlier_decision_saw_is_known_of_that_item(how: str, personal: tuple[int, ...]) -> None:
    flow, decider = Flow(), Decider(Directory(how), Offload())
    decision = decider.decide_batch_inline(flow, [b"x", b"y"], [7, 7], personal)
    assert isinstance(decision, UndecidedBatch) == (how == "awaited")
    if isinstance(decision, UndecidedBatch):
        decision = await decider.batch_with_facts(decision, 2)
    assert decision.indices == [0, 1]
    assert flow.facts == [Facts(7, directory=True, personal=index in personal) for index in range(2)]


@pytest.mark.parametrize("how", ["at hand", "awaited"])
async def test_whose_address_is_personal_is_the_flow_s_to_say(how: str) -> None:
    flow, anna = Flow(), Subject("usr_1", "anna@personal.example")
    await Decider(Directory(how), Offload()).decide(flow, b"x", 7, anna)
    assert flow.facts == [Facts(7, directory=True, personal=True)]


@pytest.mark.parametrize("how", ["at hand", "awaited"])
async def test_a_subject_that_is_known_isnt_read(how: str) -> None:
    flow = Flow()
    assert (await Decider(Directory(how), Offload()).decide(flow, b"x", 7, Subject()))[0] == Subject()
    assert flow.read == 0


@pytest.mark.parametrize(
    ("how", "raw", "error"), [("at hand", b"bad", Refused), ("awaited", b"bad", Refused), ("away", b"x", Retryable)]
)
async def test_what_cant_be_decided_isnt(how: str, raw: bytes, error: type[Exception]) -> None:
    flow = Flow()
    with pytest.raises(error):
        await Decider(Directory(how), Offload()).decide(flow, raw, 7)
    assert flow.facts == []


class People(Flow):
    """Items name whom they are about."""

    def subject(self, raw: bytes) -> Subject:
        super().subject(raw)
        return Subject(raw.decode())


class CountingDirectory(Directory):
    """Notes whom it is asked about; has only `usr_1` at hand."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.at_hand: list[str] = []
        self.waited: list[str] = []

    def cached_facts(self, subject: Subject, received_ns: int) -> Facts | None:
        self.at_hand.append(subject.user_id)
        return Facts(received_ns, directory=True) if subject.user_id == "usr_1" else None

    async def facts(self, subject: Subject, received_ns: int) -> Facts:
        self.waited.append(subject.user_id)
        return await super().facts(subject, received_ns)


async def test_of_a_batch_each_subject_is_asked_about_once_and_every_item_keeps_its_place() -> None:
    flow, directory = People(), CountingDirectory("awaited")
    raws = [b"usr_1", b"usr_2", b"bad", b"usr_1", b"usr_2", b"usr_3"]
    decision = await Decider(directory, Offload()).decide_batch(flow, raws, [7] * 5 + [8])
    assert (decision.indices, decision.refused) == ([0, 1, 3, 4, 5], {2: ItemReason.MALFORMED})
    assert decision.verdicts[0].payloads == [raws[index] for index in decision.indices]
    assert flow.facts == [Facts(at, directory=True) for at in (7, 7, 7, 7, 8)]
    assert (directory.at_hand, directory.waited) == (["usr_1", "usr_2", "usr_3"], ["usr_2", "usr_3"])


async def test_of_a_batch_whose_facts_cant_be_had_nothing_is_decided() -> None:
    flow = People()
    with pytest.raises(Retryable):
        await Decider(CountingDirectory("away"), Offload()).decide_batch(flow, [b"usr_1", b"usr_2"], [7, 7])
    assert flow.facts == []
