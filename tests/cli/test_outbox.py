"""`outbox` and `deadletters` on the outbox of a gateway that isn't running.

That one may run is `tests/delivery/test_admin.py`'s.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from kannelle.privacy.v1 import analytics_pb2

from gateway.batch_verdict import ReleaseBatch
from gateway.cli import main
from gateway.cli.entry_table import age, moment
from gateway.cli.message_sizes import sizes
from gateway.entry_batch import EntryBatch
from gateway.errors import DeliveryReason
from gateway.exporters.base import BatchLimits
from tests.delivery.cases import NOW_NS, SECOND_NS, ids
from tests.delivery.outboxes import asked, opened

TYPE: Final = "kannelle.privacy.v1.AnalyticsEvent"


def event(number: int) -> analytics_pb2.AnalyticsEvent:
    made = analytics_pb2.AnalyticsEvent(name="video.exported")
    made.user.user_id = f"usr_{number}"
    made.properties["codec"].string_value = "h264"
    made.properties["duration_s"].int_value = 300
    return made


def stored(number: int, destination: str) -> EntryBatch:
    releases = ReleaseBatch(destination, TYPE, "a-plan", [event(number).SerializeToString()])
    return EntryBatch(releases, number.to_bytes(16, "big"), [NOW_NS])


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where twelve items were stored, ten for analytics and two for the CRM.

    Of the former two are dead and one is put off.
    """
    monkeypatch.chdir(tmp_path)
    asyncio.run(_fill(tmp_path / ".privacy-gateway" / "outbox.db"))
    return tmp_path


async def _fill(path: Path) -> None:
    async with opened(path) as outbox:
        await outbox.accept([stored(number, "analytics") for number in range(1, 11)], NOW_NS)
        await outbox.accept([stored(number, "crm") for number in range(11, 13)], NOW_NS)
        first, second, third = ids(await outbox.lease("analytics", BatchLimits(max_items=3), NOW_NS))
        await outbox.dead_letter(
            {first: DeliveryReason.REJECTED, second: DeliveryReason.EXPIRED}, NOW_NS + 60 * SECOND_NS
        )
        await outbox.defer([third], 2**62)


def run(*arguments: str | Path, input: str = "") -> Result:
    result = CliRunner().invoke(
        main, [str(argument) for argument in arguments], prog_name="privacy-gateway", input=input
    )
    assert "Traceback" not in result.output
    return result


