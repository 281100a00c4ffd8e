"""Instructions are counted between two moments of a process, by whatever counts them on this machine."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

from tests.bench.instructions import Counter, counter

LOOPS: Final = (
    "import sys\nprint(flush=True)\nfor line in sys.stdin:\n    for _ in range(int(line)): pass\n    "
    "print(flush=True)\n"
)


def test_twice_the_work_is_about_twice_the_instructions() -> None:
    with counter() as counts:
        if counts is None:
            pytest.skip("nothing counts instructions on this machine")
        with subprocess.Popen(
            (*counts.under, sys.executable, "-c", LOOPS), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as worker:
            try:
                assert worker.stdout is not None
                worker.stdout.readline()
                _counted(worker, counts, 1)
                some, more = _counted(worker, counts, 20_000), _counted(worker, counts, 40_000)
            finally:
                worker.kill()
    assert some > 20_000
    assert 1.8 < more / some < 2.2


def _counted(worker: subprocess.Popen[bytes], counts: Counter, loops: int) -> int:
    assert worker.stdin is not None
    assert worker.stdout is not None
    with counts.counting(worker.pid) as count:
        worker.stdin.write(b"%d\n" % loops)
        worker.stdin.flush()
        worker.stdout.readline()
    return count.total
