"""What commands find in the folder they are called in: a service's own contracts and policy."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Final

import grpc
import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.config import Config
from gateway.errors import BadPolicy
from gateway.loading import compile_all, load_sources
from tests.support.channels import TIMEOUT_SECONDS, blocking_channel, call
from tests.support.contracts import DESTINATIONS, POLICY, proto
from tests.support.gateway_process import GatewayProcess
from tests.support.requests import EMIT, emit_request

PROTO: Final = proto("message Signup { string id = 1 @USER_ID; string name = 2; }")
NAMED: Final = proto("message Signup { string id = 1 @USER_ID; string name = 2 @NAME; }")
SHARED: Final = f"{POLICY}flows: {{t.Signup: [eu-store], other.v1.Order: [{DESTINATIONS}]}}\n"


def run(*arguments: str, input: bytes = b"") -> Result:
    return CliRunner().invoke(main, arguments, prog_name="privacy-gateway", input=input)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "protos").mkdir()
    (tmp_path / "protos" / "signup.proto").write_text(PROTO)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def places(result: Result) -> dict[str, str]:
    return {
        finding["place"].partition(": ")[2] or finding["place"]: finding["code"]
        for finding in json.loads(result.stdout)["findings"]
    }


def test_a_service_s_own_protos_are_found_and_kannelles_flows_don_t_stop_their_lint(here: Path) -> None:
    for arguments in (("lint",), ("lint", "--contracts", "protos/")):
        result = run(*arguments, "--format", "json")
        expected = {"t.Signup.name": "unclassified", "approvals": "as-annotated"}
        assert (result.exit_code, places(result)) == (0, expected), result.stderr
    assert "Contracts: protos. Policy: Kannelle's." in run("lint").stderr


def test_without_protos_lint_says_whose_contracts_it_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no protos/ here; --contracts PATH says where yours are" in run("lint").stderr


def test_a_typo_in_a_flow_is_found_and_a_listed_flow_is_not_one(here: Path) -> None:
    (here / "policy.yaml").write_text(SHARED)
    result = run("lint", "--format", "json")
    assert (result.exit_code, places(result)["flows.other.v1.Order"]) == (1, "not-here")
    (here / "policy.yaml").write_text(f"{SHARED}elsewhere: [other.v1.*]\n")
    result = run("lint", "--format", "json")
    assert (result.exit_code, places(result)) == (0, {"t.Signup.name": "unclassified"})


@pytest.mark.parametrize(
    "command", ["explain t.Signup", "minimise --type t.Signup --destination eu-store", "approve --yes"]
)
def test_other_commands_find_them_too(command: str, here: Path) -> None:
    (here / "policy.yaml").write_text(f"{SHARED}approvals: approvals.lock\n")
    (here / "approvals.lock").write_text("version: 2\napproved: {}\n")
    assert run(*command.split(), input=b"\x0a\x05usr_1").exit_code == 0


def test_explain_says_that_a_flow_is_another_contract_s(here: Path) -> None:
    (here / "policy.yaml").write_text(SHARED)
    result = run("explain", "other.v1.Order")
    assert result.exit_code == 2
    assert (
        "flows.other.v1.Order is about another contract than this one; --contracts PATH says where that is"
        in result.stderr
    )


def test_diff_of_policies_takes_them_and_diff_of_contracts_takes_none_twice(here: Path) -> None:
    for name, flows in (("old", "{}"), ("new", "{t.Signup: [eu-store]}")):
        (here / f"{name}.yaml").write_text(f"{POLICY}flows: {flows}\n")
        (here / name).mkdir()
        (here / name / "signup.proto").write_text(PROTO if name == "old" else NAMED)
    assert "t.Signup.id" in run("diff", "old.yaml", "new.yaml").stdout
    (here / "policy.yaml").write_text(SHARED)
    result = run("diff", "old", "new")
    assert (result.exit_code, "t.Signup.name" in result.stdout) == (1, True), result.stderr


def test_a_sidecar_starts_names_what_is_elsewhere_and_refuses_it(here: Path) -> None:
    (here / "policy.yaml").write_text(f"{SHARED.rstrip()[:-1]}, more.v1.Thing: [eu-store]}}\nelsewhere: [more.v1.*]\n")
    given = {"POLICY": "policy.yaml", "CONTRACTS": "[protos]", "LISTENERS__HTTP__ADDRESS": "127.0.0.1:0"}
    with GatewayProcess(here, environ={f"PRIVACY_GATEWAY__{key}": value for key, value in given.items()}) as process:
        with blocking_channel(process.address) as channel:
            assert isinstance(call(channel, EMIT, emit_request("t.Signup", b"\x0a\x05usr_1")), bytes)
            for name in ("other.v1.Order", "more.v1.Thing"):
                refused = call(channel, EMIT, emit_request(name))
                assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "UNKNOWN_TYPE")
        with urllib.request.urlopen(
            f"http://{process.listener_address('http')}/metrics", timeout=TIMEOUT_SECONDS
        ) as answer:
            assert b"\nprivacy_gateway_flows_elsewhere 2.0\n" in answer.read()
        assert b"so their items are refused; `lint` says what to do: flows.other.v1.Order" in process.output
        assert b"these are about other contracts, as `elsewhere` says: flows.more.v1.Thing" in process.output


def test_a_hub_which_decides_on_all_flows_needs_all_contracts(here: Path) -> None:
    (here / "policy.yaml").write_text(f"{SHARED}elsewhere: [other.v1.*]\n")
    config = Config(policy=here / "policy.yaml", contracts=(here / "protos",), role="hub")
    with pytest.raises(
        BadPolicy, match=r"policy.yaml:\d+: flows.other.v1.Order: .* a hub decides on the items of all flows"
    ):
        compile_all(config, *load_sources(config))


def test_before_the_first_approval_every_command_says_approve_and_approve_lists_what_is_the_user_s(here: Path) -> None:
    (here / "policy.yaml").write_text(f"{SHARED}approvals: approvals.lock\nelsewhere: [other.v1.*]\n")
    for command in (
        ("lint",),
        ("explain", "t.Signup"),
        ("minimise", "--type", "t.Signup", "--destination", "eu-store"),
    ):
        result = run(*command)
        assert (result.exit_code, "approvals.lock: is not there yet; `privacy-gateway approve`" in result.stderr) == (
            2,
            True,
        )
    shown = run("approve", "--yes").stdout
    assert "  t.Signup.id: USER_ID\n" in shown
    assert "kannelle.privacy.v1" not in shown
    assert re.search(r"\n  \d+ fields of the gateway's own messages, as this version classifies them", shown)
    assert run("lint").exit_code == 0
