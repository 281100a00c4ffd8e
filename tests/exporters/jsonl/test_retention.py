"""How long a file's lines are kept: with times of the test's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from gateway.exporters.jsonl.rotating_file import RotatingFile
from tests.exporters.jsonl.test_rotating_file import all_lines, backups

DAY: Final = 86_400.0
START: Final = 1_700_000_000.0


class AgingFile:
    """A file whose lines are as old as the test says."""

    def __init__(self, file: RotatingFile, path: Path, clock: list[float]) -> None:
        self.file = file
        self.path = path
        self._clock = clock

    def write(self, day: float, *lines: bytes) -> None:
        now = self._clock[0] = START + day * DAY
        for line in lines:
            assert self.file.append([line]) == 1
            os.utime(self.path, (now, now))

    def sweep(self, day: float) -> int:
        return self.file.sweep(START + day * DAY)


@contextmanager
def aged(path: Path, days: float | None, *, most: int | None = None, max_bytes: int = 1000) -> Iterator[AgingFile]:
    clock = [START]
    file = RotatingFile(path, max_bytes, most, None if days is None else timedelta(days=days), lambda: clock[0])
    try:
        yield AgingFile(file, path, clock)
    finally:
        file.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "activity.jsonl"


@pytest.mark.parametrize(
    ("retention", "age", "over"),
    [(30, 0.99, False), (30, 1.0, True), (5, 0.49, False), (5, 0.5, True), (None, 1000, False)],
)
def test_a_file_turns_over_when_it_was_begun_too_long_ago(
    path: Path, retention: float | None, age: float, over: bool
) -> None:
    with aged(path, retention) as log:
        log.write(0, b"a\n")
        log.write(age / 2, b"b\n")
        log.write(age, b"c\n")
    assert backups(path) == [1] * over
    assert all_lines(path) == [b"a\n", b"b\n", b"c\n"]
    assert (path.read_bytes() == b"c\n") == over


def test_a_file_that_nobody_writes_to_is_turned_over_by_a_sweep(path: Path) -> None:
    with aged(path, 30) as log:
        log.write(0, b"a\n")
        assert log.sweep(0.9) == 0
        assert backups(path) == []
        assert log.sweep(1) == 0
        assert backups(path) == [1]
        assert [log.sweep(day) for day in (2, 29.9)] == [0, 0]
        assert backups(path) == [1]


def test_a_restart_does_not_make_a_file_younger(path: Path) -> None:
    for day in (0.0, 0.3, 0.6, 0.9):
        with aged(path, 30) as log:
            log.write(day, b"a\n")
    assert backups(path) == []
    with aged(path, 30) as log:
        log.write(1.0, b"b\n")
    assert backups(path) == [1]


@pytest.mark.parametrize("last", [0.0, 0.5])
def test_without_its_lock_a_file_is_as_old_as_its_last_line(path: Path, last: float) -> None:
    with aged(path, 30) as log:
        log.write(0, b"a\n")
        log.write(last, b"b\n")
    Path(f"{path}.lock").unlink()
    with aged(path, 30) as log:
        log.sweep(last + 0.9)
        assert backups(path) == []
        log.sweep(last + 1)
    assert backups(path) == [1]


def test_what_was_last_written_to_before_the_retention_goes(path: Path) -> None:
    with aged(path, 10) as log:
        for day in range(15):
            log.write(day, b"%d\n" % day)
        assert log.sweep(14) == 4
        assert all_lines(path) == [b"%d\n" % day for day in range(4, 15)]
        assert log.sweep(14) == 0
        assert log.sweep(100) == 11
        assert all_lines(path) == []
        log.write(101, b"new\n")
    assert all_lines(path) == [b"new\n"]


def test_a_file_is_as_old_as_its_last_line(path: Path) -> None:
    with aged(path, 100) as log:
        log.write(0, b"a\n")
        log.write(0.9, b"b\n")
        assert log.sweep(100.5) == 0
        assert log.sweep(101) == 1


@pytest.mark.parametrize(("most", "kept"), [(None, [1, 2, 3, 4]), (2, [3, 4]), (0, [])])
def test_a_number_of_backups_bounds_a_log_too(path: Path, most: int | None, kept: list[int]) -> None:
    with aged(path, 100, most=most, max_bytes=2) as log:
        log.write(0, *(b"%d\n" % n for n in range(5)))
    assert backups(path) == kept


def test_a_file_that_never_turns_over_for_its_size_does_so_for_its_age(path: Path) -> None:
    with aged(path, 2, most=0, max_bytes=1) as log:
        for day in range(4):
            log.write(day, b"%d\n" % day)
        assert backups(path) == [1, 2, 3]
        assert log.sweep(4) == 2


def test_a_clock_that_is_set_back_keeps_a_file_no_longer_than_it_must(path: Path) -> None:
    with aged(path, 10) as log:
        log.write(5, b"a\n")
        log.write(0, b"b\n")
        log.write(0.9, b"c\n")
        assert backups(path) == []
        log.write(1, b"d\n")
        assert backups(path) == [1]


def test_what_cannot_be_removed_stays_and_is_said_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with aged(path, 10) as log:
        log.write(0, b"a\n")
        stuck = path.with_name(f"{path.name}.1")
        stuck.mkdir()
        os.utime(stuck, (START - 100 * DAY,) * 2)
        assert [log.sweep(day) for day in (0.1, 0.2)] == [0, 0]
        stuck.rmdir()
        assert log.sweep(20) == 1
    assert [record.message.partition("; ")[2] for record in caplog.records] == ["lines older than the retention stay"]


def test_others_files_stay(path: Path) -> None:
    others = [
        path.with_name(name)
        for name in ("activity.jsonl.gz", "activity.jsonl.1.gz", "activity.jsonl.01", "other.jsonl.1", "activity")
    ]
    for other in others:
        other.touch()
        os.utime(other, (START - 100 * DAY,) * 2)
    with aged(path, 10, most=1, max_bytes=2) as log:
        log.write(0, b"a\n", b"b\n", b"c\n")
        assert log.sweep(0) == 0
    assert all(other.exists() for other in others)
