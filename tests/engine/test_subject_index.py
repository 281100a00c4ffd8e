"""Whom a minimised item is about is found wherever a plan can keep it. Against the oracle: `test_index_oracle.py`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from gateway.engine.reference import ReferenceEngine
from gateway.errors import ItemReason, Refused
from gateway.model import NOBODY, Category
from gateway.otlp.signals import LOGS, METRICS, TRACES
from gateway.policy.compile import Compiler
from gateway.policy.load import PolicyFile
from tests.support.contracts import contract, encode, policy, proto, release_of
from tests.support.otlp_attributes import any_value, key_values

Found = tuple[Category, str]

USER: Final = (Category.USER_ID, "usr_1")
NUMBER: Final = (Category.USER_ID, "42")
EMAIL: Final = (Category.WORK_EMAIL, "ada@acme.example")
EVENT: Final = "kannelle.privacy.v1.AnalyticsEvent"

BODY: Final = """
message M {
  string id = 1 @USER_ID;
  string email = 2 @WORK_EMAIL;
  optional string maybe = 3 @USER_ID;
  repeated string ids = 4 @USER_ID;
  int64 number = 5 @USER_ID;
  repeated sint32 numbers = 6 @USER_ID;
  map<string, bool> by_id = 7 @{category: OPERATIONAL, map_key: USER_ID};
  map<int32, string> by_number = 8 @{category: WORK_EMAIL, map_key: USER_ID};
  map<string, M> children = 9 @{map_key: WORK_EMAIL};
  map<string, google.protobuf.Timestamp> times = 10 @{category: OPERATIONAL, map_key: USER_ID};
  google.protobuf.StringValue wrapped = 11 @WORK_EMAIL;
  repeated google.protobuf.Int64Value wraps = 12 @USER_ID;
  map<string, google.protobuf.StringValue> wrap_of = 13 @{category: USER_ID, map_key: OPERATIONAL};
  M child = 14;
  repeated M more = 15;
  google.protobuf.Any any = 16;
  repeated google.protobuf.Any anys = 17;
  map<string, google.protobuf.Any> any_of = 18 @{map_key: OPERATIONAL};
  oneof who { string one = 19 @USER_ID; M other = 20; string third = 21 @OPERATIONAL; }
  M under = 22 @CONTENT;
  string token = 23 @OPERATIONAL;
  string note = 24 @FREE_TEXT;
  string label = 25 @ORGANISATION;
  map<string, string> labels = 26 @{category: OPERATIONAL, map_key: OPERATIONAL};
}
message Plain { string token = 1 @OPERATIONAL; map<string, string> labels = 2 @{category: OPERATIONAL, map_key: OPERATIONAL}; }
"""
MORE: Final = """\
tracking_plan:
  video.exported:
    properties:
      owner: {category: USER_ID}
      contact: {category: WORK_EMAIL}
      codec: {one_of: [usr_1]}
  video.opened: {properties: {owner: {one_of: [usr_1]}}}
otlp:
  attributes:
    user.id: USER_ID
    user.email: WORK_EMAIL
    user.*: OPERATIONAL
    owner.*: USER_ID
    owner.kind: {category: OPERATIONAL, one_of: [usr_1]}
    code: OPERATIONAL
  log_templates: [usr_1]
