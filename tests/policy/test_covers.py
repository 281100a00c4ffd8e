"""A plan that is said to cover another lets through all that the other does."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.reference import ReferenceEngine
from gateway.errors import Refused
from gateway.model import Release
from gateway.plan import (
    EnvelopePlan,
    FieldPlan,
    FreeText,
    Keep,
    MessagePlan,
    Nested,
    Payload,
    Plan,
    Presence,
    Rule,
    Text,
)
from gateway.policy.compile import Compiler
from gateway.policy.covers import covers, covers_envelope, covers_subject, covers_terms
from tests.support.contracts import UNKNOWN_FACTS, contract, encode, policy, proto
from tests.support.engines import decide_one

BODY: Final = proto(
    """
enum Kind { KIND_UNSPECIFIED = 0; A = 1; B = 2; }
message Inner { string text = 1; int32 number = 2; Inner again = 3; Kind kind = 4; }
message Root {
  string text = 1;
  int32 number = 2;
  Inner inner = 3;
  repeated Inner many = 4;
  map<string, string> map = 5;
  map<string, Inner> inners = 6;
  google.protobuf.Any any = 7;
  google.protobuf.Timestamp time = 8;
  google.protobuf.StringValue wrapped = 9;
  oneof one { string left = 10; string right = 11; }
  repeated string texts = 12;
  bytes content = 13;
}
"""
)
CONTRACT: Final = contract(BODY)

STRINGS: Final = (
    "",
    "category: OPERATIONAL",
    "category: OPERATIONAL, max_length: 3",
    "category: OPERATIONAL, one_of: [ab]",
    "category: OPERATIONAL, one_of: [ab, abc]",
    'category: OPERATIONAL, pattern: "[a-z]{1,9}"',
    "category: NAME",
    "category: FREE_TEXT",
    "category: USER_ID",
    "category: BANKING",
)
NUMBERS: Final = (
    "",
    "category: OPERATIONAL",
    "category: OPERATIONAL, min: 1, max: 9",
    "category: OPERATIONAL, min: 2, max: 5",
    "category: AGE",
)
OTHERS: Final = ("", "category: OPERATIONAL", "category: NAME", "category: AGE")
MAPS: Final = (
    "",
    "category: OPERATIONAL",
    "category: OPERATIONAL, map_key: OPERATIONAL",
    "category: NAME, map_key: NAME",
)
FIELDS: Final = {
    **dict.fromkeys(("Root.text", "Root.wrapped", "Root.left", "Root.right", "Root.texts", "Inner.text"), STRINGS),
    **dict.fromkeys(("Root.number", "Inner.number"), NUMBERS),
    **dict.fromkeys(("Root.time", "Inner.kind"), OTHERS),
    "Root.map": MAPS,
    "Root.inners": ("", "map_key: OPERATIONAL", "map_key: NAME"),
    "Root.inner": ("", "category: CONTENT", "category: AGE"),
    "Root.any": ("", "category: CONTENT", "category: AGE"),
    "Root.content": ("", "category: CONTENT"),
}
INNER: Final = 'text: "ab" number: 3 kind: B again { text: "abcd" number: 9 again { text: "usr_1" } }'
SAMPLES: Final = tuple(
    encode(CONTRACT, "t.Root", text)
    for text in (
        f'text: "ab" number: 2 inner {{ {INNER} }} left: "abc" texts: "ab" texts: "Ann Lee" content: "x"',
        f'text: "Ann Lee" number: 20 many {{ {INNER} }} many {{ kind: 7 }} right: "ab"',
        (
            f'text: "abcdef" map {{ key: "ab" value: "abc" }} map {{ key: "Ann Lee" value: "ab" }} inners {{ key: "ab" '
            f"value {{ {INNER} }} }}"
        ),
        f'any {{ [type.googleapis.com/t.Inner] {{ {INNER} }} }} time {{ seconds: 1700000000 }} wrapped {{ value: "ab" }}',
        (
            f'any {{ [type.googleapis.com/t.Root] {{ text: "ab" inner {{ {INNER} }} }} }} wrapped {{ value: '
            f'"jean@acme.fr" }}'
        ),
    )
)


def compiled(given: dict[str, str]) -> Plan:
    lines = "".join(f"  t.{field}: {{{held}, overrides: true}}\n" for field, held in given.items() if held)
    return Compiler(CONTRACT, policy(f"classifications:\n{lines}" if lines else "")).plan("t.Root", "eu-store")


def within(less: Any, more: Any) -> bool:
    """Whether all that is in the one is in the other."""
    if isinstance(less, dict):
        return isinstance(more, dict) and all(key in more and within(value, more[key]) for key, value in less.items())
    if isinstance(less, list):
        # Of a list that holds less, what is left keeps its order.
        rest = iter(more)
        return isinstance(more, list) and all(any(within(value, other) for other in rest) for value in less)
    return bool(less == more)


def left(plan: Plan, raw: bytes) -> Any:
    try:
        verdict = decide_one(ReferenceEngine(plan), raw, UNKNOWN_FACTS)
    except Refused:
        return None
    assert isinstance(verdict, Release)
    message = CONTRACT.message_class("t.Root").FromString(verdict.payload)
    return json_format.MessageToDict(message, descriptor_pool=CONTRACT.pool)


CLASSIFIED: Final = st.fixed_dictionaries({field: st.sampled_from(choices) for field, choices in FIELDS.items()})


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, str]]:
    """Two sets of classifications that differ in few fields, so that one often covers the other."""
    was = draw(CLASSIFIED)
    changed = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3, unique=True))
    return was, {**was, **{field: draw(st.sampled_from(FIELDS[field])) for field in changed}}


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_what_leaves_by_a_plan_leaves_by_one_that_covers_it(both: tuple[dict[str, str], dict[str, str]]) -> None:
    was, now = map(compiled, both)
    assert covers(was, was)
    if covers(now, was):
        for raw in SAMPLES:
            less, more = left(was, raw), left(now, raw)
            assert less is None or within(less, more)


BASE: Final = {
    "Root.text": "category: OPERATIONAL",
    "Inner.text": "category: NAME",
    "Root.map": MAPS[2],
    "Inner.kind": "category: OPERATIONAL",
}

WIDER: Final[dict[str, dict[str, str]]] = {
    "nothing": {},
    "a field more": {"Root.number": "category: OPERATIONAL"},
    "a field of any value": {"Root.text": "category: NAME"},
    "a field more, further below": {"Inner.number": "category: OPERATIONAL"},
}
OTHER: Final[dict[str, dict[str, str]]] = {
    "a field less": {"Root.text": ""},
    "a field less, further below": {"Inner.text": ""},
    "a bound": {"Root.text": "category: OPERATIONAL, max_length: 3"},
    "a list": {"Root.text": "category: OPERATIONAL, one_of: [ab]"},
    "another rule": {"Root.text": "category: USER_ID"},
    "no keys": {"Root.map": MAPS[1]},
    "a condition": {"Root.inner": "category: AGE"},
    "a field more, another less": {"Root.number": "category: OPERATIONAL", "Root.text": ""},
}


@pytest.mark.parametrize("row", [*WIDER, *OTHER])
def test_which_plans_cover_another(row: str) -> None:
    assert covers(compiled({**BASE, **WIDER.get(row, {}), **OTHER.get(row, {})}), compiled(BASE)) is (row in WIDER)


# What no policy comes to by itself.

FIELD: Final = FieldPlan(1, "a", "string", Presence.IMPLICIT, rule=0)
ENUM: Final = FieldPlan(2, "e", "enum", Presence.IMPLICIT, enum=(0, 1))
RAW: Final = FieldPlan(3, "m", "bytes", Presence.EXPLICIT, rule=1)
ANY: Final = FieldPlan(4, "any", "bytes", Presence.EXPLICIT, rule=2)
INNER_PLAN: Final = MessagePlan("t.B", (FIELD,))


def plan(
    *fields: FieldPlan,
    rules: tuple[Rule, ...] = (Text(), Nested(1), Payload()),
    anys: dict[str, int] | None = None,
    **more: Any,
) -> Plan:
    inner = more.pop("inner", INNER_PLAN)
    made = Plan(1, "t.A", "to", False, (MessagePlan("t.A", fields), inner), rules, {} if anys is None else anys)
    return msgspec.structs.replace(made, **more)


def field(held: FieldPlan, **more: Any) -> FieldPlan:
    return msgspec.structs.replace(held, **more)


PLANS: Final[dict[str, tuple[Plan, Plan, bool]]] = {
    "the same": (plan(FIELD, ENUM, RAW), plan(FIELD, ENUM, RAW), True),
    "another order of rules": (plan(field(FIELD, rule=1), rules=(Keep(), Text())), plan(FIELD), True),
    "no rule any more": (plan(field(FIELD, rule=None)), plan(FIELD), True),
    "a rule where was none": (plan(FIELD), plan(field(FIELD, rule=None)), False),
    "another name": (plan(field(FIELD, name="b")), plan(FIELD), False),
    "another kind": (plan(field(FIELD, kind="bytes")), plan(FIELD), False),
    "another oneof": (plan(field(FIELD, oneof="o")), plan(FIELD), False),
    "more numbers": (plan(field(ENUM, enum=(0, 1, 2))), plan(ENUM), True),
    "other numbers": (plan(field(ENUM, enum=(0, 2, 3))), plan(ENUM), False),
    "no enum": (plan(field(ENUM, enum=None)), plan(ENUM), False),
    "a required field more": (plan(FIELD, field(ENUM, presence=Presence.REQUIRED)), plan(FIELD), False),
    "less of a nested message": (plan(RAW, inner=MessagePlan("t.B", ())), plan(RAW), False),
    "more of a nested message": (plan(RAW), plan(RAW, inner=MessagePlan("t.B", ())), True),
    "another message": (plan(RAW, inner=MessagePlan("t.C", (FIELD,))), plan(RAW), False),
    "a type more in Any": (plan(ANY, anys={"t.B": 1, "t.A": 0}), plan(ANY, anys={"t.B": 1}), True),
    "a type less in Any": (plan(ANY, anys={"t.A": 0}), plan(ANY, anys={"t.B": 1}), False),
    "another destination": (plan(FIELD, destination="other"), plan(FIELD), False),
    "another type": (plan(FIELD, type="t.B"), plan(FIELD), False),
    "a vendor": (plan(FIELD, vendor=True), plan(FIELD), False),
}


@pytest.mark.parametrize("row", PLANS)
def test_which_plans_of_any_kind_cover_another(row: str) -> None:
    now, was, expected = PLANS[row]
    assert covers(now, was) is expected


def envelope(
    keys: dict[str, Rule | None] | None = None, *, message: FreeText | None = None, recipient: str = "to", **more: Any
) -> EnvelopePlan:
    return EnvelopePlan(recipient, keys or {}, more.get("baggage", {}), more.get("tracestate", {}), message)


ENVELOPES: Final[dict[str, tuple[EnvelopePlan, EnvelopePlan, bool]]] = {
    "the same": (envelope({"a": Text()}), envelope({"a": Text()}), True),
    "a key more": (envelope({"a": Text(), "b": None}), envelope({"a": Text()}), True),
    "a key less": (envelope(), envelope({"a": Text()}), False),
    "as it is": (envelope({"a": None}), envelope({"a": Text()}), True),
    "no longer as it is": (envelope({"a": Text()}), envelope({"a": None}), False),
    "another rule": (envelope({"a": Text(max_length=3)}), envelope({"a": Text()}), False),
    "less baggage": (envelope(), envelope(baggage={"a": None}), False),
    "less trace state": (envelope(), envelope(tracestate={"a": None}), False),
    "texts": (envelope(message=FreeText()), envelope(), True),
    "no texts": (envelope(), envelope(message=FreeText()), False),
    "another recipient": (envelope(recipient="other"), envelope(), False),
}


@pytest.mark.parametrize("row", ENVELOPES)
def test_which_envelopes_cover_another(row: str) -> None:
    now, was, expected = ENVELOPES[row]
    assert covers_envelope(now, was) is expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"allow": frozenset()}, False),
        ({"region": "IE"}, False),
        ({"user_id": "x"}, False),
        ({"timestamp_days": 1}, False),
        ({"name": "x"}, False),
    ],
)
def test_which_sites_cover_another(change: dict[str, Any], expected: bool) -> None:
    terms = Compiler(CONTRACT, policy()).terms("eu-store")
    assert covers_terms(msgspec.structs.replace(terms, **change), terms) is expected


MASKED: Final = """
message Item { string name = 1 @NAME; int32 number = 2 @OPERATIONAL; Part part = 3; }
message Part { int32 number = 1 @OPERATIONAL; string state = 2; Item item = 3; }
message UpdateItemRequest { Item item = 1; google.protobuf.FieldMask update_mask = 2; string note = 3; }
message GetItemRequest { google.protobuf.FieldMask read_mask = 1; string note = 2; }
service Items { rpc GetItem(GetItemRequest) returns (Item); }
"""
MASKS: Final[dict[str, tuple[str, str, bool]]] = {
    "the same": ("", "", True),
    "a field more beside": ("UpdateItemRequest.note: {category: NAME}", "", True),
    "a field more to name": ("Part.state: {category: NAME}", "", True),
    "a field less to name": ("", "Part.state: {category: NAME}", False),
    "a field less, further below": ("Part.number: {category: AGE, overrides: true}", "", False),
    "no resource any more": ("UpdateItemRequest.item: {category: AGE}", "", False),
    "no path any more": ("UpdateItemRequest.update_mask: {category: AGE}", "", False),
    "paths at last": ("", "UpdateItemRequest.update_mask: {category: AGE}", True),
    "no path of an answer any more": ("GetItemRequest.read_mask: {category: AGE}", "", False),
}


@pytest.mark.parametrize("row", MASKS)
def test_which_plans_with_masks_cover_another(row: str) -> None:
    now, was, expected = MASKS[row]
    compilers = [
        Compiler(contract(proto(MASKED)), policy(f"classifications: {{{f't.{said}' if said else ''}}}"))
        for said in (now, was)
    ]
    types = ("t.UpdateItemRequest", "t.GetItemRequest")
    found = [covers(*(one.plan(item, "eu-store") for one in compilers)) for item in types]
    assert all(found) is expected


@pytest.mark.parametrize(
    ("now", "was", "expected"),
    [
        ("{}", "{}", True),
        ("{}", "{add: [a.example]}", True),
        ("{add: [a.example]}", "{}", False),
        ("{remove: [eclipso.de]}", "{}", True),
        ("{}", "{remove: [eclipso.de]}", False),
    ],
)
def test_which_mail_domains_cover_others(now: str, was: str, expected: bool) -> None:
    new, old = (Compiler(CONTRACT, policy(f"personal_domains: {domains}")) for domains in (now, was))
    assert covers_subject(new.subject("t.Root"), old.subject("t.Root")) is expected
    assert covers_terms(new.terms("eu-service"), old.terms("eu-service")) is expected
    assert not covers_subject(new.subject("t.Root"), old.subject("t.Inner"))


def test_who_reads_an_answer_is_part_of_the_proof() -> None:
    made = Compiler(contract(proto(MASKED)), policy())
    all_of_it, less = (
        made.plan_for("t.GetItemRequest", made.terms("eu-store"), reader=made.terms(name))
        for name in ("eu-store", "eu-indirect")
    )
    assert covers(all_of_it, less)
    assert not covers(less, all_of_it)


def test_what_is_taken_apart_is_less_than_the_whole() -> None:
    """Of a contract with a field more, which goes nowhere, no path to the whole message stays."""
    whole = MASKED.replace("string state = 2;", "string state = 2 @NAME;")
    part = whole.replace("message Item {", "message Item { string more = 9;")
    plans = [
        Compiler(contract(proto(body)), policy()).plan("t.UpdateItemRequest", "eu-store") for body in (part, whole)
    ]
    assert not covers(*plans)
