"""Instructions of the processor.

A figure almost without noise, by perf where the machine counts them, else by callgrind.

Only what a process does between two moments is counted, not its start.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Protocol

CONTROL_SECONDS: Final = 60
EVENT: Final = "instructions:u"


@dataclass(slots=True)
class Count:
    """How many there were, once what is counted has ended."""

    total: int = 0


class Counter(Protocol):
    """Counts a process's instructions. `under` is the command that the process must have been started under."""

    @property
    def name(self) -> str: ...

    @property
    def under(self) -> Sequence[str]: ...

    def counting(self, pid: int) -> AbstractContextManager[Count]:
        """Count what a process and its threads do in the context, once it has begun to do something of its own."""
        ...


@dataclass(frozen=True)
class Perf:
    """`perf stat` on a running process: https://man7.org/linux/man-pages/man1/perf-stat.1.html"""

    program: str
    event: str = EVENT
    name: str = "perf"
    under: Sequence[str] = ()

    @contextmanager
    def counting(self, pid: int) -> Iterator[Count]:
        count = Count()
        command = (
            self.program,
            "stat",
            f"--event={self.event}",
            "--field-separator=,",
            f"--pid={pid}",
            "--delay=-1",
            "--control=fd:0,1",
        )
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                _tell(process, "enable")
                yield count
                _tell(process, "disable")
            finally:
                process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=CONTROL_SECONDS)
        count.total = perf_total(said)


def _tell(perf: subprocess.Popen[str], command: str) -> None:
    assert perf.stdin is not None
    assert perf.stdout is not None
    perf.stdin.write(f"{command}\n")
    perf.stdin.flush()
    if "ack" not in perf.stdout.readline():
        raise RuntimeError("perf doesn't answer")


def perf_total(said: str) -> int:
    """Return the count in what `perf stat --field-separator=,` prints. Raises RuntimeError if it counted nothing."""
    found = re.search(r"^(\d+),", said, re.MULTILINE)
    if found is None:
        raise RuntimeError("perf counted nothing")
    return int(found[1])


@dataclass(frozen=True)
class Callgrind:
    """Valgrind's simulation of a processor, some fifty times slower: https://valgrind.org/docs/manual/cl-manual.html"""

    program: str
    control: str
    folder: Path
    name: str = "callgrind"
    _on: set[int] = field(default_factory=set)

    @property
    def under(self) -> Sequence[str]:
        files = self.folder / "callgrind.%p"
        return (self.program, "--tool=callgrind", "--quiet", "--instr-atstart=no", f"--callgrind-out-file={files}")

    @contextmanager
    def counting(self, pid: int) -> Iterator[Count]:
        if pid not in self._on:
            self._run("--instr=on", pid)
            self._on.add(pid)
        count = Count()
        self._run("--dump", pid)
        yield count
        self._run("--dump", pid)
        count.total = callgrind_total(self._newest(pid).read_text())

    def _run(self, option: str, pid: int) -> None:
        command = (self.control, *option.split("="), str(pid))
        done = subprocess.run(
            command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=CONTROL_SECONDS
        )
        if b"OK." not in done.stdout:
            raise RuntimeError("callgrind doesn't answer")

    def _newest(self, pid: int) -> Path:
        return max(self.folder.glob(f"callgrind.{pid}.*"), key=lambda path: int(path.suffix[1:]))


def callgrind_total(dump: str) -> int:
    """Return the instructions of one dump. Raises RuntimeError if there are none."""
    total = sum(map(int, re.findall(r"^totals: (\d+)", dump, re.MULTILINE)))
    if not total:
        raise RuntimeError("callgrind counted nothing")
    return total


@contextmanager
def counter() -> Iterator[Counter | None]:
    """What counts instructions on this machine, or None."""
    valgrind, control = shutil.which("valgrind"), shutil.which("callgrind_control")
    with tempfile.TemporaryDirectory() as folder:
        if _perf_counts():
            yield Perf(shutil.which("perf") or "perf")
        elif valgrind is not None and control is not None:
            yield Callgrind(valgrind, control, Path(folder))
        else:
            yield None


@cache
def _perf_counts() -> bool:
    """Whether perf is there, may count, and the processor lets it: many virtual machines' don't."""
    perf = shutil.which("perf")
    if perf is None:
        return False
    done = subprocess.run(
        (perf, "stat", f"--event={EVENT}", "--field-separator=,", "true"), capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and re.search(r"^\d+,", done.stderr, re.MULTILINE) is not None
