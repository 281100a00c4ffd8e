from __future__ import annotations

import asyncio
import dataclasses
import io
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import pytest
from rich.console import Console

from gateway.config import Config
from gateway.delivery.outbox.file import NAME
from gateway.demo.expectations import MAY_RECEIVE
from gateway.demo.report import Report, ValueOutcome
from gateway.demo.run import print_result, run, run_demo
from gateway.errors import DeliveryReason
from gateway.exporters.base import BatchLimits
from gateway.loading import load_sources
from gateway.model import INDIRECT, Category
from gateway.policy.load import PolicyFile
from tests.delivery.cases import NOW_NS, entry
from tests.delivery.outboxes import opened
from tests.demo.played import Played

ENDS = "Next\n  README.md"


def console(width: int = 80) -> Console:
    return Console(file=io.StringIO(), width=width, soft_wrap=True)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def allowing(file: PolicyFile, allow: Mapping[str, frozenset[Category]]) -> PolicyFile:
    given = file.policy.destinations
    changed = {name: msgspec.structs.replace(given[name], allow=categories) for name, categories in allow.items()}
    return dataclasses.replace(file, policy=msgspec.structs.replace(file.policy, destinations={**given, **changed}))


def test_the_demo_is_green_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before, out = set(threading.enumerate()), console()
    assert run(out, "text") == 0
    assert ENDS in text_of(out)
    assert set(threading.enumerate()) <= before
    assert {
        path.parts[:2] for path in (found.relative_to(tmp_path) for found in tmp_path.rglob("*")) if len(path.parts) > 1
    } == {(".privacy-gateway", "demo")}
    assert capfd.readouterr() == ("", "")


def test_it_can_be_played_again_in_the_same_folder_whatever_was_left_there(tmp_path: Path) -> None:
    file, contract = load_sources(Config())
    assert run_demo(tmp_path, file, contract).ok
    asyncio.run(_left(tmp_path))
    assert run_demo(tmp_path, file, contract).ok


async def _left(state: Path) -> None:
    """An item and a dead letter of a demo that was interrupted."""
    async with opened(state / NAME) as outbox:
        await outbox.accept([entry("a", "crm"), entry("b", "crm")], NOW_NS)
        (leased,) = await outbox.lease("crm", BatchLimits(max_items=1), NOW_NS)
        await outbox.dead_letter({leased.ids.start: DeliveryReason.REJECTED}, NOW_NS)


ARCHIVED: Final = MAY_RECEIVE["support-archive"]


@pytest.mark.parametrize(
    ("allow", "found"),
    [
        ({"support-archive": ARCHIVED | {Category.NETWORK}}, "left, and holds NETWORK: '203.0.113.42'"),
        ({"support-archive": ARCHIVED | {Category.NETWORK}}, "found in what it got, and holds NETWORK: '203.0.113.42'"),
        ({"crm": INDIRECT | {Category.NAME}}, "is missing: '+33 1 99 00 02 34'"),
        ({"analytics": INDIRECT - {Category.WORK_EMAIL}}, "is missing: 'lea.fontaine@halle-nord.example'"),
        ({"analytics": INDIRECT - {Category.OPERATIONAL}}, "is missing"),
        (
            {"workspace-directory": INDIRECT | {Category.ORGANISATION}},
            "left, and holds ORGANISATION: 'EDITOR'",
        ),
        ({"workspace-directory": frozenset({Category.OPERATIONAL})}, "is missing: 'lea.fontaine@halle-nord.example'"),
    ],
)
def test_a_gateway_that_does_otherwise_is_found_out(
    tmp_path: Path, allow: Mapping[str, frozenset[Category]], found: str
) -> None:
    file, contract = load_sources(Config())
    told, out = run_demo(tmp_path, allowing(file, allow), contract), console(400)
    assert print_result(out, "text", told) == 1
    assert any(found in finding.what for finding in told.findings)
    assert "✗ Not as it should be" in text_of(out)
    assert found in " ".join(text_of(out).split())
    assert ENDS not in text_of(out)


def test_every_destination_that_hears_of_something_has_a_table(played: Played) -> None:
    told = played.examine()
    assert [(table.destination, table.region, table.recipient) for table in told.tables] == [
        ("activity-log", "FR", "log"),
        ("application-log", "FR", "log"),
        ("analytics", "US", "vendor"),
        ("support", "US", "vendor"),
        ("support-archive", "FR", "store"),
        ("crm", "DE", "service"),
    ]


def verdicts(told: Report) -> dict[tuple[str, str], set[tuple[str, str | None, str | None]]]:
    return {
        (table.destination, row.path): {
            (one.verdict, one.arrived, one.reason)
            for part in table.sections
            for one in part.rows
            if one.path == row.path
        }
        for table in told.tables
        for section in table.sections
        for row in section.rows
    }


