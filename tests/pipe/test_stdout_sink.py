"""Writing to who may stall or leave."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

import pytest

from gateway.pipe.file_descriptor import write_line
from gateway.pipe.filter import KeptLine
from gateway.pipe.stdout_sink import StdoutSink
from tests.pipe.filtering import line_filter

LINE = b"server started\n"
NOWHERE = 10_000


def kept(count: int) -> Sequence[KeptLine]:
    made, _ = line_filter()
    return [*made.filter([LINE.removesuffix(b"\n")])] * count


def stdout_sink(fd: int, *, over: bool = True) -> tuple[StdoutSink, dict[str, int]]:
    _, counts = line_filter()
    until = time.monotonic() + 0.3
    made = StdoutSink(fd, lambda: max(0.0, until - time.monotonic()) if over else None, counts)
    told: dict[str, int] = {}
    put = made.put

    def counted(batch: Sequence[KeptLine]) -> None:
        put(batch)
        told.clear()
        told.update({"passed": counts.as_dict()["passed"], **counts.as_dict()["dropped"]})

    made.put = counted  # type: ignore[method-assign]
    return made, told


def test_a_batch_is_out_at_once() -> None:
    source, target = os.pipe()
    made, told = stdout_sink(target)
    made.put(kept(2))
    assert os.read(source, 1000) == LINE * 2
    assert told == {"passed": 2}
    os.close(source)
    os.close(target)


def test_who_has_left_is_not_written_to_again() -> None:
    source, target = os.pipe()
    os.close(source)
    made, told = stdout_sink(target)
    for number in range(1, 4):
        made.put(kept(2))
        assert told == {"passed": 0, "output closed": 2 * number}
    os.close(target)


def test_who_never_was_is_as_one_who_has_left() -> None:
    made, told = stdout_sink(NOWHERE)
    made.put(kept(1))
    assert told == {"passed": 0, "output closed": 1}


def test_one_who_stalls_at_the_end_is_waited_for_a_while() -> None:
    source, target = os.pipe()
    made, told = stdout_sink(target)
    batch = kept(10_000)
    made.put(batch)
    whole = told["passed"]
    assert 0 < whole < len(batch)
    assert told == {"passed": whole, "output stalled": len(batch) - whole}
    os.close(target)
    data = b"".join(iter(lambda: os.read(source, 65536), b""))
    assert data.count(b"\n") == whole
    os.close(source)


def test_one_who_is_slow_gets_everything() -> None:
    source, target = os.pipe()
    made, told = stdout_sink(target, over=False)
    writer = threading.Thread(target=lambda: made.put(kept(10_000)))
    writer.start()
    data = b""
    while len(data) < 10_000 * len(LINE):
        data += os.read(source, 500)
    writer.join()
    assert (data, told) == (LINE * 10_000, {"passed": 10_000})
    os.close(source)
    os.close(target)


@pytest.mark.parametrize("full", [False, True])
def test_saying_something_never_fails(full: bool) -> None:
    source, target = os.pipe()
    if full:
        os.set_blocking(target, False)
        while True:
            try:
                os.write(target, b"x" * 4096)
            except BlockingIOError:
                break
    write_line("told", target, timeout_seconds=0.1)
    assert os.read(source, 5) == (b"xxxxx" if full else b"told\n")
    os.close(source)
    write_line("told", target)
    os.close(target)
    write_line("told", target)
