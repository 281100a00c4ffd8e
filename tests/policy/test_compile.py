"""Contract × policy → plans: immutable data with a digest that is the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import pytest

from gateway.contracts.load import default_path, load
from gateway.errors import BadContract, BadPolicy
from gateway.plan import VERSION, Plan
from gateway.policy.compile import Compiler
from gateway.policy.item_types import EVENT_TYPE, ITEM_TYPE_BY_SERVICE
from gateway.policy.load import PolicyFile, parse
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from tests.support.contracts import POLICY, compiler, contract, minimiser, proto, release_of

KANNELLE: Final = Compiler(load([default_path()]), load_policy(default_policy()))
BODY: Final = "message M { string a = 1 @NAME; N n = 2; } message N { string b = 1 @USER_ID; }"


def flows(text: str) -> Compiler:
    return compiler(BODY, flows=f"{{{text}}}")


def test_all_flows_of_the_default_policy_compile() -> None:
    assert set(KANNELLE.plans()) == {
        ("kannelle.privacy.v1.ActivityEntry", "activity-log"),
        ("kannelle.privacy.v1.AnalyticsEvent", "analytics"),
        ("kannelle.privacy.v1.SupportMessage", "support"),
        ("kannelle.privacy.v1.SupportMessage", "support-archive"),
        ("kannelle.account.v1.Account", "accounts"),
        ("kannelle.workspace.v1.Membership", "workspace-directory"),
        ("kannelle.project.v1.Project", "project-backup"),
        ("kannelle.project.v1.WebProject", "web-projects"),
        ("kannelle.asset.v1.BusinessAsset", "business-assets"),
        ("kannelle.support.v1.ErrorReport", "support-archive"),
        ("kannelle.billing.v1.Purchase", "billing"),
        ("kannelle.crm.v1.Subscription", "billing"),
        ("kannelle.engagement.v1.Engagement", "professional-services"),
        ("kannelle.communication.v1.Communication", "communications"),
        ("kannelle.identity.v1.SignIn", "identity-provider"),
        ("kannelle.crm.v1.Contact", "crm"),
        ("kannelle.video.v1.VideoExported", "activity-log"),
        ("kannelle.privacy.v1.AccessEntry", "access-log"),
        ("opentelemetry.proto.logs.v1.ResourceLogs", "application-log"),
        ("opentelemetry.proto.trace.v1.ResourceSpans", "application-traces"),
        ("opentelemetry.proto.metrics.v1.ResourceMetrics", "application-metrics"),
    }


def test_the_item_types_of_services_are_in_the_contract() -> None:
    assert (
        {KANNELLE.item_type(f"{service}/*") for service in ITEM_TYPE_BY_SERVICE}
        == set(ITEM_TYPE_BY_SERVICE.values())
        <= set(KANNELLE.contract.messages)
    )
    assert KANNELLE.item_type("kannelle.privacy.v1.AnalyticsService/TrackEvent") == EVENT_TYPE


@pytest.mark.parametrize(
    "flow",
    [
        *(
            "t",
            "t.M/x",
            "t.N.BEntry",
            "kannelle.privacy.v1.AnalyticsService",
            "kannelle.privacy.v1.AnalyticsService/Track",
        ),
        "kannelle.privacy.v1.EmitService/*",
    ],
)
def test_a_flow_that_names_nothing_is_an_error_that_names_its_line(flow: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        assert flows(f"{flow}: [eu-log]").flows
    assert "no contract has a message type, nor the gateway a service, of this name" in str(caught.value)
    assert f"flows.{flow}: " in str(caught.value)


VALUES: Final = (
    "Any",
    "Struct",
    "Value",
    "ListValue",
    "StringValue",
    "BytesValue",
    "Int64Value",
    "Timestamp",
    "Duration",
)


@pytest.mark.parametrize("name", VALUES)
def test_a_type_that_counts_as_a_value_is_no_item(name: str) -> None:
    """Its category stands at the field that holds it: by itself it has none, and must not leave unjudged."""
    type_ = f"google.protobuf.{name}"
    with pytest.raises(BadPolicy, match=rf"flows\.{type_}: is a value"):
        assert flows(f"{type_}: [eu-log]").plans()
    with pytest.raises(BadContract, match=f"^{type_}: is a value"):
        compiler(BODY).plan(type_, "us-vendor")


@pytest.mark.parametrize(("type_", "destination"), [("t.None", "eu-log"), ("t.M", "nowhere"), ("", "eu-log")])
def test_a_plan_of_what_is_not_known_is_a_key_error(type_: str, destination: str) -> None:
    with pytest.raises(KeyError):
        compiler(BODY).plan(type_, destination)


def test_a_plan_is_the_same_each_time_it_is_asked_for() -> None:
    made = compiler(BODY)
    assert made.plan("t.M", "eu-store") is made.plan("t.M", "eu-store")
    assert (
        made.plan("t.M", "eu-store").digest
        == compiler(BODY).plan("t.M", "eu-store").digest
        != made.plan("t.M", "eu-service").digest
    )


def test_a_plan_names_its_type_its_destination_and_its_version() -> None:
    plan = compiler(BODY).plan("t.M", "us-vendor")
    assert (plan.version, plan.type, plan.destination, plan.vendor) == (VERSION, "t.M", "us-vendor", True)


@pytest.mark.parametrize("pair", sorted(KANNELLE.plans()))
def test_a_plan_is_read_back_as_it_was_written(pair: tuple[str, str]) -> None:
    plan = KANNELLE.plan(*pair)
    copy = Plan.load(plan.dump())
    assert (copy, copy.digest, copy.dump()) == (plan, plan.digest, plan.dump())


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"version": 1}', b"\xff"])
def test_what_is_no_plan_is_not_read(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Plan.load(data)


def test_a_plan_of_another_version_is_not_read() -> None:
    plan = msgspec.structs.replace(compiler(BODY).plan("t.M", "eu-store"), version=VERSION + 1)
    with pytest.raises(msgspec.ValidationError, match="plan version 3, expected 2"):
        Plan.load(plan.dump())


def test_a_plan_holds_no_word_of_what_is_stripped() -> None:
    plan = compiler("message M { string secret_name = 1 @CREDENTIAL; string a = 2 @NAME; }").plan("t.M", "eu-store")
    assert b"secret_name" not in plan.dump()


CHILD: Final = """
from gateway.contracts.load import default_path, load
from gateway.policy.compile import Compiler
from gateway.policy import load as policy
compiler = Compiler(load([default_path()]), policy.load(policy.default_path()))
pairs = [*compiler.plans(), ("kannelle.privacy.v1.EmitRequest", "billing")]
print("\\n".join(sorted(compiler.plan(*pair).digest for pair in pairs)))
"""


def test_digests_are_equal_in_every_process() -> None:
    """With an `Any` too, whose plan holds every type there is."""
    emitted = KANNELLE.plan("kannelle.privacy.v1.EmitRequest", "billing")
    wanted = sorted([emitted.digest, *(plan.digest for plan in KANNELLE.plans().values())])
    for seed in ("0", "1", "4711"):
        done = subprocess.run(
            (sys.executable, "-c", CHILD),
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert done.stdout.split() == wanted


def test_a_ceiling_is_above_what_a_destination_asks_for() -> None:
    """Though no such policy loads: the compiler has the last word."""
    made = compiler(BODY)
    file = made._file
    lowered = msgspec.structs.replace(file.policy, ceilings={})
    plan = Compiler(made.contract, PolicyFile(lowered, file.origin, file.path)).plan("t.M", "eu-service")
    assert plan.messages[0].fields == ()


def test_the_overlay_classifies_fields_of_contracts_that_cannot_be_annotated() -> None:
    body = "message M { string a = 1; map<string, string> b = 2; }"
    more = "classifications: {t.M.a: {category: USER_ID}, t.M.b: {category: NAME, map_key: OPERATIONAL}}\n"
    assert [field.name for field in compiler(body, more).plan("t.M", "eu-store").messages[0].fields] == ["a", "b"]


def test_approvals_are_found_beside_the_policy(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text("version: 2\napproved: {t.M.a: {category: NAME, type: string}}\n")
    file = parse(f"{POLICY}flows: {{}}\napprovals: a.lock\n", tmp_path / "policy.yaml")
    made = Compiler(contract(proto(BODY)), file)
    assert file.approvals == tmp_path / "a.lock"
    assert [field.name for field in made.plan("t.M", "eu-store").messages[0].fields] == ["a"]
    (tmp_path / "a.lock").unlink()
    with pytest.raises(BadPolicy, match=r"a\.lock: is not there yet"):
        Compiler(contract(proto(BODY)), file)


def test_an_empty_plan_releases_an_empty_message() -> None:
    engine = minimiser("message M { string a = 1; }", "t.M", "us-vendor")
    assert release_of(engine, b"\x0a\x04Anna\x12\x01x").payload == b""
