"""Values whose rule depends on a key: OTLP attributes and bodies, the properties of events.

And every other slot of a log record.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from gateway.engine.reference import ReferenceEngine
from gateway.errors import ItemReason, Refused
from gateway.model import Facts, Withheld
from gateway.policy.compile import Compiler
from tests.support.contracts import NOW_SECONDS, UNKNOWN_FACTS, compiler, decode, encode, release_of
from tests.support.engines import decide_one
from tests.support.otlp_attributes import any_value, key_values
from tests.support.wire_format import record, varint

LOGS: Final = "opentelemetry.proto.logs.v1.ResourceLogs"
EVENT: Final = "kannelle.privacy.v1.AnalyticsEvent"
MORE: Final = """\
tracking_plan:
  video.exported:
    properties:
      codec: {one_of: [h264, hevc]}
      duration_s: {min: 0, max: 86400}
      ratio: {type: number, min: 0, max: 2}
      subtitled: {type: boolean}
      owner: {category: USER_ID}
      contact: {category: WORK_EMAIL}
      label: {type: string}
      title: {category: CONTENT}
  video.opened: {properties: {codec: {one_of: [av1]}, duration_s: {min: 0, max: 5}}}
otlp:
  attributes:
    user.id: USER_ID
    user.email: WORK_EMAIL
    user.name: NAME
    note: FREE_TEXT
    email.*: OPERATIONAL
    contact.*: OPERATIONAL
    contact.phone: OPERATIONAL
    service.*: OPERATIONAL
    service.owner.*: NAME
    http.status: {category: OPERATIONAL, min: 100, max: 599}
    http.method: {category: OPERATIONAL, one_of: [GET, PUT]}
    app.flag: OPERATIONAL
    password: CREDENTIAL
  log_templates: [server started, "user {user_id} signed in"]
"""


@cache
def made() -> Compiler:
    return compiler("message M {}", MORE)


@cache
def engine(destination: str, type_: str = LOGS) -> ReferenceEngine:
    return ReferenceEngine(made().plan(type_, destination))


def minimised(text: str, destination: str, type_: str = LOGS) -> str:
    """What is left of an item in text format, on one line; asked twice, since the second answer may be remembered."""
    raw = encode(made().contract, type_, text)
    first, second = (release_of(engine(destination, type_), raw).payload for _ in range(2))
    assert first == second
    return " ".join(str(decode(made().contract, type_, first)).split())


def log(text: str) -> str:
    return f"scope_logs {{ log_records {{ {text} }} }}"


def attribute(key: str, value: str, slot: str = "attributes") -> str:
    return f'{slot} {{ key: "{key}" value {{ {value} }} }}'


LONG: Final = f"time_unix_nano: {NOW_SECONDS * 10**9}"
NOTHING: Final = "scope_logs { log_records { } }"
LOGS_AT: Final = ("eu-indirect", "eu-service")
"""A log, and a destination that takes more of what is no log's."""