def told(*arguments: str) -> Any:
    result = run(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.usefixtures("state")
def test_status_tells_what_waits_by_destination() -> None:
    assert [
        (one["destination"], one["items"], one["dead_letters"], one["oldest"])
        for one in told("outbox", "status")["destinations"]
    ] == [
        ("analytics", 8, 2, "2023-11-14T22:13:20Z"),
        ("crm", 2, 0, "2023-11-14T22:13:20Z"),
    ]
    assert [line.split() for line in run("outbox", "status").stdout.splitlines()[1:]][1][:2] == ["crm", "2"]


@pytest.mark.usefixtures("state")
def test_lists_are_of_what_matches_up_to_a_limit() -> None:
    assert [one["id"] for one in told("outbox", "list")["items"]] == list(range(3, 13))
    assert [one["id"] for one in told("outbox", "list", "--destination", "crm")["items"]] == [11, 12]
    assert told("outbox", "list", "--type", "a.Nother") == {"items": [], "more": False}
    listed = run("outbox", "list", "--limit", "2")
    assert ([line.split()[0] for line in listed.stdout.splitlines()], listed.stderr) == (
        ["id", "3", "4"],
        "2 items; there are more, see --limit\n",
    )
    dead = told("deadletters", "list", "--reason", "REJECTED")["dead_letters"]
    assert [(one["id"], one["reason"], one["dead_lettered_at"]) for one in dead] == [
        (1, "REJECTED", "2023-11-14T22:14:20Z")
    ]
    assert [line.split()[-1] for line in run("deadletters", "list").stdout.splitlines()] == [
        "reason",
        "REJECTED",
        "EXPIRED",
    ]


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize(("number", "form"), [(1, "text"), (3, "json"), (5, "text"), (12, "json")])
def test_show_prints_paths_and_sizes_and_values_only_where_asked(number: int, form: str) -> None:
    without, values = (run("outbox", "show", str(number), "--format", form, *more) for more in ((), ("--values",)))
    assert (without.exit_code, values.exit_code) == (0, 0)
    for field in ("user.user_id", "properties[*].string_value", "properties[*] (key)"):
        assert field in without.stdout
    for value in (f"usr_{number}", "h264", "codec", "video.exported"):
        assert value not in without.stdout
        assert value in values.stdout


def test_sizes_are_those_of_values() -> None:
    assert {size.path: (size.count, size.bytes) for size in sizes(event(1))} == {
        "name": (1, 14),
        "properties[*] (key)": (2, 15),
        "properties[*].int_value": (1, 2),
        "properties[*].string_value": (1, 4),
        "user.user_id": (1, 5),
    }


CALLS: Final[list[tuple[str, int, str, dict[str, tuple[int, int]]]]] = [
    ("outbox retry --all", 0, "1 item due now.", {"analytics": (8, 2), "crm": (2, 0)}),
    ("outbox retry 3 4", 0, "2 items due now.", {"analytics": (8, 2), "crm": (2, 0)}),
    ("outbox dead-letter --destination crm", 0, "2 items dead letters now.", {"analytics": (8, 2), "crm": (0, 2)}),
    (
        "outbox dead-letter 4 99",
        1,
        "1 item dead letters now; 1 of the IDs were not there.",
        {"analytics": (7, 3), "crm": (2, 0)},
    ),
    ("outbox purge 1 4 --yes", 0, "2 items deleted.", {"analytics": (7, 1), "crm": (2, 0)}),
    ("outbox purge --all --dead --yes", 0, "2 dead letters deleted.", {"analytics": (8, 0), "crm": (2, 0)}),
    (f"outbox purge --type {TYPE} --yes", 0, "10 items deleted.", {"analytics": (0, 2), "crm": (0, 0)}),
    ("deadletters replay 1", 0, "1 dead letter waiting again.", {"analytics": (9, 1), "crm": (2, 0)}),
    ("deadletters replay --reason EXPIRED", 0, "1 dead letter waiting again.", {"analytics": (9, 1), "crm": (2, 0)}),
    (
        "deadletters replay 3",
        1,
        "0 dead letters waiting again; 1 of the IDs were not there.",
        {"analytics": (8, 2), "crm": (2, 0)},
    ),
]


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize(("call", "code", "text", "after"), CALLS, ids=[call for call, *_ in CALLS])
def test_what_is_done_is_told(call: str, code: int, text: str, after: dict[str, tuple[int, int]]) -> None:
    result = run(*call.split())
    assert (result.exit_code, result.stdout, result.stderr) == (code, f"{text}\n", "")
    assert {
        one["destination"]: (one["items"], one["dead_letters"]) for one in told("outbox", "status")["destinations"]
    } == after


KEYS: Final = {
    "outbox status": {"destinations", "deletions", "quarantined"},
    "outbox list": {"items", "more"},
    "outbox show 1": {
        *("id", "destination", "type", "bytes", "received_at", "attempts", "dead_lettered_at", "reason", "key", "plan"),
        "fields",
    },
    "outbox retry --all": {"retried", "leased", "missing"},
    "outbox dead-letter --all": {"dead_lettered", "leased", "missing"},
    "outbox purge --all --yes": {"deleted", "leased", "missing"},
    "deadletters list": {"dead_letters", "more"},
    "deadletters replay --all": {"replayed", "leased", "missing"},
}


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize("call", KEYS)
def test_json_has_the_keys_that_programs_read(call: str) -> None:
    assert told(*call.split()).keys() == KEYS[call]


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize("answer", ["", "n\n"])
def test_nothing_is_deleted_without_a_yes(answer: str) -> None:
    asked = run("outbox", "purge", "--destination", "crm", input=answer)
    assert "Delete all items for crm, undelivered and for good?" in asked.stdout
    assert run("outbox", "purge", "--all", "--format", "json").exit_code == 2
    assert len(told("outbox", "list")["items"]) == 10
    assert run("outbox", "purge", "--destination", "crm", input="y\n").stdout.endswith("2 items deleted.\n")
    assert told("outbox", "status")["deletions"][0]["reason"] == "PURGED"


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        (
            "outbox list --destination crn",
            2,
            "nothing was ever stored for crn, nor does the policy know it; did you mean crm?",
        ),
        ("outbox dead-letter", 2, "Say which: IDs, or what they have in common, or --all; one of these."),
        ("outbox dead-letter 1 --all", 2, "Say which"),
        ("outbox dead-letter 1 --destination crm", 2, "Say which"),
        ("outbox purge 0", 2, "0 is not in the range 1<=x<=9223372036854775806"),
        *(
            (f"{command} 9223372036854775807", 2, "9223372036854775807 is not in the range")
            for command in ("outbox show", "outbox retry", "outbox purge", "outbox dead-letter", "deadletters replay")
        ),
        ("outbox show 9223372036854775806", 1, "There is no item and no dead letter 9223372036854775806"),
        ("outbox show 99", 1, "There is no item and no dead letter 99"),
        ("outbox show x", 2, "'x' is not a valid integer"),
    ],
)
def test_a_call_that_cannot_be_meant_says_why(call: str, code: int, text: str) -> None:
    result = run(*call.split())
    assert (result.exit_code, result.stdout) == (code, "")
    assert text in result.stderr


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("outbox purge --destination billing --yes", "0 items deleted.\n"),
        ("outbox purge --destination billing --dead --yes", "0 dead letters deleted.\n"),
        ("outbox retry --destination billing", "0 items due now.\n"),
        ("outbox dead-letter --destination billing", "0 items dead letters now.\n"),
        ("outbox list --destination billing", ""),
        ("deadletters list --destination billing", ""),
        ("deadletters replay --destination billing", "0 dead letters waiting again.\n"),
    ],
)
def test_a_destination_of_the_policy_is_a_right_name_before_anything_was_stored_for_it(call: str, text: str) -> None:
    result = run(*call.split())
    assert (result.exit_code, result.stdout) == (0, text)


