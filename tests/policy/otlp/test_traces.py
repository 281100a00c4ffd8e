"""What is left of a span: its name, its slots, those of its events and links."""

from __future__ import annotations

from typing import Final

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from gateway.engine.reference import ReferenceEngine
from gateway.errors import FieldReason
from gateway.otlp.signals import TRACES
from gateway.policy.compile import Compiler
from tests.support.contracts import NOW_SECONDS, contract, policy, proto, release_of, with_open_patterns

MORE: Final = """\
otlp:
  attributes:
    user.id: USER_ID
    http.route: {category: OPERATIONAL, pattern: "/[a-z0-9/]{0,64}"}
    url.template: {category: OPERATIONAL, pattern: "/[a-z0-9/]{0,64}"}
    db.operation.name: OPERATIONAL
    db.namespace: OPERATIONAL
    db.collection.name: OPERATIONAL
    messaging.destination.name: OPERATIONAL
    db.query.summary: FREE_TEXT
    exception.type: OPERATIONAL
    exception.message: FREE_TEXT
  span_names: [render video, Anna]
"""
HELD: Final = contract(proto("message M {}"))
MADE: Final = Compiler(HELD, with_open_patterns(policy(MORE), HELD))
ENGINES: Final = {name: ReferenceEngine(MADE.plan(TRACES.item, name)) for name in ("eu-indirect", "eu-service")}
TIME: Final = NOW_SECONDS * 10**9
DAY: Final = 86_400 * 10**9
SERVER: Final = Span.SPAN_KIND_SERVER


def left(span: Span, destination: str) -> Span:
    """What a destination gets of a span; asked twice, since the second answer may be remembered."""
    raw = ResourceSpans(scope_spans=[ScopeSpans(spans=[span])]).SerializeToString()
    first, second = (release_of(ENGINES[destination], raw).payload for _ in range(2))
    assert first == second
    return ResourceSpans.FromString(first).scope_spans[0].spans[0]


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("render video", True),
        ("Anna", True),
        ("GET", True),
        ("HTTP", True),
        ("GET /v1/videos/{id}", True),
        ("GET /v1/videos/{video_id}/scenes/{scene_id}", True),
        ("POST /users/:id", True),
        ("GET /users/<int:id>/", True),
        ("GET /static/{path:path}", True),
        ("GET /{id}", True),
        ("GET /files/*", True),
        ("grpc.health.v1.Health/Check", True),
        ("/kannelle.video.v1.VideoService/Export", True),
        ("", False),
        ("GET /users/anna", False),
        ("GET /healthz", False),
        ("GET /", False),
        ("GET /users/usr_1/{id}", False),
        ("GET /users/33612345678/{id}", False),
        ("GET /users/anna@acme.example/{id}", False),
        ("GET /users/{anna@acme.example}", False),
        ("GET /users/{id}?email=anna", False),
        ("GET /users/{id} ", False),
        ("GET  /users/{id}", False),
        ("get /users/{id}", False),
        ("FETCH /users/{id}", False),
        ("GET https://acme.example/users/{id}", False),
        ("VideoService/Export", False),
        ("kannelle.video.v1.VideoService/Export/anna", False),
        ("kannelle.video.v1.VideoService", False),
        ("Render video", False),
        ("render video ", False),
        ("sign-in of Anna", False),
        ("anna@acme.example", False),
        ("SELECT name FROM users", False),
        ("x" * 100_000, False),
    ],
)
def test_a_name_of_low_cardinality_stays_and_any_other_becomes_the_kind(name: str, kept: bool) -> None:
    for destination in ENGINES:
        assert left(Span(name=name, kind=SERVER), destination).name == (name if kept or not name else "SERVER")


@pytest.mark.parametrize(
    ("name", "attributes", "kept"),
    [
        ("GET /healthz", [text("http.route", "/healthz")], True),
        ("GET /healthz", [text("url.template", "/healthz")], True),
        ("GET /", [text("http.route", "/")], True),
        ("GET /v1/videos", [text("user.id", "usr_1"), text("http.route", "/v1/videos")], True),
        ("GET /Healthz", [text("http.route", "/Healthz")], False),
        ("GET /users/anna", [text("http.route", "/users/{name}")], False),
        ("GET /users/anna", [text("url.path", "/users/anna")], False),
        ("GET /users/anna", [text("http.route", "/users/")], False),
        ("GET /users/4111111111111111", [text("http.route", "/users/4111111111111111")], False),
        ("GET /users/anna@acme.example", [text("http.route", "/users/anna@acme.example")], False),
        ("GET /healthz", [KeyValue(key="http.route", value=AnyValue(bytes_value=b"/healthz"))], False),
    ],
)
def test_a_path_without_a_parameter_stays_if_it_is_the_span_s_route(
    name: str, attributes: list[KeyValue], kept: bool
) -> None:
    assert left(Span(name=name, kind=SERVER, attributes=attributes), "eu-indirect").name == (name if kept else "SERVER")


DATABASE = [
    text("db.namespace", "kannelle"),
    text("db.collection.name", "public.videos"),
    text("db.operation.name", "findAndModify"),
]
TOPIC = [text("messaging.destination.name", "video.exports.requested")]


