"""The receipt of one item: complete, true to the release, without a value, and of bounded size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from gateway.engine.reference import ReferenceEngine
from gateway.errors import BadPolicy, Refused
from gateway.model import Facts, FieldVerdict, Release, Withheld
from gateway.pipeline.receipt import MAX_PATH_CHARS, FieldLine, receipt
from gateway.plan import Payload
from gateway.policy.compile import Compiler
from gateway.policy.load import PolicyFile
from gateway.policy.review.explain import KEY, explain
from gateway.protobuf.schema import MAX_DEPTH
from tests.support.contracts import NOW_SECONDS, UNKNOWN_FACTS, compiler, encode, policy, with_open_patterns
from tests.support.engines import decide_one
from tests.support.random_choices import ChoiceSequence
from tests.support.random_contracts import contract as by_chance
from tests.support.random_messages import RandomMessages

KEEP, STRIP, MASK = FieldVerdict
BODY: Final = """
message Item {
  string id = 1 @USER_ID;
  string name = 2 @NAME;
  string bare = 3;
  Part part = 4;
  repeated Part parts = 5;
  map<string, Part> by_key = 6 @{map_key: OPERATIONAL};
  map<string, string> plain = 7 @NAME;
  map<string, string> noted = 8 @{category: NAME, map_key: OPERATIONAL};
  google.protobuf.Any payload = 9;
  google.protobuf.Timestamp at = 10 @OPERATIONAL;
  Item parent = 11;
  Hidden hidden = 12;
  Kind kind = 13 @OPERATIONAL;
  repeated string codes = 14 @{category: OPERATIONAL, pattern: '[a-cx]{1,3}'};
  Part shut = 15 @LOCATION;
  string text = 16 @FREE_TEXT;
  repeated Kind kinds = 17 @OPERATIONAL;
  repeated google.protobuf.Any payloads = 18;
  string email = 19 @WORK_EMAIL;
  map<string, Kind> kinds_by_key = 20 @{category: OPERATIONAL, map_key: OPERATIONAL};
  Update update = 21;
}
message Update { Part part = 1; google.protobuf.FieldMask update_mask = 2; }
message Part { string code = 1 @OPERATIONAL; string note = 2 @CONTENT; string bare = 3; }
message Hidden { string iban = 1 @BANKING; Hidden more = 2; repeated Hidden many = 3; }
message Other { string code = 1 @OPERATIONAL; string bare = 2; }
message Empty { string bare = 1; }
enum Kind { KIND_UNSPECIFIED = 0; KIND_ONE = 1; }
"""
MADE: Final = compiler(BODY)

Line = tuple[str, str, str, int]


def lines(text: str, destination: str = "eu-store", more: bytes = b"") -> set[Line]:
    """The receipt of an item in text format, with `more` bytes after it."""
    return plain(told(MADE, "t.Item", destination, encode(MADE.contract, "t.Item", text) + more))


def told(
    made: Compiler, item: str, destination: str, raw: bytes, facts: Facts = UNKNOWN_FACTS
) -> tuple[FieldLine, ...]:
    verdict = decide_one(ReferenceEngine(made.plan(item, destination)), raw, facts)
    return receipt(made.projector(item, destination), raw, verdict)


def plain(found: tuple[FieldLine, ...]) -> set[Line]:
    assert len({(line.path, line.verdict, line.reason) for line in found}) == len(found)
    return {(line.path, line.verdict.value, line.reason.value if line.reason else "", line.count) for line in found}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        ("id: 'usr_1'", {("id", "keep", "", 1)}),
        ("id: 'jean'", {("id", "strip", "PATTERN_MISMATCH", 1)}),
        ("bare: 'x'", {("bare", "strip", "UNCLASSIFIED", 1)}),
        ("part {code: 'a' note: 'n' bare: 'b'}",
         {("part.code", "keep", "", 1), ("part.note", "keep", "", 1), ("part.bare", "strip", "UNCLASSIFIED", 1)}),
        ("part {}", {("part", "keep", "", 1)}),
        ("part {bare: 'b'}", {("part.bare", "strip", "UNCLASSIFIED", 1), ("part", "keep", "", 1)}),
        ("parts {code: 'a'} parts {code: 'b'} parts {code: 'not one'}",
         {("parts[*].code", "keep", "", 2), ("parts[*].code", "strip", "PATTERN_MISMATCH", 1), ("parts[*]", "keep", "", 1)}),
        (("codes: ['abc', 'x', 'TOO', "
         "'LONG']"), {("codes[*]", "keep", "", 2), ("codes[*]", "strip", "PATTERN_MISMATCH", 2)}),
        ("shut {code: 'a'}", {("shut", "strip", "CATEGORY_NOT_ALLOWED", 1)}),
        ("hidden {iban: 'x' more {iban: 'y'}}",
         {("hidden.iban", "strip", "CATEGORY_NOT_ALLOWED", 1), ("hidden.more.iban", "strip", "CATEGORY_NOT_ALLOWED", 1)}),
        ("hidden {}", {("hidden", "strip", "NOTHING_ALLOWED", 1)}),
        ("plain {key: 'a' value: 'b'}", {("plain[*]", "strip", "MAP_KEY_NOT_ALLOWED", 1)}),
        ("noted {key: 'a' value: 'b'} noted {key: 'c d' value: 'e'}",
         {("noted[*]", "keep", "", 1), ("noted[*]", "strip", "PATTERN_MISMATCH", 1)}),
        ("by_key {key: 'a' value {code: 'x' bare: 'y'}} by_key {key: 'b' value {}}",
         {("by_key[*].code", "keep", "", 1), ("by_key[*].bare", "strip", "UNCLASSIFIED", 1), ("by_key[*]", "keep", "", 1)}),
        # What went with an entry went for the entry's reason.
        ("by_key {key: 'a b' value {code: 'x'}}",
         {("by_key[*]", "strip", "PATTERN_MISMATCH", 1), ("by_key[*].code", "strip", "PATTERN_MISMATCH", 1)}),
        ("kind: 7", {("kind", "strip", "UNKNOWN_ENUM_VALUE", 1)}),
        ("kinds: [KIND_ONE, 5, 6]", {("kinds[*]", "keep", "", 1), ("kinds[*]", "strip", "UNKNOWN_ENUM_VALUE", 2)}),
        ("kinds_by_key {key: 'a' value: 7} kinds_by_key {key: 'b' value: KIND_ONE}",
         {("kinds_by_key[*]", "keep", "", 1), ("kinds_by_key[*]", "strip", "UNKNOWN_ENUM_VALUE", 1)}),
        ("at {seconds: 5}", {("at", "keep", "", 1)}),
        ("at {nanos: -1}", {("at", "strip", "OUT_OF_RANGE", 1)}),
        ("text: 'write to jean@acme.fr'", {("text", "mask", "LOOKS_LIKE_EMAIL", 1)}),
        ("text: 'hello'", {("text", "keep", "", 1)}),
        ("email: 'Jean+x@ACME.fr'", {("email", "keep", "", 1)}),
        ("parent {id: 'usr_1' parent {bare: 'x'}}",
         {("parent.id", "keep", "", 1), ("parent.parent.bare", "strip", "UNCLASSIFIED", 1), ("parent.parent", "keep", "", 1)}),
        ("update {update_mask {}}", {("update.update_mask", "keep", "", 1)}),
        ("update {part {code: 'a'} update_mask {paths: ['code', 'bare', 'anna@acme.fr']}}",
         {("update.part.code", "keep", "", 1), ("update.update_mask.paths[*]", "keep", "", 1),
          ("update.update_mask.paths[*]", "strip", "PATH_NOT_KEPT", 2)}),
        ("update {part {code: 'not one' note: 'n'} update_mask {paths: ['code', 'note']}}",
         {("update.part.code", "strip", "PATTERN_MISMATCH", 1), ("update.part.note", "keep", "", 1),
          ("update.update_mask.paths[*]", "keep", "", 1), ("update.update_mask.paths[*]", "strip", "PATH_NOT_KEPT", 1)}),
        # Two paths took its place.
        ("update {update_mask {paths: '*'}}",
         {("update.update_mask.paths[*]", "mask", "PATH_NOT_KEPT", 1), ("update.update_mask.paths[*]", "keep", "", 1)}),
        ("payload {[type.googleapis.com/t.Other] {code: 'a' bare: 'b'}}",
         {("payload.code", "keep", "", 1), ("payload.bare", "strip", "UNCLASSIFIED", 1)}),
        ("payload {[type.googleapis.com/t.Other] {}}", {("payload", "keep", "", 1)}),
        ("payload {[type.googleapis.com/t.Empty] {bare: 'x'}}", {("payload", "strip", "TYPE_NOT_IN_CONTRACT", 1)}),
        ("payload {type_url: 'x/t.Nowhere' value: 'abc'}", {("payload", "strip", "TYPE_NOT_IN_CONTRACT", 1)}),
        ("payloads {[type.googleapis.com/t.Other] {code: 'a'}} payloads {type_url: 'x/t.Nowhere'}",
         {("payloads[*].code", "keep", "", 1), ("payloads[*]", "strip", "TYPE_NOT_IN_CONTRACT", 1)}),
        ("payload {[type.googleapis.com/google.protobuf.Any] {[type.googleapis.com/t.Other] {code: 'a'}}}",
         {("payload.code", "keep", "", 1)}),
    ],
)  # fmt: skip
def test_every_field_has_its_line(text: str, expected: set[Line]) -> None:
    assert lines(text) == expected


@pytest.mark.parametrize(
    ("text", "more", "expected"),
    [
        ("", b"\xf8\x3f\x05", {("*", "strip", "UNKNOWN_FIELD", 1)}),
        ("", b"\xf8\x3f\x05\x80\x40\x05\xf8\x3f\x06", {("*", "strip", "UNKNOWN_FIELD", 1)}),
        ("", b"\x08\x05", {("*", "strip", "UNKNOWN_FIELD", 1)}),  # a number where a string stands
        (
            "part {code: 'a'}",
            b"\x22\x03\xf8\x3f\x05",
            {("part.code", "keep", "", 1), ("part.*", "strip", "UNKNOWN_FIELD", 1)},
        ),
        ("", b"\x22\x03\xf8\x3f\x05", {("part.*", "strip", "UNKNOWN_FIELD", 1), ("part", "keep", "", 1)}),
        (
            "",
            b"\x2a\x03\xf8\x3f\x05\x2a\x03\xf8\x3f\x05",
            {("parts[*].*", "strip", "UNKNOWN_FIELD", 2), ("parts[*]", "keep", "", 2)},
        ),
    ],
)
def test_what_the_contract_does_not_name_is_one_line_a_message(text: str, more: bytes, expected: set[Line]) -> None:
    assert lines(text, more=more) == expected


def test_outside_the_eu_each_field_says_why() -> None:
    assert lines("name: 'Jean' part {code: 'a'} at {seconds: 5} noted {key: 'a' value: 'b'}", "us-store") == {
        ("name", "strip", "CATEGORY_NOT_ALLOWED", 1),
        ("part.code", "strip", "NOT_CLOSED", 1),
        ("at", "strip", "OUT_OF_RANGE", 1),
        ("noted[*]", "strip", "MAP_KEY_NOT_ALLOWED", 1),
    }


def test_a_withheld_item_has_no_lines() -> None:
    raw = encode(MADE.contract, "t.Item", "id: 'usr_1' email: 'jean@gmail.com'")
    verdict = decide_one(ReferenceEngine(MADE.plan("t.Item", "us-vendor")), raw, UNKNOWN_FACTS)
    assert isinstance(verdict, Withheld)
    assert receipt(MADE.projector("t.Item", "us-vendor"), raw, verdict) == ()


def test_attributes_and_bodies_are_counted_whole() -> None:
    made = compiler(
        "message A { string id = 1 @USER_ID; }",
        "otlp: {attributes: {user.id: USER_ID, tags: OPERATIONAL}, log_templates: [started]}",
    )
    tags = AnyValue()
    tags.array_value.values.extend([AnyValue(string_value="a"), AnyValue(string_value="jean@acme.fr")])
    attributes = [
        KeyValue(key="user.id", value=AnyValue(string_value="usr_1")),
        KeyValue(key="tags", value=tags),
        KeyValue(key="client.address", value=AnyValue(string_value="192.168.1.77")),
    ]
    record = LogRecord(
        body=AnyValue(string_value="jean signed in"), attributes=attributes, severity_text="INFO", trace_id=b"x" * 3
    )
    scope = ScopeLogs(log_records=[record, LogRecord(body=AnyValue(string_value="started"))])
    logs = ResourceLogs(resource=Resource(attributes=attributes[:1]), scope_logs=[scope])
    at = "scope_logs[*].log_records[*]."
    assert plain(told(made, "opentelemetry.proto.logs.v1.ResourceLogs", "eu-indirect", logs.SerializeToString())) == {
        ("resource.attributes[*]", "keep", "", 1),
        (f"{at}body", "strip", "NOT_LISTED", 1),
        (f"{at}body", "keep", "", 1),
        (f"{at}attributes[*]", "keep", "", 2),
        (f"{at}attributes[*]", "strip", "UNCLASSIFIED", 1),
        (f"{at}attributes[*][*]", "strip", "PATTERN_MISMATCH", 1),
        (f"{at}severity_text", "keep", "", 1),
        (f"{at}trace_id", "strip", "OUT_OF_RANGE", 1),
    }


def test_properties_are_counted_by_their_map() -> None:
    made = compiler(
        "message A { string id = 1 @USER_ID; }", "tracking_plan: {a.b: {properties: {n: {min: 0, max: 5}}}}"
    )
    item = "kannelle.privacy.v1.AnalyticsEvent"
    raw = encode(
        made.contract,
        item,
        "name: 'a.b' properties {key: 'n' value {int_value: 3}} properties {key: 'x' value {int_value: 3}}",
    )
    assert plain(told(made, item, "us-vendor", raw)) == {
        ("name", "keep", "", 1),
        ("properties[*]", "keep", "", 1),
        ("properties[*]", "strip", "NOT_LISTED", 1),
    }


def test_what_only_the_projection_can_read_is_told_from_the_release() -> None:
    # The stripped sub-message is broken: for the projection it is a field that it doesn't know.
    raw = encode(MADE.contract, "t.Item", "id: 'usr_1'") + b"\x62\x01\xff"
    assert plain(told(MADE, "t.Item", "eu-store", raw)) == {("*", "strip", "MALFORMED", 1), ("id", "keep", "", 1)}


def test_of_two_in_a_oneof_the_one_that_left_is_kept() -> None:
    made = compiler("message A { oneof o { string a = 1 @OPERATIONAL; string b = 2; } }")
    assert ("a", "keep", "", 1) in plain(told(made, "t.A", "eu-store", b"\x0a\x01x\x12\x01y"))


# ── Hostile ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def nest(depth: int, inner: bytes, field: int = 0x5A) -> bytes:
    for _ in range(depth):
        inner = bytes((field,)) + varint(len(inner)) + inner
    return inner


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes((value & 127 | 128,))
        value >>= 7
    return out + bytes((value,))


def test_the_deepest_item_has_its_receipt() -> None:
    assert plain(told(MADE, "t.Item", "eu-store", nest(MAX_DEPTH, b"\x0a\x05usr_1"))) == {
        ("parent." * MAX_DEPTH + "id", "keep", "", 1)
    }


def test_payloads_in_payloads_have_theirs() -> None:
    raw = b"\x0a\x05usr_1"
    for _ in range(MAX_DEPTH):
        payload = b"\x0a\x08x/t.Item\x12" + varint(len(raw)) + raw
        raw = b"\x4a" + varint(len(payload)) + payload
    (line,) = told(MADE, "t.Item", "eu-store", nest(60, raw))
    assert (line.path, line.verdict) == ("parent." * 60 + "payload." * MAX_DEPTH + "id", KEEP)


def test_too_many_messages_are_refused() -> None:
    raw = b"\x2a\x03\x0a\x01a" * 100_001
    with pytest.raises(Refused):
        told(MADE, "t.Item", "eu-store", raw)


def test_too_many_paths_are_refused() -> None:
    """A tree in which every path is another one."""
    made = compiler(
        "message Item { Item a_rather_long_name_of_a_field = 1; Item another_such_name_of_a_field = 2; string id = 3 "
        "@USER_ID; }"
    )
    raw = b"\x1a\x01x"
    for _ in range(15):
        raw = b"\x0a" + varint(len(raw)) + raw + b"\x12" + varint(len(raw)) + raw
    assert MAX_PATH_CHARS < 2**15 * 15 * 20
    with pytest.raises(Refused, match="TOO_MANY_ITEMS"):
        told(made, "t.Item", "eu-store", raw)


def test_many_values_of_one_field_are_one_line() -> None:
    assert plain(told(MADE, "t.Item", "eu-store", b"\x72\x01a" * 40_000)) == {("codes[*]", "keep", "", 40_000)}


# ── By chance ─────────────────────────────────────────────────────────────────────────────────────────────────────────

POLICY: Final = policy()


def leaves(made: Compiler, message: Any, path: str = "") -> Iterator[str]:
    """The paths of the values in a message that left, the slow way."""
    if not message.ListFields() and path:
        yield path
    for field, value in message.ListFields():
        name = f"[{field.full_name}]" if field.is_extension else field.name
        here = ".".join(filter(None, (path, f"{name}[*]" if field.is_repeated else name)))
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        target = field.message_type.fields_by_name["value"].message_type if is_map else field.message_type
        for one in value.values() if is_map else value if field.is_repeated else (value,):
            yield from _leaf(made, target, one, here)


def _leaf(made: Compiler, target: Any, value: Any, path: str) -> Iterator[str]:
    if target is None or (
        target.full_name.startswith("google.protobuf.") and target.name not in ("Any", "Empty", "FieldMask")
    ):
        yield path
    elif target.full_name == "google.protobuf.Any":
        inner = made.contract.message_class(value.type_url.rpartition("/")[2]).FromString(value.value)
        yield from _leaf(made, inner.DESCRIPTOR, inner, path)
    else:
        yield from leaves(made, value, path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.binary(min_size=500, max_size=500))
def test_what_is_kept_is_what_left(data: bytes) -> None:
    chance = ChoiceSequence(data)
    held = by_chance(chance)
    made = Compiler(held, with_open_patterns(PolicyFile(POLICY.policy, POLICY.origin, POLICY.path), held))
    destination = chance.pick(("eu-store", "eu-indirect", "us-vendor", "jp-service"))
    try:
        engine = ReferenceEngine(made.plan("x0.M0", destination))
    except BadPolicy:
        return
    raw = RandomMessages(chance, held).message(held.message("x0.M0"))
    try:
        verdict = decide_one(engine, raw, UNKNOWN_FACTS)
        found = receipt(made.projector("x0.M0", destination), raw, verdict)
    except Refused:
        return
    if isinstance(verdict, Release):
        left = Counter(leaves(made, held.message_class("x0.M0").FromString(verdict.payload)))
        told_of = Counter({line.path: 0 for line in found})
        for line in found:
            # A masked key of a map of messages is told of at the map's path, where no value stands.
            no_value = line.verdict is MASK and line.path not in left
            told_of[line.path] += 0 if line.verdict is STRIP or no_value else line.count
        assert +told_of == left
        assert all((line.reason is None) is (line.verdict is KEEP) and line.count > 0 for line in found)
        stripped = Counter((line.path, line.reason) for line in found if line.verdict is STRIP)
        assert {(note.path, note.reason) for note in verdict.stripped if not note.masked} <= set(stripped)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["eu-store", "eu-indirect", "us-vendor"]))
def test_random_bytes_end_in_a_receipt_or_a_refusal(raw: bytes, destination: str) -> None:
    try:
        found = told(MADE, "t.Item", destination, raw)
    except Refused:
        return
    assert all(isinstance(line, FieldLine) for line in found)


PLANTED: Final = "jean.dupont@acme.example"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                field.name
                for field in MADE.contract.message("t.Item").fields
                if field.type == FieldDescriptor.TYPE_STRING
            ]
        )
    )
)
def test_no_value_is_in_it(names: list[str]) -> None:
    text = " ".join(f"{name}: '{PLANTED}'" for name in dict.fromkeys(names) if name != "codes")
    raw = encode(
        MADE.contract,
        "t.Item",
        f"{text} codes: '{PLANTED}' noted {{key: '{PLANTED}' value: '{PLANTED}'}} part {{code: '{PLANTED}'}}",
    )
    for destination in ("eu-store", "us-store"):
        assert b"jean" not in msgspec.json.encode(
            told(MADE, "t.Item", destination, raw + b"\xfa\x3f\x04jean", Facts(NOW_SECONDS * 10**9))
        )


def test_its_paths_are_those_of_the_tree() -> None:
    """A receipt and `explain` name a field alike."""
    paths = {path for path, _ in explain(MADE, "t.Item", "eu-store").walk()}
    found = told(
        MADE,
        "t.Item",
        "eu-store",
        encode(MADE.contract, "t.Item", "id: 'usr_1' codes: 'a' noted {key: 'a' value: 'b'} parts {code: 'c'}"),
    )
    known = {path.replace("part.", "parts[*].") for path in paths} | paths
    assert {line.path for line in found} <= known
    assert f"noted[*]{KEY}" in paths


def test_an_any_decides_by_its_payload() -> None:
    assert Payload() in MADE.plan("t.Item", "eu-store").rules
