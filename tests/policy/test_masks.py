"""Which message a mask speaks of, and what of it its paths may name."""

from __future__ import annotations

from typing import Final

import pytest

from gateway.plan import Mask, Plan
from gateway.policy.masks import MaskResources
from gateway.policy.narrower import is_narrower
from gateway.policy.review.diff import diff
from gateway.policy.review.explain import explain
from tests.support.contracts import compiler, contract, proto

M: Final = "google.protobuf.FieldMask"
A: Final = "message A { string name = 1 @NAME; int32 n = 2 @OPERATIONAL; } message B { string b = 1 @NAME; }"
LIST: Final = "message L { repeated A as = 1; string next = 2; }"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # Beside it.
        (f"message R {{ A a = 1; {M} update_mask = 2; }}", "t.A beside a"),
        (f"message R {{ A a = 1; {M} mask = 2; }}", "t.A beside a"),
        (f"message R {{ repeated A as = 1; {M} update_mask = 2; }}", "t.A beside as"),
        (f"message R {{ A a = 1; A b = 2; {M} update_mask = 3; }}", "t.A beside a b"),
        (f"message R {{ oneof o {{ A create = 1; A update = 2; string remove = 3; }} {M} update_mask = 4; }}", "t.A beside create update"),
        (f"message R {{ oneof o {{ A a = 1; {M} update_mask = 2; }} }}", "t.A beside a"),
        (f"message R {{ A a = 1; google.protobuf.Timestamp at = 2; google.protobuf.Any any = 3; {M} update_mask = 4; }}", "t.A beside a"),
        (f"message R {{ R r = 1; {M} update_mask = 2; }}", "t.R beside r"),
        # By the name of the request, or of its method.
        (f"message UpdateARequest {{ A x = 1; B y = 2; {M} update_mask = 3; }}", "t.A beside x"),
        (f"message UpdateMyThingRequest {{ A my_thing = 1; B y = 2; {M} update_mask = 3; }}", "t.A beside my_thing"),
        (f"message PatchARequest {{ A x = 1; B y = 2; {M} update_mask = 3; }}", "t.A beside x"),
        (f"message R {{ A x = 1; B y = 2; {M} update_mask = 3; }} service S {{ rpc UpdateA(R) returns (A); }}", "t.A beside x"),
        (f"message R {{ A a = 1; B y = 2; {M} mask = 3; }} service S {{ rpc ModifyA(R) returns (A); }}", "t.A beside a"),
        (f"message R {{ B b = 1; {M} update_mask = 2; }} service S {{ rpc UpdateA(R) returns (A); }}", "t.B beside b"),
        # The answer.
        (f"message R {{ {M} read_mask = 1; }} service S {{ rpc GetA(R) returns (A); }}", "t.A"),
        ((f"message R {{ A a = 2; {M} read_mask = 1; }} service S {{ rpc GetB(R) returns (B); rpc FindB(R) returns "
         f"(stream B); }}"), "t.B"),
        (f"{LIST} message R {{ {M} read_mask = 1; }} service S {{ rpc ListA(R) returns (L); }}", "t.L t.A"),
        # Nobody can tell.
        (f"message R {{ {M} update_mask = 1; }}", None),
        (f"message R {{ string a = 1; {M} update_mask = 2; }}", None),
        (f"message R {{ A a = 1; B b = 2; {M} update_mask = 3; }}", None),
        (f"message R {{ map<string, A> as = 1; {M} update_mask = 2; }}", None),
        (f"message R {{ A a = 1; map<string, B> bs = 2; {M} update_mask = 3; }}", None),
        (f"message R {{ A a = 1; repeated {M} update_mask = 2; }}", None),
        (f"message R {{ A a = 1; map<string, {M}> update_mask = 2; }}", None),
        (f"message R {{ A a = 1; {M} read_mask = 2; }}", None),
        (f"message R {{ {M} read_mask = 1; }} service S {{ rpc GetA(R) returns (A); rpc GetB(R) returns (B); }}", None),
        (f"message R {{ {M} read_mask = 1; }} service S {{ rpc Get(R) returns (google.protobuf.Timestamp); }}", None),
        # A filter isn't what is read: of a request, a mask of another name is told by the resource's name alone.
        (f"message R {{ B filter = 1; {M} fields = 2; }} service S {{ rpc ListA(R) returns (A); }}", None),
    ],
)  # fmt: skip
def test_a_mask_speaks_of(body: str, expected: str | None) -> None:
    held = contract(proto(f"{A} {body}"))
    message = next(
        held.message(name) for name in held.messages if name.startswith("t.") and name not in ("t.A", "t.B", "t.L")
    )
    (field,) = (field for field in message.fields if "mask" in field.name or field.name == "fields")
    found = MaskResources(held).of(field)
    if found is None:
        assert expected is None
        return
    types = " ".join(one.full_name for one in found.types)
    assert (f"{types} beside {' '.join(field.name for field in found.beside)}" if found.beside else types) == expected


