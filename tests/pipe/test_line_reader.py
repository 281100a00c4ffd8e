"""Reading lines: cut as they should be, bounded, never waiting."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipe.line_counts import DropReason, LineCounts
from gateway.pipe.line_reader import MAX_LINE_BYTES, LineReader, LineSplitter

SECONDS = 20
NOWHERE = 10_000
LINE = b"server started\n"


def cut(data: bytes, sizes: list[int], longest: int) -> tuple[list[bytes], int]:
    splitter, lines, start = LineSplitter(longest), [], 0
    for size in sizes:
        lines += splitter.feed(data[start : start + size])
        start += size
    lines += splitter.feed(data[start:])
    lines += splitter.end()
    return lines, splitter.too_long_count


@given(
    st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"\x00", b"\xff" * 7])),
    st.lists(st.integers(0, 9)),
    st.integers(1, 12),
)
def test_lines_are_the_same_however_they_are_read(parts: list[bytes], sizes: list[int], longest: int) -> None:
    data = b"".join(parts)
    whole = data.removesuffix(b"\n").split(b"\n") if data else []
    assert cut(data, sizes, longest) == (
        [line for line in whole if len(line) <= longest],
        sum(len(line) > longest for line in whole),
    )


def test_of_a_line_that_is_too_long_nothing_is_kept() -> None:
    splitter = LineSplitter()
    for _ in range(100):
        assert splitter.feed(b"x" * MAX_LINE_BYTES) == []
        assert len(splitter._partial) <= MAX_LINE_BYTES
    assert splitter.feed(b"\nnext\n") == [b"next"]
    assert splitter.too_long_count == 1


@contextmanager
def reading(waiting: int = 1_000_000) -> Iterator[tuple[LineReader, int, LineCounts]]:
    """Lines and the end of the pipe that they come through."""
    source, target = os.pipe()
    counts = LineCounts()
    lines = LineReader(source, counts, waiting)
    lines.start()
    try:
        yield lines, target, counts
    finally:
        with suppress(OSError):
            os.close(target)
        lines.drain()
        os.close(source)


def all_of(lines: LineReader) -> list[bytes]:
    found: list[bytes] = []
    while batch := lines.batch():
        found += batch
    return found


def test_all_lines_come_in_order() -> None:
    with reading() as (lines, target, counts):
        os.write(target, b"1\n\n3\r\nlast")
        os.close(target)
        assert all_of(lines) == [b"1", b"", b"3\r", b"last"]
        assert lines.is_finished
        assert counts.as_dict()["read"] == 4


def test_a_line_comes_as_soon_as_it_is_written() -> None:
    with reading() as (lines, target, _):
        os.write(target, b"first\nsec")
        assert lines.batch() == [b"first"]
        os.write(target, b"ond\n")
        assert lines.batch() == [b"second"]


def test_a_writer_is_not_held_up_by_who_does_not_take_its_lines() -> None:
    with reading(waiting=10_000) as (lines, target, counts):
        writer = threading.Thread(target=lambda: [os.write(target, b"x" * 99 + b"\n") for _ in range(50_000)])
        writer.start()
        writer.join(SECONDS)
        assert not writer.is_alive()
        os.close(target)
        taken = len(all_of(lines))
        told = counts.as_dict()
        assert 0 < taken < 50_000
        assert told == {"read": 50_000, "passed": 0, "stripped": 0, "bare": 0, "dropped": {"overflow": 50_000 - taken}}
        assert counts.has_lost_lines


def test_what_is_taken_makes_room() -> None:
    with reading(waiting=100) as (lines, target, counts):
        for number in range(100):
            os.write(target, b"%d\n" % number)
            assert lines.batch() == [b"%d" % number]
        assert not counts.has_lost_lines


def test_drained_lines_are_counted_and_gone() -> None:
    with reading() as (lines, target, counts):
        os.write(target, b"1\n2\n3\n")
        os.close(target)
        lines.drain()
        assert lines.batch() == []
        assert counts.as_dict()["dropped"] == {"not ready": 3}


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    source, target = os.pipe()
    os.set_blocking(source, False)
    lines = LineReader(source, LineCounts())
    lines.start()
    os.write(target, b"late\n")
    assert lines.batch() == [b"late"]
    os.close(target)
    assert lines.batch() == []
    os.close(source)


def test_a_writer_that_never_was_has_gone() -> None:
    lines = LineReader(NOWHERE, LineCounts())
    lines.start()
    assert lines.batch() == []


def test_a_file_is_read_no_faster_than_its_lines_are_taken(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(b"".join(b"%d\n" % number for number in range(50_000)))
    with (tmp_path / "app.log").open("rb") as file:
        counts = LineCounts()
        lines = LineReader(file.fileno(), counts, max_queued_bytes=1_000, drain_seconds=0.0)
        lines.start()
        assert all_of(lines) == [b"%d" % number for number in range(50_000)]
        assert (lines.remaining(), counts.as_dict()["read"], counts.has_lost_lines) == (None, 50_000, False)


def test_a_file_whose_lines_nobody_takes_is_read_and_counted(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(LINE * 50_000)
    with (tmp_path / "app.log").open("rb") as file:
        counts = LineCounts()
        lines = LineReader(file.fileno(), counts, max_queued_bytes=1_000)
        lines.start()
        assert lines.batch()[0] == b"server started"
        lines.drain()
        assert counts.as_dict()["read"] == 50_000
        assert counts.as_dict()["dropped"]["not ready"] > 49_000


def gone(data: bytes, *, waiting: int, patience: float) -> tuple[LineReader, LineCounts]:
    """Lines of a pipe whose writer has gone before anything is read."""
    source, target = os.pipe()
    assert os.write(target, data) == len(data)
    os.close(target)
    counts = LineCounts()
    lines = LineReader(source, counts, waiting, patience)
    lines.start()
    return lines, counts


def test_what_a_writer_left_behind_does_not_overflow() -> None:
    lines, counts = gone(LINE * 4_000, waiting=1_000, patience=SECONDS)
    assert all_of(lines) == [b"server started"] * 4_000
    assert not counts.has_lost_lines


@pytest.mark.parametrize("waiting", [1_000, 1_000_000])
def test_what_is_left_when_time_is_up_is_late(waiting: int) -> None:
    lines, counts = gone(LINE * 4_000, waiting=waiting, patience=0.0)
    while lines.remaining() is None:
        assert len(lines.batch()) < 4_000
    assert lines.batch() == []
    lines.drain(DropReason.LATE)
    told = counts.as_dict()
    assert (told["read"], set(told["dropped"]), counts.has_lost_lines) == (4_000, {"late"}, True)


def test_time_is_counted_from_the_start_where_that_is_later() -> None:
    lines, _ = gone(LINE, waiting=1_000, patience=SECONDS)
    assert lines.batch() == [b"server started"]
    left = lines.remaining()
    assert left is not None
    assert SECONDS - 5 < left <= SECONDS


def test_a_writer_after_another_is_not_held_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lines")
    source = os.open(tmp_path / "lines", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(source, True)
    counts = LineCounts()
    lines = LineReader(source, counts, max_queued_bytes=1_000, drain_seconds=SECONDS)
    with (tmp_path / "lines").open("wb", buffering=0) as writer:
        writer.write(LINE * 1_000)
    lines.start()
    with (tmp_path / "lines").open("wb", buffering=0) as writer:
        for _ in range(100):
            writer.write(LINE * 4_000)
    taken = len(all_of(lines))
    told = counts.as_dict()
    assert told["dropped"] == {"overflow": told["read"] - taken}
    os.close(source)


def test_a_batch_is_bounded_in_bytes_too() -> None:
    with reading() as (lines, target, _):
        threading.Thread(target=os.write, args=(target, (b"x" * 60_000 + b"\n") * 5)).start()
        came = 0
        while came < 5:
            batch = lines.batch()
            assert sum(map(len, batch)) < 2 * MAX_LINE_BYTES
            came += len(batch)
