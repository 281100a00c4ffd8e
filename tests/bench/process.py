"""Servers as processes: how they are started, and the CPU time that one has taken."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from tests.bench.options import OPTIONS
from tests.support.ports import reserved

START_SECONDS: Final = 20
UNDER_SECONDS: Final = 300
"""How long a server may take to listen, by itself and under a program that counts its instructions."""

IDLE_SECONDS: Final = 0.05
IDLE_SHARE: Final = 0.1
"""A server is idle when it took less than this share of a processor for so long."""

SETTLE_SECONDS: Final = 10
BUILD: Final = Path(__file__).parents[2] / "build"


@dataclass(frozen=True, slots=True)
class Server:
    """Where it listens, `host:port`, its process ID, and those of servers behind it that count with it."""

    address: str
    pid: int
    behind: tuple[int, ...] = ()

    @property
    def cpu(self) -> float:
        """User and system seconds of all threads and of children's."""
        return sum(_clock(one) for pid in (self.pid, *self.behind) for one in (pid, *_descendants(pid)))

    def settle(self) -> None:
        """Wait until it is idle: it may answer before it has done all that a call makes it do."""
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            before, begun = self.cpu, time.monotonic()
            time.sleep(IDLE_SECONDS)
            if self.cpu - before < IDLE_SHARE * (time.monotonic() - begun):
                return


Start = Callable[[Sequence[str]], AbstractContextManager[Server]]
"""Starts a server, under a command that counts its instructions or under none."""


def _clock(pid: int) -> float:
    """The clock of clock_getcpuclockid(3), which counts nanoseconds, not ticks."""
    # The C library's own arithmetic, which Python shows for threads only.
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0  # a child that has ended


def resident_mib(pid: int) -> float:
    """The resident memory of a process: proc(5), statm."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _descendants(pid: int) -> Iterator[int]:
    """All processes below one: proc(5), children."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                yield child
                yield from _descendants(child)


@contextmanager
def started(
    command: Sequence[str | Path],
    address: str,
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    under: Sequence[str] = (),
) -> Iterator[Server]:
    """A command's process, once it listens at an address; ended with the context.

    Raises RuntimeError if it doesn't listen.

    What it says goes to a file in its folder, or where this process's own output goes.
    """
    with contextlib.ExitStack() as stack:
        output = None if folder is None else stack.enter_context((folder / "output.txt").open("ab"))
        process = stack.enter_context(
            subprocess.Popen(
                (*under, *command), cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        )
        stack.callback(process.kill)
        try:
            _listening(address, process, UNDER_SECONDS if under else START_SECONDS)
        except RuntimeError:
            if folder is not None:
                sys.stderr.write((folder / "output.txt").read_text(errors="replace"))
            raise
        yield Server(address, process.pid)


def _listening(address: str, process: subprocess.Popen[bytes], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with grpc.insecure_channel(address, OPTIONS) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=1)
            except grpc.FutureTimeoutError:
                continue
            return
    raise RuntimeError(f"{address}: nobody listens")


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one run, in the build folder, which git ignores.

    Where temporary files are kept in memory, fsync would cost nothing.
    """
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def program(*arguments: str, under: Sequence[str] = ()) -> Iterator[Server]:
    """One of the bare programs of `bare_grpc.py`, with its address as the last argument."""
    with reserved() as port:
        address = f"127.0.0.1:{port}"
        with started(
            (sys.executable, "-m", "tests.bench.bare_grpc", *arguments, address), address, under=under
        ) as server:
            yield server


def environment() -> dict[str, str]:
    """This process's environment without what would configure a gateway or gRPC."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PRIVACY_GATEWAY__", "GRPC_", "PYTHON"))
    }
