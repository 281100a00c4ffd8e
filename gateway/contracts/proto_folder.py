"""Folders of `.proto` files in, descriptors out.

Which files are read, and how they are compiled without trusting them.

A folder may be anybody's, as that of a pull request is: no name is an option, and nothing outside it is read but what
packages bring.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from gateway.contracts.installed import import_advice, imported_files, proto_folders
from gateway.contracts.protoc import CompileJob
from gateway.errors import BadContract
from gateway.files import Unreadable, read_regular

MAX_PROTO_FILES: Final = 2_000
"""Files of one folder."""

MAX_PROTO_BYTES: Final = 4 * 1024 * 1024
"""Bytes of one file."""

MAX_FOLDER_BYTES: Final = 32 * 1024 * 1024
"""Bytes of all files of one folder."""

MAX_FOLDER_ENTRIES: Final = 50_000
"""Files and folders of one folder, of whatever kind, that are looked through for `.proto` files."""

MAX_PATH_CHARS: Final = 500
"""Characters of a file's name, with the folders that lead to it."""

MAX_COMPILE_SECONDS: Final = 30
"""How long a folder may take to compile."""

MAX_COMPILE_MEMORY_BYTES: Final = 1024 * 1024 * 1024
"""Memory that compiling a folder may take."""

MAX_SET_BYTES: Final = 8 * 1024 * 1024
"""Bytes of a descriptor set, read or compiled: an empty message of two bytes takes a hundred in memory."""

FORBIDDEN_NAME_CHARS: Final = frozenset(':="\\')
"""What the compiler takes for something else than a part of a name."""

NON_TEXT_ERROR: Final = re.compile(
    r"(?m)^([^:\n]+):\d+:\d+: (?:Invalid control characters|Interpreting non ascii codepoint)"
)
"""What the compiler says of characters that stand outside of remarks and texts."""

GRACE_SECONDS: Final = 5
"""How long the compiler may take beyond its own bound, to start and to end."""

USE_A_SET: Final = "give a descriptor set instead, which `buf build -o` or `protoc --descriptor_set_out` writes"


def compile_folder(
    folder: Path, files: Mapping[str, bytes], beside: Mapping[str, bytes], sets: Mapping[str, FileDescriptorProto]
) -> Sequence[FileDescriptorProto]:
    """Compile all `.proto` files of a folder, with what they import.

    That is of the folder itself, of other folders, of `sets` and of installed packages.

    Raises BadContract, with file, line and column where it can.
    """
    if not files:
        raise BadContract(f"{folder}: no .proto files")
    given = {**beside, **files}
    root = _root(given)
    descriptors = FileDescriptorSet(file=imported_files(given, sets, proto_folders())).SerializeToString()
    compiled = _compile(folder, {**given, root: _importing(files)}, root, descriptors)
    try:
        return [file for file in FileDescriptorSet.FromString(compiled).file if file.name != root]
    except DecodeError:
        raise BadContract(f"{folder}: compiles to what can't be read; {USE_A_SET}") from None


def _root(files: Mapping[str, bytes]) -> str:
    """A name that no file has, for the one that imports all others: the only one that the compiler is told of."""
    name = "all.proto"
    while name in files:
        name = f"_{name}"
    return name


def _importing(names: Iterable[str]) -> bytes:
    return "".join(('syntax = "proto3";\n', *(f'import "{name}";\n' for name in names))).encode()


def read_protos(folder: Path) -> Mapping[str, bytes]:
    """The `.proto` files of a folder and those below it, by name. Hidden folders are left out. Raises BadContract."""
    files: dict[str, bytes] = {}
    size = 0
    for name in sorted(_names(folder)):
        if len(files) >= MAX_PROTO_FILES:
            raise BadContract(
                f"{folder}: has more than {MAX_PROTO_FILES} .proto files; name the folder that holds the contract's"
            )
        files[name] = _read(folder, name)
        size += len(files[name])
        if size > MAX_FOLDER_BYTES:
            raise BadContract(
                f"{folder}: has more than {MAX_FOLDER_BYTES} bytes of .proto files; name the folder that holds the "
                "contract's"
            )
    return files


