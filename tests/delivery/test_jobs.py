"""What comes of jobs that are done together: each has its own result, whatever the others do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from gateway.delivery.outbox.commits import Commits
from gateway.delivery.outbox.jobs import Job, LeaseEnd, Operation, ReadJob
from gateway.delivery.outbox.operations import Accept, Ack, Lease
from gateway.delivery.outbox.store import Store
from gateway.errors import CallReason, ItemReason, Refused, Retryable
from tests.delivery.cases import NOW_NS, entry
from tests.delivery.outboxes import ALL, SMALL, texts


class Raising:
    """An operation that raises an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def apply(self, _: Store) -> None:
        raise self._error


def accepting(text: str) -> Job[None]:
    return Job(Accept([entry(text)], NOW_NS), 500)


async def results(commits: Commits, jobs: Sequence[Job[object]]) -> list[object]:
    """What comes of jobs that are done together."""
    commits.work(jobs)
    for job in jobs:
        job.report()
    return await asyncio.gather(*(job.future for job in jobs), return_exceptions=True)


async def leased(commits: Commits) -> list[str]:
    job = ReadJob(Lease(commits, "crm", ALL, NOW_NS))
    await results(commits, [job])
    return texts(job.future.result())


FAULTS: Final[dict[str, tuple[Operation[None], tuple[type[Exception], object]]]] = {
    "refused": (Raising(Refused(ItemReason.TOO_LARGE)), (Refused, ItemReason.TOO_LARGE)),
    "to come again": (Raising(Retryable(CallReason.FULL)), (Retryable, CallReason.FULL)),
    "at fault": (Raising(KeyError("a value")), (Retryable, CallReason.UNAVAILABLE)),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_job_that_fails_fails_alone(name: str, tmp_path: Path) -> None:
    operation, (kind, reason) = FAULTS[name]
    commits = Commits(tmp_path / "o.db", SMALL)
    first, error, last = await results(commits, [accepting("a"), Job(operation), accepting("b")])
    assert (first, type(error), getattr(error, "reason", None), last) == (None, kind, reason, None)
    assert await leased(commits) == ["a", "b"]
    commits.close()


async def test_what_ends_a_lease_and_is_at_fault_frees_it(tmp_path: Path) -> None:
    commits = Commits(tmp_path / "o.db", SMALL)
    await results(commits, [accepting("a")])
    assert (await leased(commits), await leased(commits)) == (["a"], [])
    (error,) = await results(commits, [LeaseEnd(Raising(KeyError("a value")), [1])])
    assert isinstance(error, Retryable)
    assert await leased(commits) == ["a"]
    commits.close()


async def test_an_ack_that_cannot_be_written_is_reported_as_done_and_done_later(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    commits = Commits(path, SMALL)
    await results(commits, [accepting("a"), accepting("b")])
    assert await leased(commits) == ["a", "b"]
    path.rename(tmp_path / "aside")
    path.mkdir()
    acked, error = await results(commits, [LeaseEnd(Ack([1]), [1]), accepting("c")])
    assert (acked, getattr(error, "reason", None)) == (None, CallReason.UNAVAILABLE)
    assert {*commits.leased} == {1, 2}
    path.rmdir()
    (tmp_path / "aside").rename(path)
    assert await results(commits, [accepting("c")]) == [None]
    assert {*commits.leased} == {2}
    assert (await leased(commits), commits.gauges.depths["crm"].items) == (["c"], 2)
    commits.close()
