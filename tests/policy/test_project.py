"""Schema projection: what of a type a destination may get, and how it is written down."""

from __future__ import annotations

from typing import Final

import pytest

from gateway.errors import BadPolicy, FieldReason
from gateway.model import Category, FieldPrivacy
from gateway.plan import FieldPlan, Form, MessagePlan, Plan, Presence
from gateway.policy.projector import Projector
from tests.support.contracts import PROTO_HEADER, compiler, contract, proto

PROTO2: Final = (
    'syntax = "proto2"; package t; import "google/protobuf/any.proto"; import "kannelle/privacy/v1/annotations.proto";'
)
EDITION: Final = PROTO2.replace('syntax = "proto2"', 'edition = "2023"')


USAGE: Final = "(kannelle.privacy.v1.field).category = DATA_CATEGORY_USAGE"


def plan(body: str, destination: str = "eu-service", head: str = PROTO_HEADER) -> Plan:
    return compiler(body, head=head).plan("t.M", destination)


def kept(made: Plan, type: str = "t.M") -> list[str]:
    """The names of the fields of a type that a plan keeps."""
    return next(([field.name for field in message.fields] for message in made.messages if message.name == type), [])


def field(body: str, head: str = PROTO_HEADER) -> FieldPlan:
    return plan(body, head=head).messages[0].fields[0]


def test_a_scalar_leaves_only_when_its_category_is_allowed() -> None:
    body = (
        "message M { string a = 1 @NAME; string b = 2; string c = 3 @CREDENTIAL; string d = 4 @USER_ID; string e = 5 "
        "@OPERATIONAL; }"
    )
    assert kept(plan(body)) == ["a", "d", "e"]
    assert kept(plan(body, "eu-indirect")) == ["d", "e"]
    assert kept(plan(body, "us-service")) == ["d"]
    assert kept(plan(body, "jp-service")) == []


def test_a_message_needs_no_category_and_one_that_it_has_is_a_further_condition() -> None:
    body = (
        "message M { N a = 1; N b = 2 @CONTENT; N c = 3 @CREDENTIAL; repeated N d = 4 @CONTENT; } message N { string "
        "x = 1 @USER_ID; }"
    )
    assert kept(plan(body)) == ["a", "b", "d"]
    assert kept(plan(body, "us-store")) == ["a"]


def test_a_message_of_which_nothing_is_kept_is_dropped_however_deep_it_goes() -> None:
    body = """
    message M {
      Dead a = 1; map<string, Dead> b = 2 @{map_key: OPERATIONAL}; Loop c = 3; Live d = 4; repeated Dead e = 5; google.protobuf.Any f = 6;
    }
    message Dead { string x = 1; Deader y = 2; } message Deader { bytes z = 1; }
    message Loop { Loop a = 1; Other b = 2; } message Other { Loop c = 1; }
    message Live { Loop a = 1; Live b = 2; More c = 3; } message More { Live a = 1; string x = 2 @NAME; }
    """
    made = plan(body)
    assert (kept(made), kept(made, "t.Live"), kept(made, "t.More")) == (["d", "f"], ["b", "c"], ["a", "x"])
    assert {message.name for message in made.messages} & {"t.Dead", "t.Deader", "t.Loop", "t.Other"} == set()


def test_map_keys_are_data() -> None:
    body = """message M {
      map<string, string> a = 1 @NAME; map<string, string> b = 2 @{category: NAME, map_key: OPERATIONAL};
      map<string, string> c = 3 @{category: NAME, map_key: CREDENTIAL}; map<string, N> d = 4; map<string, N> e = 5 @{map_key: USER_ID};
      map<bool, string> f = 6 @{category: NAME, map_key: OPERATIONAL}; map<string, string> g = 7 @{map_key: OPERATIONAL};
      map<string, N> h = 8 @{map_key: OPERATIONAL, category: CREDENTIAL}; map<string, google.protobuf.Any> i = 9 @{map_key: NAME};
    } message N { string x = 1 @NAME; }"""
    assert kept(plan(body)) == ["b", "e", "f", "i"]


def test_extensions_are_fields_like_any_other() -> None:
    body = (
        "message M { extensions 9 to 20; optional string a = 1 @NAME; } extend M { optional string x = 9 @PHONE; "
        "optional string y = 10; }"
    )
    assert kept(plan(body, head=PROTO2)) == ["a", "[t.x]"]