BODY: Final = f"""
message Pair {{ Whole whole = 1; Part part = 2; repeated Part parts = 3; map<string, Whole> map = 4 @{{map_key: OPERATIONAL}};
  Pair pair = 5; google.protobuf.StringValue text = 6 @OPERATIONAL; google.protobuf.Any any = 7;
  repeated int32 ns = 8 @OPERATIONAL; {M} mask = 9;
  map<string, google.protobuf.Any> anys = 10 @{{map_key: OPERATIONAL}}; string bare = 11; }}
message Whole {{ int32 n = 1 @OPERATIONAL; Whole whole = 2; google.protobuf.Duration span = 3 @OPERATIONAL; }}
message Part {{ int32 n = 1 @OPERATIONAL; string name = 2 @NAME; Whole whole = 3; }}
message R {{ Pair pair = 1; {M} update_mask = 2 @OPERATIONAL; }}
message Odd {{ Pair pair = 1; Part part = 2; {M} update_mask = 3; {M} shut = 4 @LOCATION; int32 n = 5 @OPERATIONAL; }}
message Shut {{ Pair pair = 1; {M} changed = 2 @LOCATION; }}
"""


def rules(plan: Plan) -> dict[str, Mask]:
    """The rules of the masks in a plan's outermost message."""
    found = {field.name: plan.rules[field.rule] for field in plan.messages[0].fields if field.rule is not None}
    return {name: rule for name, rule in found.items() if isinstance(rule, Mask)}


def test_a_plan_holds_what_paths_may_name_with_what_is_whole() -> None:
    plan = compiler(BODY).plan("t.R", "eu-indirect")
    (mask,) = rules(plan).values()
    assert (mask.of, mask.beside, mask.answer) == ("t.Pair", (1,), False)
    (target,) = (plan.targets[index] for index in mask.targets)
    assert not target.whole
    assert {field.name: (field.many, field.whole) for field in target.fields} == {
        "whole": (False, True),
        "part": (False, False),
        "parts": (True, False),
        "map": (True, True),
        "pair": (False, False),
        "text": (False, True),
        "any": (False, False),
        "ns": (True, True),
        "mask": (False, False),
        "anys": (True, False),
    }
    assert [plan.targets[field.below].whole for field in target.fields if field.below is not None] == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_a_plan_with_masks_is_data() -> None:
    plan = compiler(BODY).plan("t.R", "us-vendor")
    copy = Plan.load(plan.dump())
    assert (copy, copy.digest) == (plan, plan.digest)


@pytest.mark.parametrize(
    ("type", "destination", "field", "words"),
    [
        (
            "t.R",
            "eu-store",
            "update_mask",
            "the paths to what may leave of t.Pair; one of which none is left is refused",
        ),
        (
            "t.Odd",
            "eu-store",
            "update_mask",
            "without paths only: the contract doesn't tell which message it speaks of",
        ),
        ("t.Shut", "eu-store", "changed", "without paths only: nothing of t.Pair may leave"),
    ],
)
def test_explain_says_what_becomes_of_a_mask(type: str, destination: str, field: str, words: str) -> None:
    (node,) = (node for path, node in explain(compiler(BODY), type, destination).walk() if path == field)
    assert (node.kept, node.wording) == (True, words)


def test_who_gets_the_answer_decides_what_may_be_asked_for() -> None:
    body = f"{A} message R {{ {M} read_mask = 1; {M} update_mask = 2; }} service S {{ rpc GetA(R) returns (A); }}"
    made = compiler(body)
    plans = {
        reader: made.plan_for("t.R", made.terms("eu-indirect"), reader=made.terms(reader))
        for reader in ("eu-indirect", "eu-service")
    }
    named = {reader: [field.name for field in plan.targets[0].fields] for reader, plan in plans.items()}
    assert named == {"eu-indirect": ["n"], "eu-service": ["name", "n"]}
    assert made.plan_for("t.A", made.terms("eu-store"), reader=made.terms("eu-service")) is made.plan("t.A", "eu-store")


def test_that_paths_go_with_a_field_is_no_change_of_its_own() -> None:
    old, new = (
        compiler(BODY.replace("string bare = 11", f"string bare = 11 {label}"), flows="{t.R: [eu-store]}")
        for label in ("", "@NAME")
    )
    assert [change.field for change in diff(old, new).changes] == ["t.Pair.bare"]


@pytest.mark.parametrize(
    ("old", "new", "narrower"),
    [("t.A", "t.A", True), ("t.A", "", True), ("", "t.A", False), ("t.A", "t.B", False)],
)
def test_a_mask_that_nobody_can_tell_is_narrower(old: str, new: str, *, narrower: bool) -> None:
    assert is_narrower(Mask(old, (1,), (1,)), Mask(new, (2,), (1,))) is narrower
