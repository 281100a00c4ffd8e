"""Folders that the gateway keeps its state in, and files that are written whole or not at all.

For their owner only, and on the volume; and what is wrong with a folder that is there.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from gateway.errors import BadConfig
from gateway.files import Unreadable, is_folder, is_link, is_there, kind_of, read_regular

log = logging.getLogger(__name__)

LEGACY_PLANS_FILE: Final = "plans.json"
"""In the state folder of an earlier version: the digests of plans that it took agents' releases of."""

MAX_LEGACY_PLANS_BYTES: Final = 64 * 1024 * 1024
"""The largest such file that is looked into."""

GROUP_AND_OTHERS_MODE: Final = 0o077
"""The bits of a mode that say what group and others may do."""


class FolderProblem(msgspec.Struct, frozen=True):
    """What is wrong with a folder or a file, in words that follow its path.

    `fix` puts it right, and is None where only people can.
    """

    path: Path
    text: str
    fix: Callable[[Path], None] | None = None


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where they aren't. Raises OSError."""
    if not path.exists():
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Bring a folder's entries to the volume: a file is safe once the folder that names it is. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_new_file(path: Path, content: bytes) -> bool:
    """Write a file unless it is there; whether it was written: of several processes at once, one does.

    Raises OSError.
    """
    if os.path.lexists(path):
        return False
    with _scratch_file(path, content) as scratch:
        try:
            path.hardlink_to(scratch)
        except FileExistsError:
            return False
    return True


def replace_file(path: Path, content: bytes) -> None:
    """Write a file, or another in its place: who reads it meanwhile reads one of them. Raises OSError."""
    with _scratch_file(path, content) as scratch:
        scratch.replace(path)


@contextmanager
def _scratch_file(path: Path, content: bytes) -> Iterator[Path]:
    """A file beside a path, with what is to stand there; it is gone in the end, and the folder's entries are safe."""
    make_folder(path.parent)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)  # another start may have found it left over
    sync_folder(path.parent)


def folder_problems(folder: Path, is_state_file: Callable[[str], bool]) -> Iterator[FolderProblem]:
    """Yield what is wrong with a folder for its owner only, or with what would make it, and with its own files.

    Changes nothing.
    """
    try:
        found = folder.stat()
    except FileNotFoundError:
        if text := creation_obstacle(folder):
            yield FolderProblem(folder, text)
    except OSError as error:
        yield FolderProblem(folder, f"can't be looked at: {error.strerror}")
    else:
        flaw = _problem_of_folder(folder, found)
        if flaw is not None:
            yield flaw
        if flaw is None or flaw.fix is not None:
            yield from (
                flaw
                for path in sorted(folder.iterdir())
                if is_state_file(path.name)
                for flaw in _problems_of_file(path)
            )


def fix_problems(found: Iterable[FolderProblem]) -> None:
    """Put right what can be, and say so. Raises BadConfig for what can't."""
    for flaw in found:
        if flaw.fix is None:
            raise BadConfig(f"{flaw.path}: {flaw.text}")
        try:
            flaw.fix(flaw.path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise BadConfig(f"{flaw.path}: {flaw.text}, which can't be changed: {error.strerror}") from None
        log.warning("%s: %s: changed, for it is the gateway's alone", flaw.path, flaw.text)


def creation_obstacle(folder: Path) -> str:
    """What stands in the way of a folder that isn't there; empty if nothing does."""
    if is_link(folder):
        return "is a symbolic link that leads nowhere"
    above = next(one for one in (folder.absolute(), *folder.absolute().parents) if is_link(one) or is_there(one))
    if not is_folder(above):
        return "is no folder" if above == folder.absolute() else f"can't be made: {above} is no folder"
    longest = max((len(os.fsencode(part)) for part in folder.absolute().relative_to(above).parts), default=0)
    text = write_obstacle(above) or ("takes no name that long" if longest > os.pathconf(above, "PC_NAME_MAX") else "")
    return text and f"can't be made: {above} {text}"


def _problem_of_folder(folder: Path, found: os.stat_result) -> FolderProblem | None:
    mode, us = stat.S_IMODE(found.st_mode), os.geteuid()
    if not stat.S_ISDIR(found.st_mode):
        return FolderProblem(folder, f"is {kind_of(found.st_mode)}; it must be a folder")
    if found.st_uid != us:
        text = (
            f"belongs to user {found.st_uid}, and the gateway is user {us}: name a folder below it, which the "
            "gateway makes, or chown it"
        )
        return FolderProblem(folder, text)
    if text := write_obstacle(folder):
        return FolderProblem(folder, text)
    return (
        FolderProblem(folder, f"is open to others, by its mode {mode:04o}", partial(_restrict_mode, mode=0o700))
        if mode & GROUP_AND_OTHERS_MODE
        else None
    )


def _problems_of_file(path: Path) -> Iterator[FolderProblem]:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    mode, us = stat.S_IMODE(found.st_mode), os.geteuid()
    if stat.S_ISLNK(found.st_mode):
        yield FolderProblem(path, "is a symbolic link; it must be the file itself")
    elif not stat.S_ISREG(found.st_mode):
        yield FolderProblem(path, f"is {kind_of(found.st_mode)}; it must be a regular file")
    elif found.st_uid != us:
        yield FolderProblem(path, f"belongs to user {found.st_uid}, and the gateway is user {us}: chown it")
    elif found.st_nlink > 1 and not _is_leftover(path, found):
        yield FolderProblem(
            path, "has a second name, a hard link, by which others may reach it: copy it, and put the copy in its place"
        )
    elif found.st_nlink > 1 and path.name.startswith("."):
        yield FolderProblem(path, "was left by a start that was cut off", Path.unlink)
    elif mode & GROUP_AND_OTHERS_MODE:
        yield FolderProblem(path, f"is open to others, by its mode {mode:04o}", partial(_restrict_mode, mode=0o600))


def _is_leftover(path: Path, found: os.stat_result) -> bool:
    """Whether all names of a file are in its folder, the second one hidden.

    As whoever makes a file at once leaves it when killed.
    """
    same = [
        one
        for one in path.parent.iterdir()
        if (entry := one.lstat()).st_ino == found.st_ino and entry.st_dev == found.st_dev
    ]
    return len(same) == found.st_nlink == 2 and sum(one.name.startswith(".") for one in same) == 1


def write_obstacle(folder: Path) -> str:
    """Why nothing can be made in a folder; empty if something can."""
    if os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        return ""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "is on a volume that is read-only"
    return f"can't be written to by user {os.geteuid()}"


def _restrict_mode(path: Path, mode: int) -> None:
    """Leave a file or folder to its owner. Raises OSError, also where the file system keeps no modes."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if path.is_dir() else os.O_NOFOLLOW))
    try:
        os.fchmod(fd, mode)
        if os.fstat(fd).st_mode & GROUP_AND_OTHERS_MODE:
            raise OSError(0, "its file system keeps no modes")
    finally:
        os.close(fd)


def remove_legacy_plans(folder: Path) -> None:
    """Remove an earlier version's file of plans, which nothing reads any more.

    What only has its name stays, and so does what can't go.
    """
    path = folder / LEGACY_PLANS_FILE
    with suppress(OSError, Unreadable, msgspec.MsgspecError):
        msgspec.json.decode(read_regular(path, MAX_LEGACY_PLANS_BYTES), type=dict[str, float])
        path.unlink()
        log.info("%s: removed; a hub decides on agents' releases whatever plans made them", path)