@pytest.mark.parametrize(
    ("body", "head", "kind", "presence", "oneof"),
    [
        ("string a = 1 @NAME;", PROTO_HEADER, "string", Presence.IMPLICIT, ""),
        ("optional string a = 1 @NAME;", PROTO_HEADER, "string", Presence.EXPLICIT, ""),
        ("oneof o { string a = 1 @NAME; }", PROTO_HEADER, "string", Presence.EXPLICIT, ""),
        ("oneof o { string a = 1 @NAME; string b = 2; }", PROTO_HEADER, "string", Presence.EXPLICIT, "o"),
        ("repeated sint32 a = 1 @USAGE;", PROTO_HEADER, "sint32", Presence.PACKED, ""),
        (f"repeated sint32 a = 1 [packed = false, {USAGE}];", PROTO_HEADER, "sint32", Presence.EXPANDED, ""),
        ("repeated string a = 1 @NAME;", PROTO_HEADER, "string", Presence.EXPANDED, ""),
        ("N a = 1;", PROTO_HEADER, "message", Presence.EXPLICIT, ""),
        ("google.protobuf.Any a = 1;", PROTO_HEADER, "bytes", Presence.EXPLICIT, ""),
        ("optional string a = 1 @NAME;", PROTO2, "string", Presence.EXPLICIT, ""),
        ("required string a = 1 @NAME;", PROTO2, "string", Presence.REQUIRED, ""),
        ("repeated fixed64 a = 1 @USAGE;", PROTO2, "fixed64", Presence.EXPANDED, ""),
        ("optional group A = 1 { optional string x = 1 @NAME; }", PROTO2, "group", Presence.EXPLICIT, ""),
        ("string a = 1 @NAME;", EDITION, "string", Presence.EXPLICIT, ""),
        (f"int32 a = 1 [features.field_presence = IMPLICIT, {USAGE}];", EDITION, "int32", Presence.IMPLICIT, ""),
        ("N a = 1 [features.field_presence = LEGACY_REQUIRED];", EDITION, "message", Presence.REQUIRED, ""),
        ("N a = 1 [features.message_encoding = DELIMITED];", EDITION, "group", Presence.EXPLICIT, ""),
        ("repeated bool a = 1 @USAGE;", EDITION, "bool", Presence.PACKED, ""),
    ],
)  # fmt: skip
def test_a_field_is_written_down_as_the_wire_has_it(
    body: str, head: str, kind: str, presence: Presence, oneof: str
) -> None:
    x = "optional string x = 1" if head is PROTO2 else "string x = 1"
    found = field(f"message M {{ {body} }} message N {{ {x} @NAME; }}", head)
    assert (found.number, found.kind, found.presence, found.oneof) == (1, kind, presence, oneof)


def test_an_any_between_group_tags_is_stripped() -> None:
    """It has no length: it can't be read as bytes."""
    body = "message M { google.protobuf.Any a = 1 [features.message_encoding = DELIMITED]; string b = 2 @NAME; }"
    assert kept(plan(body, head=EDITION)) == ["b"]


def test_enums_keep_their_numbers_the_default_first() -> None:
    body = (
        "enum E { option allow_alias = true; TWO = 2; MINUS = -5; ONE = 1; ALSO_TWO = 2; } message M { optional E a "
        "= 1 @OPERATIONAL; }"
    )
    assert field(body, PROTO2).enum == (2, -5, 1)


@pytest.mark.parametrize(
    ("type", "form"),
    [
        ("Timestamp", Form.TIMESTAMP),
        ("Duration", Form.DURATION),
        ("StringValue", Form.WRAPPER),
        ("BytesValue", Form.WRAPPER),
        ("Struct", Form.MESSAGE),
    ],
)
def test_well_known_types_are_kept_whole_by_the_category_of_their_field(type: str, form: Form) -> None:
    body = f"message M {{ google.protobuf.{type} a = 1 @CONTENT; google.protobuf.{type} b = 2; }}"
    made = plan(body)
    whole = next(message for message in made.messages if message.name == f"google.protobuf.{type}")
    descriptor = contract(proto(body)).message(whole.name)
    assert (kept(made), whole.form, [field.name for field in whole.fields]) == (
        ["a"],
        form,
        [field.name for field in descriptor.fields],
    )