# ── Slots ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('body { string_value: "server started" }', True),
        ('body { string_value: "user {user_id} signed in" }', True),
        ('body { string_value: "user usr_1 signed in" }', False),
        ('body { string_value: "Server started" }', False),
        ('body { string_value: "server started " }', False),
        ('body { string_value: "" }', False),
        ("body { int_value: 5 }", False),
        ("body { bool_value: true }", False),
        ("body { double_value: 1.5 }", False),
        ('body { bytes_value: "server started" }', False),
        ('body { array_value { values { string_value: "server started" } } }', False),
        ('body { kvlist_value { values { key: "service.name" value { string_value: "api" } } } }', True),
        ("body { }", False),
        ('event_name: "video.exported"', True),
        ('event_name: "app.started"', True),
        ('event_name: "anna@acme.example"', False),
        ('event_name: "signed in by Anna"', False),
        ('event_name: "user.latitude"', False),
        ('event_name: "password.changed"', False),
        ('event_name: "comment.pin"', True),
        ("severity_number: SEVERITY_NUMBER_WARN", True),
        ('severity_text: "WARN"', True),
        ('severity_text: "Warning"', True),
        ('severity_text: "warn"', True),
        ('severity_text: "anna"', False),
        ('severity_text: "WARN "', False),
        (LONG, True),
        (f"time_unix_nano: {(NOW_SECONDS + 8 * 86_400) * 10**9}", True),
        (f"observed_time_unix_nano: {(NOW_SECONDS - 8 * 86_400) * 10**9}", True),
        ("time_unix_nano: 1", False),
        ("time_unix_nano: 33612345678", False),
        ("time_unix_nano: 4111111111111111", False),
        ("observed_time_unix_nano: 185047512345678", False),
        ("time_unix_nano: 4111111111111111110", False),
        ("time_unix_nano: 946684799999999999", False),
        ("time_unix_nano: 946684800000000000", True),
        ("time_unix_nano: 3155759999999999999", True),
        ("time_unix_nano: 3155760000000000000", False),
        ("time_unix_nano: 18446744073709551615", False),
        ('trace_id: "0123456789abcdef"', True),
        ('trace_id: "0123456789abcde"', False),
        ('trace_id: "0123456789abcdef0"', False),
        ('span_id: "01234567"', True),
        ('span_id: "0123456"', False),
        ('span_id: "anna@acme.example"', False),
        ("flags: 1", True),
        ("flags: 1024", False),
        ("dropped_attributes_count: 5", True),
        ("dropped_attributes_count: 612345678", False),
    ],
)
def test_a_slot_of_a_record_is_kept_or_stripped(text: str, kept: bool) -> None:
    for destination in LOGS_AT:
        assert minimised(log(text), destination) == (log(text) if kept else NOTHING)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('schema_url: "https://opentelemetry.io/schemas/1.37.0"', True),
        ('schema_url: "https://opentelemetry.io/schemas/1.37.0?user=anna"', False),
        ('schema_url: "https://acme.example/schemas/1.37.0"', False),
        ('scope_logs { schema_url: "https://opentelemetry.io/schemas/1.37.0" }', True),
        ('scope_logs { scope { name: "acme.http" version: "1.2.3" } }', True),
        ('scope_logs { scope { name: "@opentelemetry/instrumentation-http" } }', True),
        (
            (
                'scope_logs { scope { name: "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc" '
                "} }"
            ),
            True,
        ),
        ('scope_logs { scope { name: "@anna@acme.example" } }', False),
        ('scope_logs { scope { name: "library of anna" } }', False),
        ('scope_logs { scope { name: "anna@acme.example" } }', False),
        ('scope_logs { scope { name: "acme.user.gender" } }', False),
        ("scope_logs { scope { dropped_attributes_count: 3 } }", True),
        ('scope_logs { scope { attributes { key: "service.name" value { string_value: "api" } } } }', True),
        ("resource { dropped_attributes_count: 3 }", True),
        ('resource { attributes { key: "http.status" value { int_value: 200 } } }', True),
        ('resource { entity_refs { type: "user" id_keys: "user.email" } }', False),
    ],
)
def test_a_slot_around_records_is_kept_or_stripped(text: str, kept: bool) -> None:
    for destination in LOGS_AT:
        left = minimised(text, destination)
        assert left == text if kept else not any(word in left for word in ("anna", "acme", "user", "api"))


PLANTED: Final = b"anna.secret@acme.example"


@pytest.mark.parametrize("destination", LOGS_AT)
def test_unknown_fields_are_gone_at_every_depth(destination: str) -> None:
    """In the item, its resource, its scope, its record, its attributes and their values."""
    odd = record(99, 2, PLANTED) + record(98, 0, b"\x05") + record(7, 5, b"anna")
    value = record(1, 2, b"GET") + odd
    pair = record(1, 2, b"http.method") + record(2, 2, value) + odd
    one = record(6, 2, pair) + record(5, 2, record(1, 2, b"server started") + odd) + odd
    scope = record(3, 2, pair) + odd
    raw = record(1, 2, record(1, 2, pair) + odd) + record(2, 2, record(1, 2, scope) + record(2, 2, one) + odd) + odd
    for _ in range(2):
        payload = release_of(engine(destination), raw).payload
        assert b"anna" not in payload
        decode(made().contract, LOGS, payload)


