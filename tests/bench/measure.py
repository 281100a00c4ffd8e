"""Measuring in turn: each round runs every case once, so that a drifting machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

ROUNDS = 15


Work = Callable[[], None]


def in_turn(cases: Mapping[str, Callable[[], Work]], rounds: int = ROUNDS) -> Mapping[str, list[tuple[float, float]]]:
    """CPU and wall seconds of each case in each round. A case prepares its work first, which isn't counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            work = case()
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            taken[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return taken


def show(title: str, taken: Mapping[str, list[tuple[float, float]]], per: int, unit: str, aims: Mapping[str, float]) -> None:
    """Print each case's medians for one of `per` things, and its CPU time as a ratio to the first case, round by round."""
    print(f"\n{title}")
    print(f"  {'':44}{'CPU µs':>9}{'wall µs':>9}{'ratio':>7}  aim    ({unit})")
    base = [cpu for cpu, _ in next(iter(taken.values()))]
    for name, rounds in taken.items():
        cpu, wall = (median(values) / per * 1e6 for values in zip(*rounds, strict=True))
        ratio = median(spent / first for (spent, _), first in zip(rounds, base, strict=True))
        aim = f"≤ {aims[name]:.2f}" if name in aims else ""
        print(f"  {name:44}{cpu:9.2f}{wall:9.2f}{ratio:7.2f}  {aim}")
