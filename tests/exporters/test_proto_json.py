"""Messages as JSON against protobuf's own library, which is slow, over random contracts and messages."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from gateway.contracts.contract import Contract
from gateway.exporters.json_forms import PROTO_JSON, JsonDialect
from gateway.exporters.proto_json import SERIALIZATION_ERRORS, MessageJson, proto_json
from tests.support.contracts import contract as contract_of
from tests.support.contracts import encode, proto
from tests.support.examples import examples
from tests.support.random_choices import ChoiceSequence
from tests.support.random_contracts import contract
from tests.support.random_messages import RandomMessages
from tests.support.wire_format import record

BYTES: Final = 1000
NO_FORM: Final = "no form"
NUMBERS: Final = JsonDialect(enum_numbers=True)


def by_library(held: Contract, message: Message, dialect: JsonDialect) -> object:
    """The slow oracle."""
    try:
        return json_format.MessageToDict(
            message, use_integers_for_enums=dialect.enum_numbers, descriptor_pool=held.pool
        )
    except SERIALIZATION_ERRORS:
        return NO_FORM


def ours(json: MessageJson, type: str, raw: bytes) -> object:
    try:
        return json.of(type, raw)
    except SERIALIZATION_ERRORS:
        return NO_FORM


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=BYTES, max_size=BYTES), st.sampled_from([PROTO_JSON, NUMBERS]))
def test_a_message_is_what_the_library_makes_of_it_byte_by_byte(data: bytes, dialect: JsonDialect) -> None:
    chance = ChoiceSequence(data)
    held = contract(chance)
    json, cls = MessageJson(held.message_class, dialect), held.message_class("x0.M0")
    for _ in range(4):
        raw = RandomMessages(chance, held).message(held.message("x0.M0"))
        try:
            message = cls.FromString(raw)
        except DecodeError:
            continue
        expected = by_library(held, message, dialect)
        event("no form" if expected == NO_FORM else "a form")
        assert msgspec.json.encode(ours(json, "x0.M0", raw)) == msgspec.json.encode(expected)


BODY: Final = """
message Item {
  bool flag = 1;
  double number = 2;
  float short = 3;
  optional double set = 4;
  int64 long = 5;
  uint32 small = 6;
  bytes data = 7;
  Kind kind = 8;
  Noted noted = 9;
  repeated Kind kinds = 10;
  map<bool, Kind> by_flag = 11;
  map<int64, double> by_number = 12;
  Item item = 13;
  repeated Item items = 14;
  google.protobuf.NullValue null = 15;
  google.protobuf.Timestamp at = 16;
  google.protobuf.Any any = 17;
  string snake_case = 18;
  string renamed = 19 [json_name = "Other \\"name"];
  google.protobuf.Struct struct = 20;
  google.protobuf.FloatValue wrapped = 21;
  One one = 22;
  repeated Hiding hiding = 23;
  map<string, One> ones = 24;
  Single single = 25;
}
message One {
  oneof kind { string text = 1; int64 count = 2; float short = 3; One one = 4; Noted noted = 5; bool is_on = 6; }
}
message Hiding { oneof kind { string WhichOneof = 1; int64 HasField = 2; } }
message Single { optional string text = 1; }
enum Kind { KIND_UNSPECIFIED = 0; KIND_ONE = 1; }
enum Noted { NOTED_UNSPECIFIED = 0; NOTED_ONE = 1 [deprecated = true]; }
"""
HELD: Final = contract_of(proto(BODY))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("flag: true number: -0.0 set: 0", {"flag": True, "number": -0.0, "set": 0.0}),
        ("number: inf set: nan", {"number": "Infinity", "set": "NaN"}),
        ("number: -inf short: 0.1", {"number": "-Infinity", "short": 0.1}),
        ("long: 9007199254740993 small: 7", {"long": "9007199254740993", "small": 7}),
        (r"data: '\377\000'", {"data": "/wA="}),
        ("kind: KIND_ONE noted: NOTED_ONE", {"kind": "KIND_ONE", "noted": "NOTED_ONE"}),
        ("kinds: [KIND_ONE, KIND_UNSPECIFIED]", {"kinds": ["KIND_ONE", "KIND_UNSPECIFIED"]}),
        ("by_flag {key: true value: KIND_ONE}", {"byFlag": {"true": "KIND_ONE"}}),
        ("by_number {key: -3 value: 1.5}", {"byNumber": {"-3": 1.5}}),
        ("item {item {}} items {} items {small: 1}", {"item": {"item": {}}, "items": [{}, {"small": 1}]}),
        ("item {short: 0.1 item {short: 3.5}}", {"item": {"item": {"short": 3.5}, "short": 0.1}}),
        ("null: 5", {"null": None}),
        ("one {} ones {key: 'a' value {text: ''}}", {"one": {}, "ones": {"a": {"text": ""}}}),
        ("one {one {count: 0}} single {text: ''}", {"one": {"one": {"count": "0"}}, "single": {"text": ""}}),
        ("one {one {short: 0.1}}", {"one": {"one": {"short": 0.1}}}),
        ("one {noted: NOTED_ONE} ones {key: 'b' value {is_on: false}}", {"one": {"noted": "NOTED_ONE"}, "ones": {"b": {"isOn": False}}}),
        ("at {seconds: 1 nanos: 20000}", {"at": "1970-01-01T00:00:01.000020Z"}),
        ("any {[type.googleapis.com/t.Item] {kind: KIND_ONE}}", {"any": {"@type": "type.googleapis.com/t.Item", "kind": "KIND_ONE"}}),
        ("snake_case: 'a\\nb' renamed: 'é'", {"snakeCase": "a\nb", 'Other "name': "é"}),
        ("struct {fields {key: 'k' value {bool_value: true}}} wrapped {value: 0.5}", {"struct": {"k": True}, "wrapped": 0.5}),
    ],
)  # fmt: skip
def test_a_message_has_its_own_form(text: str, expected: object) -> None:
    raw = encode(HELD, "t.Item", text)
    message = HELD.message_class("t.Item").FromString(raw)
    for found in (MessageJson(HELD.message_class).of("t.Item", raw), proto_json(message)):
        assert found == expected
        assert msgspec.json.encode(found) == msgspec.json.encode(by_library(HELD, message, PROTO_JSON))


def test_a_number_that_an_enum_lacks_is_shown_as_it_is() -> None:
    assert MessageJson(HELD.message_class).of("t.Item", b"\x40\x63") == {"kind": 99}


def test_a_field_may_have_the_name_of_a_method() -> None:
    raw = record(23, 2, record(1, 2, b"x")) + record(23, 2, record(2, 0, b"\x03"))
    assert MessageJson(HELD.message_class).of("t.Item", raw) == {"hiding": [{"WhichOneof": "x"}, {"HasField": "3"}]}


def test_bytes_are_in_hexadecimal_where_the_dialect_says_so() -> None:
    json = MessageJson(HELD.message_class, JsonDialect(hex_fields=frozenset({"data"})))
    assert json.of("t.Item", encode(HELD, "t.Item", r"data: '\377\000' item {data: 'a'}")) == {
        "data": "ff00",
        "item": {"data": "61"},
    }


@given(st.integers(-(2**63), 2**63 - 1) | st.integers(-62_135_596_802, 253_402_300_802), st.integers(-2, 10**9 + 1))
def test_every_timestamp_is_the_librarys(seconds: int, nanos: int) -> None:
    for part in (nanos, nanos // 1000 * 1000, nanos // 1_000_000 * 1_000_000):
        message = Timestamp(seconds=seconds, nanos=part)
        json = MessageJson({"google.protobuf.Timestamp": Timestamp}.__getitem__)
        expected = by_library(HELD, message, PROTO_JSON)
        assert ours(json, "google.protobuf.Timestamp", message.SerializeToString()) == expected


def test_a_type_that_nobody_knows_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        MessageJson(HELD.message_class).of("t.Unknown", b"")


def test_what_is_no_message_has_no_form() -> None:
    with pytest.raises(SERIALIZATION_ERRORS):
        MessageJson(HELD.message_class).of("t.Item", b"\xff")
