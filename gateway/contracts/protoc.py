"""The child process that compiles `.proto` files, by the compiler that grpcio-tools brings.

And the job that it is given.

The files come over standard input and are put into memory, under the names they are imported by; the compiler finds
them there, and beside them only what installed packages bring. So nothing needs a temporary folder, nothing is left
behind, and no file's name is an argument. The process bounds itself, and ends with its parent: nobody need wait for it.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
import signal
import sys
import tempfile
from contextlib import suppress
from typing import Final

import msgspec

PR_SET_PDEATHSIG: Final = 1
"""https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""

MAX_ERROR_LINES: Final = 20
"""Lines of the compiler's errors that are passed on."""

LOG_LINE: Final = re.compile(r"WARNING: All log messages before absl::|[IWEF][0-9]{4} ")
"""How a line begins that the compiler's library logs beside the errors.

See https://abseil.io/docs/cpp/guides/logging#prefix.
"""

MAX_LINE_CHARS: Final = 300

SPARE_OPEN_FILES: Final = 64
"""Files that a process has open beside those that it compiles."""

FD_FOLDER: Final = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
"""Where a process finds its open files by number."""


class CompileJob(msgspec.Struct, frozen=True):
    """What to compile. `files`: text by the name that it is imported by; `root` is the one that imports all others.

    `descriptors`: a descriptor set of files that are looked up when nothing else has them.
    `packages`: folders of further files. `parent`: who waits.
    """

    files: dict[str, bytes]
    root: str
    descriptors: bytes
    packages: tuple[str, ...]
    parent: int
    max_seconds: int
    max_memory_bytes: int
    max_result_bytes: int


def main() -> int:
    """Compile the job on standard input.

    Standard output gets the descriptor set and the exit code is 0, or the errors and it is 1.
    """
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=CompileJob)
    _limit_resources(job)
    try:
        from grpc_tools import _protoc_compiler  # noqa: PLC0415 who gives a job needs no compiler
    except ImportError:
        return _write_result(
            b"needs grpcio-tools, which is not installed: pip install 'kannelle-privacy-gateway[protos]' brings it; "
            b"or give a descriptor set, which `buf build -o` writes",
            1,
        )
    os.chdir("/")
    held = {name: _memory_file(content) for name, content in job.files.items()}
    out, errors = _memory_file(b""), _memory_file(b"")
    os.dup2(errors, 2)
    sources = (*(f"{name}={FD_FOLDER}/{fd}" for name, fd in held.items()), *job.packages)
    known = (f"--descriptor_set_in={FD_FOLDER}/{_memory_file(job.descriptors)}",) if job.descriptors else ()
    flags = (
        *known,
        *(f"--proto_path={source}" for source in sources),
        f"--descriptor_set_out={FD_FOLDER}/{out}",
        "--include_imports",
        job.root,
    )
    if _protoc_compiler.run_main([argument.encode() for argument in ("protoc", *flags)]):
        return _write_result(_error_lines(_read_file(errors), {**held, "the compiled contract": out}, job.root), 1)
    return _write_result(_read_file(out), 0)


def _write_result(content: bytes, code: int) -> int:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
    return code


def _limit_resources(job: CompileJob) -> None:
    """Bound time, memory and files, and end with the parent, whatever ends it."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(job.max_seconds)
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = len(job.files) + SPARE_OPEN_FILES
    bounds: tuple[tuple[int, int], ...] = (
        (resource.RLIMIT_NOFILE, wanted if most_files == resource.RLIM_INFINITY else min(wanted, most_files)),
        (resource.RLIMIT_AS, job.max_memory_bytes),
        (resource.RLIMIT_FSIZE, job.max_result_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    )
    for kind, most in bounds:
        with suppress(ValueError, OSError):  # where the system has less already, or doesn't know it
            resource.setrlimit(kind, (most, most))
    with suppress(ValueError, OSError):
        # At the first bound comes SIGXCPU, at the second SIGKILL, which says nothing.
        resource.setrlimit(resource.RLIMIT_CPU, (job.max_seconds, job.max_seconds + 1))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != job.parent:
            os._exit(1)


def _memory_file(content: bytes) -> int:
    """An open file without a name that holds `content`."""
    if sys.platform == "linux":
        fd = os.memfd_create("contract", 0)
    else:
        with tempfile.TemporaryFile() as nameless:
            fd = os.dup(nameless.fileno())
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _read_file(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    with os.fdopen(fd, "rb") as file:
        return file.read()


def _error_lines(text: bytes, held: dict[str, int], root: str) -> bytes:
    """The compiler's errors, with the names of files in place of where they are in memory.

    What it says of `root` follows from others.
    """
    names = {f"{FD_FOLDER}/{fd}": name for name, fd in held.items()}
    place = re.compile(rf"^{FD_FOLDER}/[0-9]+")
    told = (
        place.sub(lambda match: names.get(match[0], match[0]), line)
        for line in text.decode("utf-8", "replace").splitlines()
    )
    lines = [line[:MAX_LINE_CHARS] for line in told if not line.startswith(f"{root}:") and not LOG_LINE.match(line)]
    more = [f"and {len(lines) - MAX_ERROR_LINES} more lines"] if len(lines) > MAX_ERROR_LINES else []
    return "\n".join((*lines[:MAX_ERROR_LINES], *more)).encode()


if __name__ == "__main__":
    sys.exit(main())