def test_where_nothing_is_stored_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for call in ("outbox status", "deadletters list"):
        result = run(*call.split())
        assert (result.exit_code, result.stdout, result.stderr.split(": ")[:2]) == (
            2,
            "",
            [
                ".privacy-gateway/outbox.db",
                "there is no outbox; nothing has been stored here yet, or `state` is another folder\n",
            ],
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["outbox status", "outbox purge --all --yes", "deadletters list"])
def test_a_folder_in_the_outboxs_place_is_told_as_one(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".privacy-gateway" / "outbox.db").mkdir(parents=True)
    result = run(*call.split())
    assert (result.exit_code, result.stdout, result.stderr) == (
        2,
        "",
        ".privacy-gateway/outbox.db: is a folder; it must be a regular file\n",
    )


@pytest.mark.parametrize("call", ["outbox status", "outbox purge --all --yes", "deadletters list"])
def test_the_outbox_of_an_earlier_version_is_left_to_the_gateway(call: str, state: Path) -> None:
    asked(state / ".privacy-gateway" / "outbox.db", "PRAGMA user_version = 1")
    result = run(*call.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(".privacy-gateway/outbox.db: is of version 1; ")
    assert "start the gateway of this version first" in result.stderr


def test_the_configuration_says_where(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (state / "elsewhere").mkdir()
    monkeypatch.chdir(state / "elsewhere")
    (state / "gateway.yaml").write_text("state: .privacy-gateway\n")
    assert run("outbox", "status", "--config", state / "gateway.yaml").exit_code == 0
    monkeypatch.setenv("PRIVACY_GATEWAY__ROLE", "agent")
    monkeypatch.setenv("PRIVACY_GATEWAY__HUB__ADDRESS", "hub:14007")
    monkeypatch.setenv("PRIVACY_GATEWAY__TLS", "{certificate: a, key: b, ca: c}")
    result = run("outbox", "status", "--config", state / "gateway.yaml")
    assert (result.exit_code, "has no outbox" in result.stderr) == (2, True)
    monkeypatch.setenv("PRIVACY_GATEWAY__OUTBOX", "{}")
    assert run("outbox", "status", "--config", state / "gateway.yaml").exit_code == 0
    result = run("outbox", "dead-letter", "--all", "--config", state / "gateway.yaml")
    assert (result.exit_code, "An agent has no dead letters" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_ages_are_told_in_their_largest_unit(seconds: int, text: str) -> None:
    assert age(seconds * SECOND_NS) == text


def test_times_are_told_in_utc() -> None:
    assert (moment(0), moment(NOW_NS), moment(2**63 - 1)) == (
        "1970-01-01T00:00:00Z",
        "2023-11-14T22:13:20Z",
        "2262-04-11T23:47:16Z",
    )
