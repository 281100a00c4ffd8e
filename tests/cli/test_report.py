"""`report --statement`: what it prints, and what it exits with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main

SMALL = """\
version: 1
controller: Acme
user_id: {pattern: "usr_[a-z]{1,8}"}
flows: {kannelle.privacy.v1.SupportService/*: [desk]}
destinations:
  desk: {recipient: store, region: FR, purpose: PURPOSE, legal_basis: CONTRACT, allow: [USER_ID], retention: 30d}
ceilings: {FR: [USER_ID]}
"""


def report(tmp_path: Path, purpose: str, *arguments: str) -> Result:
    (tmp_path / "policy.yaml").write_text(SMALL.replace("PURPOSE", purpose))
    return CliRunner().invoke(main, ["report", *arguments, "--policy", str(tmp_path / "policy.yaml")])


@pytest.mark.parametrize(("form", "start"), [("md", "# The privacy"), ("html", "<!doctype html>"), ("json", "{")])
def test_it_prints_a_page_or_json(tmp_path: Path, form: str, start: str) -> None:
    done = report(tmp_path, "essential.service", "--statement", "--format", form)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(start)


@pytest.mark.parametrize("form", ["md", "html", "json"])
def test_a_failing_rule_exits_with_1_and_names_file_line_and_key(tmp_path: Path, form: str) -> None:
    done = report(tmp_path, "employment", "--statement", "--format", form)
    assert done.exit_code == 1
    assert "policy.yaml:6: destinations.desk.purpose" in done.stdout.replace("\\", "")


def test_the_json_says_which_promise_and_which_rule(tmp_path: Path) -> None:
    told = json.loads(report(tmp_path, "employment", "--statement", "--format", "json").stdout)
    assert (told["controller"], told["passed"]) == ("Acme", False)
    failing = {line["id"]: [rule["rule"] for rule in line["rules"]] for line in told["promises"] if not line["passed"]}
    assert failing == {"purposes": ["purposes"]}


@pytest.mark.parametrize(
    ("purpose", "arguments", "text"),
    [
        ("nonsense", ["--statement"], "policy.yaml:6: destinations.desk.purpose"),
        ("essential", [], "--statement is the one there is"),
        ("essential", ["--statement", "--format", "pdf"], "'pdf' is not one of"),
    ],
)
def test_usage_and_policies_that_do_not_load_exit_with_2(
    tmp_path: Path, purpose: str, arguments: list[str], text: str
) -> None:
    done = report(tmp_path, purpose, *arguments)
    assert done.exit_code == 2
    assert text in done.stderr
