"""A first policy: written for any contracts, sound as it stands, over nobody's file."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Final

import pytest
import yaml
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.contracts.load import load as load_contracts
from gateway.detectors.personal_names import TABLE
from gateway.detectors.phrases import words
from gateway.model import Category
from gateway.pipeline.flows import Flows
from gateway.policy.compile import Compiler
from gateway.policy.document import Policy
from gateway.policy.load import load as load_policy
from gateway.policy.load import parse as parse_policy
from gateway.policy.review.explain import explain
from gateway.policy.review.findings import Severity
from gateway.policy.review.lint import lint
from gateway.policy.scaffold.proposals import PERSON_WORDS
from tests.support.channels import blocking_channel, call
from tests.support.contracts import PROTO_HEADER, proto
from tests.support.gateway_process import GatewayProcess
from tests.support.requests import EMIT, LOGS, emit_request, logs_request

ALL_KINDS: Final = (
    "message A { double d = 1; float f = 2; bytes b = 3; int64 i = 4; E e = 5; google.protobuf.Timestamp at = 6;"
    " google.protobuf.Struct s = 7; google.protobuf.StringValue w = 8; google.protobuf.Any any = 9; oneof o { string "
    "x = 10; }"
    " repeated string many = 11; map<int32, string> m = 12; } enum E { NONE = 0; }"
)
BODIES: Final[dict[str, tuple[str, list[str], list[str]]]] = {
    "annotated": ("message A { string id = 1 @USER_ID; bool on = 2 @OPERATIONAL; }", ["t.A"], []),
    "bare": ("message A { string id = 1; }", [], ["t.A.id"]),
    "one of two": ("message A { string id = 1 @USER_ID; string name = 2; }", ["t.A"], ["t.A.name"]),
    "a part of another is no message by itself": (
        "message A { B b = 1; repeated B bs = 2; map<string, B> m = 3; } message B { string id = 1 @USER_ID; }",
        ["t.A"],
        ["t.A.m"],
    ),
    "a service's": (
        "message Q { string id = 1 @USER_ID; } message R { bool ok = 1; } service S { rpc Do(Q) returns (R); }",
        [],
        ["t.R.ok"],
    ),
    "two could be the subject": ("message A { string a = 1 @USER_ID; string b = 2 @USER_ID; }", [], []),
    "a required field would go": (
        "message A { string id = 1 [features.field_presence = LEGACY_REQUIRED]; string b = 2 @USER_ID; }",
        [],
        ["t.A.id"],
    ),
    "for the EU alone": ("message A { string n = 1 @NAME; }", [], []),
    "every kind": (
        ALL_KINDS,
        ["t.A"],
        [f"t.A.{name}" for name in ("d", "f", "b", "i", "e", "at", "s", "w", "x", "many", "m")],
    ),
    "nothing but an enum": ("enum E { NONE = 0; }", [], []),
}


WORDS: Final = ("true", "no", "null", "y", "on", "off", "NULL", "True", "N", "_", "inf", "e1", "Plain")
"""Names that YAML reads as something else than text, in one of its versions, and some that it doesn't."""


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, arguments, prog_name="privacy-gateway")
    assert "Internal error" not in result.output
    return result


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "protos").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def head(body: str) -> str:
    return PROTO_HEADER.replace('syntax = "proto3"', 'edition = "2023"') if "features" in body else PROTO_HEADER


@pytest.mark.parametrize("row", BODIES)
def test_what_is_written_loads_compiles_and_lints(row: str, here: Path) -> None:
    body, led, bare = BODIES[row]
    (here / "protos/a.proto").write_text(proto(body, head(body)))
    result = run("init", "--controller", 'Acme: "S.A." #1')
    assert result.exit_code == 0, result.output
    file = load_policy(here / "policy.yaml")
    made = Compiler(load_contracts([here / "protos"]), file)
    assert file.policy.controller == 'Acme: "S.A." #1'
    assert sorted(Flows(made).sendable) == led
    findings = [one for one in lint(made) if one.severity is not Severity.NOTE and row != "two could be the subject"]
    assert {(one.severity, one.code) for one in findings} <= {(Severity.WARNING, "unclassified")}
    assert {one.place for one in findings} == set(bare)
    listed = re.findall(r"(?m)^#   (\S+): ", (here / "policy.yaml").read_text())
    assert sorted(listed) == sorted(bare)
    assert run("lint").exit_code == 0


