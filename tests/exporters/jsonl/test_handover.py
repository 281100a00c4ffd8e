"""A file that destinations write to is handed from one exporter to the next.

No line lost or torn, and nobody else gets it in between.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.errors import BadConfig
from gateway.exporters.base import DELIVERED, Exporter
from gateway.exporters.http_client import HttpClient
from gateway.exporters.jsonl.exporter import JsonlExporter
from gateway.exporters.jsonl.rotating_file import FILE_IN_USE
from gateway.exporters.pool import ExporterPool
from gateway.policy.document import Policy
from gateway.policy.load import parse
from tests.exporters.items import item
from tests.exporters.jsonl.test_exporter import written

CONTRACT: Final = load_contracts([default_contract()])
SECONDS: Final = 20

Log = Mapping[str, Any]


def policy(retention: str = "30d", **logs: Log) -> Policy:
    """A policy with logs, each by its exporter's keys."""
    log = {
        "recipient": "log",
        "region": "FR",
        "purpose": "essential.service",
        "legal_basis": "CONTRACT",
        "allow": ["OPERATIONAL"],
    }
    destinations = {
        name: {**log, "retention": retention, "exporter": {"kind": "jsonl", **given}} for name, given in logs.items()
    }
    head = {"version": 1, "controller": "C", "user_id": {"pattern": "usr_[a-z]{1,8}"}}
    return parse(json.dumps({**head, "flows": {"otlp/logs": list(logs)}, "destinations": destinations})).policy


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[ExporterPool]:
    http = HttpClient()
    yield ExporterPool(tmp_path, http, insecure_loopback=False)
    await http.close()


def adopted(pool: ExporterPool, policy: Policy) -> Mapping[str, Exporter]:
    return pool.adopt(pool.open(policy, CONTRACT))