def test_maps_are_entries_of_a_key_and_a_value() -> None:
    made = plan("message M { map<sint32, string> a = 4 @{category: NAME, map_key: USAGE}; }")
    assert made.messages[1] == MessagePlan(
        "t.M.AEntry",
        (
            FieldPlan(1, "key", "sint32", made.messages[1].fields[0].presence),
            FieldPlan(2, "value", "string", made.messages[1].fields[1].presence, rule=0),
        ),
        Form.MAP_ENTRY,
    )


# ── Required fields ───────────────────────────────────────────────────────────────────────────────────────────────────

LACKING: Final = "message N { required bool a = 1; optional bool b = 2 @USAGE; }"


@pytest.mark.parametrize(
    ("body", "lost"),
    [
        ("message M { required string a = 1; }", "t.M.a"),
        ("message M { required string a = 1 @NAME; required string b = 2 @CREDENTIAL; }", "t.M.b"),
        ("message M { optional N n = 1; } message N { optional string a = 1 @NAME; required string b = 2; }", "t.N.b"),
        (("message M { repeated N n = 1; } message N { optional M m = 1; required string b = 2; optional string c = 3 "
         "@NAME; }"), "t.N.b"),
        ("message M { required N n = 1; } message N { optional string a = 1; }", "t.M.n"),
        ("message M { optional group G = 1 { optional string a = 1 @NAME; required bytes b = 2 @OPERATIONAL; } }", "t.M.G.b"),
        ("message M { extensions 9; } extend M { optional N n = 9; } " + LACKING, "t.N.a"),
        ("message M { map<int32, N> m = 1 @{map_key: USAGE}; } " + LACKING, "t.N.a"),
    ],
)  # fmt: skip
def test_a_plan_that_would_strip_a_required_field_does_not_compile(body: str, lost: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        plan(body, head=PROTO2)
    assert str(caught.value).endswith(f"destinations.eu-service: would strip {lost}, which t.M requires")


@pytest.mark.parametrize(
    "body",
    [
        "message M { required string a = 1 @NAME; }",
        "message M { optional N n = 1; optional string a = 2 @NAME; } message N { required string b = 1; }",
        "message M { optional N n = 1 @CREDENTIAL; } message N { required string b = 1; optional string a = 2 @NAME; }",
        (
            "message M { optional google.protobuf.Any a = 1; } message N { required string b = 1; optional string a = 2 "
            "@NAME; }"
        ),
        "message M { required M m = 1; optional string a = 2 @NAME; }",
    ],
)
def test_a_required_field_that_is_kept_or_that_nobody_reaches_is_no_matter(body: str) -> None:
    assert "t.M" in {message.name for message in plan(body, head=PROTO2).messages}


def test_an_any_may_hold_every_type_that_leaves_whole_or_in_part_and_lacks_nothing_required() -> None:
    body = """
    message M { optional google.protobuf.Any a = 1; }
    message Dead { optional string a = 1; } message Lacking { optional string a = 1 @NAME; required string b = 2; }
    message Above { optional Lacking l = 1; optional string a = 2 @NAME; } message Fine { required string a = 1 @NAME; }
    """
    made = plan(body, head=PROTO2)
    assert {name for name in made.anys if name.startswith("t.")} == {"t.M", "t.Fine"}
    assert "google.protobuf.Timestamp" not in made.anys
    assert {made.messages[index].name for index in made.anys.values()} == set(made.anys)


def test_a_plan_without_an_any_holds_nothing_of_other_types() -> None:
    made = plan("message M { string a = 1 @NAME; } message N { string a = 1 @NAME; }")
    assert ([message.name for message in made.messages], made.anys) == (["t.M"], {})


def test_specials_go_before_categories() -> None:
    made = compiler("message M { string a = 1 @NAME; string b = 2; }")
    projector = Projector(
        made.contract,
        {"t.M.a": FieldPrivacy(Category.NAME)},
        made.terms("eu-log"),
        {"t.M.a": FieldReason.OPAQUE, "t.M.b": None},
    )
    a, b = made.contract.message("t.M").fields
    assert (projector.ruling(a), projector.ruling(b)) == (FieldReason.OPAQUE, None)