def followed(body: str, here: Path) -> dict[str, str]:
    """The words for each field of `t.A`, after those that are annotations were written behind their fields."""
    (here / "protos/a.proto").write_text(proto(body))
    assert run("init").exit_code == 0
    told = dict(re.findall(r"(?m)^#   t\.A\.(\w+): (.*)$", (here / "policy.yaml").read_text()))
    for name, said in told.items():
        if said.startswith("["):
            body = re.sub(rf"\b{name} = (\d+);", rf"{name} = \1 {said.rpartition(']')[0]}];", body, count=1)
    (here / "protos/a.proto").write_text(proto(body))
    return told


def test_each_annotation_that_it_proposes_compiles_and_ends_the_finding(here: Path) -> None:
    told = followed(BODIES["every kind"][0].replace("int64 i", "int64 retry_count = 20; int64 i"), here)
    asked = {f"t.A.{name}" for name, said in told.items() if not said.startswith("[")}
    assert asked == {f"t.A.{name}" for name in ("d", "f", "i", "w", "x", "many", "m")}
    findings = json.loads(run("lint", "--format", "json").stdout)["findings"]
    assert {one["place"] for one in findings if one["code"] == "unclassified"} == asked
    assert {one["code"] for one in findings} <= {"not-accepted", "unclassified"}


GUESSED: Final[dict[str, str]] = {
    "user_id": "USER_ID", "email": "WORK_EMAIL", "workEmail": "WORK_EMAIL", "email_address": "WORK_EMAIL", "first_name": "NAME",
    "vorname": "NAME",
    "username": "NAME", "display_name": "NAME", "phone": "PHONE", "city": "POSTAL_ADDRESS", "home_street": "POSTAL_ADDRESS",
    "ip_address": "NETWORK", "client_ip": "NETWORK", "session_id": "COOKIE", "user_agent": "DEVICE", "device_id": "DEVICE",
    "company_name": "ORGANISATION", "comment": "FREE_TEXT", "description": "FREE_TEXT",
}  # fmt: skip
"""Open strings whose name tells what they hold."""

ASKED: Final[dict[str, tuple[str, ...]]] = {
    "whom it names": ("nom", "author", "owner", "manager", "assignee", "contact", "customer", "created_by", "employee_id", "ownerId",
        "task_owners",
        "contact_ref", "kunde", "auteur", "creado_por", "reviewer", "user"),
    "whose it is": ("id", "workspace_id", "account_id", "company_id", "message_id", "order_ids"),
    "what it holds": ("url", "title", "tags", "host", "status", "plan", "customer_segment", "package_manager", "email_template",
        "filename"),
    "what it holds: its name says something personal": ("salary", "login", "nome", "ansprechpartner"),
}  # fmt: skip
"""Open strings whose name doesn't, by what is asked."""


def test_what_names_tell_is_proposed_and_what_they_don_t_is_asked(here: Path) -> None:
    """No proposal, followed as it stands, lets an open string through that isn't a user's ID or an address of work."""
    names = [*GUESSED, *(name for names in ASKED.values() for name in names)]
    told = followed(
        f"message A {{ {' '.join(f'string {name} = {number};' for number, name in enumerate(names, 1))} }}", here
    )
    guessed = {
        name: f"[(kannelle.privacy.v1.field).category = DATA_CATEGORY_{category}]" for name, category in GUESSED.items()
    }
    assert {name: told[name] for name in GUESSED} == guessed
    for question, asked in ASKED.items():
        assert [name for name in asked if not told[name].startswith(f"say {question}")] == []
    made = Compiler(load_contracts([here / "protos"]), load_policy(here / "policy.yaml"))
    kept = {node.category for _, node in explain(made, "t.A", "application-log").walk() if node.kept}
    assert kept == {Category.USER_ID, Category.WORK_EMAIL}


def test_no_word_for_something_personal_is_proposed_as_operational(here: Path) -> None:
    names = dict.fromkeys("_".join(words(phrase)) for phrase in (*sum(TABLE.phrases.values(), ()), *PERSON_WORDS))
    fields = (f"string {name} = {number}; int64 a_{name} = {number + 1000};" for number, name in enumerate(names, 1))
    told = followed(f"message A {{ {' '.join(fields)} }}", here)
    assert len(told) == 2 * len(names)
    assert [name for name, said in told.items() if "DATA_CATEGORY_OPERATIONAL" in said] == []


