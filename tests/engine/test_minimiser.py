"""What runs of plans: built at the first item, by one thread for all, for all destinations that it is the same for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Final

import pytest

from gateway.engine.reference import ReferenceEngine, ReferenceEngines
from gateway.model import MAX_ITEM_BYTES, Category, Facts, Outcome, Release
from tests.support.contracts import UNKNOWN_FACTS, compiler, contract, encode, proto

BODY: Final = """
message A { User user = 1; string token = 2 @OPERATIONAL; repeated Part parts = 3; google.protobuf.Any any = 4; }
message User { string id = 1 @USER_ID; string email = 2 @WORK_EMAIL; string name = 3 @NAME; }
message Part { string code = 1 @{category: OPERATIONAL, one_of: ["a", "b"]}; map<string, string> tags = 2
  @{category: OPERATIONAL, map_key: OPERATIONAL}; }
"""
TEXTS: Final = (
    "",
    'user { id: "usr_1" email: "ada@acme.example" name: "Ada Byron" } token: "t1"',
    'user { id: "nobody" email: "ada@gmail.com" } token: "ada.byron"',
    'user { name: "Ada Byron" } token: "byron" parts { code: "a" tags { key: "k" value: "v" } } parts { code: "c" }',
    'any { [type.googleapis.com/t.User] { id: "usr_2" name: "Grace" } }',
)
THREADS: Final = 8


class CountingCounter:
    """Counts how often what counts fields was built."""

    def __init__(self) -> None:
        self.built = Counter[str]()

    def weight(self) -> int:
        return 1

    @property
    def categories(self) -> Callable[[str], Mapping[int, Category]]:
        return self._categories

    def _categories(self, type: str) -> Mapping[int, Category]:
        self.built[type] += 1
        return {1: Category.NAME}


def items() -> list[tuple[bytes, Facts]]:
    held = contract(proto(BODY))
    facts = (UNKNOWN_FACTS, Facts(0, personal=True))
    return [(encode(held, "t.A", text), fact) for text in TEXTS for fact in facts] + [(b"\xff", UNKNOWN_FACTS)]


def decided(engine: ReferenceEngine) -> list[Outcome]:
    """What becomes of all items, decided on together."""
    batch = engine.decide_batch(*zip(*items(), strict=True))
    return [batch.outcome(index) for index in range(len(batch.payloads))]


def shown(outcomes: Sequence[Outcome]) -> list[object]:
    """Outcomes as they can be compared."""
    return [
        outcome if isinstance(outcome, Release) else (type(outcome).__name__, outcome.reason) for outcome in outcomes
    ]


def test_engines_that_share_decide_as_each_by_itself() -> None:
    """What one remembers of an item is of use to the others, and changes nothing."""
    made, engines = compiler(BODY), ReferenceEngines()
    plans = [made.plan("t.A", name) for name in made.policy.destinations]
    sharing = [engines.engine(plan, MAX_ITEM_BYTES) for plan in plans]
    for _ in range(2):
        for plan, engine in zip(plans, sharing, strict=True):
            assert shown(decided(engine)) == shown(decided(ReferenceEngine(plan)))


def test_subjects_are_found_by_what_is_shared_too() -> None:
    made, engines = compiler(BODY), ReferenceEngines()
    for name in ("eu-service", "eu-store", "us-service", "us-vendor"):
        plan = made.plan("t.A", name)
        engine, alone = engines.engine(plan, MAX_ITEM_BYTES), ReferenceEngine(plan)
        releases = [one for one in decided(alone) if isinstance(one, Release)]
        found = [engine.subjects(release.payload) for release in releases]
        assert found == [alone.subjects(release.payload) for release in releases]
        assert any(found)


@pytest.mark.parametrize("names", [("eu-service", "eu-store"), ("eu-service", "eu-service")])
def test_tables_are_built_at_the_first_item_once_for_all(names: tuple[str, str]) -> None:
    made, engines, counter = compiler(BODY), ReferenceEngines(), CountingCounter()
    made_engines = [engines.engine(made.plan("t.A", name), MAX_ITEM_BYTES, counter) for name in names]
    assert not counter.built
    for engine in made_engines * 2:
        decided(engine)
    assert set(counter.built.values()) == {1}


def test_engines_that_count_differently_share_nothing() -> None:
    made, engines, counters = compiler(BODY), ReferenceEngines(), (CountingCounter(), CountingCounter())
    for counter in counters:
        decided(engines.engine(made.plan("t.A", "eu-service"), MAX_ITEM_BYTES, counter))
    assert counters[0].built == counters[1].built
    assert counters[0].built


def test_threads_that_come_together_build_once() -> None:
    made, engines, counter = compiler(BODY), ReferenceEngines(), CountingCounter()
    plans = [made.plan("t.A", name) for name in ("eu-service", "eu-store")]
    barrier = Barrier(THREADS)

    def decide(index: int) -> list[object]:
        engine = engines.engine(plans[index % 2], MAX_ITEM_BYTES, counter)
        barrier.wait()
        return shown(decided(engine))

    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(decide, range(THREADS)))
    assert set(counter.built.values()) == {1}
    assert all(outcome == outcomes[index % 2] for index, outcome in enumerate(outcomes))
