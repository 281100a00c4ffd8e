from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.errors import BadConfig, ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED
from gateway.exporters.jsonl.exporter import JsonlExporter
from gateway.otlp.signals import LOGS
from tests.exporters.items import entry, item

DAY = 86_400


def known(name: str) -> type[Message]:
    return GetMessageClass(Default().FindMessageTypeByName(name))


def text_of(line: bytes) -> str:
    text = json.loads(line)["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["severityText"]
    assert isinstance(text, str)
    return text


def texts(data: bytes) -> list[str]:
    return [text_of(line) for line in data.splitlines()]


def lines_of(*files: Path) -> list[bytes]:
    return [line for file in files for line in file.read_bytes().splitlines()]


def written(*files: Path) -> list[str]:
    return [text_of(line) for line in lines_of(*files)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "activity.jsonl"


class Gate:
    """Knows all types, but the first time only once it is open: it holds the writer while batches gather."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, name: str) -> type[Message]:
        self.reached.set()
        assert self.open.wait(10)
        return known(name)

    async def holds(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 10)


async def test_what_is_delivered_stands_in_the_file(path: Path) -> None:
    jsonl = JsonlExporter.open(str(path), known)
    assert await jsonl.send([item("a"), item("b")]) == [DELIVERED] * 2
    assert written(path) == ["a", "b"]
    assert await jsonl.send([item("c")]) == [DELIVERED]
    assert written(path) == ["a", "b", "c"]
    await jsonl.close()


async def test_what_has_no_form_is_rejected_and_the_rest_delivered(path: Path) -> None:
    jsonl = JsonlExporter.open(str(path), known)
    unknown, malformed = entry("no.such.Type", b""), entry(LOGS.item, b"\xff")
    outcomes = await jsonl.send([item("a"), unknown, item("b"), malformed])
    assert outcomes == [DELIVERED, Rejected(ItemReason.UNKNOWN_TYPE), DELIVERED, Rejected(ItemReason.MALFORMED)]
    assert written(path) == ["a", "b"]
    await jsonl.close()


async def test_batches_that_wait_are_flushed_together(path: Path) -> None:
    gate = Gate()
    jsonl = JsonlExporter.open(str(path), gate)
    first = asyncio.create_task(jsonl.send([item("first")]))
    await gate.holds()
    others = [asyncio.create_task(jsonl.send([item(f"{n}a"), item(f"{n}b")])) for n in range(50)]
    await asyncio.sleep(0)  # each has its turn, and so its place in the queue
    gate.open.set()
    assert await asyncio.gather(first, *others) == [[DELIVERED]] + [[DELIVERED] * 2] * 50
    assert jsonl.syncs == 2
    assert written(path) == ["first"] + [f"{n}{x}" for n in range(50) for x in "ab"]
    await jsonl.close()


async def test_a_sender_that_goes_away_disturbs_nobody(path: Path) -> None:
    gate = Gate()
    jsonl = JsonlExporter.open(str(path), gate)
    gone, stays = (asyncio.create_task(jsonl.send([item(text)])) for text in ("gone", "stays"))
    await gate.holds()
    gone.cancel()
    gate.open.set()
    assert await stays == [DELIVERED]
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert written(path) == ["gone", "stays"]
    await jsonl.close()


async def test_a_fault_reaches_the_sender_and_the_writer_goes_on(path: Path) -> None:
    def faulty(name: str) -> type[Message]:
        if name != LOGS.item:
            raise RuntimeError
        return known(name)

    jsonl = JsonlExporter.open(str(path), faulty)
    with pytest.raises(RuntimeError):
        await jsonl.send([entry("a.Fault", b"")])
    assert await jsonl.send([item("a")]) == [DELIVERED]
    await jsonl.close()


def barred(path: Path) -> Path:
    """Put a folder in a file's place; where the file is now."""
    moved = path.rename(path.with_name("moved"))
    path.mkdir()
    return moved


def freed(path: Path) -> None:
    path.rmdir()


def last_written(path: Path) -> float:
    return path.stat().st_mtime


async def test_what_the_volume_refuses_is_for_another_try(path: Path) -> None:
    jsonl = JsonlExporter.open(str(path), known, max_bytes=1, backups=1)
    assert await jsonl.send([item("a")]) == [DELIVERED]
    # No file can be opened under the name of a folder.
    moved = barred(path)
    assert await jsonl.send([item("b"), entry("no.such.Type", b"")]) == [Retryable(), Rejected(ItemReason.UNKNOWN_TYPE)]
    freed(path)
    assert await jsonl.send([item("b")]) == [DELIVERED]
    assert written(moved, path) == ["a", "b"]
    await jsonl.close()


async def test_closing_writes_what_waits_and_frees_the_file(path: Path) -> None:
    gate = Gate()
    jsonl = JsonlExporter.open(str(path), gate)
    waiting = asyncio.create_task(jsonl.send([item("a")]))
    await gate.holds()
    closing = [asyncio.create_task(jsonl.close()) for _ in range(2)]
    gate.open.set()
    await asyncio.gather(*closing)
    assert await waiting == [DELIVERED]
    with pytest.raises(Retryable):
        await jsonl.send([item("b")])
    await jsonl.close()
    await JsonlExporter.open(str(path), known).close()


async def test_two_destinations_cannot_write_to_one_file(path: Path) -> None:
    jsonl = JsonlExporter.open(str(path), known)
    with pytest.raises(BadConfig, match=path.name):
        JsonlExporter.open(str(path), known)
    await jsonl.close()


@contextmanager
def standard_output(fd: int) -> Iterator[None]:
    kept = os.dup(1)
    os.dup2(fd, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


async def test_destinations_share_standard_output_line_by_line(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    one, two = JsonlExporter.open("-", known), JsonlExporter.open("-", known)
    batches = [
        exporter.send([item(f"{name}{n}" * 100) for n in range(20)]) for name, exporter in (("a", one), ("b", two))
    ]
    assert await asyncio.gather(*batches) == [[DELIVERED] * 20] * 2
    await asyncio.gather(one.close(), two.close())
    assert sorted(texts(capfdbinary.readouterr().out)) == sorted(f"{name}{n}" * 100 for name in "ab" for n in range(20))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
async def test_a_standard_output_that_fails_is_for_another_try(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    jsonl = JsonlExporter.open("-", known)
    full = os.open("/dev/full", os.O_WRONLY)
    with standard_output(full):
        assert await jsonl.send([item("a"), item("b")]) == [Retryable()] * 2
    os.close(full)
    assert await jsonl.send([item("a")]) == [DELIVERED]
    await jsonl.close()
    assert texts(capfdbinary.readouterr().out) == ["a"]


async def test_a_slow_reader_of_standard_output_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    jsonl = JsonlExporter.open("-", known)
    found = bytearray()

    def read() -> None:
        while data := os.read(reader, 1000):
            found.extend(data)

    with standard_output(writer):
        os.close(writer)
        reading = asyncio.create_task(asyncio.to_thread(read))
        assert await jsonl.send([item("a" * 1000) for _ in range(500)]) == [DELIVERED] * 500
        await jsonl.close()
    await reading
    os.close(reader)
    assert texts(bytes(found)) == ["a" * 1000] * 500


# Sends numbered batches of three, several at a time, and says which were acknowledged.
WRITER = """
import asyncio, os, sys
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from gateway.exporters.base import DELIVERED
from gateway.exporters.jsonl.exporter import JsonlExporter
from tests.exporters.items import item

async def send(jsonl, lane):
    for n in range(1_000_000):
        batch = [f"{lane}-{n}-{part}" + "x" * (n % 50) for part in range(3)]
        assert await jsonl.send([item(text) for text in batch]) == [DELIVERED] * 3
        os.write(1, b"".join(text.encode() + b"\\n" for text in batch))

async def main():
    jsonl = JsonlExporter.open(sys.argv[1], lambda name: ResourceLogs, max_bytes=2_000, backups=1000)
    await asyncio.gather(*(send(jsonl, lane) for lane in range(4)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 100, 700])
def test_a_killed_process_has_written_whole_what_it_acknowledged(path: Path, acknowledged: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        seen = [writer.stdout.readline() for _ in range(acknowledged)]
        writer.send_signal(signal.SIGKILL)
        seen += writer.stdout.readlines()
    assert writer.returncode == -signal.SIGKILL
    promised = {line.decode().rstrip("\n") for line in seen if line.endswith(b"\n")}
    assert len(promised) >= acknowledged
    assert promised <= set(whole(lines_of(*path.parent.glob("activity.jsonl*"))))


def whole(lines: list[bytes]) -> Iterator[str]:
    for line in lines:
        with suppress(json.JSONDecodeError):
            yield text_of(line)


def crash_within(path: Path, line: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(line)


async def test_the_next_process_goes_on_where_a_killed_one_stopped(path: Path) -> None:
    crash_within(path, b'{"resourceLogs":[{"sco')
    jsonl = JsonlExporter.open(str(path), known)
    assert await jsonl.send([item("a")]) == [DELIVERED]
    assert jsonl.repaired_lines == 1
    assert list(whole(lines_of(path))) == ["a"]
    await jsonl.close()


async def test_files_older_than_the_retention_go(path: Path) -> None:
    jsonl = JsonlExporter.open(str(path), known, backups=None, retention=timedelta(days=10))
    assert await jsonl.send([item("old")]) == [DELIVERED]
    written_at = last_written(path)
    assert [await jsonl.sweep(written_at + days * DAY) for days in (0, 1.1, 9.9)] == [0, 0, 0]
    assert await jsonl.send([item("new")]) == [DELIVERED]
    assert written(path.with_name(f"{path.name}.1"), path) == ["old", "new"]
    assert await jsonl.sweep(written_at + 10.1 * DAY) == 2
    assert written(*path.parent.glob("activity.jsonl*")) == []
    await jsonl.close()
    assert await jsonl.sweep(written_at + 11 * DAY) == 0


async def test_of_standard_output_nothing_is_kept() -> None:
    jsonl = JsonlExporter.open("-", known, retention=timedelta(days=1))
    assert await jsonl.sweep(2e9) == 0
    await jsonl.close()