def is_locked(path: Path) -> bool:
    """Whether another process would find the file taken."""
    fd = os.open(f"{path}.lock", os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


A: Final[Log] = {"path": "a.jsonl"}
B: Final[Log] = {"path": "b.jsonl"}

CHANGES: Final[dict[str, tuple[dict[str, Log], dict[str, Log]]]] = {
    "another bound": ({"one": A}, {"one": {**A, "max_bytes": 10_000}}),
    "a bound where none was given": ({"one": {}}, {"one": {"max_bytes": 10_000}}),
    "backups": ({"one": A}, {"one": {**A, "backups": 3}}),
    "the name that it had by itself": ({"one": {}}, {"one": {"path": "one.jsonl", "backups": 3}}),
    "the same path, otherwise written": ({"one": A}, {"one": {"path": "LINK/a.jsonl"}}),
    "two paths swapped": ({"one": A, "two": B}, {"one": B, "two": A}),
    "three in a ring": ({"one": A, "two": B, "three": {}}, {"one": B, "two": {"path": "three.jsonl"}, "three": A}),
    "swapped, with another bound": (
        {"one": A, "two": B},
        {"one": {**B, "backups": 2}, "two": {**A, "max_bytes": 10_000}},
    ),
    "a destination renamed": ({"one": A}, {"uno": A}),
    "renamed, and its old name used for another file": ({"one": A}, {"uno": A, "one": B}),
    "a destination more": ({"one": A}, {"one": {**A, "backups": 1}, "two": B}),
    "a destination less": ({"one": A, "two": B}, {"one": {**A, "backups": 1}}),
    "one takes the other's file": ({"one": A, "two": B}, {"two": A}),
}


def linked(folder: Path, logs: Mapping[str, Log]) -> Mapping[str, Log]:
    """The same, where a path leads by another way into the state folder."""
    with suppress(FileExistsError):
        (folder / "link").symlink_to(folder)
    found = {name: dict(log) for name, log in logs.items()}
    for log in found.values():
        if "path" in log:
            log["path"] = log["path"].replace("LINK", f"{folder}/link")
    return found


@pytest.mark.parametrize("change", CHANGES)
async def test_a_file_is_handed_over(change: str, pool: ExporterPool, tmp_path: Path) -> None:
    before, after = (linked(tmp_path, logs) for logs in CHANGES[change])
    old = adopted(pool, policy("30d", **before))
    opening = pool.open(policy("7d", **after), CONTRACT)
    files = [tmp_path / given.get("path", f"{name}.jsonl") for name, given in after.items()]
    # The old ones notice nothing while the new ones are opened.
    assert await asyncio.gather(*(one.send([item(f"old {name}")]) for name, one in old.items())) == [[DELIVERED]] * len(
        old
    )
    new = pool.adopt(opening)
    sending = [asyncio.create_task(one.send([item(f"new {name}")])) for name, one in new.items()]
    await asyncio.gather(*(one.close() for name, one in old.items() if one not in new.values()))
    assert all(is_locked(file) for file in files)
    assert await asyncio.gather(*sending) == [[DELIVERED]] * len(new)
    wanted = {
        path: [f"old {name}" for name, given in before.items() if place(tmp_path, name, given) == path]
        for path in map(real, files)
    }
    for name, given in after.items():
        wanted[place(tmp_path, name, given)].append(f"new {name}")
    assert {path: written(path) for path in wanted} == wanted
    for (name, given), one in zip(sorted(after.items()), (new[name] for name in sorted(new)), strict=True):
        assert isinstance(one, JsonlExporter), name
        keeping = one.writer.sink.rotation
        assert (keeping.max_bytes, keeping.backups) == (given.get("max_bytes", 64 * 1024 * 1024), given.get("backups"))
        assert keeping.retention == timedelta(days=7)
    await asyncio.gather(*(one.close() for one in new.values()))
    assert not any(is_locked(file) for file in files)


def real(path: Path) -> Path:
    return path.resolve()


def place(folder: Path, name: str, given: Log) -> Path:
    return real(folder / given.get("path", f"{name}.jsonl"))


REFUSED: Final[dict[str, tuple[dict[str, Log], str]]] = {
    "two of one path, otherwise written": ({"one": A, "two": {"path": "LINK/a.jsonl"}}, FILE_IN_USE),
    "a path that can't be": ({"one": {**A, "backups": 1}, "two": B, "z": {"path": "sub.jsonl"}}, "is a folder"),
    "another process's file": ({"one": {**A, "max_bytes": 5}, "two": {"path": "taken.jsonl"}}, FILE_IN_USE),
}


@pytest.mark.parametrize("row", REFUSED)
async def test_a_policy_that_is_refused_leaves_everything_as_it_was(
    row: str, pool: ExporterPool, tmp_path: Path
) -> None:
    (tmp_path / "sub.jsonl").mkdir()
    given, reason = REFUSED[row]
    after = linked(tmp_path, given)
    old = adopted(pool, policy(one=A))
    other = os.open(tmp_path / "taken.jsonl.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(other, fcntl.LOCK_EX)
    for _ in range(3):
        with pytest.raises(BadConfig, match=f"(?i){reason}"):
            pool.open(policy("7d", **after), CONTRACT)
        assert await old["one"].send([item("x")]) == [DELIVERED]
        assert is_locked(tmp_path / "a.jsonl")
    one = old["one"]
    assert isinstance(one, JsonlExporter)
    assert (one.writer.sink.rotation.retention, one.writer.sink.rotation.backups) == (timedelta(days=30), None)
    assert adopted(pool, policy(one=A)) == old
    assert written(tmp_path / "a.jsonl") == ["x"] * 3
    os.close(other)
    # What was opened in vain is free again.
    new = adopted(pool, policy(one={**A, "backups": 2}, two=B))
    await asyncio.gather(*(exporter.close() for exporter in (*old.values(), *new.values())))


async def test_who_gives_up_before_the_writer_has_come_to_it_writes_nothing(pool: ExporterPool, tmp_path: Path) -> None:
    old, reached, may = adopted(pool, policy(one=A)), threading.Event(), threading.Event()
    one = old["one"]
    assert isinstance(one, JsonlExporter)
    append = one.writer.sink.append

    def slowly(lines: Any) -> int:
        reached.set()
        assert may.wait(SECONDS)
        return append(lines)

    one.writer.sink.append = slowly  # type: ignore[method-assign]
    first = asyncio.create_task(one.send([item("first")]))
    assert await asyncio.to_thread(reached.wait, SECONDS)
    queued = [asyncio.create_task(one.send([item(f"queued {number}")])) for number in range(5)]
    await asyncio.sleep(0)
    new = adopted(pool, policy(two=A))
    for task in queued:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*queued)
    last = asyncio.create_task(new["two"].send([item("last")]))
    closing = asyncio.create_task(one.close())
    await asyncio.sleep(0)
    may.set()
    await asyncio.wait_for(asyncio.gather(first, last, closing), SECONDS)
    assert written(tmp_path / "a.jsonl") == ["first", "last"]
    await new["two"].close()


async def test_a_file_that_is_about_to_be_closed_is_taken_up_again(pool: ExporterPool, tmp_path: Path) -> None:
    exporters = adopted(pool, policy(one=A))
    for number in range(200):
        closing = [asyncio.create_task(exporter.close()) for exporter in exporters.values()]
        exporters = adopted(pool, policy("30d", **{f"d{number}": A}))
        assert await exporters[f"d{number}"].send([item(str(number))]) == [DELIVERED]
        await asyncio.gather(*closing)
    assert written(tmp_path / "a.jsonl") == [str(number) for number in range(200)]
    await exporters["d199"].close()