# ── Attributes ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("user.id", 'string_value: "usr_1"', True),
        ("user.id", 'string_value: "anna"', False),
        ("user.id", "int_value: 5", False),
        ("user.email", 'string_value: "anna@acme.example"', True),
        ("user.email", 'string_value: "anna@gmail.com"', False),
        ("user.email", 'bytes_value: "anna@acme.example"', False),
        ("user.name", 'string_value: "Anna"', False),
        ("password", 'string_value: "x"', False),
        ("note", 'string_value: "x"', False),
        ("http.status", "int_value: 200", True),
        ("http.status", "int_value: 33612345678", False),
        ("http.status", 'string_value: "200"', True),
        ("http.status", 'string_value: "600"', False),
        ("http.status", 'string_value: "0200"', False),
        ("http.status", 'string_value: "+200"', False),
        ("http.status", 'string_value: "33612345678"', False),
        ("http.status", "double_value: 200", False),
        ("http.status", "bool_value: true", False),
        ("http.method", 'string_value: "GET"', True),
        ("http.method", 'string_value: "get"', False),
        ("app.flag", "bool_value: false", True),
        ("app.flag", "double_value: 1.5", True),
        ("app.flag", "int_value: 5", True),
        ("app.flag", 'string_value: "on"', True),
        ("app.flag", 'string_value: "a b"', False),
        ("app.flag", 'string_value: "4111111111111111"', False),
        ("app.flag", "int_value: 4111111111111111", False),
        ("app.flag", 'bytes_value: "on"', False),
        ("app.flag", 'kvlist_value { values { key: "app.flag" value { string_value: "on" } } }', False),
        ("app.flag", "string_value_strindex: 5", False),
        ("app.flag", "", False),
        ("service.name", 'string_value: "api"', True),
        ("service.name", 'string_value: "anna@acme.example"', False),
        ("service.", 'string_value: "api"', True),
        ("service", 'string_value: "api"', False),
        ("servicename", 'string_value: "api"', False),
        ("Service.name", 'string_value: "api"', False),
        ("service.owner.team", 'string_value: "api"', False),
        ("service.anna@acme.example", 'string_value: "api"', False),
        ("service.33612345678", 'string_value: "api"', False),
        ("service.YW5uYUBhY21lLmV4YW1wbGU", 'string_value: "api"', False),
        ("service.name of anna", 'string_value: "api"', False),
        ("service.email", 'string_value: "api"', False),
        ("service.firstname", 'string_value: "api"', False),
        ("service.owner_first_name", "int_value: 5", False),
        ("service.religion", 'string_value: "api"', False),
        ("service.lat", "double_value: 1.5", False),
        ("service.Geburtsdatum", 'string_value: "api"', False),
        ("service.info.lon", "double_value: 1.5", False),
        ("service.p99.lat", "double_value: 1.5", True),
        ("service.pan", "int_value: 5", True),
        ("service.email.provider", 'string_value: "api"', True),
        ("email.provider", 'string_value: "api"', True),
        ("email.address", 'string_value: "api"', False),
        ("contact.phone", 'string_value: "api"', True),
        ("contact.password", 'string_value: "api"', False),
        ("s\u0435rvice.name", 'string_value: "api"', False),
        ("service.n\u0430me", 'string_value: "api"', False),
        ("user\u2024id", 'string_value: "usr_1"', False),
        ("user.id\u200b", 'string_value: "usr_1"', False),
        ("user.id ", 'string_value: "usr_1"', False),
        ("service." + "x" * 100, 'string_value: "api"', False),
        ("", 'string_value: "api"', False),
        ("client.address", 'string_value: "api"', False),
    ],
)
@pytest.mark.parametrize("slot", ["record", "resource", "scope"])
def test_an_attribute_is_kept_by_its_key_and_its_value(key: str, value: str, kept: bool, slot: str) -> None:
    pair = attribute(key, value)
    text = {"record": log(pair), "resource": f"resource {{ {pair} }}", "scope": f"scope_logs {{ scope {{ {pair} }} }}"}[
        slot
    ]
    for destination in LOGS_AT:
        assert (minimised(text, destination) == " ".join(text.split())) is kept


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ('values { string_value: "a" } values { string_value: "b" }', "ab"),
        ('values { string_value: "a" } values { string_value: "x y" } values { int_value: 5 } values { }', "a"),
        ('values { string_value: "a" } values { array_value { values { string_value: "b" } } }', "a"),
        ('values { string_value: "a" } values { bytes_value: "b" } values { kvlist_value { } }', "a"),
    ],
)
def test_the_elements_of_an_array_are_judged_one_by_one(values: str, left: str) -> None:
    kept = minimised(log(attribute("service.list", f"array_value {{ {values} }}")), "eu-indirect")
    assert [word.strip('"') for word in kept.split() if word.startswith('"') and len(word) == 3] == list(left)


