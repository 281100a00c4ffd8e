"""What a contract knows: its message types, their fields and extensions, and what the annotations say of them."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from kannelle.privacy.v1 import annotations_pb2

from gateway.contracts.builtin import builtin_files
from gateway.contracts.classify import field_names
from gateway.contracts.contract import Contract
from gateway.model import Category, FieldPrivacy
from tests.support.contracts import contract, proto

PROTO2 = """\
syntax = "proto2";
package t;
import "kannelle/privacy/v1/annotations.proto";
"""
EDITION = """\
edition = "2023";
package t;
import "kannelle/privacy/v1/annotations.proto";
"""


def said(*protos: str) -> dict[str, Category]:
    """The categories of this package's fields."""
    return {name: held.category for name, held in contract(*protos).annotations.items() if name.startswith("t.")}


def test_every_part_of_an_annotation_is_read() -> None:
    body = """
    message M {
      string a = 1 @{category: USER_ID, subject: true, pattern: "u[0-9]{1,3}", max_length: 7};
      map<string, string> b = 2 @{category: OPERATIONAL, map_key: NAME, one_of: ["x", "y"]};
      sint64 c = 3 @{category: OPERATIONAL, min: -9223372036854775808, max: 9223372036854775807};
      string d = 4;
    }"""
    assert {name: held for name, held in contract(proto(body)).annotations.items() if name.startswith("t.")} == {
        "t.M.a": FieldPrivacy(Category.USER_ID, subject=True, pattern="u[0-9]{1,3}", max_length=7),
        "t.M.b": FieldPrivacy(Category.OPERATIONAL, map_key=Category.NAME, one_of=("x", "y")),
        "t.M.c": FieldPrivacy(Category.OPERATIONAL, min=-(2**63), max=2**63 - 1),
    }


def test_annotations_in_pieces_and_whole_say_the_same() -> None:
    pieces = "[(kannelle.privacy.v1.field).category = DATA_CATEGORY_NAME, (kannelle.privacy.v1.field).max_length = 3]"
    held = contract(
        proto(f"message M {{ string a = 1 {pieces}; string b = 2 @{{max_length: 3, category: NAME}}; }}")
    ).annotations
    assert held["t.M.a"] == held["t.M.b"] == FieldPrivacy(Category.NAME, max_length=3)


def test_every_category_is_read() -> None:
    body = "".join(f"string f{category} = {category + 1} @{category.name};" for category in Category)
    assert said(proto(f"message M {{ {body} }}")) == {f"t.M.f{category.value}": category for category in Category}


def test_the_categories_are_those_of_the_annotations() -> None:
    names = {
        value.name.removeprefix("DATA_CATEGORY_"): value.number
        for value in annotations_pb2.DataCategory.DESCRIPTOR.values
    }
    assert names == {member.name: member.value for member in Category}


def test_a_category_that_is_not_known_here_classifies_nothing() -> None:
    file = FileDescriptorProto(
        name="a.proto", package="t", dependency=["kannelle/privacy/v1/annotations.proto"], syntax="proto3"
    )
    field = file.message_type.add(name="M").field.add(name="a", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
    field.options.Extensions[annotations_pb2.field].category = 4711  # type: ignore[assignment]
    assert Contract([*builtin_files(), file]).annotations["t.M.a"].category is Category.UNSPECIFIED


def test_nested_messages_groups_oneofs_and_maps_are_read() -> None:
    body = """
    message M {
      message Inner { message Innermost { optional string a = 1 @NAME; } }
      optional group Part = 2 @CONTENT { optional string b = 3 @PHONE; }
      oneof choice { string c = 4 @USER_ID; int32 d = 5 @USAGE; group Other = 6 { optional string e = 7 @DEVICE; } }
      map<string, Inner> f = 8 @{map_key: OPERATIONAL};
    }"""
    assert said(proto(body, PROTO2)) == {
        "t.M.Inner.Innermost.a": Category.NAME,
        "t.M.part": Category.CONTENT,
        "t.M.Part.b": Category.PHONE,
        "t.M.c": Category.USER_ID,
        "t.M.d": Category.USAGE,
        "t.M.Other.e": Category.DEVICE,
        "t.M.f": Category.UNSPECIFIED,
    }


def test_extensions_are_read_by_their_own_names() -> None:
    body = """
    message M { extensions 100 to 199; optional string a = 1 @NAME; }
    extend M { optional string b = 100 @PHONE; }
    message Scope { extend M { optional string c = 101 @DEVICE; } }
    """
    other = 'syntax = "proto2"; package t.u; import "f0.proto"; import "kannelle/privacy/v1/annotations.proto";'
    far = proto("extend t.M { repeated string d = 102 @USAGE; }", other)
    held = contract(proto(body, PROTO2), far)
    assert said(proto(body, PROTO2), far) == {
        "t.M.a": Category.NAME,
        "t.b": Category.PHONE,
        "t.Scope.c": Category.DEVICE,
        "t.u.d": Category.USAGE,
    }
    assert [field.full_name for field in held.fields(held.message("t.M"))] == ["t.M.a", "t.b", "t.Scope.c", "t.u.d"]
    assert {"t.b", "t.Scope.c", "t.u.d"} <= field_names(held)


def test_editions_are_read() -> None:
    body = """
    message M {
      string a = 1 [(kannelle.privacy.v1.field).category = DATA_CATEGORY_NAME, features.field_presence = IMPLICIT];
      M b = 2 [(kannelle.privacy.v1.field).category = DATA_CATEGORY_CONTENT, features.message_encoding = DELIMITED];
    }"""
    assert said(proto(body, EDITION)) == {"t.M.a": Category.NAME, "t.M.b": Category.CONTENT}


def test_a_contract_without_a_package_is_read() -> None:
    head = 'syntax = "proto2"; import "kannelle/privacy/v1/annotations.proto";'
    held = contract(
        proto(
            "message M { extensions 5; optional string a = 1 @NAME; } extend M { optional string b = 5 @PHONE; }", head
        )
    )
    assert (held.annotations["M.a"].category, held.annotations["b"].category) == (Category.NAME, Category.PHONE)


def test_messages_are_all_types_but_map_entries() -> None:
    held = contract(proto("message B { map<string, string> m = 1; message C {} } message A {}"))
    assert [name for name in held.messages if name.startswith("t.")] == ["t.A", "t.B", "t.B.C"]


def test_a_type_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        contract(proto("message A {}")).message("t.B")


def test_files_may_come_in_any_order() -> None:
    names = ("t.A", "google.protobuf.Any")
    file = FileDescriptorProto(name="a.proto", package="t", dependency=["google/protobuf/any.proto"])
    file.message_type.add(name="A")
    assert set(names) <= set(Contract([file, *builtin_files()]).messages)
