"""Values that are sent: fresh ones are nobody's yet, and are kept as those seen before are."""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

import pytest
from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent

from gateway.engine.reference import ReferenceEngine
from gateway.model import Facts, Release
from tests.bench.event import compiler
from tests.bench.otlp_in_process import minimising
from tests.bench.records import KINDS, PLANTED, Kind
from tests.bench.samples import event, events
from tests.bench.values import FRESH, MIXED, SEEN, code, numbers
from tests.support.engines import decide_one


@pytest.mark.parametrize(
    ("values", "fresh_of_100"),
    [pytest.param(SEEN, 0, id=SEEN), pytest.param(MIXED, 5, id=MIXED), pytest.param(FRESH, 100, id=FRESH)],
)
def test_so_many_of_a_hundred_are_fresh(values: str, fresh_of_100: int) -> None:
    before = set(islice(numbers(SEEN), 200)) | set(islice(numbers(FRESH), 200))
    assert sum(number not in before for number in islice(numbers(values), 100)) == fresh_of_100


@pytest.mark.parametrize("kind", range(4))
def test_no_two_numbers_have_one_code(kind: int) -> None:
    codes = [code(number, kind) for number in range(20_000)]
    assert len(set(codes)) == len(codes)
    assert {len(one) for one in codes} == {6}


def test_every_event_is_as_long_as_the_tables_say() -> None:
    assert {len(event(number)) for number in (0, 19, 1_000, 9_999, 123_456, 999_999)} == {427}


def test_fresh_events_keep_what_seen_ones_keep() -> None:
    minimiser, facts = (
        ReferenceEngine(compiler().plan(AnalyticsEvent.DESCRIPTOR.full_name, "analytics")),
        Facts(time.time_ns()),
    )
    kept = [_kept(decide_one(minimiser, raw, facts)) for values in (SEEN, FRESH) for raw in islice(events(values), 300)]
    assert set(kept) == {("device", "user_id", "work_email", "workspace")}


def _kept(verdict: Any) -> tuple[str, ...]:
    assert isinstance(verdict, Release)
    return tuple(sorted(field.name for field, _ in AnalyticsEvent.FromString(verdict.payload).user.ListFields()))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.signal.name))
@pytest.mark.parametrize("values", [SEEN, MIXED, FRESH])
def test_of_a_batch_is_left_what_is_said_to_be(values: str, kind: Kind) -> None:
    left = minimising(kind)(kind.batch(values))
    assert kind.keys(left) == kind.kept
    assert not any(planted in left for planted in PLANTED)