LISTS: Final[list[tuple[str, dict[str, object], dict[str, object]]]] = [
    (
        "the keys that lead to what is listed",
        {"http": {"status": 200}},
        {"http": {"status": 200}},
    ),
    (
        "what isn't listed beside what is",
        {"http": {"status": 200, "body": "x"}},
        {"http": {"status": 200}},
    ),
    ("a path that isn't listed", {"http": {"body": "x"}}, {}),
    ("a key without a list that only leads", {"http": "x"}, {}),
    ("three levels under a wildcard", {"service": {"a": {"b": "v1"}}}, {"service": {"a": {"b": "v1"}}}),
    ("a dotted key in a list", {"service": {"a.b": "v1"}}, {"service": {"a.b": "v1"}}),
    ("a list below a key under a wildcard", {"service.a": {"b": "v1"}}, {"service.a": {"b": "v1"}}),
    ("a wildcard's own exception", {"service": {"owner": {"team": "api"}}}, {}),
    ("an address for a key", {"service": {"anna@acme.example": "v1"}}, {}),
    ("an address in parts", {"service": {"anna@acme": {"example": "v1"}}}, {}),
    ("a path that names a password", {"service": {"db": {"password": "v1"}}}, {}),
    ("a value that fails", {"service": {"a": "x y", "b": "v1"}}, {"service": {"b": "v1"}}),
    (
        "an identifier by its path",
        {"user": {"id": "usr_1", "name": "Anna"}},
        {"user": {"id": "usr_1"}},
    ),
    ("a list where a value is listed", {"user.id": {"a": "usr_1"}}, {}),
    ("a list where a category isn't allowed", {"user.name": {"first": "Anna"}}, {}),
    (
        "a list about a person",
        {"service.info": {"firstname": "a", "lon": 2.5, "id": "c"}},
        {"service.info": {"id": "c"}},
    ),
    (
        "a person two levels down",
        {"service": {"info": {"user": {"name": "a", "id": "c"}}}},
        {"service": {"info": {"user": {"id": "c"}}}},
    ),
    ("an empty list", {"service": {}}, {}),
    ("a list of which nothing is left", {"service": {"a": {"b": "x y"}}}, {}),
    (
        "lists in an array",
        {"service.list": [{"a": "v1"}, {"b": "x y"}, "v2"]},
        {"service.list": [{"a": "v1"}, "v2"]},
    ),
    ("lists in an array of a listed key", {"app.flag": [{"a": "v1"}, "v2"]}, {"app.flag": ["v2"]}),
]
"""What is sent, and what is left."""


@pytest.mark.parametrize(("sent", "left"), [row[1:] for row in LISTS], ids=[row[0] for row in LISTS])
@pytest.mark.parametrize("slot", ["attributes", "body"])
def test_what_a_list_holds_is_judged_by_its_path(sent: dict[str, object], left: dict[str, object], slot: str) -> None:
    def logs(values: dict[str, object]) -> bytes:
        held = (
            LogRecord(attributes=key_values(values))
            if slot == "attributes"
            else LogRecord(body=any_value(values) if values else None)
        )
        return ResourceLogs(scope_logs=[ScopeLogs(log_records=[held])]).SerializeToString()

    for destination in LOGS_AT:
        for _ in range(2):
            assert release_of(engine(destination), logs(sent)).payload == logs(left)


ARRAYS: Final[list[tuple[list[object], bool]]] = [
    ([48.8566, 2.3522], False),
    ([4111, 1111, 1111, 1111], False),
    (["4111", "1111", "1111", "1111"], False),
    (["06", "12", "34", "56", "78"], False),
    (["0033", "6", "12345678"], False),
    (["FR76", "3000", "6000", "0112", "3456", "7890", "189"], False),
    ([True, "4111", False, "1111", True, "1111", "1111"], False),
    ([4111, 1111], True),
    ([1, 2, 3], True),
    ([200, 404, 500], True),
    ([80, 443, 8080], True),
    ([0.5, 0.9, 0.99], True),
    ([0.005, 0.01, 0.025, 0.05, 0.1, 0.25], True),
    (["1.4.0", "1.4.1", "latest"], True),
    (["fr-par-1", "fr-par-2"], True),
    (["stop", "length"], True),
    ([True, False], True),
]
"""What is sent under a wildcard, and whether it stays whole."""


