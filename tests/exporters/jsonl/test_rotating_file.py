from __future__ import annotations

import logging
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import BadConfig
from gateway.exporters.jsonl.rotating_file import RotatingFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "logs" / "activity.jsonl"


@contextmanager
def opened(path: Path, max_bytes: int = 1000, backups: int | None = 3, **aged: Any) -> Iterator[RotatingFile]:
    file = RotatingFile(path, max_bytes, backups, **aged)
    try:
        yield file
    finally:
        file.close()


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes.

    As a full volume, the write that crosses it is cut short and the next one fails.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def all_lines(path: Path, backups: int = 1000) -> list[bytes]:
    """Lines of all files, oldest first."""
    files = [path.with_name(f"{path.name}.{n}") for n in range(1, backups + 1)] + [path]
    return [line for file in files if file.exists() for line in file.read_bytes().splitlines(keepends=True)]


def backups(path: Path) -> list[int]:
    """The numbers of the backups there are."""
    found = (one.name.removeprefix(f"{path.name}.") for one in path.parent.iterdir())
    return sorted(int(tail) for tail in found if tail.isdigit() and not tail.startswith("0"))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_files_and_folders_are_for_the_owner_only(path: Path) -> None:
    with opened(path, max_bytes=1) as file:
        assert file.append([b"a\n", b"b\n"]) == 2
    assert mode(path.parent) == mode(path.parent.parent) == 0o700
    assert {mode(found) for found in path.parent.iterdir()} == {0o600}


def test_lines_are_appended_to_what_is_there(path: Path) -> None:
    for line in (b"a\n", b"b\n"):
        with opened(path) as file:
            assert file.append([line]) == 1
    assert path.read_bytes() == b"a\nb\n"


def test_lines_of_one_call_share_a_flush(path: Path) -> None:
    with opened(path) as file:
        assert file.append([b"a\n"] * 50) == 50
        assert file.append([]) == 0
        assert file.syncs == 1


@pytest.mark.parametrize(
    ("left", "found"), [(b'{"a":', b'{"a":\nb\n'), (b"{}", b"{}\nb\n"), (b"{}\n", b"{}\nb\n"), (b"", b"b\n")]
)
def test_an_unfinished_line_does_not_swallow_the_next(path: Path, left: bytes, found: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(left)
    with opened(path) as file:
        assert file.append([b"b\n"]) == 1
        assert file.repaired_lines == (not left.endswith(b"\n") and left != b"")
    assert path.read_bytes() == found


def test_rotation_keeps_every_line_whole_and_in_order(path: Path) -> None:
    lines = [b"%d %s\n" % (n, b"x" * (n % 40)) for n in range(500)]
    with opened(path, max_bytes=200, backups=1000) as file:
        for start in range(0, 500, 25):
            assert file.append(lines[start : start + 25]) == 25
    assert all_lines(path) == lines
    assert all(found.stat().st_size <= 200 for found in path.parent.iterdir())


def test_only_so_many_backups_are_kept(path: Path) -> None:
    with opened(path, max_bytes=2, backups=2) as file:
        file.append([b"%d\n" % n for n in range(6)])
    assert all_lines(path) == [b"3\n", b"4\n", b"5\n"]
    assert backups(path) == [4, 5]


def test_without_backups_a_file_just_grows(path: Path) -> None:
    with opened(path, max_bytes=1, backups=0) as file:
        file.append([b"a\n"] * 10)
    assert path.read_bytes() == b"a\n" * 10


def test_a_line_longer_than_the_bound_has_a_file_of_its_own(path: Path) -> None:
    with opened(path, max_bytes=4) as file:
        assert file.append([b"a\n", b"long line\n", b"b\n"]) == 3
    assert all_lines(path) == [b"a\n", b"long line\n", b"b\n"]


def test_a_backup_keeps_its_name_and_none_is_overwritten(path: Path) -> None:
    with opened(path, max_bytes=2, backups=None) as file:
        file.append([b"%d\n" % n for n in range(4)])
        path.with_name("activity.jsonl.2").rename(path.with_name("activity.jsonl.kept"))
        path.with_name("activity.jsonl.007").touch()
    with opened(path, max_bytes=2, backups=None) as file:
        file.append([b"4\n"])
    assert backups(path) == [1, 3, 4]
    assert all_lines(path) == [b"0\n", b"2\n", b"3\n", b"4\n"]


@pytest.mark.parametrize("name", ["activity.jsonl", "./activity.jsonl", "../link/activity.jsonl"])
def test_a_second_writer_of_one_file_is_refused(path: Path, name: str) -> None:
    with opened(path):
        (path.parent.parent / "link").symlink_to(path.parent)
        other = path.parent / name
        with pytest.raises(BadConfig, match=rf"{path.name}: another destination or process writes to this file"):
            RotatingFile(other, 1000, 3)
    with opened(path):
        pass


def test_a_second_process_is_refused(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from gateway.exporters.jsonl.rotating_file import RotatingFile; "
        "RotatingFile(Path(sys.argv[1]), 1000, 3)"
    )
    with opened(path):
        done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"BadConfig: {path}: another destination or process writes to this file" in done.stderr


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("link", "is a symbolic link"),
        ("folder", "Is a directory"),
        ("pipe", "not a regular file"),
        ("below a file", "Not a directory"),
    ],
)
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: str, said: str) -> None:
    path = tmp_path / "a.jsonl"
    match kind:
        case "link":
            path.symlink_to(tmp_path / "elsewhere")
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case _:
            path.touch()
            path = path / "b.jsonl"
    for _ in range(2):
        with pytest.raises(BadConfig, match=rf"{path.name}: {said}"):
            RotatingFile(path, 1000, 3)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_moved_away_is_written_anew(path: Path) -> None:
    with opened(path) as file:
        file.append([b"a\n"])
        path.rename(path.with_name("taken"))
        file.append([b"b\n"])
    assert path.read_bytes() == b"b\n"
    assert path.with_name("taken").read_bytes() == b"a\n"


def test_a_file_cut_by_somebody_else_goes_on(path: Path) -> None:
    with opened(path) as file:
        file.append([b"a\n"])
        os.truncate(path, 0)
        file.append([b"b\n"])
    assert path.read_bytes() == b"b\n"


def test_a_full_volume_takes_whole_lines_or_none(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with opened(path, max_bytes=10_000) as file:
        with full_at(4096):
            assert file.append([b"a" * 3999 + b"\n"]) == 1
            assert file.append([b"secret" * 10 + b"\n"] * 5) == 0
            assert file.append([b"secret" * 10 + b"\n"] * 5) == 0
            assert path.stat().st_size == 4000
            assert file.append([b"b\n"]) == 1
        assert file.append([b"c\n"]) == 1
    assert path.read_bytes() == b"a" * 3999 + b"\nb\nc\n"
    assert [record.message for record in caplog.records] == [f"{path}: File too large; senders will try again"]


def test_lines_before_a_rotation_stand_though_the_volume_fills_after_it(path: Path) -> None:
    with opened(path, max_bytes=5000) as file, full_at(4096):
        assert file.append([b"a" * 3000 + b"\n", b"b" * 4500 + b"\n", b"c\n"]) == 1
    assert all_lines(path) == [b"a" * 3000 + b"\n"]