"""


def numbered(file: PolicyFile) -> PolicyFile:
    """The same policy, where numbers can be identifiers too."""
    given = msgspec.structs.replace(file.policy.user_id, pattern="usr_[A-Za-z0-9]{1,32}|[1-9][0-9]{0,18}")
    return PolicyFile(msgspec.structs.replace(file.policy, user_id=given), file.origin, file.path)


@cache
def made() -> Compiler:
    return Compiler(contract(proto(BODY)), numbered(policy(MORE)))


@cache
def engine(type: str, destination: str = "eu-service") -> ReferenceEngine:
    return ReferenceEngine(made().plan(type, destination))


def found(type: str, text: str) -> frozenset[Found]:
    """What is found in what is left of an item in text format.

    Asked twice, since the second answer may be remembered.
    """
    minimiser = engine(type)
    payload = release_of(minimiser, encode(made().contract, type, text)).payload
    assert minimiser.subjects(payload) == minimiser.subjects(payload)
    return minimiser.subjects(payload)


def within(slot: str, text: str) -> str:
    return f"{slot} {{ {text} }}"


def any_of(text: str, type: str = "t.M") -> str:
    return within(f"[type.googleapis.com/{type}]", text)


IS_USER: Final = 'id: "usr_1"'
IS_EMAIL: Final = 'email: "ada@acme.example"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('id: "usr_1"', {USER}),
        ('email: "Ada+news@ACME.example"', {EMAIL}),
        ('id: "usr_1" email: "ada@acme.example" maybe: "usr_1"', {USER, EMAIL}),
        ('maybe: "usr_1"', {USER}),
        ('ids: "usr_1" ids: "no" ids: "usr_2"', {USER, (Category.USER_ID, "usr_2")}),
        ("number: 42", {NUMBER}),
        ("numbers: 42 numbers: -1 numbers: 7", {NUMBER, (Category.USER_ID, "7")}),
        ('by_id { key: "usr_1" value: true } by_id { key: "ada" value: true }', {USER}),
        ('by_number { key: 42 value: "ADA@acme.example" } by_number { key: 43 value: "ada@gmail.com" }', {NUMBER, EMAIL}),
        ('children { key: "Ada@acme.example" value { id: "usr_1" } }', {EMAIL, USER}),
        ('children { key: "ada@gmail.com" value { id: "usr_1" } }', set()),
        ('times { key: "usr_1" value { seconds: 1 } }', {USER}),
        ('wrapped { value: "ada@acme.example" }', {EMAIL}),
        ("wraps { value: 42 } wraps { value: -1 } wraps { }", {NUMBER}),
        ('wrap_of { key: "usr_2" value { value: "usr_1" } }', {USER}),
        ('child { child { email: "ada@acme.example" } }', {EMAIL}),
        ('more { } more { id: "usr_1" } more { more { number: 42 } }', {USER, NUMBER}),
        (within("any", any_of(IS_USER)), {USER}),
        (within("any", any_of(any_of(IS_USER), "google.protobuf.Any")), {USER}),
        (within("any", any_of(within("child", within("any", any_of("number: 42"))))), {NUMBER}),
        (within("any", any_of('token: "usr_1"', "t.Plain")), set()),
        (within("anys", any_of(IS_USER)) + within("anys", any_of(IS_EMAIL)), {USER, EMAIL}),
        (within("any_of", 'key: "usr_2"' + within("value", any_of(IS_USER))), {USER}),
        ('one: "usr_1"', {USER}),
        ('other { email: "ada@acme.example" }', {EMAIL}),
        ('third: "usr_1"', set()),
        ('under { id: "usr_1" }', {USER}),
        ('token: "usr_1" note: "usr_1" label: "ada@acme.example" labels { key: "usr_1" value: "usr_1" }', set()),
        ('id: "ada" email: "ada@gmail.com" number: -1 ids: "" maybe: ""', set()),
        ("", set()),
    ],
)  # fmt: skip
def test_what_is_kept_is_found_wherever_it_stands(text: str, expected: set[Found]) -> None:
    assert found("t.M", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('name: "video.exported" properties { key: "owner" value { string_value: "usr_1" } }', {USER}),
        ('name: "video.exported" properties { key: "contact" value { string_value: "Ada@acme.example" } }', {EMAIL}),
        ('name: "video.exported" properties { key: "codec" value { string_value: "usr_1" } }', set()),
        ('name: "video.opened" properties { key: "owner" value { string_value: "usr_1" } }', set()),
        ('name: "video.opened" user { user_id: "usr_1" work_email: "ada@acme.example" }', {USER, EMAIL}),
    ],
)
def test_properties_are_what_their_event_says(text: str, expected: set[Found]) -> None:
    assert found(EVENT, text) == expected


def attribute(key: str, value: str, slot: str = "attributes") -> str:
    return f'{slot} {{ key: "{key}" value {{ {value} }} }}'


IS: Final = 'string_value: "usr_1"'
ID: Final = attribute("user.id", IS)
NESTED: Final = attribute("user", within("kvlist_value", attribute("id", IS, "values")))
LISTED: Final = within("kvlist_value", attribute("user.email", 'string_value: "ADA@acme.example"', "values"))
EXEMPLAR: Final = within("exemplars", attribute("user.id", IS, "filtered_attributes"))


def record(text: str) -> str:
    return within("scope_logs", within("log_records", text))


def span(text: str) -> str:
    return within("scope_spans", within("spans", text))


def point(kind: str, text: str) -> str:
    return within("scope_metrics", within("metrics", 'name: "requests"' + within(kind, within("data_points", text))))


@pytest.mark.parametrize(
    ("type", "text", "expected"),
    [
        (LOGS.item, within("resource", ID), {USER}),
        (LOGS.item, within("scope_logs", within("scope", ID)), {USER}),
        (LOGS.item, record(ID), {USER}),
        (LOGS.item, record(NESTED), {USER}),
        (
            LOGS.item,
            record(attribute("owner.a", 'array_value { values { int_value: 42 } values { string_value: "usr_1" } }')),
            {USER, NUMBER},
        ),
        (LOGS.item, record(within("body", LISTED)), {EMAIL}),
        (LOGS.item, record(within("body", IS)), set()),
        (LOGS.item, record(attribute("owner.kind", IS) + attribute("code", IS)), set()),
        (TRACES.item, within("resource", ID), {USER}),
        (TRACES.item, within("scope_spans", within("scope", ID)), {USER}),
        (TRACES.item, span(ID), {USER}),
        (TRACES.item, span(within("events", ID)), {USER}),
        (TRACES.item, span(within("links", ID)), {USER}),
        (METRICS.item, within("resource", ID), {USER}),
        (METRICS.item, within("scope_metrics", within("scope", ID)), {USER}),
        *(
            (METRICS.item, point(kind, ID), {USER})
            for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary")
        ),
        *(
            (METRICS.item, point(kind, EXEMPLAR), {USER})
            for kind in ("gauge", "sum", "histogram", "exponential_histogram")
        ),
    ],
)
def test_attributes_are_found_in_every_slot(type: str, text: str, expected: set[Found]) -> None:
    assert found(type, text) == expected


KEYS: Final = st.sampled_from(
    ("user.id", "user.email", "user", "id", "email", "owner", "kind", "name", "owner.kind", "owner.a.b", "code", "x")
)
SCALARS: Final = st.sampled_from(
    ("usr_1", "usr_2", "ada@acme.example", "Ada+x@acme.example", "ada@gmail.com", "v1", 42, -1, True, 0.5)
)
VALUES: Final = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=10
)


def said(pair: KeyValue, above: str) -> Iterator[Found]:
    """What an attribute holds, by the policy's words."""
    yield from said_at(above + pair.key, pair.value)