@pytest.mark.parametrize(
    ("name", "attributes", "kept"),
    [
        ("SELECT", [], True),
        ("CREATE TABLE", [], True),
        ("HTTP GET", [], True),
        ("SELECT public.videos", DATABASE, True),
        ("SELECT kannelle", DATABASE, True),
        ("SELECT kannelle.public.videos", DATABASE, True),
        ("INSERT INTO public.videos", DATABASE, True),
        ("findAndModify public.videos", DATABASE, True),
        ("video.exports.requested publish", TOPIC, True),
        ("process video.exports.requested", TOPIC, True),
        ("SELECT videos", DATABASE, False),
        ("SELECT public.videos.anna", DATABASE, False),
        ("SELECT public.videos anna", DATABASE, False),
        ("SELECT public.videos ", DATABASE, False),
        ("SELECT  public.videos", DATABASE, False),
        (".public.videos", DATABASE, False),
        ("SELECT public.videos", [], False),
        ("SELECT public.videos", [text("db.query.summary", "public.videos")], False),
        ("SELECT public.videos", [text("db.query.text", "public.videos")], False),
        ("SELECT anna@acme.example", [text("db.namespace", "anna@acme.example")], False),
        ("process anna.0612345678", [text("messaging.destination.name", "anna.0612345678")], False),
        ("process replies.anna", TOPIC, False),
        ("process Anna", [KeyValue(key="messaging.destination.name", value=AnyValue(bytes_value=b"Anna"))], False),
        ("Anna", [text("user.name", "Anna")], True),
        ("Byron", [text("user.name", "Byron")], False),
        ("publish publish publish publish publish publish", [], False),
    ],
)
def test_a_name_of_verbs_and_what_attributes_say_stays(name: str, attributes: list[KeyValue], kept: bool) -> None:
    span = Span(name=name, kind=SERVER, attributes=attributes)
    assert left(span, "eu-indirect").name == (name if kept else "SERVER")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (0, "INTERNAL"),
        (1, "INTERNAL"),
        (2, "SERVER"),
        (3, "CLIENT"),
        (4, "PRODUCER"),
        (5, "CONSUMER"),
        (6, "INTERNAL"),
        (-1, "INTERNAL"),
    ],
)
def test_each_kind_has_its_name(kind: int, name: str) -> None:
    other = Span(kind=kind).SerializeToString()  # type: ignore[arg-type]
    assert left(Span.FromString(Span(name="Anna Smith").SerializeToString() + other), "eu-indirect").name == name


ID: Final = b"0123456789abcdef"
SLOTS: Final = [
    (Span(trace_id=ID), True),
    (Span(trace_id=ID[:15]), False),
    (Span(span_id=ID[:8]), True),
    (Span(parent_span_id=ID[:8]), True),
    (Span(parent_span_id=b"anna@acme"), False),
    (Span(trace_state="ot=th:c8"), True),
    (Span(trace_state="ot=rv:0123456789abcd;th:0"), True),
    (Span(trace_state="ot=th:c8,acme=anna"), False),
    (Span(trace_state="acme=anna"), False),
    (Span(flags=0x301), True),
    (Span(flags=0x400), False),
    (Span(kind=SERVER), True),
    (Span(start_time_unix_nano=TIME), True),
    (Span(end_time_unix_nano=TIME - 8 * DAY), True),
    (Span(start_time_unix_nano=33612345678), False),
    (Span(end_time_unix_nano=4111111111111111), False),
    (Span(dropped_attributes_count=5, dropped_events_count=5, dropped_links_count=5), True),
    (Span(dropped_events_count=612345678), False),
    (Span(attributes=[text("user.id", "usr_1")]), True),
    (Span(attributes=[text("user.name", "Anna")]), False),
    (Span(attributes=[text("exception.message", "no such user")]), False),
]
EVENTS: Final = [
    (Span.Event(time_unix_nano=TIME), True),
    (Span.Event(name="exception"), True),
    (Span.Event(name="Anna signed in"), False),
    (Span.Event(name="anna@acme.example"), False),
    (Span.Event(name="user.gps.latitude"), False),
    (Span.Event(name="comment.pin"), True),
    (Span.Event(time_unix_nano=33612345678), False),
    (Span.Event(attributes=[text("exception.type", "KeyError")]), True),
    (Span.Event(attributes=[text("exception.message", "no such user")]), False),
    (Span.Event(dropped_attributes_count=5), True),
]
LINKS: Final = [
    (Span.Link(trace_id=ID), True),
    (Span.Link(span_id=ID[:8]), True),
    (Span.Link(trace_state="ot=th:c8"), True),
    (Span.Link(trace_state="acme=anna"), False),
    (Span.Link(attributes=[text("user.id", "usr_1")]), True),
    (Span.Link(attributes=[text("user.name", "Anna")]), False),
    (Span.Link(flags=1), True),
    (Span.Link(dropped_attributes_count=5), True),
]


@pytest.mark.parametrize(
    ("span", "nothing", "kept"),
    [
        *((span, Span(), *kept) for span, *kept in SLOTS),
        *((Span(events=[event]), Span(events=[Span.Event()]), *kept) for event, *kept in EVENTS),
        *((Span(links=[link]), Span(links=[Span.Link()]), *kept) for link, *kept in LINKS),
    ],
    ids=str,
)
def test_a_slot_is_kept_or_stripped(span: Span, nothing: Span, kept: bool) -> None:
    for destination in ENGINES:
        assert left(span, destination) == (span if kept else nothing)


@pytest.mark.parametrize("message", ["ok", "no user anna@acme.example"])
def test_a_status_keeps_its_code_and_loses_its_text(message: str) -> None:
    span = Span(status={"message": message, "code": 2})  # type: ignore[arg-type]
    for destination in ENGINES:
        assert left(span, destination) == Span(status={"code": 2})  # type: ignore[arg-type]


def test_a_name_that_became_its_kind_is_told_of() -> None:
    raw = ResourceSpans(scope_spans=[ScopeSpans(spans=[Span(name="sign-in of Anna")])]).SerializeToString()
    told = [(one.path, one.reason, one.masked) for one in release_of(ENGINES["eu-indirect"], raw).stripped]
    assert told == [("scope_spans[*].spans[*].name", FieldReason.NOT_LISTED, True)]
