"""Measuring: in turn, with a first round that isn't counted; medians, spreads and ratios round by round."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.bench.measure import FULL, QUICK, Clock, Measure, Sample, Size, Spread, in_turn, ratios, rotated, spread
from tests.bench.process import Server


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([3.0], Spread(3.0, 3.0, 3.0)),
        ([2.0, 1.0], Spread(1.5, 1.0, 2.0)),
        ([9.0, 1.0, 2.0], Spread(2.0, 1.0, 9.0)),
        ([4.0, 4.0, 1.0, 7.0], Spread(4.0, 1.0, 7.0)),
    ],
)
def test_a_spread_is_median_least_and_most(figures: Sequence[float], expected: Spread) -> None:
    assert spread(figures) == expected


@pytest.mark.parametrize(("clock", "expected"), [("cpu", [2.0, 0.5]), ("wall", [1.0, 4.0])])
def test_ratios_are_of_the_same_round(clock: Clock, expected: list[float]) -> None:
    samples, reference = [Sample(4.0, 1.0), Sample(1.0, 8.0)], [Sample(2.0, 1.0), Sample(2.0, 2.0)]
    assert ratios(samples, reference, clock) == expected


@pytest.mark.parametrize(("turn", "expected"), [(0, "abc"), (1, "bca"), (2, "cab"), (3, "abc"), (7, "bca")])
def test_each_turn_begins_with_another(turn: int, expected: str) -> None:
    assert "".join(rotated("abc", turn)) == expected


def test_cases_run_in_turn_and_the_first_round_is_not_counted() -> None:
    ran: list[str] = []

    def case(name: str) -> Measure:
        def measure() -> Sample:
            ran.append(name)
            return Sample(len(ran), 0.0)

        return measure

    taken = in_turn({(name, ""): case(name) for name in "ab"}, rounds=3)
    assert "".join(ran) == "abbaabba"
    assert {name: [sample.cpu for sample in samples] for (name, _), samples in taken.items()} == {
        "a": [4, 5, 8],
        "b": [3, 6, 7],
    }


@pytest.mark.parametrize(
    ("size", "count", "least", "expected"),
    [
        (FULL, 2000, 1, 2000),
        (QUICK, 2000, 1, 40),
        (QUICK, 12, 1, 1),
        (QUICK, 12, 2, 2),
        (Size(3, 0.5), 7, 1, 4),
        (FULL, 1, 9, 9),
    ],
)
def test_a_size_is_a_share_of_a_full_run(size: Size, count: int, least: int, expected: int) -> None:
    assert size.of(count, least) == expected


def test_the_processor_time_of_children_counts() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass\n"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn + 'print(flush=True); input()'!r}])"
    with subprocess.Popen((sys.executable, "-c", parent), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert Server("", process.pid).cpu >= 0.2
        process.communicate(b"\n")


def test_a_process_that_does_nothing_is_settled() -> None:
    with subprocess.Popen(
        (sys.executable, "-c", "print(flush=True); input()"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        server = Server("", process.pid)
        before = server.cpu
        server.settle()
        assert server.cpu - before < 1.0
        process.communicate(b"\n")


def test_processor_time_is_this_processes_own() -> None:
    server = Server("", os.getpid())
    before = server.cpu
    sum(range(2_000_000))
    assert server.cpu > before