@pytest.mark.parametrize(("values", "kept"), ARRAYS, ids=str)
@pytest.mark.parametrize("path", ["service.list", "service.info.list"])
def test_an_array_whose_elements_are_parts_of_one_value_goes(values: list[object], kept: bool, path: str) -> None:
    def logs(attributes: dict[str, object]) -> bytes:
        return ResourceLogs(
            scope_logs=[ScopeLogs(log_records=[LogRecord(attributes=key_values(attributes))])]
        ).SerializeToString()

    for _ in range(2):
        assert release_of(engine("eu-indirect"), logs({path: values})).payload == logs({path: values} if kept else {})


def test_what_is_stripped_of_an_array_joins_nothing() -> None:
    values = ["4111", "1111", "x y", "1111", "1111"]
    raw = ResourceLogs(
        scope_logs=[ScopeLogs(log_records=[LogRecord(attributes=key_values({"service.list": values}))])]
    ).SerializeToString()
    assert b"1111" not in release_of(engine("eu-indirect"), raw).payload


def test_an_array_of_identifiers_is_told_one_by_one() -> None:
    text = log(
        attribute("user.id", 'array_value { values { string_value: "usr_0" } values { string_value: "usr_1" } }')
    )
    assert minimised(text, "eu-indirect") == text


@pytest.mark.parametrize("part", ["a", "service", "user"])
def test_lists_may_nest_as_deep_as_protobuf_does_where_they_go(part: str) -> None:
    value: object = "v1"
    for _ in range(30):
        value = {part: value}
    kept, gone = (
        ResourceLogs(
            scope_logs=[ScopeLogs(log_records=[LogRecord(attributes=key_values({key: value}))])]
        ).SerializeToString()
        for key in ("service", "none")
    )
    assert b"v1" not in release_of(engine("eu-indirect"), gone).payload
    with pytest.raises(Refused) as caught:
        decide_one(engine("eu-indirect"), kept, UNKNOWN_FACTS)
    assert caught.value.reason is ItemReason.TOO_DEEP


@pytest.mark.parametrize("path", ["service", "http", "none"])
def test_a_long_key_of_many_dots_costs_no_more_than_its_length(path: str) -> None:
    """Quadratic, it would take hours."""
    for key in (path + "." * 1_000_000, "." * 1_000_000 + path):
        held = ResourceLogs(
            scope_logs=[ScopeLogs(log_records=[LogRecord(attributes=key_values({key: "v1", path: {key: "v1"}}))])]
        )
        assert b"v1" not in release_of(engine("eu-indirect"), held.SerializeToString()).payload


@pytest.mark.parametrize("slot", ["array", "list"])
def test_an_item_of_too_many_values_is_refused_wherever_they_are(slot: str) -> None:
    many = [*range(20_000)]
    held = {f"service.{index}": many if slot == "array" else {f"k{one}": one for one in many} for index in range(3)}
    raw = ResourceLogs(scope_logs=[ScopeLogs(log_records=[LogRecord(attributes=key_values(held))])]).SerializeToString()
    with pytest.raises(Refused) as caught:
        decide_one(engine("eu-indirect"), raw, UNKNOWN_FACTS)
    assert caught.value.reason is ItemReason.TOO_LARGE


@pytest.mark.parametrize("values", ['values { string_value: "x y" }', "values { }", "values { array_value { } }"])
def test_an_array_of_which_nothing_is_left_goes(values: str) -> None:
    assert minimised(log(attribute("service.list", f"array_value {{ {values} }}")), "eu-indirect") == NOTHING


def test_a_work_address_in_an_attribute_is_normalised_and_a_personal_one_withholds_from_vendors() -> None:
    text = log(attribute("user.email", 'string_value: "Anna+x@ACME.example"'))
    assert '"anna@acme.example"' in minimised(text, "eu-vendor")
    raw = encode(made().contract, LOGS, log(attribute("user.email", 'string_value: "anna@gmail.com"')))
    assert isinstance(decide_one(engine("eu-vendor"), raw, UNKNOWN_FACTS), Withheld)


def test_an_address_in_a_property_is_held_against_the_directory_each_time() -> None:
    text = 'name: "video.exported" ' + entry("contact", 'string_value: "anna@acme.example"')
    raw = encode(made().contract, EVENT, text)
    facts = [
        UNKNOWN_FACTS,
        *(
            Facts(NOW_SECONDS * 10**9, directory=True, verified=frozenset(domains))
            for domains in (["acme.example"], [], ["acme.example"], ["b.example"])
        ),
    ]
    assert [b"anna" in release_of(engine("us-store", EVENT), raw, one).payload for one in facts * 2] == [
        True,
        True,
        False,
        True,
        False,
    ] * 2