def said_at(path: str, value: AnyValue) -> Iterator[Found]:
    for element in value.array_value.values:
        yield from said_at(path, element)
    for pair in value.kvlist_value.values:
        yield from said(pair, f"{path}.")
    text = (
        value.string_value
        if value.HasField("string_value")
        else str(value.int_value)
        if value.HasField("int_value")
        else None
    )
    if text is not None and path == "user.email":
        yield Category.WORK_EMAIL, text
    elif text is not None and (path == "user.id" or (path.startswith("owner.") and path != "owner.kind")):
        yield Category.USER_ID, text


@settings(max_examples=700, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=4))
def test_nested_attributes_are_found_by_their_path(attributes: dict[str, Any], body: dict[str, Any]) -> None:
    record = LogRecord(attributes=key_values(attributes), body=any_value(body))
    payload = release_of(
        engine(LOGS.item), ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])]).SerializeToString()
    ).payload
    left = ResourceLogs.FromString(payload).scope_logs[0].log_records[0]
    wanted = {one for pair in (*left.attributes, *left.body.kvlist_value.values) for one in said(pair, "")}
    event(str(len(wanted)))
    assert engine(LOGS.item).subjects(payload) == wanted


# ── What it doesn't do ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plan_that_keeps_none_has_nothing_read() -> None:
    minimiser = ReferenceEngine(made().plan("t.Plain", "eu-service"))
    assert minimiser.subjects(b"\xff") is NOBODY
    nothing = ReferenceEngine(made().plan("t.M", "jp-service"))
    assert nothing.subjects(b"\xff") is NOBODY


def test_what_is_no_payload_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        engine("t.M").subjects(b"\xff")
    assert caught.value.reason is ItemReason.MALFORMED


def test_no_value_is_in_a_repr() -> None:
    release = release_of(engine("t.M"), encode(made().contract, "t.M", IS_USER))
    assert "usr_1" not in repr((release, engine("t.M"), engine("t.M").subjects))
