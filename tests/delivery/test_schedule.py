"""When to try again, how much at once, and whether to try at all."""

from __future__ import annotations

import math
from itertools import chain
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.outbox.interface import LeasedBatch
from gateway.delivery.schedule import (
    BASE_DELAY_SECONDS,
    MAX_DELAY_SECONDS,
    MAX_PAUSE_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    OPEN_AFTER_FAILURES,
    Circuit,
    batches_by_attempts,
    retry_delay,
)
from tests.delivery.cases import ids


@pytest.mark.parametrize(
    ("failures", "asked", "draw", "expected"),
    [
        (1, None, 1.0, 2 * BASE_DELAY_SECONDS),
        (1, None, 0.5, BASE_DELAY_SECONDS),
        (1, None, 0.0, 0.0),
        (3, None, 1.0, 8 * BASE_DELAY_SECONDS),
        (20, None, 1.0, MAX_DELAY_SECONDS),
        (10**9, None, 1.0, MAX_DELAY_SECONDS),
        (1, 30.0, 1.0, 30.0),
        (20, 30.0, 1.0, MAX_DELAY_SECONDS),
        (1, 0.0, 0.0, 0.0),
        (1, -5.0, 0.0, 0.0),
        (1, 1e30, 0.5, MAX_RETRY_AFTER_SECONDS),
        (1, math.inf, 0.5, MAX_RETRY_AFTER_SECONDS),
    ],
)
def test_a_pause_grows_and_is_never_shorter_than_asked_for(
    failures: int, asked: float | None, draw: float, expected: float
) -> None:
    assert retry_delay(failures, asked, draw) == expected


@given(st.integers(0, 10**6), st.none() | st.floats(), st.floats(0, 1))
def test_a_pause_is_within_its_bounds_whatever_a_recipient_asks_for(
    failures: int, asked: float | None, draw: float
) -> None:
    assert 0 <= retry_delay(failures, asked, draw) <= max(MAX_DELAY_SECONDS, MAX_RETRY_AFTER_SECONDS)


def failing(times: int, asked: float | None = None, now: float = 100.0) -> Circuit:
    circuit = Circuit()
    for _ in range(times):
        circuit = circuit.failed(circuit, now, asked, 1.0)
    return circuit


@pytest.mark.parametrize(
    ("circuit", "now", "under_way", "expected"),
    [
        (Circuit(), 100.0, 0, 4),
        (Circuit(), 100.0, 3, 1),
        (Circuit(), 100.0, 4, 0),
        (Circuit(), 100.0, 9, 0),
        (failing(1), 100.0, 0, 4),
        (failing(OPEN_AFTER_FAILURES - 1), 100.0, 0, 4),
        (failing(OPEN_AFTER_FAILURES), 100.0, 0, 0),
        (failing(OPEN_AFTER_FAILURES), 100.0 + MAX_PAUSE_SECONDS, 0, 1),
        (failing(OPEN_AFTER_FAILURES), 100.0 + MAX_PAUSE_SECONDS, 1, 0),
        (failing(10**3), 99.9 + MAX_PAUSE_SECONDS, 0, 0),
        (failing(10**3), 100.0 + MAX_PAUSE_SECONDS, 0, 1),
        (failing(10**3, 600.0), 699.9, 0, 0),
        (failing(OPEN_AFTER_FAILURES).succeeded(), 100.0, 0, 4),
        (failing(1, 30.0), 129.0, 0, 0),
        (failing(1, 30.0), 130.0, 0, 4),
        (failing(1, 30.0).failed(failing(1, 30.0), 101.0, 1.0, 1.0), 129.0, 0, 0),
    ],
)
def test_a_recipient_that_fails_is_left_alone_then_tried_once(
    circuit: Circuit, now: float, under_way: int, expected: int
) -> None:
    assert circuit.free_slots(now, 4, under_way) == expected


