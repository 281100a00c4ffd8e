"""Files that change under a running gateway."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.errors import BadPolicy, BadSetup
from gateway.reload import MAX_READ_ATTEMPTS, POLL_SECONDS, FileWatcher, LoadFailure, Reloader, read_stamps
from gateway.telemetry import ReloadSubject, Telemetry
from tests.support.channels import TIMEOUT_SECONDS
from tests.telemetry.test_telemetry import value

NEVER: Final = 3600.0
"""A watch that looks so seldom doesn't look in a test."""

SECRET: Final = "anna.secret@example.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as Kubernetes mounts a volume, and a file beside it."""
    version(tmp_path, "..1", "old")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "policy.yaml").symlink_to("..data/policy.yaml")
    (tmp_path / "plain").write_text("old")
    return tmp_path


def version(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir()
    (folder / name / "policy.yaml").write_text(text)


def swap(folder: Path) -> None:
    version(folder, "..2", "new")
    (folder / "..next").symlink_to("..2")
    (folder / "..next").replace(folder / "..data")


def replace(folder: Path) -> None:
    """As long as the old one, and by its own account as old."""
    old = (folder / "plain").stat()
    (folder / "next").write_text("new")
    os.utime(folder / "next", ns=(old.st_atime_ns, old.st_mtime_ns))
    (folder / "next").replace(folder / "plain")


def below(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c.proto").write_text("")


def loop(folder: Path) -> None:
    (folder / "self").symlink_to(".")
    (folder / "itself").symlink_to("itself")


CHANGES: Final[dict[str, tuple[str, Callable[[Path], object]]]] = {
    "a link's target, the link watched": ("policy.yaml", swap),
    "a link's target, its folder watched": (".", swap),
    "replaced by one as long and as old": ("plain", replace),
    "written": ("plain", lambda folder: (folder / "plain").write_text("newer")),
    "removed": ("plain", lambda folder: (folder / "plain").unlink()),
    "not to be read by all": ("plain", lambda folder: (folder / "plain").chmod(0o600)),
    "there at last": ("gone", lambda folder: (folder / "gone").write_text("")),
    "added": (".", lambda folder: (folder / "added").write_text("")),
    "renamed": (".", lambda folder: (folder / "plain").rename(folder / "renamed")),
    "in a folder below": (".", below),
    "links in a circle": (".", loop),
}


def watcher(paths: Callable[[], Iterable[Path]], *, interval_seconds: float = POLL_SECONDS) -> FileWatcher:
    """Watches files that are read after this."""
    return FileWatcher(paths, read_stamps(paths), interval_seconds=interval_seconds)


@pytest.mark.parametrize(("name", "change"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_due_once_it_rests(folder: Path, name: str, change: Callable[[Path], object]) -> None:
    watch = watcher(lambda: [folder / name])
    assert not watch.has_settled_change()
    change(folder)
    assert [watch.has_settled_change(), watch.has_settled_change(), watch.has_settled_change()] == [False, True, True]
    assert watch.read(lambda: "read") == "read"
    assert not watch.has_settled_change()


SAME: Final[dict[str, Callable[[Path], object]]] = {
    "nothing": lambda folder: None,
    "read": lambda folder: (folder / "plain").read_text(),
    "an empty folder": lambda folder: (folder / "empty").mkdir(),
    "another file": swap,
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_is_not_watched_or_no_change_is_not_due(folder: Path, change: Callable[[Path], object]) -> None:
    watch = watcher(lambda: [folder / "plain", folder / "gone"])
    change(folder)
    assert [watch.has_settled_change(), watch.has_settled_change()] == [False, False]


def test_a_file_being_written_is_not_due(folder: Path) -> None:
    watch = watcher(lambda: [folder])
    for size in range(1, 5):
        (folder / "plain").write_text("x" * size * 10)
        assert not watch.has_settled_change()
    assert watch.has_settled_change()


def test_a_failed_load_is_not_due_again_before_the_next_change(folder: Path) -> None:
    watch = watcher(lambda: [folder])
    swap(folder)
    assert watch.read(bad) == LoadFailure("policy.yaml:1: bad")
    assert [watch.has_settled_change(), watch.has_settled_change()] == [False, False]
    (folder / "plain").write_text("mended")
    assert [watch.has_settled_change(), watch.has_settled_change()] == [False, True]


@pytest.mark.parametrize(("changes", "loads"), [(0, 1), (1, 2), (MAX_READ_ATTEMPTS - 1, MAX_READ_ATTEMPTS)])
def test_files_that_change_while_they_are_read_are_read_again(folder: Path, changes: int, loads: int) -> None:
    read = changing(folder, changes)
    assert watcher(lambda: [folder]).read(read) == loads


def test_files_that_never_rest_are_not_taken_and_looked_at_again(folder: Path) -> None:
    watch = watcher(lambda: [folder])
    failed = watch.read(changing(folder, MAX_READ_ATTEMPTS))
    assert failed == LoadFailure(f"the files changed while they were read, {MAX_READ_ATTEMPTS} times")
    assert [watch.has_settled_change(), watch.has_settled_change()] == [False, True]


def test_paths_that_can_not_be_told_are_a_change(folder: Path) -> None:
    paths: list[Path] = [folder]

    def told() -> list[Path]:
        if not paths:
            raise ValueError(SECRET)
        return paths

    watch = watcher(told)
    paths.clear()
    assert [watch.has_settled_change(), watch.has_settled_change()] == [False, True]


def changing(folder: Path, times: int) -> Callable[[], int]:
    """A load that finds the files changed under it so many times; how often it was called."""
    calls = 0

    def load() -> int:
        nonlocal calls
        calls += 1
        if calls <= times:
            (folder / "plain").write_text("x" * (100 + calls))
        return calls

    return load


def bad() -> Any:
    raise BadPolicy("policy.yaml:1: bad")


class Case:
    """A reloader of the text of a file."""

    def __init__(
        self, file: Path, what: ReloadSubject = "policy", *, every: float = NEVER, telemetry: Telemetry | None = None
    ) -> None:
        self.telemetry = telemetry or Telemetry()
        self.load: Callable[[], str] = file.read_text
        self.raising: BaseException | None = None
        self.in_force: list[str] = []
        self._came = asyncio.Condition()
        self.reloader = Reloader(
            what, watcher(lambda: [file], interval_seconds=every), self._load, self._apply, self.telemetry
        )

    def _load(self) -> str:
        return self.load()

    async def _apply(self, text: str) -> None:
        if self.raising is not None:
            raise self.raising
        self.in_force.append(text)
        async with self._came:
            self._came.notify_all()

    async def until(self, text: str) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS), self._came:
            await self._came.wait_for(lambda: self.in_force[-1:] == [text])

    async def asked(self) -> tuple[bool, str]:
        """How a load fared that was asked for."""
        self.reloader.request()
        state = await asyncio.wait_for(self.reloader.wait_until_idle(), TIMEOUT_SECONDS)
        return state.ok, state.reason


@asynccontextmanager
async def going(*cases: Case) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(case.reloader.run()) for case in cases]
    yield
    for task in tasks:
        assert not task.done()
        task.cancel()
    await asyncio.wait(tasks, timeout=TIMEOUT_SECONDS)
    assert all(task.cancelled() for task in tasks)


async def test_what_is_asked_for_is_loaded_though_nothing_changed(folder: Path) -> None:
    case = Case(folder / "plain")
    async with going(case):
        assert await case.asked() == (True, "")
        assert await case.asked() == (True, "")
    assert case.in_force == ["old", "old"]


@pytest.mark.parametrize("name", ["policy.yaml", "plain"])
async def test_a_changed_file_comes_into_force_by_itself(folder: Path, name: str) -> None:
    case = Case(folder / name, every=0.01)
    async with going(case):
        swap(folder)
        replace(folder)
        await case.until("new")
    assert case.in_force == ["new"]


async def test_a_bad_file_keeps_the_old_and_the_next_change_is_looked_at(folder: Path) -> None:
    file = folder / "plain"
    case = Case(file, every=0.01)
    failed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def load() -> str:
        text = file.read_text()
        if text == "half":
            loop.call_soon_threadsafe(failed.set)
            raise BadPolicy("policy.yaml:1: cut short")
        return text

    case.load = load
    async with going(case):
        file.write_text("half")
        await asyncio.wait_for(failed.wait(), TIMEOUT_SECONDS)
        assert case.in_force == []
        file.write_text("whole")
        await case.until("whole")
    assert case.reloader.state.ok


ERRORS: Final[list[tuple[BaseException, str]]] = [
    (BadSetup("policy.yaml:14: destinations.crm: unknown"), "policy.yaml:14: destinations.crm: unknown"),
    (BadPolicy("policy.yaml:2: bad"), "policy.yaml:2: bad"),
    (ValueError(SECRET), "ValueError"),
    (OSError(2, SECRET), "FileNotFoundError"),
    (MemoryError(SECRET), "MemoryError"),
    (RecursionError(SECRET), "RecursionError"),
]
FATAL: Final[list[tuple[BaseException, str]]] = [
    (StopIteration(SECRET), "StopIteration"),
    (SystemExit(SECRET), "SystemExit"),
    (KeyboardInterrupt(SECRET), "KeyboardInterrupt"),
    (GeneratorExit(SECRET), "GeneratorExit"),
    (asyncio.CancelledError(SECRET), "CancelledError"),
]


@pytest.mark.parametrize(("error", "reason"), ERRORS + FATAL)
async def test_whatever_a_load_raises_the_old_stays_and_only_our_own_texts_are_told(
    folder: Path, caplog: pytest.LogCaptureFixture, error: BaseException, reason: str
) -> None:
    case = Case(folder / "plain")

    def load() -> str:
        raise error

    async with going(case):
        good, case.load = case.load, load
        assert await case.asked() == (False, reason)
        assert value(case.telemetry, "reload_failed", subject="policy") == 1
        assert reason in caplog.text
        case.load = good
        assert await case.asked() == (True, "")
        assert value(case.telemetry, "reload_failed", subject="policy") == 0
    assert case.in_force == ["old"]
    assert SECRET not in caplog.text


@pytest.mark.parametrize(("error", "reason"), ERRORS)
async def test_what_can_not_be_put_in_force_counts_as_failed(
    folder: Path, caplog: pytest.LogCaptureFixture, error: BaseException, reason: str
) -> None:
    case = Case(folder / "plain")
    async with going(case):
        case.raising = error
        assert await case.asked() == (False, reason)
        case.raising = None
        assert await case.asked() == (True, "")
    assert SECRET not in caplog.text


async def test_what_is_put_in_force_at_once_needs_no_coroutine(folder: Path) -> None:
    applied: list[str] = []
    reloader = Reloader(
        "tls", watcher(lambda: [folder], interval_seconds=NEVER), lambda: "new", applied.append, Telemetry()
    )
    task = asyncio.create_task(reloader.run())
    reloader.request()
    assert (await asyncio.wait_for(reloader.wait_until_idle(), TIMEOUT_SECONDS)).ok
    task.cancel()
    assert applied == ["new"]


async def test_a_state_lasts_from_the_first_failure_and_from_each_load(folder: Path) -> None:
    case = Case(folder / "plain")
    async with going(case):
        states = [case.reloader.state]
        for load in (bad, bad, lambda: "good", lambda: "good"):
            case.load = load
            await case.asked()
            states.append(case.reloader.state)
    since = [state.since for state in states]
    assert since[0] < since[1] == since[2] < since[3] < since[4]
    assert all(moment.utcoffset() is not None for moment in since)


async def test_the_policy_and_the_keys_are_apart(folder: Path) -> None:
    telemetry = Telemetry()
    policy, tls = Case(folder / "plain", telemetry=telemetry), Case(folder / "policy.yaml", "tls", telemetry=telemetry)
    policy.load = bad
    async with going(policy, tls):
        assert await policy.asked() == (False, "policy.yaml:1: bad")
        assert await tls.asked() == (True, "")
    assert [value(telemetry, "reload_failed", subject=one) for one in ("policy", "tls")] == [1, 0]
    assert value(telemetry, "reloads_total", subject="tls", outcome="ok") == 1
    assert value(telemetry, "reloads_total", subject="policy", outcome="failed") == 1


async def test_what_is_asked_for_while_loading_is_loaded_afterwards(folder: Path) -> None:
    case = Case(folder / "plain")
    loop, loads = asyncio.get_running_loop(), 0

    def load() -> str:
        nonlocal loads
        loads += 1
        if loads == 1:
            loop.call_soon_threadsafe(case.reloader.request)
        return str(loads)

    case.load = load
    async with going(case):
        await case.asked()
        await case.until("2")
    assert case.in_force == ["1", "2"]


async def test_settled_is_at_once_when_nothing_was_asked(folder: Path) -> None:
    assert (await asyncio.wait_for(Case(folder / "plain").reloader.wait_until_idle(), TIMEOUT_SECONDS)).ok


async def test_with_no_time_between_looks_files_are_looked_at_only_when_asked(folder: Path) -> None:
    looks: list[Path] = []

    def paths() -> list[Path]:
        looks.append(folder)
        return [folder]

    reloader = Reloader("tls", watcher(paths, interval_seconds=0), lambda: "new", lambda loaded: None, Telemetry())
    running = asyncio.create_task(reloader.run())
    before = len(looks)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(looks) == before
    reloader.request()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        assert (await reloader.wait_until_idle()).ok
    assert len(looks) > before
    running.cancel()