def test_more_fields_than_a_policy_may_list_are_counted(here: Path) -> None:
    fields = " ".join(f"string a_field_with_quite_a_name_{number} = {number};" for number in range(1, 2001))
    (here / "protos/a.proto").write_text(proto(" ".join(f"message M{number} {{ {fields} }}" for number in range(6))))
    result = run("init")
    assert "12000 fields without annotation won't leave" in result.stdout, result.stderr
    assert "# And 10000 more: `privacy-gateway lint` lists them all.\n" in (here / "policy.yaml").read_text()
    assert load_policy(here / "policy.yaml").policy.flows


def test_of_types_that_lead_nowhere_the_rest_is_counted_and_what_leads_somewhere_is_there(here: Path) -> None:
    bare = " ".join(f"message M{number} {{ string a = 1; }}" for number in range(2_500))
    (here / "protos/a.proto").write_text(proto(f"{bare} message Z {{ string a = 1 @USER_ID; }}"))
    assert run("init").exit_code == 0
    assert "  # And 500 more, of which nothing may leave as they are.\n" in (here / "policy.yaml").read_text()
    assert load_policy(here / "policy.yaml").policy.flows["t.Z"] == ("message-log",)


def test_a_name_that_says_what_is_never_collected_is_not_given_a_category(here: Path) -> None:
    (here / "protos/a.proto").write_text(proto("message A { string password = 1; }"))
    run("init")
    assert "t.A.password: its name says" in (here / "policy.yaml").read_text()


@pytest.mark.parametrize("kind", ["file", "link to nothing"])
def test_a_file_that_is_there_stays(kind: str, here: Path) -> None:
    (here / "protos/a.proto").write_text(proto("message A { string id = 1 @USER_ID; }"))
    (here / "policy.yaml").write_text("mine") if kind == "file" else (here / "policy.yaml").symlink_to(here / "gone")
    result = run("init")
    assert (
        result.exit_code,
        "policy.yaml is there already, and stays as it is. Write another file with --output" in result.stderr,
    ) == (
        2,
        True,
    )
    assert not (here / "gone").exists()
    assert kind != "file" or (here / "policy.yaml").read_text() == "mine"
    assert run("init", "--output", "other.yaml").exit_code == 0
    assert isinstance(load_policy(here / "other.yaml").policy, Policy)


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("no/such/policy.yaml", "no/such/policy.yaml can't be written: No such file or directory"),
        ("", "--output is empty. Name a file, or leave it out: policy.yaml."),
        ("protos", "protos is there already, and stays as it is."),
    ],
)
def test_a_file_that_can_t_be_written_is_said_so(output: str, text: str, here: Path) -> None:
    (here / "protos/a.proto").write_text(proto("message A { string id = 1 @USER_ID; }"))
    result = run("init", "--output", output)
    assert (result.exit_code, text in result.stderr) == (2, True)


def test_without_contracts_it_says_where_to_put_them(here: Path) -> None:
    result = run("init")
    assert (
        result.exit_code,
        "There are no .proto files in protos/" in result.stderr,
        (here / "policy.yaml").exists(),
    ) == (2, True, False)


def test_names_that_yaml_takes_for_something_else_are_text(here: Path) -> None:
    """By this gateway's reader and by a common one, in the comments too, once they are none."""
    kept, bare = (
        " ".join(f"message {name} {{ string a = 1 @USER_ID; }}" for name in WORDS),
        "message nothing { string a = 1; } message yes {}",
    )
    service = "service TrueService { rpc Do(Q) returns (Q); } message Q { string a = 1 @USER_ID; }"
    (here / "protos/a.proto").write_text(proto(f"{kept} {bare} {service}", PROTO_HEADER.replace("package t;", "")))
    assert run("init").exit_code == 0
    text = (here / "policy.yaml").read_text()
    assert {*WORDS} < load_policy(here / "policy.yaml").policy.flows.keys()
    plain = re.sub(r"(?m)^(\s*)# (?=( *- |\S+: \[message-log\]| {4,}\w+: |routes:))", r"\1", text)
    read = yaml.safe_load(plain)
    assert read["flows"].keys() == {"otlp/logs", "otlp/traces", "otlp/metrics", *WORDS, "nothing", "yes"}
    assert (read["routes"][0]["authority"], read["routes"][0]["destination"]) == ("true", "true")