def _names(folder: Path) -> Iterator[str]:
    """Yield the names of the files. Folders that are symbolic links are not entered.

    Raises BadContract: one that is too large is told as that, whatever else is wrong in it.
    """
    waiting, shut, count = [""], "", 0
    while waiting:
        above = waiting.pop()
        try:
            entries = [*os.scandir(folder / above)]
        except OSError as error:
            shut = shut or f"{folder / above}: {error.strerror}"
            continue
        count += len(entries)
        if count > MAX_FOLDER_ENTRIES:
            raise BadContract(
                f"{folder}: has more than {MAX_FOLDER_ENTRIES} files and folders; name the folder that holds the contract's"
            )
        for entry in entries:
            name = f"{above}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting += [] if entry.name.startswith(".") else [f"{name}/"]
            elif entry.name.endswith(".proto"):
                yield name
    if shut:
        raise BadContract(shut)


def _read(folder: Path, name: str) -> bytes:
    if len(name) > MAX_PATH_CHARS or not name.isprintable() or not FORBIDDEN_NAME_CHARS.isdisjoint(name):
        shown = ascii(name[:MAX_PATH_CHARS])
        raise BadContract(
            f'{folder}: {shown}: a name of at most {MAX_PATH_CHARS} printable characters, none of : = " \\, is '
            "needed: rename it"
        )
    path = folder / name
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):  # resolve() raises on loops
        raise BadContract(f"{path}: leads outside {folder}; put the file itself there")
    try:
        return read_regular(path, MAX_PROTO_BYTES)
    except OSError as error:
        raise BadContract(f"{path}: {error.strerror}") from None
    except Unreadable as error:
        raise BadContract(f"{path}: {error}") from None


def _compile(folder: Path, files: Mapping[str, bytes], root: str, descriptors: bytes) -> bytes:
    job = CompileJob(
        dict(files),
        root,
        descriptors,
        proto_folders(),
        os.getpid(),
        MAX_COMPILE_SECONDS,
        MAX_COMPILE_MEMORY_BYTES,
        MAX_SET_BYTES,
    )
    # -P: what lies in the working folder is no module of ours.
    command = (sys.executable, "-P", "-m", "gateway.contracts.protoc")
    try:
        done = subprocess.run(
            command,
            input=msgspec.msgpack.encode(job),
            capture_output=True,
            check=False,
            timeout=MAX_COMPILE_SECONDS + GRACE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise BadContract(_termination_reason(folder, -signal.SIGALRM)) from None
    except OSError as error:
        raise BadContract(f"{folder}: the compiler can't be started: {error.strerror}; {USE_A_SET}") from None
    if done.returncode == 0:
        return done.stdout
    if done.returncode == 1 and done.stdout:
        said = _readable_errors(done.stdout.decode(), files)
        raise BadContract(f"{folder}: {said}{_missing_import_advice(said)}")
    raise BadContract(_termination_reason(folder, done.returncode))


def _readable_errors(errors: str, files: Mapping[str, bytes]) -> str:
    """What the compiler says; of a file whose characters it can't read, since it is no text, that alone."""
    named = dict.fromkeys(match[1] for match in NON_TEXT_ERROR.finditer(errors))
    faults = {name: fault for name in named if (fault := _text_problem(files.get(name, b"")))}
    if not faults:
        return errors
    others = (
        line for line in errors.splitlines() if line.partition(":")[0] not in faults and not line.startswith("and ")
    )
    return "\n".join((*(f"{name}:{fault}" for name, fault in faults.items()), *others))


def _text_problem(content: bytes) -> str:
    """Where a file is no UTF-8 text, and what it is instead; empty if it is some."""
    try:
        content.decode()
        at = content.find(0)
        text = "holds a NUL; it must be text in UTF-8"
    except UnicodeDecodeError as error:
        at, text = error.start, "is not UTF-8"
    line = content.count(b"\n", 0, max(at, 0)) + 1
    return "" if at < 0 else f"{line}: {text}"


def _missing_import_advice(errors: str) -> str:
    """What to do about files that the compiler didn't find."""
    names = dict.fromkeys(match[1] for match in re.finditer(r"(?m)^(\S+\.proto): File not found\.", errors))
    return "".join(f"\n{name}: {import_advice(name)}" for name in names)


def _termination_reason(folder: Path, code: int) -> str:
    """Why there is neither a result nor an error of the compiler's, and what to do."""
    if -code in (signal.SIGALRM, signal.SIGXCPU):
        return f"{folder}: takes more than {MAX_COMPILE_SECONDS} s to compile; {USE_A_SET}"
    if -code in (signal.SIGABRT, signal.SIGKILL):
        return f"{folder}: takes more than {MAX_COMPILE_MEMORY_BYTES} bytes of memory to compile; {USE_A_SET}"
    return f"{folder}: the compiler ended with code {code}; {USE_A_SET}"
