"""The command line: what each command prints, where, and what it exits with."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import pytest
from click.testing import CliRunner, Result

from gateway import __version__
from gateway.cli import main
from gateway.cli.root import COMMANDS, Root
from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.engine.reference import ReferenceEngine
from gateway.errors import BadPolicy
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from tests.support.contracts import FED, POLICY, UNKNOWN_FACTS, encode, proto, release_of
from tests.support.kannelle_policy import KANNELLE_POLICY

KANNELLE: Final = Compiler(load_contracts([default_contract()]), load_policy(default_policy()))
CONTACT: Final = "kannelle.crm.v1.Contact"
TO_CRM: Final = ("minimise", "--type", CONTACT, "--destination", "crm")


def run(*arguments: str | Path, input: bytes | str = b"") -> Result:
    result = CliRunner().invoke(
        main, [str(argument) for argument in arguments], prog_name="privacy-gateway", input=input
    )
    assert "Traceback" not in result.output
    return result


def contact(text: str) -> bytes:
    return encode(KANNELLE.contract, CONTACT, text)


def lines(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def changed(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """Kannelle's policy with changes, as a file."""
    text = KANNELLE_POLICY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return lines(folder, name, text)


def protos(folder: Path, body: str) -> Path:
    lines(folder, "protos/a.proto", proto(body))
    return folder / "protos"


# ── The program ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_version_is_told() -> None:
    assert run("version").stdout == f"privacy-gateway {__version__}\n"
    assert json.loads(run("version", "--format", "json").stdout)["version"] == __version__


def _commands() -> list[list[str]]:
    root, context = Root(), click.Context(Root())
    found = {name: root.get_command(context, name) for name in COMMANDS}
    return [
        [name, *below]
        for name, one in found.items()
        for below in ([[sub] for sub in one.commands] if isinstance(one, click.Group) else [[]])
    ]


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_help_ends_with_a_call_that_begins_like_the_command(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    *_, example = result.stdout.rstrip().splitlines()
    assert example.strip().startswith(f"privacy-gateway {' '.join(command)}")


def test_help_lists_every_command_in_one_line_each() -> None:
    listed = run("--help").stdout
    for name in COMMANDS:
        assert re.search(rf"^  {name} +[A-Z].*\.$", listed, re.MULTILINE), name


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["lnt"], "No such command 'lnt'. Did you mean 'lint'?"),
        (["lint", "--policy", "nowhere.yaml"], "File 'nowhere.yaml' does not exist."),
        (["lint", "--contracts", "nowhere"], "Path 'nowhere' does not exist."),
        (["lint", "--policy", "a" * 300], "can't be read: File name too long."),
        (["lint", "--contracts", "a" * 300], "can't be read: File name too long."),
        (["lint", "--policy", "a\0b"], "must not hold a NUL."),
        (["config", "check", "--config", "a" * 300], "can't be read: File name too long."),
        (["serve", "--config", "a" * 300], "can't be read: File name too long."),
        (["diff", "a" * 300, "b"], "can't be read: File name too long."),
        (["templates", "a" * 300], "can't be read: File name too long."),
        (["init", "--contracts", "a" * 300], "can't be read: File name too long."),
        (["explain"], "Missing argument 'TYPE'."),
        (["explain", "Contact"], f"no contract has a message type Contact; did you mean {CONTACT}?"),
        (["explain", "kannelle.crm.v1.Contacts"], f"did you mean {CONTACT}?"),
        (
            ["explain", "google.protobuf.Timestamp"],
            "is a value, classified at the field that holds it; it can't be an item",
        ),
        (["explain", "zzz"], "no contract has a message type zzz; known: google.protobuf.Any, "),
        (["explain", CONTACT, "--probe", "crn"], f"{CONTACT} has no field crn; `explain {CONTACT}` shows them"),
        (["explain", CONTACT, "--destination", "crn"], "destinations: there is no crn; did you mean crm?"),
        (["minimise", "--type", CONTACT, "--destination", "crn"], "destinations: there is no crn; did you mean crm?"),
        (["minimise", "--type", "Contact", "--destination", "crm"], f"did you mean {CONTACT}?"),
        (["version", "--format", "xml"], "'xml' is not one of 'text', 'json'."),
        (["serve", "--role", "hub"], "PRIVACY_GATEWAY__ROLE: role: a hub needs `listeners.delivery`"),
    ],
)
def test_a_wrong_call_exits_with_2_and_says_what_is_wrong(arguments: list[str], text: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr


@pytest.mark.parametrize(
    "option", [["lint", "--policy"], ["lint", "--contracts"], ["config", "check", "--config"], ["lint"]]
)
@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
        (os.mkfifo, "is a named pipe; it must be a regular file"),
    ],
    ids=["a link to itself", "a named pipe"],
)
def test_a_path_that_leads_to_no_file_is_told_as_what_it_is(
    option: list[str], make: Callable[[Path], None], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "policy.yaml")
    result = run(*option, *(["policy.yaml"] if option[-1].startswith("--") else []))
    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr
    assert "not exist" not in result.stderr