@pytest.mark.parametrize("destination", LOGS_AT)
def test_free_text_goes_from_a_log_whatever_its_destination_takes(destination: str) -> None:
    assert minimised(
        log('body { string_value: "call me" } ' + attribute("note", 'string_value: "x"')), destination
    ) == (NOTHING)


def test_of_duplicate_keys_each_is_judged() -> None:
    pairs = [attribute("service.name", f'string_value: "{value}"') for value in ("a", "anna@acme.example", "b", "a")]
    left = minimised(log(" ".join(pairs)), "eu-indirect")
    assert (left.count("service.name"), "anna" in left) == (3, False)


@pytest.mark.parametrize("first", ["user.id", "service.name", "client.address"])
def test_a_pair_with_two_keys_is_judged_by_the_last_or_goes(first: str) -> None:
    """Whatever a reader takes for its key, its value passed that key's rule."""
    pair = record(1, 2, first.encode()) + record(2, 2, record(1, 2, b"Anna-Smith")) + record(1, 2, b"user.id")
    payload = release_of(engine("eu-indirect"), record(1, 2, record(1, 2, pair))).payload
    assert b"Anna" not in payload


def test_of_several_kinds_of_value_one_that_is_never_kept_replaces_none_before_it() -> None:
    """The schema doesn't know it; what stays passed its own rule."""
    value = record(1, 2, b"api") + record(7, 2, PLANTED) + record(8, 0, b"\x05")
    payload = release_of(
        engine("eu-indirect"), record(1, 2, record(1, 2, record(1, 2, b"service.name") + record(2, 2, value)))
    ).payload
    assert b"api" in payload
    assert b"anna" not in payload


def test_of_several_resources_the_last_one_counts() -> None:
    """It is read as raw bytes, and not merged. What is lost is lost; nothing that was stripped comes back."""
    first, second = (
        record(1, 2, record(1, 2, record(1, 2, b"service.name") + record(2, 2, record(1, 2, name))))
        for name in (b"a1", b"b2")
    )
    payload = release_of(engine("eu-indirect"), first + second).payload
    assert (b"a1" in payload, b"b2" in payload) == (False, True)


def test_what_was_stripped_is_counted_by_its_place() -> None:
    text = (
        "resource { "
        + attribute("client.address", 'string_value: "x"') * 3
        + " } "
        + log(
            attribute("service.list", "array_value { values { int_value: 4111111111111111 } values { int_value: 1 } }")
        )
    )
    release = release_of(engine("eu-indirect"), encode(made().contract, LOGS, text))
    assert {(one.path, one.reason.value, one.count) for one in release.stripped} == {
        ("resource.attributes[*]", "UNCLASSIFIED", 3),
        ("scope_logs[*].log_records[*].attributes[*][*]", "LOOKS_LIKE_CARD", 1),
    }


@pytest.mark.parametrize("pair", [b"\x0a", b"\x12\x01", record(1, 2, b"user.id") + record(2, 2, b"\x0a\x05a")])
def test_a_malformed_attribute_is_refused(pair: bytes) -> None:
    with pytest.raises(Refused) as caught:
        decide_one(engine("eu-indirect"), record(1, 2, record(1, 2, pair)), UNKNOWN_FACTS)
    assert caught.value.reason is ItemReason.MALFORMED


@pytest.mark.parametrize("pair", [record(1, 2, b"\xff"), record(1, 2, b"none") + b"\xff", record(1, 2, b"none")[:-1]])
def test_an_attribute_whose_key_is_not_listed_is_not_looked_into(pair: bytes) -> None:
    assert release_of(engine("eu-indirect"), record(1, 2, record(1, 2, pair))).payload == record(1, 2, b"")


# ── Properties of events ──────────────────────────────────────────────────────────────────────────────────────────────


def entry(key: str, value: str) -> str:
    return f'properties {{ key: "{key}" value {{ {value} }} }}'