@pytest.mark.parametrize(
    ("destination", "path", "became"),
    [
        ("activity-log", "user.full_name", (ValueOutcome.STRIPPED, None, "CATEGORY_NOT_ALLOWED")),
        ("activity-log", "user.work_email", (ValueOutcome.NORMALISED, "lea.fontaine@halle-nord.example", None)),
        ("activity-log", "resource", (ValueOutcome.STRIPPED, None, "LOOKS_LIKE_EMAIL")),
        ("activity-log", "filmed_at", (ValueOutcome.STRIPPED, None, "CATEGORY_NOT_ALLOWED")),
        ("activity-log", "viewer_ids[*]", (ValueOutcome.STRIPPED, None, "PATTERN_MISMATCH")),
        ("activity-log", "viewer_ids[*]", (ValueOutcome.KEPT, "usr_q7d2aa", None)),
        ("application-log", "body", (ValueOutcome.KEPT, "request completed", None)),
        ("application-log", "body", (ValueOutcome.STRIPPED, None, "NOT_LISTED")),
        ("application-log", "attributes[user.email]", (ValueOutcome.STRIPPED, None, "EMAIL_PERSONAL")),
        ("application-log", "attributes[service.contact]", (ValueOutcome.STRIPPED, None, "LOOKS_LIKE_PHONE")),
        ("application-log", "attributes[exception.message]", (ValueOutcome.STRIPPED, None, "CATEGORY_NOT_ALLOWED")),
        ("application-log", "trace_id", (ValueOutcome.KEPT, "5b8efff798038103d269b633813fc60c", None)),
        ("analytics", "properties[title]", (ValueOutcome.STRIPPED, None, "NOT_LISTED")),
        ("analytics", "properties[position_s]", (ValueOutcome.STRIPPED, None, "OUT_OF_RANGE")),
        ("analytics", "properties[comment]", (ValueOutcome.STRIPPED, None, "EVENT_NOT_PLANNED")),
        ("analytics", "user.work_email", (ValueOutcome.STRIPPED, None, "PERSONAL_ACCOUNT")),
        ("analytics", "user.device.app_version", (ValueOutcome.KEPT, "7.3.0", None)),
        ("analytics", "user.workspace.workspace_id", (ValueOutcome.STRIPPED, None, "NOT_MAPPED")),
        ("analytics", "user.workspace.team", (ValueOutcome.STRIPPED, None, "CATEGORY_NOT_ALLOWED")),
        ("support", "topic", (ValueOutcome.KEPT, "EXPORT", None)),
        ("support", "attachments[*].media_type", (ValueOutcome.STRIPPED, None, "NOT_MAPPED")),
        ("support", "text", (ValueOutcome.STRIPPED, None, "CATEGORY_NOT_ALLOWED")),
        ("support", "reference", (ValueOutcome.KEPT, "sup_4k2m9x7q1c", None)),
        (
            "support-archive",
            "text",
            (ValueOutcome.MASKED, "Noor Haddad ([EMAIL]) sees it too. Please ring her: [PHONE].", "LOOKS_LIKE_EMAIL"),
        ),
        ("crm", "phone_numbers[*]", (ValueOutcome.KEPT, "+33 1 99 00 02 34", None)),
        ("crm", "note", (ValueOutcome.STRIPPED, None, "CATEGORY_NOT_ALLOWED")),
    ],
)
def test_the_tables_tell_what_became_of_a_value_and_why(
    played: Played, destination: str, path: str, became: tuple[ValueOutcome, str | None, str | None]
) -> None:
    assert became in verdicts(played.examine())[destination, path]


def test_totals_add_up(played: Played) -> None:
    told = played.examine()
    for table in told.tables:
        assert table.totals.sent == table.totals.arrived + table.totals.stripped
        assert table.totals.items == table.totals.released + table.totals.withheld + table.totals.rejected
    assert {table.destination: table.totals.items for table in told.tables} == {
        "activity-log": 3,
        "application-log": 4,
        "analytics": 6,
        "support": 1,
        "support-archive": 1,
        "crm": 1,
    }
    between = (told.between.request.totals, told.between.answer.totals)
    assert [(one.items, one.arrived, one.stripped) for one in between] == [(1, 2, 1), (1, 2, 1)]
    # Two of them are the access log's.
    assert told.summary.items == 15 + 2 + 2
    assert told.summary.outside.keys() == {"USER_ID", "WORK_EMAIL"}


def test_as_json_it_tells_the_same(played: Played) -> None:
    told, out = played.examine(), console()
    assert print_result(out, "json", told) == 0
    assert msgspec.json.decode(text_of(out), type=Report) == told


@pytest.mark.parametrize("width", [80, 90, 100, 200])
def test_it_fits_the_terminal(played: Played, width: int) -> None:
    out = console(width)
    print_result(out, "text", played.examine())
    assert max(map(len, text_of(out).splitlines())) <= min(width, 100)
    for part in (
        "activity-log · log · France (FR)",
        "standing in for the log backend",
        "From service to service, through two gateways",
        "Metadata: authorization, x-signed-in-as sent · authorization arrived",
        '"listener": "LISTENER_INBOUND"',
        "only 5 user IDs and 3 work e-mail addresses",
    ):
        assert part in " ".join(text_of(out).split())


def test_it_works_as_a_command(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "error", "http_proxy": "http://127.0.0.1:9", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ENDS in done.stdout
