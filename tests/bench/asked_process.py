"""Processes that measure themselves: each tells what memory it has, then what each piece of work asked for takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from tests.bench.measure import Key, Measure, Sample, Size, in_turn
from tests.bench.table import Measured


def measured(processes: Mapping[Key, AbstractContextManager[Connection]], size: Size) -> Measured:
    """What each process tells, the processes asked in turn."""
    with ExitStack() as stack:
        pipes = {key: stack.enter_context(process) for key, process in processes.items()}
        memory = {key: pipe.recv() for key, pipe in pipes.items()}
        return Measured(in_turn({key: _asking(pipe) for key, pipe in pipes.items()}, size.rounds), memory=memory)


@contextmanager
def asked(work: Callable[..., None], *given: Any) -> Iterator[Connection]:
    """A process that does `work`, by a pipe and what else is given, until the pipe is closed."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *given))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join()


def _asking(pipe: Connection) -> Measure:
    def measure() -> Sample:
        pipe.send(True)
        sample: Sample = pipe.recv()
        return sample

    return measure