Ended = tuple[int, float | Literal["taken"] | None]
"""A batch that ended: how many had when it was sent, and what its recipient said.

None where that failed, a number where it asked to wait so long, "taken" where it took some.
"""


@pytest.mark.parametrize(
    ("ended", "failures", "open_until"),
    [
        pytest.param([(number, None) for number in range(4)], 4, 0.0, id="one after the other"),
        pytest.param([(number, None) for number in range(5)], 5, 116.0, id="five, one after the other"),
        pytest.param([(0, None)] * 100, 1, 0.0, id="all at once"),
        pytest.param([(0, None), (0, None), (2, None), (2, None), (2, None)], 2, 0.0, id="two at once, then three"),
        pytest.param([(0, None), (0, "taken"), (0, None)], 0, 0.0, id="another is taken meanwhile"),
        pytest.param([(0, "taken"), (0, None)], 0, 0.0, id="another was taken before"),
        pytest.param([(0, "taken"), (1, None), (2, None)], 2, 0.0, id="sent since another was taken"),
        pytest.param([(0, None), (1, None), (1, "taken"), (1, None)], 0, 0.0, id="sent before another was taken"),
        pytest.param([(0, None), (0, 60.0)], 1, 160.0, id="a second one at once is asked to wait"),
        pytest.param([(0, 60.0), (0, 5.0)], 1, 160.0, id="a second one at once is asked to wait less"),
        pytest.param([*((number, None) for number in range(5)), (4, None)], 5, 116.0, id="one more that was under way"),
        pytest.param([(number, None) for number in range(6)], 6, 130.0, id="a probe fails"),
        pytest.param([*((number, None) for number in range(6)), (4, "taken")], 0, 0.0, id="one is taken at last"),
    ],
)
def test_batches_that_are_under_way_together_fail_once_not_in_a_row(
    ended: list[Ended], failures: int, open_until: float
) -> None:
    circuits = [Circuit()]
    for begun, answer in ended:
        now = circuits[-1]
        circuits.append(now.succeeded() if answer == "taken" else now.failed(circuits[begun], 100.0, answer, 1.0))
    assert (circuits[-1].failures, circuits[-1].open_until) == (failures, open_until)


def leased(*attempts: int, size: int = 1) -> list[LeasedBatch]:
    """Batches that failed so often, each of so many items."""
    return [
        LeasedBatch(
            range(number * size, (number + 1) * size),
            "crm",
            "a.Type",
            "",
            [b""] * size,
            bytes(16 * size),
            [0] * size,
            attempts=failed,
        )
        for number, failed in enumerate(attempts)
    ]


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ((), []),
        ((0,) * 8, [8]),
        ((0,) * 9, [8, 1]),
        ((1,) * 8, [4, 4]),
        ((3,) * 3, [1, 1, 1]),
        ((100,) * 2, [1, 1]),
        ((0, 0, 3), [2, 1]),
        ((3, 0, 2, 0), [2, 1, 1]),
    ],
)
def test_what_failed_before_travels_in_ever_smaller_company(attempts: tuple[int, ...], expected: list[int]) -> None:
    batches = list(batches_by_attempts(leased(*attempts), 8))
    assert [len(batch) for batch in batches] == expected
    assert sorted(ids(chain.from_iterable(batches))) == [*range(len(attempts))]


@given(st.lists(st.integers(0, 8), max_size=8), st.integers(1, 40), st.integers(1, 40))
def test_a_batch_is_cut_as_its_items_alone_would_be(attempts: list[int], size: int, most: int) -> None:
    items = [failed for failed in attempts for _ in range(size)]
    alone = [[one.attempts for one in batch] for batch in batches_by_attempts(leased(*items), most)]
    together = [*batches_by_attempts(leased(*attempts, size=size), most)]
    assert [[one.attempts for one in batch for _ in one.ids] for batch in together] == alone
    assert sorted(ids(chain.from_iterable(together))) == [*range(len(items))]