@pytest.mark.parametrize(
    ("key", "value", "inside", "outside"),
    [
        ("codec", 'string_value: "h264"', True, True),
        ("codec", 'string_value: "av1"', False, False),
        ("codec", "int_value: 5", False, False),
        ("duration_s", "int_value: 86400", True, True),
        ("duration_s", "int_value: 86401", False, False),
        ("duration_s", "double_value: 5", False, False),
        ("ratio", "double_value: 1.5", True, False),
        ("ratio", "double_value: 2.5", False, False),
        ("ratio", "double_value: nan", False, False),
        ("subtitled", "bool_value: true", True, True),
        ("owner", 'string_value: "usr_1"', True, True),
        ("owner", 'string_value: "Anna"', False, False),
        ("contact", 'string_value: "anna@acme.example"', True, True),
        ("contact", 'string_value: "anna@gmail.com"', False, False),
        ("label", 'string_value: "v1"', True, False),
        ("label", 'string_value: "4111-1111-1111-1111"', False, False),
        ("title", 'string_value: "Holidays"', False, False),
        ("none", 'string_value: "h264"', False, False),
        ("Codec", 'string_value: "h264"', False, False),
        ("c\u043edec", 'string_value: "h264"', False, False),
        ("anna@acme.example", 'string_value: "h264"', False, False),
        ("codec", "", False, False),
    ],
)
def test_a_property_is_kept_by_its_event_its_key_and_its_value(
    key: str, value: str, inside: bool, outside: bool
) -> None:
    text = f'name: "video.exported" {entry(key, value)}'
    for destination, kept in (("eu-indirect", inside), ("us-store", outside)):
        assert minimised(text, destination, EVENT) == (" ".join(text.split()) if kept else 'name: "video.exported"')


def test_what_is_remembered_of_one_event_is_not_another_s() -> None:
    rows = (
        ("video.exported", 'string_value: "h264"', True),
        ("video.opened", 'string_value: "h264"', False),
        ("video.exported", 'string_value: "av1"', False),
        ("video.opened", 'string_value: "av1"', True),
    )
    for name, value, kept in rows * 2:
        text = f'name: "{name}" {entry("codec", value)}'
        assert (minimised(text, "us-store", EVENT) == " ".join(text.split())) is kept


@pytest.mark.parametrize(
    "name",
    ["", "video.none", "anna@acme.example", "video.exported ", "Video.exported", "video.exported\u200b", "video"],
)
@pytest.mark.parametrize("destination", ["eu-service", "us-vendor"])
def test_an_event_that_is_not_planned_is_refused(name: str, destination: str) -> None:
    with pytest.raises(Refused) as caught:
        decide_one(
            engine(destination, EVENT),
            encode(made().contract, EVENT, f'name: "{name}" {entry("codec", "")}'),
            UNKNOWN_FACTS,
        )
    assert caught.value.reason is ItemReason.EVENT_NOT_PLANNED


def test_of_duplicate_properties_the_ones_that_pass_stay() -> None:
    """Entries are read as raw bytes: of several for one key, the last that passes is what a reader sees."""
    held = made().contract.message_class(EVENT)
    raw = record(2, 2, b"video.exported") + b"".join(
        record(4, 2, record(1, 2, b"codec") + record(2, 2, record(1, 2, value)))
        for value in (b"h264", b"hevc", b"anna")
    )
    left = held.FromString(release_of(engine("us-store", EVENT), raw).payload)
    assert left.properties["codec"].string_value == "hevc"  # type: ignore[attr-defined]


def test_odd_entries_are_put_in_order() -> None:
    """Value before key, fields that nobody knows, a key or a value that is missing, several of each."""
    value = record(2, 2, record(1, 2, b"h264") + record(9, 2, PLANTED))
    key = record(1, 2, b"codec")
    entries = (
        value + key,
        key + value + record(9, 2, PLANTED),
        key,
        value,
        key + record(2, 0, b"\x05") + value,
        key + value + record(1, 2, PLANTED),
    )
    payload = release_of(
        engine("us-store", EVENT), record(2, 2, b"video.exported") + b"".join(record(4, 2, one) for one in entries)
    ).payload
    assert b"anna" not in payload
    assert payload == record(2, 2, b"video.exported") + record(4, 2, key + record(2, 2, record(1, 2, b"h264"))) * 3


def test_a_time_without_room_for_its_nanoseconds_is_no_time() -> None:
    raw = record(3, 2, record(1, 0, varint(NOW_SECONDS)) + record(2, 0, varint(10**9)))
    assert release_of(engine("eu-indirect", EVENT), record(2, 2, b"video.exported") + raw).payload == record(
        2, 2, b"video.exported"
    )
