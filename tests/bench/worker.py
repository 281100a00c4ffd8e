"""Does the work of an in-process table on command: its instructions are counted apart from what prepares it.

`TABLE SHARE`: it reads a row's name and values, a tab between them, tells how many units it has prepared, and works at
the next line.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench import event, otlp_in_process
from tests.bench.instructions import Counter
from tests.bench.measure import InProcess, Key, Size, freeze
from tests.bench.process import environment
from tests.bench.records import KINDS

ROOT: Final = Path(__file__).parents[2]
COUNTED_SHARE: Final = 0.1
"""Of what a round measures: callgrind is slow, and counts don't vary."""

TABLES: Final[Mapping[str, Callable[[Size], Mapping[Key, InProcess]]]] = {
    event.LAYOUT.name: event.cases,
    **{otlp_in_process.layout(kind).name: partial(otlp_in_process.cases, kind) for kind in KINDS},
}


def instructions(table: str, keys: Iterable[Key], counter: Counter | None, size: Size) -> Mapping[Key, float]:
    """Return the instructions of a unit of each of a table's cases; none where nothing counts them.

    A quick run counts one.
    """
    if counter is None:
        return {}
    command = (*counter.under, sys.executable, "-m", "tests.bench.worker", table, str(size.share * COUNTED_SHARE))
    environ = {**environment(), "PYTHONHASHSEED": "0"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environ
    ) as process:
        try:
            return {key: _counted(process, key, counter) for key in (keys if size.counts_all else list(keys)[:1])}
        finally:
            process.kill()


def _counted(worker: subprocess.Popen[str], key: Key, counter: Counter) -> float:
    units = int(_asked(worker, "\t".join(key)))
    with counter.counting(worker.pid) as count:
        _asked(worker, "")
    return count.total / units


def _asked(worker: subprocess.Popen[str], line: str) -> str:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{line}\n")
    worker.stdin.flush()
    return worker.stdout.readline()


def _main(table: str, share: str) -> None:
    cases = TABLES[table](Size(1, float(share)))
    freeze()
    for line in sys.stdin:
        name, _, values = line.removesuffix("\n").partition("\t")
        case = cases[name, values]
        case.prepare()()
        work = case.prepare()
        print(case.units, flush=True)
        sys.stdin.readline()
        work()
        print("done", flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
