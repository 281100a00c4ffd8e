"""Whom an item is about, and in which workspace: the field that says it, nearest to the root."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from gateway.contracts.approvals import write_approvals
from gateway.contracts.field_types import approvals_of
from gateway.contracts.load import default_path, load
from gateway.engine.subject import SubjectProjection
from gateway.errors import BadContract, ItemReason, Reason, Refused
from gateway.model import Category, FieldPrivacy, Subject
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from tests.support.contracts import compiler, contract, encode, policy, proto
from tests.support.wire_format import record

USER: Final = "message U { string id = 1 @USER_ID; string email = 2 @WORK_EMAIL; string name = 3 @NAME; }"


def subject(body: str, text: str) -> Subject:
    made = compiler(body)
    return SubjectProjection(made.subject("t.M")).read(encode(made.contract, "t.M", text))


@pytest.mark.parametrize(
    ("body", "text", "wanted"),
    [
        (
            "string a = 1 @USER_ID; string b = 2 @WORK_EMAIL;",
            'a: "usr_1" b: "a@b.example"',
            Subject("usr_1", "a@b.example"),
        ),
        ("string a = 1 @USER_ID; string b = 2 @WORK_EMAIL;", "", Subject()),
        ("string a = 1 @WORK_EMAIL;", 'a: "a@b.example"', Subject("", "a@b.example")),
        ("string a = 1 @NAME;", 'a: "Anna"', Subject()),
        ("U u = 1;", 'u { id: "usr_1" email: "a@b.example" }', Subject("usr_1", "a@b.example")),
        ("U u = 1;", "", Subject()),
        (
            "U u = 1; string a = 2 @USER_ID;",
            'u { id: "usr_1" email: "a@b.example" } a: "usr_2"',
            Subject("usr_2", "a@b.example"),
        ),
        ("repeated string a = 1 @USER_ID; U u = 2;", 'a: "usr_2" u { id: "usr_1" }', Subject("usr_1", "")),
        ("repeated U a = 1; map<string, U> m = 2;", 'a { id: "usr_2" }', Subject()),
        (
            "N n = 1; } message N { M m = 1; U u = 2;",
            'n { m { n { u { id: "usr_2" } } } u { id: "usr_1" } }',
            Subject("usr_1", ""),
        ),
        ("oneof o { U u = 1; string a = 2; }", 'u { id: "usr_1" }', Subject("usr_1", "")),
        (
            "string a = 1 @{category: USER_ID, subject: true}; string b = 2 @USER_ID;",
            'a: "usr_1" b: "usr_2"',
            Subject("usr_1", ""),
        ),
        ("U a = 1; U b = 2 @{subject: true};", 'a { id: "usr_1" } b { id: "usr_2" }', Subject("usr_2", "")),
    ],
)
def test_the_subject_is_read_from_the_raw_item(body: str, text: str, wanted: Subject) -> None:
    assert subject(f"message M {{ {body} }} {USER}", text) == wanted


def test_the_subject_may_stand_in_an_extension() -> None:
    head = 'syntax = "proto2"; package t; import "kannelle/privacy/v1/annotations.proto";'
    made = compiler(
        "message M { extensions 9; } message N { optional string id = 1 @USER_ID; } extend M { optional N n = 9; }",
        head=head,
    )
    assert SubjectProjection(made.subject("t.M")).read(record(9, 2, record(1, 2, b"usr_1"))) == Subject("usr_1")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("string a = 1 @USER_ID; string b = 2 @USER_ID;", "a and b"),
        ("string a = 1 @WORK_EMAIL; string b = 2 @WORK_EMAIL; string c = 3 @WORK_EMAIL;", "a and b and c"),
        ("U a = 1; U b = 2;", "a.id and b.id"),
        ("U a = 1 @{subject: true}; U b = 2 @{subject: true};", "a.id and b.id"),
    ],
)
def test_several_equally_shallow_ones_are_an_error_unless_one_is_marked(body: str, named: str) -> None:
    with pytest.raises(BadContract) as caught:
        compiler(f"message M {{ {body} }} {USER}").subject("t.M")
    assert str(caught.value) == f"f0.proto: t.M: {named} could be the subject; mark one with `subject`"


def test_the_subject_is_found_under_the_overlay() -> None:
    made = compiler(
        "message M { string a = 1; string b = 2 @NAME; }", "classifications: {t.M.a: {category: USER_ID}}\n"
    )
    assert SubjectProjection(made.subject("t.M")).read(record(1, 2, b"usr_1") + record(2, 2, b"Anna")) == Subject(
        "usr_1"
    )


def test_its_plan_holds_nothing_else() -> None:
    plan = compiler(f"message M {{ U u = 1; string a = 2 @NAME; }} {USER}").subject("t.M")
    assert [[field.name for field in message.fields] for message in plan.messages] == [["u"], ["id", "email"]]
    assert (plan.user_id, plan.work_email) == ((1, 1), (1, 2))


def test_a_subject_does_not_show_itself() -> None:
    shown = repr(Subject("usr_1", "a@b.example", "ws_1"))
    assert not [name for name in ("usr_1", "a@b.example", "ws_1") if name in shown]


@pytest.mark.parametrize(
    ("raw", "reason"), [(b"\x0a", ItemReason.MALFORMED), (b"\x0a\x03\x0a\x01\xff", ItemReason.MALFORMED)]
)
def test_a_malformed_item_is_refused(raw: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as caught:
        SubjectProjection(compiler(f"message M {{ U u = 1; }} {USER}").subject("t.M")).read(raw)
    assert caught.value.reason is reason


def test_a_type_without_a_subject_is_not_parsed() -> None:
    assert SubjectProjection(compiler("message M { string a = 1 @NAME; }").subject("t.M")).read(b"\x0a") == Subject()


def test_kannelles_items_have_a_subject() -> None:
    made = Compiler(load([default_path()]), load_policy(default_policy()))
    assert {type_: (made.subject(type_).user_id, made.subject(type_).work_email) for type_, _ in made.plans()} == {
        "kannelle.privacy.v1.ActivityEntry": ((1, 1), (1, 2)),
        "kannelle.privacy.v1.AnalyticsEvent": ((1, 1), (1, 2)),
        "kannelle.privacy.v1.SupportMessage": ((1, 1), (1, 2)),
        "kannelle.account.v1.Account": ((1,), (2,)),
        "kannelle.workspace.v1.Membership": ((), (2,)),
        "kannelle.project.v1.Project": ((3,), ()),
        "kannelle.project.v1.WebProject": ((1, 3), ()),
        "kannelle.asset.v1.BusinessAsset": ((7,), ()),
        "kannelle.support.v1.ErrorReport": ((3,), (4,)),
        "kannelle.billing.v1.Purchase": ((4, 1), (4, 2)),
        "kannelle.engagement.v1.Engagement": ((5, 1), (5, 2)),
        "kannelle.communication.v1.Communication": ((4, 1), (4, 2)),
        "kannelle.identity.v1.SignIn": ((1,), (2,)),
        "kannelle.crm.v1.Contact": ((1,), (2,)),
        "kannelle.crm.v1.Subscription": ((), ()),
        "kannelle.video.v1.VideoExported": ((2,), (3,)),
        "kannelle.privacy.v1.AccessEntry": ((10,), (11,)),
        "opentelemetry.proto.logs.v1.ResourceLogs": ((), ()),
        "opentelemetry.proto.trace.v1.ResourceSpans": ((), ()),
        "opentelemetry.proto.metrics.v1.ResourceMetrics": ((), ()),
    }


# ── Workspaces
# ──────────────────────────────────────────────────────────

SPACE: Final = "message W { string id = 1 @{category: OPERATIONAL, workspace: true}; string other = 2 @OPERATIONAL; }"
NAMED: Final = "{category: OPERATIONAL, workspace: true}"


@pytest.mark.parametrize(
    ("body", "text", "wanted"),
    [
        (f"string a = 1 @{NAMED}; string b = 2 @OPERATIONAL;", 'a: "ws_1" b: "ws_2"', Subject(workspace="ws_1")),
        (f"string a = 1 @{NAMED};", "", Subject()),
        ("string a = 1 @OPERATIONAL;", 'a: "ws_1"', Subject()),
        ("W w = 1;", 'w { id: "ws_1" other: "ws_2" }', Subject(workspace="ws_1")),
        (f"W w = 1; string a = 2 @{NAMED};", 'w { id: "ws_1" } a: "ws_2"', Subject(workspace="ws_2")),
        (f"W w = 1; string a = 2 @{NAMED};", 'w { id: "ws_1" }', Subject()),
        ("repeated W w = 1; map<string, W> m = 2;", 'w { id: "ws_1" }', Subject()),
        ("W a = 1; W b = 2 @{workspace: true};", 'a { id: "ws_1" } b { id: "ws_2" }', Subject(workspace="ws_2")),
        ("oneof o { W w = 1; string a = 2; }", 'w { id: "ws_1" }', Subject(workspace="ws_1")),
        (
            "W w = 1; string user = 2 @USER_ID; U u = 3;",
            'w { id: "ws_1" } user: "usr_1" u { id: "usr_2" email: "a@b.example" }',
            Subject("usr_1", "a@b.example", "ws_1"),
        ),
    ],
)
def test_the_workspace_is_read_from_the_raw_item(body: str, text: str, wanted: Subject) -> None:
    assert subject(f"message M {{ {body} }} {SPACE} {USER}", text) == wanted


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (f"string a = 1 @{NAMED}; string b = 2 @{NAMED};", "a and b"),
        ("W a = 1; W b = 2;", "a.id and b.id"),
        ("W a = 1 @{workspace: true}; W b = 2 @{workspace: true};", "a.id and b.id"),
    ],
)
def test_several_equally_shallow_workspaces_are_an_error_unless_one_is_marked(body: str, named: str) -> None:
    with pytest.raises(BadContract) as caught:
        compiler(f"message M {{ {body} }} {SPACE}").subject("t.M")
    assert str(caught.value) == (
        f"f0.proto: t.M: {named} could be the workspace; mark the message that leads to one with `workspace`, or take "
        "the mark from all but one"
    )


@pytest.mark.parametrize(
    ("overlay", "wanted"),
    [
        ("{category: OPERATIONAL, workspace: true}", "ws_1"),
        ("{category: OPERATIONAL}", ""),
    ],
)
def test_the_overlay_says_which_field_names_the_workspace(overlay: str, wanted: str) -> None:
    made = compiler("message M { string a = 1; }", f"classifications: {{t.M.a: {overlay}}}\n")
    assert SubjectProjection(made.subject("t.M")).read(record(1, 2, b"ws_1")) == Subject(workspace=wanted)


def test_the_overlay_moves_the_workspace_where_it_overrides() -> None:
    body = f"message M {{ string a = 1 @{NAMED}; string b = 2 @OPERATIONAL; }}"
    made = compiler(
        body,
        "classifications:\n"
        "  t.M.a: {category: OPERATIONAL, overrides: true}\n"
        "  t.M.b: {category: OPERATIONAL, workspace: true, overrides: true}\n",
    )
    assert SubjectProjection(made.subject("t.M")).read(record(1, 2, b"ws_1") + record(2, 2, b"ws_2")) == Subject(
        workspace="ws_2"
    )


def test_what_is_not_approved_names_no_workspace(tmp_path: Path) -> None:
    body = contract(proto(f"message M {{ string a = 1 @{NAMED}; }}"))
    write_approvals(tmp_path / "lock", approvals_of(body, {"t.M.a": FieldPrivacy(Category.OPERATIONAL)}))
    file = replace(policy("approvals: lock\n"), path=tmp_path / "policy.yaml")
    assert Compiler(body, file).subject("t.M").workspace == ()
    write_approvals(
        tmp_path / "lock", approvals_of(body, {"t.M.a": FieldPrivacy(Category.OPERATIONAL, workspace=True)})
    )
    assert Compiler(body, file).subject("t.M").workspace == (1,)


def test_kannelles_items_name_their_workspace() -> None:
    made = Compiler(load([default_path()]), load_policy(default_policy()))
    said = {type_: made.subject(type_) for type_, _ in made.plans()}
    assert {type_: plan.workspace for type_, plan in said.items() if plan.workspace} == {
        "kannelle.privacy.v1.ActivityEntry": (1, 5, 1),
        "kannelle.privacy.v1.AnalyticsEvent": (1, 5, 1),
        "kannelle.privacy.v1.SupportMessage": (1, 5, 1),
        "kannelle.workspace.v1.Membership": (1,),
        "kannelle.project.v1.Project": (2,),
        "kannelle.project.v1.WebProject": (1, 2),
        "kannelle.asset.v1.BusinessAsset": (2,),
        "kannelle.support.v1.ErrorReport": (2,),
        "kannelle.billing.v1.Purchase": (2,),
        "kannelle.engagement.v1.Engagement": (2,),
    }
    keys = {type_: plan.workspace_attribute.key for type_, plan in said.items() if plan.workspace_attribute}
    assert keys == {
        "opentelemetry.proto.logs.v1.ResourceLogs": "kannelle.workspace.id",
        "opentelemetry.proto.trace.v1.ResourceSpans": "kannelle.workspace.id",
        "opentelemetry.proto.metrics.v1.ResourceMetrics": "kannelle.workspace.id",
    }
