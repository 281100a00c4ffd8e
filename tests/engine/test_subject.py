"""Whom an item is about, read from its raw bytes."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kannelle.privacy.v1 import analytics_pb2, context_pb2

from gateway.engine.subject import SubjectProjection
from gateway.errors import ItemReason, Reason, Refused
from gateway.model import NO_SUBJECT, Subject
from tests.support.contracts import compiler, contract, encode, proto
from tests.support.requests import field, group, nested

BODY: Final = """
message Flat { string id = 1 @USER_ID; string mail = 2 @WORK_EMAIL; string name = 3 @NAME; }
message Deep { Flat inner = 1; string note = 2 @FREE_TEXT; }
message Shadowed { Flat inner = 1; string own = 2 @USER_ID; }
message Marked { string a = 1 @USER_ID; string b = 2 @{category: USER_ID, subject: true}; }
message Many { repeated string ids = 1 @USER_ID; repeated Flat people = 2; }
message Choice { oneof who { string id = 1 @USER_ID; Flat person = 2; } }
message Maybe { optional string id = 1 @USER_ID; }
message Tree { Tree child = 1; string id = 2 @USER_ID; }
message Nothing { string name = 1 @NAME; }
"""

CASES: Final[list[tuple[str, str, Subject]]] = [
    ("Flat", "id: 'usr_1' mail: 'Ana@Acme.example' name: 'Ana'", Subject("usr_1", "Ana@Acme.example")),
    ("Flat", "mail: 'ana@acme.example'", Subject("", "ana@acme.example")),
    ("Flat", "", Subject()),
    (
        "Deep",
        "inner { id: 'usr_1' mail: 'a@acme.example' } note: 'ben@acme.example'",
        Subject("usr_1", "a@acme.example"),
    ),
    ("Deep", "", Subject()),
    (
        "Shadowed",
        "inner { id: 'usr_far' mail: 'a@acme.example' } own: 'usr_near'",
        Subject("usr_near", "a@acme.example"),
    ),
    ("Shadowed", "inner { id: 'usr_far' }", Subject()),
    ("Marked", "a: 'usr_a' b: 'usr_b'", Subject("usr_b")),
    ("Many", "ids: 'usr_1' people { id: 'usr_2' }", Subject()),
    ("Choice", "id: 'usr_1'", Subject("usr_1")),
    ("Choice", "person { id: 'usr_2' mail: 'a@acme.example' }", Subject("", "a@acme.example")),
    ("Maybe", "id: ''", Subject()),
    ("Tree", "id: 'usr_1' child { id: 'usr_2' }", Subject("usr_1")),
    ("Nothing", "name: 'Ana'", Subject()),
]


@cache
def reader(type: str) -> SubjectProjection:
    return SubjectProjection(compiler(BODY).subject(f"t.{type}"))


EMAILS: Final[list[tuple[str, bool]]] = [
    ("", False),
    ("ana@acme.example", False),
    ("ana@gmail.com", True),
    ("Ana.Silva+x@GMAIL.com", True),
    ("ana@mailinator.com", True),
    ("ana@sub.mailinator.com", True),
    ("ana", False),
    ("@gmail.com", False),
    ("ana@gmail.com, ben@acme.example", True),
    ("gmail.com@acme.example", True),
]


@pytest.mark.parametrize(("email", "personal"), EMAILS)
def test_a_subject_s_address_tells_whether_it_is_personal(email: str, personal: bool) -> None:
    assert reader("Flat").is_personal(Subject("usr_1", email)) is personal


@pytest.mark.parametrize(("domain", "personal"), [("family.example", True), ("eclipso.de", False), ("gmail.com", True)])
def test_it_does_by_the_policy_s_own_domains(domain: str, personal: bool) -> None:
    plan = compiler(BODY, "personal_domains: {add: [family.example], remove: [eclipso.de]}").subject("t.Flat")
    assert SubjectProjection(plan).is_personal(Subject("usr_1", f"ana@{domain}")) is personal


@pytest.mark.parametrize(("type", "text", "subject"), CASES)
def test_the_subject_is_what_the_nearest_fields_say(type: str, text: str, subject: Subject) -> None:
    assert reader(type).read(encode(contract(proto(BODY)), f"t.{type}", text)) == subject


def test_of_an_event_it_is_its_user() -> None:
    plan = compiler("").subject("kannelle.privacy.v1.AnalyticsEvent")
    event = analytics_pb2.AnalyticsEvent(
        user=context_pb2.UserContext(user_id="usr_1", work_email="a@acme.example", full_name="Ana")
    )
    assert SubjectProjection(plan).read(event.SerializeToString()) == Subject("usr_1", "a@acme.example")


def test_log_records_have_none() -> None:
    assert (
        SubjectProjection(compiler("").subject("opentelemetry.proto.logs.v1.ResourceLogs")).read(b"\xff") is NO_SUBJECT
    )


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("cut off", b"\x0a\x05", ItemReason.MALFORMED),
        ("an ID that isn't UTF-8", field(1, b"\xff"), ItemReason.MALFORMED),
        ("groups too deep", nested(101, group), ItemReason.MALFORMED),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, raw: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as caught:
        reader("Flat").read(raw)
    assert caught.value.reason is reason


@pytest.mark.parametrize("raw", [field(3, b"\xff"), field(9, b"\xff" * 9), b"\x08\x01", group(b"")])
def test_what_is_beside_it_does_not_matter(raw: bytes) -> None:
    assert reader("Flat").read(raw + field(1, b"usr_1") + raw) == Subject("usr_1")


def test_of_several_the_last_counts_as_it_does_for_everybody() -> None:
    assert reader("Flat").read(field(1, b"usr_1") + field(1, b"usr_2")) == Subject("usr_2")
    assert reader("Deep").read(field(1, field(1, b"usr_1")) + field(1, field(2, b"a@acme.example"))) == Subject(
        "usr_1", "a@acme.example"
    )


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_or_read(raw: bytes) -> None:
    with suppress(Refused):
        assert isinstance(reader("Deep").read(raw), Subject)


# ── The workspace of items of OTLP
# ──────────────────────────────────────────────────────────

LOG: Final = "opentelemetry.proto.logs.v1.ResourceLogs"
SPAN: Final = "opentelemetry.proto.trace.v1.ResourceSpans"
METRIC: Final = "opentelemetry.proto.metrics.v1.ResourceMetrics"
OTLP: Final = "otlp: {workspace: ws.id, attributes: {ws.id: OPERATIONAL, other: OPERATIONAL}}"


def said(value: str, key: str = "ws.id") -> str:
    return f"attributes {{ key: '{key}' value {{ {value} }} }}"


A, B, C, EMPTY = (said(f"string_value: '{name}'") for name in ("ws_a", "ws_b", "ws_c", ""))
OTHER, KEY_AS_VALUE = said("string_value: 'ws_a'", "other"), said("string_value: 'ws.id'", "other")
NUMBER, RAW = said("int_value: 7"), said("bytes_value: 'ws_a'")
KVLIST: Final = (
    "attributes { key: 'ws' value { kvlist_value { values { key: 'id' value { string_value: 'ws_a' } } } } }"
)
ITEMS: Final[list[tuple[str, str, str, str]]] = [
    ("a record's", LOG, f"scope_logs {{ log_records {{ {A} }} }}", "ws_a"),
    ("a scope's", LOG, f"scope_logs {{ scope {{ {A} }} log_records {{ }} }}", "ws_a"),
    ("a resource's", LOG, f"resource {{ {A} }} scope_logs {{ log_records {{ }} }}", "ws_a"),
    (
        "a record's before its resource's",
        LOG,
        f"resource {{ {B} }} scope_logs {{ log_records {{ {A} }} }}",
        "ws_a",
    ),
    (
        "a scope's before its resource's",
        LOG,
        f"resource {{ {B} }} scope_logs {{ scope {{ {A} }} }}",
        "ws_a",
    ),
    ("a span's", SPAN, f"scope_spans {{ spans {{ {A} }} }}", "ws_a"),
    ("not an event's of a span", SPAN, f"scope_spans {{ spans {{ events {{ {A} }} }} }}", ""),
    *(
        (kind, METRIC, f"scope_metrics {{ metrics {{ {kind} {{ data_points {{ {A} }} }} }} }}", "ws_a")
        for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    ),
    ("another attribute's", LOG, f"scope_logs {{ log_records {{ {OTHER} }} }}", ""),
    ("the key as a value", LOG, f"scope_logs {{ log_records {{ {KEY_AS_VALUE} }} }}", ""),
    ("within a list", LOG, f"scope_logs {{ log_records {{ {KVLIST} }} }}", ""),
    ("a number", LOG, f"scope_logs {{ log_records {{ {NUMBER} }} }}", ""),
    ("bytes", LOG, f"scope_logs {{ log_records {{ {RAW} }} }}", ""),
    ("twice the same", LOG, f"scope_logs {{ log_records {{ {A} {A} }} }}", "ws_a"),
    (
        "two things, whatever its resource says",
        LOG,
        f"resource {{ {C} }} scope_logs {{ log_records {{ {A} {B} }} }}",
        "",
    ),
    (
        "of two records, two things",
        LOG,
        f"scope_logs {{ log_records {{ {A} }} log_records {{ {B} }} }}",
        "",
    ),
    (
        "nothing, though its resource says it",
        LOG,
        f"resource {{ {C} }} scope_logs {{ log_records {{ {EMPTY} }} }}",
        "",
    ),
    ("without the key", LOG, "scope_logs { log_records { severity_text: 'INFO' } }", ""),
]


@cache
def otlp_reader(type: str) -> SubjectProjection:
    return SubjectProjection(compiler("", OTLP).subject(type))


@pytest.mark.parametrize(("row", "type", "text", "workspace"), ITEMS, ids=[item[0] for item in ITEMS])
def test_of_an_item_of_otlp_it_is_what_the_attribute_nearest_to_the_record_says(
    row: str, type: str, text: str, workspace: str
) -> None:
    raw = encode(compiler("").contract, type, text)
    assert otlp_reader(type).read(raw) == Subject(workspace=workspace)


@pytest.mark.parametrize(
    "raw", [b"\xff", b"ws.id", field(2, b"\x12ws.id"), field(1, field(1, field(1, b"ws.id") + b"\x07"))]
)
def test_of_an_item_that_cannot_be_read_it_is_not_told(raw: bytes) -> None:
    assert otlp_reader(LOG).read(raw) == NO_SUBJECT


def test_a_text_that_is_not_utf_8_names_a_workspace_that_nobody_has() -> None:
    pair = field(1, b"ws.id") + field(2, field(1, b"\xff"))
    assert otlp_reader(LOG).read(field(1, field(1, pair))) == Subject(workspace="\ufffd")


def test_without_a_key_nothing_of_it_is_parsed() -> None:
    plan = compiler("").subject(LOG)
    assert (plan.workspace_attribute, SubjectProjection(plan).read(b"\xff")) == (None, NO_SUBJECT)
