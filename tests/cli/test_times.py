"""All JSON of all commands has times in one form: RFC 3339 in UTC, with a fraction only where there is one."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from gateway import rfc3339
from gateway.batch_verdict import ReleaseBatch
from gateway.cli import main
from gateway.cli.root import COMMANDS
from gateway.entry_batch import EntryBatch
from gateway.errors import DeliveryReason
from gateway.exporters.base import BatchLimits
from tests.delivery.cases import NOW_NS, SECOND_NS, ids
from tests.delivery.outboxes import opened
from tests.support.kannelle_policy import KANNELLE_POLICY

TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]*[1-9])?Z")
LOOKS_LIKE_A_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]|[0-9]{2}:[0-9]{2}:[0-9]{2}")
EPOCHS: Final = tuple(range(10**power, 3 * 10**power) for power in (9, 12, 15, 18))
"""Seconds, milliseconds, microseconds and nanoseconds since 1970, of our days."""

TYPE: Final = "kannelle.privacy.v1.AnalyticsEvent"

CALLS: Final = {
    "minimise --type kannelle.crm.v1.Contact --destination crm": 0,
    "lint": 0,
    "explain kannelle.crm.v1.Contact": 0,
    "diff policy.yaml policy.yaml": 0,
    "templates src": 0,
    "pipe --destination application-log": 0,
    "outbox status": 5,
    "outbox list": 4,
    "outbox show 1": 2,
    "outbox show 2": 2,
    "outbox retry --all": 0,
    "deadletters list": 2,
    "deadletters replay 99": 0,
    "certificates --values values.yaml -n video --ca ca --output out": 3,
    "config check": 0,
    "version": 0,
}
"""Commands, and how many times at least are in what they say."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where something waits, is dead and was taken away, some of it on the second and some in between."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "policy.yaml").write_text(KANNELLE_POLICY, encoding="utf-8")
    (tmp_path / "values.yaml").write_text("namespaces: []\n")
    asyncio.run(_fill(tmp_path / ".privacy-gateway" / "outbox.db"))
    return tmp_path


async def _fill(path: Path) -> None:
    def item(number: int, destination: str, received_ns: int) -> EntryBatch:
        return EntryBatch(ReleaseBatch(destination, TYPE, "a-plan", [b""]), number.to_bytes(16, "big"), [received_ns])

    async with opened(path) as outbox:
        await outbox.accept(
            [
                item(1, "analytics", NOW_NS + 1),
                item(2, "analytics", NOW_NS),
                item(3, "crm", NOW_NS),
                item(4, "billing", NOW_NS),
            ],
            NOW_NS,
        )
        first, second = ids(await outbox.lease("analytics", BatchLimits(max_items=2), NOW_NS))
        await outbox.dead_letter({first: DeliveryReason.REJECTED}, NOW_NS + 60 * SECOND_NS + 5)
        await outbox.defer([second], NOW_NS + SECOND_NS // 4)
        for destination in ("crm", "billing"):
            await outbox.delete_expired(destination, NOW_NS + 10 * SECOND_NS, NOW_NS + 20 * SECOND_NS)
        await outbox.accept([item(5, "crm", NOW_NS), item(6, "billing", NOW_NS + 7)], NOW_NS)


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    else:
        yield key, value


def _is_epoch(value: Any) -> bool:
    return type(value) is int and any(value in span for span in EPOCHS)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("call", CALLS)
def test_a_command_says_times_in_the_one_form(call: str) -> None:
    leaves = list(_leaves(json.loads(_said(call))))
    assert [key for key, value in leaves if key.endswith(("_ns", "_ms", "_us")) or _is_epoch(value)] == []
    times = [value for _, value in leaves if isinstance(value, str) and LOOKS_LIKE_A_TIME.search(value)]
    assert [time for time in times if not TIME.fullmatch(time)] == []
    assert len(times) >= CALLS[call]


def _said(call: str) -> str:
    """The JSON of a command. `pipe` sets signals for its process, and so has one."""
    name = call.split(maxsplit=1)[0]
    if name == "pipe":
        command = (sys.executable, "-m", "gateway", *call.split(), "--format", "json")
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=True, text=True, timeout=60
        ).stderr
    more = () if name == "minimise" else ("--format", "json")
    result = CliRunner().invoke(main, [*call.split(), *more], input=b"")
    return result.stderr if name == "minimise" else result.stdout


def test_no_command_is_forgotten() -> None:
    # `approve` writes a file, `demo` and `report` have tests of their own, the others have no JSON
    alone = {"serve", "demo", "approve", "init", "inject", "report"}
    assert {call.split()[0] for call in CALLS} == set(COMMANDS) - alone


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (NOW_NS, "2023-11-14T22:13:20Z"),
        (NOW_NS + 1, "2023-11-14T22:13:20.000000001Z"),
        (NOW_NS + SECOND_NS // 4, "2023-11-14T22:13:20.25Z"),
        (NOW_NS - 1, "2023-11-14T22:13:19.999999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
    ],
)
def test_a_time_has_a_fraction_only_where_there_is_one(time_ns: int, text: str) -> None:
    assert rfc3339.from_ns(time_ns) == text
    assert TIME.fullmatch(text)