@pytest.mark.parametrize(
    ("options", "carried"),
    [
        ([], ""),
        (["--output", "./policy.yaml"], ""),
        (["--output", "mine.yaml"], " --policy mine.yaml"),
        (["--contracts", "protos"], ""),
        (["--contracts", "idl"], " --contracts idl"),
        (["--contracts", "idl", "--contracts", "two words"], " --contracts idl --contracts 'two words'"),
        (["--contracts", "idl", "--output", "it's mine.yaml"], """ --contracts idl --policy 'it'"'"'s mine.yaml'"""),
    ],
)
def test_the_commands_that_it_names_find_what_it_was_given(options: list[str], carried: str, here: Path) -> None:
    for folder, name in (("protos", "A"), ("idl", "B"), ("two words", "C")):
        (here / folder).mkdir(exist_ok=True)
        (here / folder / f"{folder[:1]}.proto").write_text(proto(f"message {name} {{ string id = 1 @USER_ID; }}"))
    lint_, explain, serve = (line.strip() for line in run("init", *options).stdout.partition("Next:\n")[2].splitlines())
    named = "B" if "--contracts idl" in carried else "A"
    assert (lint_, explain) == (f"privacy-gateway lint{carried}", f"privacy-gateway explain t.{named}{carried}")
    for command in (lint_, explain):
        result = run(*shlex.split(command)[1:])
        assert (result.exit_code, "not-here" in result.stdout) == (0, False)
    settings = dict(word.split("=", 1) for word in shlex.split(serve)[:2])
    contracts = load_contracts(map(Path, json.loads(settings["PRIVACY_GATEWAY__CONTRACTS"])))
    assert Compiler(contracts, load_policy(Path(settings["PRIVACY_GATEWAY__POLICY"]))).plans()


def test_it_is_printed_where_that_is_asked_for(here: Path) -> None:
    (here / "protos/a.proto").write_text(proto("message A { string id = 1 @USER_ID; string b = 2; }"))
    result = run("init", "--output", "-")
    assert (parse_policy(result.stdout).policy.flows["t.A"], [*here.glob("*")]) == (("message-log",), [here / "protos"])
    assert result.stderr.splitlines() == [
        "-: a policy for 1 message type of protos.",
        "1 field without annotation won't leave: the file lists it, with what to write.",
    ]


def test_the_commands_that_it_names_work_and_a_gateway_takes_messages_and_telemetry(here: Path) -> None:
    (here / "protos/a.proto").write_text(proto(BODIES["one of two"][0]))
    lines = run("init").stdout.partition("Next:\n")[2].splitlines()
    lint_, explain, serve = (line.strip() for line in lines)
    for command in (lint_, explain):
        assert run(*command.removeprefix("privacy-gateway ").split()).exit_code == 0
    assert (
        serve == "PRIVACY_GATEWAY__POLICY=policy.yaml PRIVACY_GATEWAY__CONTRACTS='[\"protos\"]' privacy-gateway serve"
    )
    given = {"PRIVACY_GATEWAY__POLICY": "policy.yaml", "PRIVACY_GATEWAY__CONTRACTS": '["protos"]'}
    with GatewayProcess(here, environ=given) as process, blocking_channel(process.address) as channel:
        assert isinstance(call(channel, EMIT, emit_request("t.A", b"\x0a\x05usr_1\x12\x03Ada")), bytes)
        assert isinstance(call(channel, LOGS, logs_request("INFO").SerializeToString()), bytes)
        assert process.stop() == 0
        written = (process.state / "message-log.jsonl").read_text()
        assert ("usr_1" in written, "Ada" in written) == (True, False)


def test_options_that_are_imported_are_not_the_user_s_to_classify_and_types_that_are_held_are(here: Path) -> None:
    imports = 'import "google/api/annotations.proto";\nimport "google/type/money.proto";\n'
    body = "message A { string id = 1 @USER_ID; google.type.Money price = 2; }"
    (here / "protos/a.proto").write_text(proto(body, PROTO_HEADER + imports))
    assert run("init").exit_code == 0
    places = {one["place"] for one in json.loads(run("lint", "--format", "json").stdout)["findings"]}
    assert places == {"google.type.Money.currency_code", "google.type.Money.units", "google.type.Money.nanos"}