def test_an_unknown_destination_is_told_with_file_and_line() -> None:
    assert re.search(
        r"kannelle\.yaml:\d+: destinations: there is no crn", run("explain", CONTACT, "--destination", "crn").stderr
    )


@pytest.mark.parametrize("command", [["lint"], ["explain", CONTACT], ["config", "check"], ["approve"], TO_CRM])
def test_a_file_that_cannot_be_right_exits_with_2_and_names_the_line(tmp_path: Path, command: list[str]) -> None:
    bad = changed(tmp_path, "policy.yaml", ("  US: [USER_ID, ", "  US: [NAME, USER_ID, "))
    config = lines(tmp_path, "gateway.yaml", "policy: policy.yaml\n")
    given = ("--config", str(config)) if command[0] == "config" else ("--policy", str(bad))
    result = run(*command, *given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.search(r"policy\.yaml:\d+: ceilings\.US\.NAME: never leaves the EU", result.stderr)


class Failing(Root):
    """Fails as no command should."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        def fail() -> None:
            raise {"value": ValueError("jean@acme.fr"), "setup": BadPolicy("policy.yaml:3: a.b: is wrong")}[cmd_name]

        return click.Command(cmd_name, callback=fail)


def test_what_nobody_foresaw_is_told_without_its_text() -> None:
    result = CliRunner().invoke(Failing("x"), ["value"])
    assert result.exit_code == 2
    assert re.fullmatch(r"Internal error \(ValueError at test_cli.py:\d+\)\. .*\n", result.output)


def test_what_the_operator_must_mend_is_told_as_it_is() -> None:
    result = CliRunner().invoke(Failing("x"), ["setup"])
    assert (result.exit_code, result.stderr, result.stdout) == (2, "policy.yaml:3: a.b: is wrong\n", "")


# ── minimise ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_message_goes_to_standard_output_and_the_receipt_to_standard_error() -> None:
    raw = contact(
        "user_id: 'usr_1' full_name: 'Jean' source_ip: '10.1.2.3' company {company_id: 'nope' legal_name: 'Acme'}"
    )
    result = run(*TO_CRM, input=raw)
    engine = ReferenceEngine(KANNELLE.plan(CONTACT, "crm"))
    assert (result.exit_code, result.stdout_bytes) == (0, release_of(engine, raw, UNKNOWN_FACTS).payload)
    told = json.loads(result.stderr)
    assert {key: told[key] for key in ("destination", "type", "outcome", "plan")} == {
        "destination": "crm", "type": CONTACT, "outcome": "released", "plan": engine.plan.digest,
    }  # fmt: skip
    assert {(line["path"], line["verdict"], line.get("reason")) for line in told["fields"]} == {
        ("user_id", "keep", None),
        ("full_name", "keep", None),
        ("source_ip", "strip", "CATEGORY_NOT_ALLOWED"),
        ("company.company_id", "strip", "PATTERN_MISMATCH"),
        ("company.legal_name", "keep", None),
    }


def test_a_message_of_which_nothing_is_left_is_an_empty_one() -> None:
    result = run(*TO_CRM, input=contact("note: 'x'"))
    assert (result.exit_code, result.stdout_bytes) == (0, b"")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"\x0a\x05usr", "MALFORMED"), (b"\x0a" + b"\xff" * 20, "MALFORMED"), (b"x" * (5 << 20), "TOO_LARGE")],
)
def test_a_refused_message_exits_with_1_and_leaves_standard_output_empty(raw: bytes, reason: str) -> None:
    result = run(*TO_CRM, input=raw)
    assert (result.exit_code, result.stdout_bytes) == (1, b"")
    assert json.loads(result.stderr) == {"destination": "crm", "type": CONTACT, "outcome": "refused", "reason": reason}


def test_a_withheld_message_exits_with_1_and_does_not_say_why() -> None:
    event = "kannelle.privacy.v1.AnalyticsEvent"
    raw = encode(KANNELLE.contract, event, "name: 'video.created' user {user_id: 'usr_1' work_email: 'jean@gmail.com'}")
    result = run("minimise", "--type", event, "--destination", "analytics", input=raw)
    assert (result.exit_code, result.stdout_bytes) == (1, b"")
    assert json.loads(result.stderr) == {"destination": "analytics", "type": event, "outcome": "withheld"}


JSON: Final = ("--input", "json", "--output", "json")


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ('{"userId": "usr_1", "fullName": "Jean", "sourceIp": "10.1.2.3"}', {"userId": "usr_1", "fullName": "Jean"}),
        ('{"user_id": "usr_1", "company": {"company_id": "nope"}}', {"userId": "usr_1", "company": {}}),
        ("{}", {}),
    ],
)
def test_a_message_can_be_given_and_taken_as_json(text: str, out: dict[str, Any]) -> None:
    result = run(*TO_CRM, *JSON, input=text)
    assert (result.exit_code, json.loads(result.stdout)) == (0, out)
    as_bytes, from_bytes = (
        run(*TO_CRM, "--input", "json", input=text),
        run(*TO_CRM, "--output", "json", input=b"\x0a\x05usr_1"),
    )
    assert as_bytes.stdout_bytes == KANNELLE.contract.message_class(CONTACT)(**_plain(out)).SerializeToString()
    assert json.loads(from_bytes.stdout) == {"userId": "usr_1"}
    assert json.loads(result.stderr) == json.loads(as_bytes.stderr)


def _plain(out: dict[str, Any]) -> dict[str, Any]:
    return {re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", name): value for name, value in out.items()}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "MALFORMED"),
        ("planted", "MALFORMED"),
        ("[]", "MALFORMED"),
        ('"planted"', "MALFORMED"),
        ('{"userId": 5}', "MALFORMED"),
        ('{"planted": "planted"}', "MALFORMED"),
        ('{"userId": "planted", "userId": "planted"}', "MALFORMED"),
        ('{"userId": "\\ud800planted"}', "MALFORMED"),
        ("[" * 100_000, "MALFORMED"),
        ('{"userId": ' + "9" * 10_000 + "}", "MALFORMED"),
        (b"\xff\xfe", "MALFORMED"),
        (" " * (5 << 20), "TOO_LARGE"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_json_that_is_no_message_is_refused_without_a_word_of_it(text: str | bytes, reason: str) -> None:
    result = run(*TO_CRM, *JSON, input=text)
    assert (result.exit_code, result.stdout_bytes) == (1, b"")
    assert json.loads(result.stderr) == {"destination": "crm", "type": CONTACT, "outcome": "refused", "reason": reason}


def test_contracts_and_policy_are_given_by_file(tmp_path: Path) -> None:
    folder = protos(tmp_path, "message A { string id = 1 @USER_ID; string bare = 2; }")
    policy = lines(tmp_path, "policy.yaml", f"{POLICY}flows: {{}}\n")
    given = ("minimise", "--contracts", folder, "--policy", policy, "--type", "t.A", "--destination", "us-store")
    result = run(*given, input=b"\x0a\x05usr_1\x12\x01x")
    assert (result.exit_code, result.stdout_bytes) == (0, b"\x0a\x05usr_1")


def test_no_value_is_printed() -> None:
    raw = contact("user_id: 'jean@acme.fr' full_name: 'Jean Planted' work_email: 'Planted@@x' note: 'Planted'")
    assert b"lanted" not in run(*TO_CRM, input=raw).stderr_bytes
    assert b"lanted" not in run(*TO_CRM, input=raw + b"\x0aPlanted").output_bytes


# ── lint ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_kannelles_own_files_are_clean() -> None:
    result = run("lint", "--strict")
    assert result.exit_code == 0
    assert result.stdout == "Nothing found.\n"


BARE: Final = "t.A.bare: warning: has no category, so it goes nowhere; say what it holds [unclassified]"
FLAGGED: Final = "t.A.id: warning: value 2 of one_of never passes, for it looks like email: take it out [value-flagged]"


@pytest.mark.parametrize(
    ("body", "flags", "code", "text"),
    [
        ("message A { string id = 1 @USER_ID; }", [], 0, "Nothing found.\n"),
        ("message A { string bare = 1; }", [], 0, f"{BARE}\n1 warning\n"),
        ("message A { string bare = 1; }", ["--strict"], 1, f"{BARE}\n1 warning\n"),
        ("message A { bytes id = 1 @USER_ID; }", [], 1, "[label-unfit]\n1 error\n"),
        (
            "message A { string id = 1 @{category: OPERATIONAL, one_of: 'a', one_of: 'jean@acme.fr'}; }",
            [],
            0,
            f"{FLAGGED}\n1 warning\n",
        ),
    ],
)
def test_lint_says_what_it_finds(tmp_path: Path, body: str, flags: list[str], code: int, text: str) -> None:
    policy = lines(tmp_path, "policy.yaml", f"{POLICY}{FED}")
    result = run("lint", "--contracts", protos(tmp_path, body), "--policy", policy, *flags)
    assert result.exit_code == code
    assert result.stdout.endswith(text)


def test_a_finding_in_the_policy_has_its_line(tmp_path: Path) -> None:
    policy = changed(
        tmp_path, "policy.yaml", ("    user.id: USER_ID\n", "    user.id: USER_ID\n    user.geo.*: OPERATIONAL\n")
    )
    line = policy.read_text().splitlines().index("    user.geo.*: OPERATIONAL") + 1
    result = run("lint", "--policy", policy)
    assert result.exit_code == 1
    assert f"policy.yaml:{line}: otlp.attributes.user.geo.*: error: its name says LOCATION" in result.stdout


def test_findings_are_json_too(tmp_path: Path) -> None:
    policy = lines(tmp_path, "policy.yaml", f"{POLICY}{FED}")
    result = run(
        "lint",
        "--contracts",
        protos(tmp_path, "message A { string age = 1 @NAME; }"),
        "--policy",
        policy,
        "--format",
        "json",
    )
    (finding,) = json.loads(result.stdout)["findings"]
    assert (result.exit_code, finding["severity"], finding["code"], finding["place"]) == (
        1,
        "error",
        "never-word",
        "t.A.age",
    )


# ── explain ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_type_is_a_tree_at_the_destinations_of_its_flows() -> None:
    result = run("explain", CONTACT)
    assert result.exit_code == 0
    told = result.stdout.splitlines()
    assert told[0] == f"{CONTACT} at crm (service in DE)"
    assert "├── user_id  string  USER_ID  kept: a user ID, matches usr_[A-Za-z0-9]{1,32}" in told
    assert "│   ├── postal_address  string  POSTAL_ADDRESS  stripped: POSTAL_ADDRESS is not allowed here" in told
    assert "    └── [key]  string  OPERATIONAL  kept: a token, nothing personal in it" in told


def test_where_destinations_differ_each_is_named() -> None:
    told = run(
        "explain", CONTACT, "--destination", "crm", "--destination", "analytics", "--destination", "billing"
    ).stdout
    assert "├── note  string  FREE_TEXT  stripped: FREE_TEXT is not allowed here\n" in told
    assert (
        "├── full_name  string  NAME\n"
        "│       kept at crm, billing: no card, iban, coordinates, secret in it (a phone is no card)\n"
        "│       stripped at analytics: NAME is not allowed here\n" in told
    )


def test_a_destination_s_gates_are_named(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        KANNELLE_POLICY.replace("purpose: sales", "purpose: sales\n    gates: [backup]"), encoding="utf-8"
    )
    assert run("explain", CONTACT, "--policy", str(policy)).stdout.splitlines()[0] == (
        f"{CONTACT} at crm (service in DE, only by the gate backup)"
    )
    told = json.loads(run("explain", CONTACT, "--policy", str(policy), "--format", "json").stdout)
    assert [place["gates"] for place in told["destinations"]] == [["backup"]]


def test_a_type_without_a_flow_is_told_for_every_destination() -> None:
    told = json.loads(run("explain", "kannelle.crm.v1.Company", "--format", "json").stdout)
    assert [place["destination"] for place in told["destinations"]] == list(KANNELLE.policy.destinations)


def test_a_flow_stands_for_its_type() -> None:
    told = json.loads(run("explain", "otlp/logs", "--format", "json").stdout)
    assert told["type"] == "opentelemetry.proto.logs.v1.ResourceLogs"
    (place,) = told["destinations"]
    fields: dict[str, Any] = {field["path"]: field for field in place["fields"]}
    assert (place["destination"], place["region"], place["recipient"]) == ("application-log", "FR", "log")
    assert fields["resource.attributes[*].user.id"]["category"] == "USER_ID"
    assert fields["resource.entity_refs[*]"] == {
        "path": "resource.entity_refs[*]", "field": "opentelemetry.proto.resource.v1.Resource.entity_refs",
        "type": "repeated opentelemetry.proto.common.v1.EntityRef", "category": "UNSPECIFIED", "verdict": "strip",
        "reason": "UNCLASSIFIED", "rule": "not classified", "above": False,
    }  # fmt: skip


# ── diff ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

ENGAGEMENT: Final = "kannelle.engagement.v1.Engagement"

WIDER: Final = (f"{ENGAGEMENT}: [professional-services]", f"{ENGAGEMENT}: [professional-services, crm]")
"""To a destination that no route leads to: one may carry any type."""


def test_two_policies_are_compared(tmp_path: Path) -> None:
    old, new = changed(tmp_path, "old.yaml"), changed(tmp_path, "new.yaml", WIDER)
    assert (run("diff", old, old).exit_code, run("diff", old, old).stdout) == (0, "No difference in what leaves.\n")
    there, back = run("diff", old, new), run("diff", new, old)
    assert (there.exit_code, back.exit_code) == (1, 0)
    assert "Released: leaves now, and didn't\n" in there.stdout
    assert f"  crm · {ENGAGEMENT}\n    + {ENGAGEMENT}.engagement_id  matches eng_[a-z0-9]{{1,32}}, " in there.stdout
    assert f"    + {ENGAGEMENT}Contact.user_id  a user ID, matches usr_[A-Za-z0-9]{{1,32}}\n" in there.stdout
    assert (
        f"    - {ENGAGEMENT}Contact.full_name  was: no card, iban, coordinates, secret in it (a phone is no card)\n"
        in back.stdout
    )


def test_two_contracts_are_compared(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    policy = lines(tmp_path, "policy.yaml", f"{POLICY}flows: {{t.A: [eu-store]}}\n")
    folders = [
        protos(old, "message A { string a = 1 @NAME; }"),
        protos(new, "message A { string a = 1 @NAME; string b = 2 @NAME; }"),
    ]
    result = run("diff", *folders, "--policy", policy, "--format", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "releases": True,
        "changes": [
            {
                "effect": "released",
                "field": "t.A.b",
                "text": "no card, iban, coordinates, secret in it (a phone is no card)",
                "destination": "eu-store",
                "type": "t.A",
            }
        ],
    }
    assert run("diff", *reversed(folders), "--policy", policy).exit_code == 0


@pytest.mark.parametrize("second", ["contract", "policy"])
def test_a_policy_and_a_contract_cannot_be_compared(tmp_path: Path, second: str) -> None:
    policy = changed(tmp_path, "policy.yaml")
    result = (
        run("diff", policy, default_contract())
        if second == "contract"
        else run("diff", policy, policy, "--policy", policy)
    )
    assert (result.exit_code, result.stdout) == (2, "")


# ── approve ───────────────────────────────────────────────────────────────────────────────────────────────────────────

BODY: Final = "message A { string id = 1 @USER_ID; string name = 2 @{category: NAME, max_length: 9}; }"


def controlled(folder: Path, body: str = BODY) -> list[str | Path]:
    """A contract, and a policy that names an approvals file."""
    policy = lines(folder, "policy.yaml", f"{POLICY}flows: {{}}\napprovals: approvals.lock\n")
    return ["--contracts", protos(folder, body), "--policy", policy]


def recorded(folder: Path) -> list[str]:
    return [
        line.strip() for line in (folder / "approvals.lock").read_text().splitlines() if line.strip().startswith("t.")
    ]


def test_what_is_agreed_to_is_recorded(tmp_path: Path) -> None:
    given = controlled(tmp_path)
    result = run("approve", *given, input="y\n")
    assert result.exit_code == 0
    assert "New: leaves once it is approved\n" in result.stdout
    assert "  t.A.name: NAME, max_length 9\n" in result.stdout
    assert recorded(tmp_path) == [
        "t.A.id: {category: USER_ID, type: string}",
        "t.A.name: {category: NAME, max_length: 9, type: string}",
    ]
    again = run("approve", *given)
    assert (again.exit_code, again.stdout) == (0, f"{tmp_path / 'approvals.lock'} is up to date.\n")


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_what_is_not_agreed_to_is_not_recorded(tmp_path: Path, answer: str) -> None:
    result = run("approve", *controlled(tmp_path), input=answer)
    assert result.exit_code == 1
    assert not (tmp_path / "approvals.lock").exists()


def test_what_changed_is_told_by_its_direction(tmp_path: Path) -> None:
    assert run("approve", *controlled(tmp_path), "--yes").exit_code == 0
    changed_to = (
        "message A { string name = 2 @{category: NAME, max_length: 8}; string more = 3 @PHONE; } message B { string "
        "id = 1 @NAME; }"
    )
    given = controlled(tmp_path, changed_to)
    told = json.loads(run("approve", *given, "--format", "json").stdout)
    assert {key: told[key] for key in ("recorded", "new", "loosened", "tightened", "removed")} == {
        "recorded": False,
        "new": {"t.A.more": "PHONE", "t.B.id": "NAME"},
        "loosened": {},
        "tightened": {"t.A.name": "NAME, max_length 8 (was NAME, max_length 9)"},
        "removed": {"t.A.id": "USER_ID"},
    }
    looser = controlled(tmp_path, BODY.replace("9", "10"))
    assert (
        "Loosened: leaves more freely once it is approved\n  t.A.name: NAME, max_length 10 (was NAME, max_length 9)"
        in run("approve", *looser).stdout
    )


CODEC: Final = "message A { Codec codec = 1 @OPERATIONAL; } enum Codec { CODEC_A = 0; CODEC_B = 1; }"


@pytest.mark.parametrize(
    ("changed_to", "part", "words"),
    [
        (CODEC.replace("{ Codec", "{ string"), "retyped", "OPERATIONAL, as string (was OPERATIONAL, as t.Codec)"),
        (
            CODEC.replace("CODEC_B = 1;", "CODEC_B = 1; CODEC_C = 2;"),
            "retyped",
            "OPERATIONAL, as t.Codec, with CODEC_C (was OPERATIONAL, as t.Codec)",
        ),
        (
            CODEC.replace("{ Codec", "{ string").replace("@OPERATIONAL", "@USER_ID"),
            "retyped",
            "USER_ID, as string (was OPERATIONAL, as t.Codec)",
        ),
        (CODEC.replace("CODEC_B = 1;", ""), "tightened", "OPERATIONAL (was OPERATIONAL, with CODEC_B)"),
    ],
)
def test_another_type_and_new_values_of_an_enum_are_there_to_be_approved(
    changed_to: str, part: str, words: str, tmp_path: Path
) -> None:
    assert run("approve", *controlled(tmp_path, CODEC), "--yes").exit_code == 0
    given = controlled(tmp_path, changed_to)
    told = json.loads(run("approve", *given, "--format", "json").stdout)
    assert [(key, told[key]) for key in ("new", "loosened", "retyped", "tightened", "removed") if told[key]] == [
        (part, {"t.A.codec": words})
    ]
    assert run("approve", *given, "--yes").exit_code == 0
    assert "is up to date" in run("approve", *given).stdout


def test_a_file_of_an_earlier_version_is_refused_until_its_fields_are_approved_with_their_types(tmp_path: Path) -> None:
    given = controlled(tmp_path)
    lines(tmp_path, "approvals.lock", "version: 1\napproved: {t.A.id: {category: USER_ID}}\n")
    refused = run("lint", *given)
    assert (refused.exit_code, "approvals.lock:1: version: is 1, of approvals" in refused.stderr) == (2, True)
    told = json.loads(run("approve", *given, "--format", "json").stdout)
    assert told["retyped"] == {"t.A.id": "USER_ID, as string (was USER_ID, without a type)"}
    assert run("approve", *given, "--yes").exit_code == 0
    assert "version: is" not in run("lint", *given).output


def test_json_shows_and_records_only_when_told_to(tmp_path: Path) -> None:
    given = [*controlled(tmp_path), "--format", "json"]
    assert run("approve", *given).exit_code == 1
    assert not (tmp_path / "approvals.lock").exists()
    done = run("approve", *given, "--yes")
    assert (done.exit_code, json.loads(done.stdout)["recorded"]) == (0, True)
    assert (run("approve", *given).exit_code, len(recorded(tmp_path))) == (0, 2)


def test_without_an_approvals_file_there_is_nothing_to_approve(tmp_path: Path) -> None:
    policy = lines(tmp_path, "policy.yaml", f"{POLICY}flows: {{}}\n")
    result = run("approve", "--contracts", protos(tmp_path, BODY), "--policy", policy, "--yes")
    assert result.exit_code == 2
    assert "approvals: names no file" in result.stderr


def test_a_lock_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    policy = lines(tmp_path, "policy.yaml", f"{POLICY}flows: {{}}\napprovals: nowhere/approvals.lock\n")
    result = run("approve", "--contracts", protos(tmp_path, BODY), "--policy", policy, "--yes")
    assert result.exit_code == 2
    assert "approvals.lock: can't be written: No such file or directory" in result.stderr


# ── config check ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_embedded_configuration_is_sound() -> None:
    told = json.loads(run("config", "check", "--format", "json").stdout)
    assert (told["role"], told["address"], told["state"]) == ("all", "127.0.0.1:4317", ".privacy-gateway")
    assert {(plan["type"], plan["destination"]) for plan in told["plans"]} == set(KANNELLE.plans())
    assert all(plan["digest"] == KANNELLE.plan(plan["type"], plan["destination"]).digest for plan in told["plans"])


def test_a_configuration_is_checked_with_all_it_names(tmp_path: Path) -> None:
    protos(tmp_path, "message A { string id = 1 @USER_ID; }")
    lines(tmp_path, "policy.yaml", f"{POLICY}flows: {{t.A: [eu-store]}}\n")
    config = lines(
        tmp_path,
        "gateway.yaml",
        "policy: policy.yaml\ncontracts: [protos]\nlisteners: {local: {address: '127.0.0.1:5317'}}\n",
    )
    result = run("config", "check", "--config", config)
    assert result.exit_code == 0
    assert (
        result.stdout
        == f"{config}: role all on 127.0.0.1:5317\n{tmp_path / 'policy.yaml'}: 1 plan for {tmp_path / 'protos'}\n"
    )


@pytest.mark.parametrize(
    ("config", "policy", "body", "text"),
    [
        (
            "listeners: {local: {address: '0.0.0.0:1'}}\n",
            "flows: {}",
            BODY,
            "gateway.yaml:1: listeners.local.address: must be on loopback",
        ),
        ("listeners: {lokal: {}}\n", "flows: {}", BODY, "did you mean local?"),
        (
            "hash_secret: {file: policy.yaml}\n",
            "flows: {}",
            BODY,
            "gateway.yaml:1: hash_secret.file: must hold 32 to 64 bytes",
        ),
        ("", "flows: {t.Nothing/Do: [eu-store]}", BODY, "flows.t.Nothing/Do: no contract has a message type"),
        (
            "",
            "flows: {t.A: [eu-store]}",
            "message A { string a = 1 @USER_ID; string b = 2 @USER_ID; }",
            "could be the subject",
        ),
    ],
)
def test_what_would_not_start_exits_with_2(tmp_path: Path, config: str, policy: str, body: str, text: str) -> None:
    protos(tmp_path, body)
    lines(tmp_path, "policy.yaml", f"{POLICY}{policy}\n")
    path = lines(tmp_path, "gateway.yaml", f"{config}policy: policy.yaml\ncontracts: [protos]\n")
    result = run("config", "check", "--config", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr
