"""Instructions of the processor for an OTLP record, by perf where the machine counts them, else by callgrind: a figure without noise.

As a program, `KIND WORK COUNT`: do the work on so many batches of a kind. What so many more take is what a batch takes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.exporters.regroup import regroup
from gateway.minimise.flows import Flows
from gateway.minimise.otlp import split
from gateway.model import Facts, Release
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from tests.bench.records import FRESH, KINDS, RECORDS, Kind

ROOT: Final = Path(__file__).parents[2]
BATCHES: Final = (1, 3)
SECONDS: Final = 600

Work = Callable[[bytes], object]


def plain(kind: Kind) -> Work:
    """Parse a whole request, and serialise it."""
    return lambda raw: kind.request.FromString(raw).SerializeToString()


def splitting(kind: Kind) -> Work:
    """Take a request apart and put it together, deciding nothing."""
    return lambda raw: regroup([*split(raw)])


def minimising(kind: Kind) -> Work:
    """Take a request apart, decide on each record, and put together what is left."""
    flow, facts = flows().of(kind.signal.flow), Facts(time.time_ns())

    def work(raw: bytes) -> bytes:
        verdicts = [flow.decide(item, facts)[0] for item in split(raw)]
        return regroup([verdict.payload for verdict in verdicts if isinstance(verdict, Release)])

    work(kind.batch(0, fresh=0))
    return work


def flows() -> Flows:
    """Of Kannelle's policy, with nothing known yet."""
    return Flows(Compiler(load_contracts([default_contract()]), load_policy(default_policy())))


WORKS: Final[Mapping[str, Callable[[Kind], Work]]] = {"plain": plain, "minimising": minimising}


def show(kind: Kind) -> None:
    """Print the instructions of a record, and their ratio, or why they aren't known."""
    counter = _counter()
    if counter is None:
        print("\nInstructions: skipped: neither does perf count them on this machine, nor is valgrind there")
        return
    name, count = counter
    fewer, more = BATCHES
    taken = {work: (count(_command(kind, work, more)) - count(_command(kind, work, fewer))) / (more - fewer) / RECORDS for work in WORKS}
    ratio = taken["minimising"] / taken["plain"]
    print(f"\nInstructions for one of the {kind.signal.name}, by {name}")
    print(f"  {taken['plain']:,.0f} to parse and serialise, {taken['minimising']:,.0f} to split, decide and regroup; ratio {ratio:.1f}")


def _command(kind: Kind, work: str, count: int) -> Sequence[str]:
    return (sys.executable, "-m", "tests.bench.instructions", kind.signal.name, work, str(count))


def _counter() -> tuple[str, Callable[[Sequence[str]], int]] | None:
    perf, valgrind = shutil.which("perf"), shutil.which("valgrind")
    if perf is not None and _read(_PERF, (perf, *_STAT, "true")) is not None:
        return "perf", lambda command: _known(_read(_PERF, (perf, *_STAT, *command)))
    if valgrind is not None:
        tool = (valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null")
        return "callgrind", lambda command: _known(_read(_CALLGRIND, (*tool, *command)))
    return None


_STAT: Final = ("stat", "--event=instructions:u", "--field-separator=,")
_PERF: Final = re.compile(r"^(\d+),,instructions", re.MULTILINE)
_CALLGRIND: Final = re.compile(r"Collected : (\d+)")


def _read(pattern: re.Pattern[str], command: Sequence[str]) -> int | None:
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True, timeout=SECONDS)
    found = pattern.search(done.stderr)
    return int(found[1]) if found else None


def _known(count: int | None) -> int:
    if count is None:
        raise RuntimeError("a counter of instructions says nothing")
    return count


def _main(name: str, work: str, count: str) -> None:
    kind = next(kind for kind in KINDS if kind.signal.name == name)
    # As many batches are made whatever the count, so that making them is no part of the difference.
    batches = [kind.batch(number, FRESH) for number in range(1, max(BATCHES) + 1)]
    done = WORKS[work](kind)
    for raw in batches[: int(count)]:
        done(raw)


if __name__ == "__main__":
    _main(*sys.argv[1:])
