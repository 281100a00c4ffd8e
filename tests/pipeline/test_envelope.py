"""What goes with a call beside its messages.

Metadata, the status's text and its details, as one recipient gets them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final
from urllib.parse import quote

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, DebugInfo, ErrorInfo, LocalizedMessage, RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.budget import MAX_TEXT_CHARS
from gateway.engine.metadata_values import Pair
from gateway.engine.reference import ReferenceEngines
from gateway.model import Category, Facts
from gateway.pipeline.envelope import MAX_DETAILS, MAX_STATUS_BYTES, Envelope
from gateway.pipeline.flows import DetailEngines
from gateway.pipeline.status_text import STATUS_TEXTS
from gateway.plan import EnvelopePlan
from gateway.policy.document import Classification, Metadata
from gateway.policy.envelope import envelope_plan
from tests.support.contracts import UNKNOWN_FACTS, compiler

C = Category
TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ADDRESS: Final = "ada.lovelace@acme.example"
PHONE: Final = "+33612345678"
CODEC: Final = Classification(category=C.OPERATIONAL, one_of=("h264", "hevc"))
NAMED: Final = Metadata(
    keys={
        "x-user": C.USER_ID, "x-mail": C.WORK_EMAIL, "x-topic": C.OPERATIONAL, "x-codec": CODEC,
        "x-name": C.NAME, "x-note": C.FREE_TEXT, "x-photo-bin": C.CONTENT,
    },
    credentials=("authorization", "x-key-bin"),
    baggage={"user": C.USER_ID, "mail": C.WORK_EMAIL, "topic": C.OPERATIONAL, "name": C.NAME, "note": C.FREE_TEXT},
    tracestate={"acme": C.OPERATIONAL, "mail": C.WORK_EMAIL},
)  # fmt: skip
BODY: Final = "message M { string user_id = 1 @USER_ID; } message Hidden { string name = 1; }"


@cache
def at(destination: str, named: Metadata | None = NAMED) -> Envelope:
    made = compiler(BODY)
    terms = made.terms(destination)
    return Envelope(envelope_plan(named or Metadata(), terms), DetailEngines(made, terms, ReferenceEngines()).of)


def kept(destination: str, *given: Pair, facts: Facts = UNKNOWN_FACTS) -> tuple[Pair, ...]:
    return at(destination).metadata(given, facts)[0]


# ── Metadata ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "value", "inside", "outside"),
    [
        ("traceparent", TRACE, [TRACE], []),
        ("traceparent", TRACE.upper(), [], []),
        ("traceparent", f"01{TRACE[2:]}", [], []),
        ("traceparent", ADDRESS, [], []),
        ("grpc-retry-pushback-ms", "250", ["250"], ["250"]),
        ("grpc-retry-pushback-ms", "-1", ["-1"], ["-1"]),
        ("grpc-retry-pushback-ms", "33612345678", [], []),
        ("grpc-retry-pushback-ms", "soon", [], []),
        ("x-user", "usr_1", ["usr_1"], ["usr_1"]),
        ("x-user", ADDRESS, [], []),
        ("x-mail", "Ada.Lovelace+x@ACME.example", [ADDRESS], [ADDRESS]),
        ("x-mail", "ada@gmail.com", [], []),
        ("x-mail", "ada@mailinator.com", [], []),
        ("x-mail", "nobody", [], []),
        ("x-topic", "billing", ["billing"], []),
        ("x-topic", ADDRESS, [], []),
        ("x-topic", "YWRhLmxvdmVsYWNlQGFjbWUuZXhhbXBsZQ", [], []),
        ("x-topic", PHONE, [], []),
        ("x-codec", "hevc", ["hevc"], ["hevc"]),
        ("x-codec", "vp9", [], []),
        ("x-name", "Ada Lovelace", ["Ada Lovelace"], []),
        ("x-name", "Ad\u00e9la\u00efde", [], []),
        ("x-name", "Ada\r\nx-evil: 1", [], []),
        ("x-name", b"Ada", [], []),
        ("x-note", f"ask {ADDRESS} first", ["ask [EMAIL] first"], []),
        ("x-note", "ask \x7f", [], []),
        ("x-photo-bin", b"\x00\xff", [b"\x00\xff"], []),
        ("x-photo-bin", "text", [], []),
        ("authorization", "Bearer abc", ["Bearer abc"], ["Bearer abc"]),
        ("authorization", "Bearer \n", [], []),
        ("x-key-bin", b"\x01", [b"\x01"], [b"\x01"]),
        ("X-User", "usr_1", [], []),
        ("x-other", "usr_1", [], []),
    ],
)
def test_a_key_leaves_when_it_is_named_and_its_value_passes(
    key: str, value: str | bytes, inside: list[object], outside: list[object]
) -> None:
    for destination, wanted in (("eu-service", inside), ("us-service", outside)):
        pairs, dropped = at(destination).metadata([(key, value)], UNKNOWN_FACTS)
        assert [*pairs] == [(key, left) for left in wanted]
        assert dropped == (0 if wanted or key.startswith("grpc-") else 1)


def test_by_default_trace_context_stays_in_the_eu_and_nothing_else_goes() -> None:
    given = [("traceparent", TRACE), ("authorization", "Bearer abc"), ("x-user", "usr_1"), ("baggage", "a=b")]
    assert at("eu-service", None).metadata(given, UNKNOWN_FACTS) == ((("traceparent", TRACE),), 3)
    assert at("us-service", None).metadata(given, UNKNOWN_FACTS) == ((), 4)


@pytest.mark.parametrize(
    "key",
    ["user-agent", "te", "content-type", "accept-encoding", "grpc-timeout", "grpc-encoding", "grpc-status-details-bin"],
)
def test_what_grpc_adds_itself_is_neither_relayed_nor_counted(key: str) -> None:
    assert at("eu-service").metadata([(key, "x")], UNKNOWN_FACTS) == ((), 0)


def test_each_value_of_a_key_is_judged_by_itself() -> None:
    given = [("x-topic", "a"), ("x-topic", ADDRESS), ("x-codec", "hevc"), ("x-topic", "b"), ("x-topic", "a")]
    wanted = (("x-topic", "a"), ("x-codec", "hevc"), ("x-topic", "b"), ("x-topic", "a"))
    assert at("eu-service").metadata(given, UNKNOWN_FACTS) == (wanted, 1)


@pytest.mark.parametrize(
    ("destination", "facts", "wanted"),
    [
        ("us-service", Facts(0, directory=True, verified=frozenset({"acme.example"})), [ADDRESS]),
        ("us-service", Facts(0, directory=True), []),
        ("eu-service", Facts(0, directory=True), [ADDRESS]),
        ("us-vendor", Facts(0), [ADDRESS]),
    ],
)
def test_an_address_is_judged_by_the_facts(destination: str, facts: Facts, wanted: list[str]) -> None:
    assert [value for _, value in kept(destination, ("x-mail", ADDRESS), facts=facts)] == wanted


def test_a_personal_address_reaches_no_vendor() -> None:
    assert at("us-vendor").metadata([("x-mail", "ada@gmail.com"), ("x-codec", "hevc")], UNKNOWN_FACTS) == (
        (("x-codec", "hevc"),),
        1,
    )


@pytest.mark.parametrize(
    ("values", "wanted", "dropped"),
    [
        (["topic=billing"], "topic=billing", 0),
        ([" topic = billing ;p=1; q , name = Ada%20L "], "topic=billing,name=Ada%20L", 0),
        (["topic=billing,other=1"], "topic=billing", 1),
        (["topic=billing", "name=Ada"], "topic=billing,name=Ada", 0),
        (["topic=a,topic=b"], "topic=a", 1),
        ([f"topic={quote(ADDRESS)}"], "", 1),
        ([f"topic={ADDRESS}"], "", 1),
        ([f"mail={quote('Ada.Lovelace@ACME.example')}"], f"mail={ADDRESS}", 0),
        (["mail=ada%40gmail.com,user=usr_1"], "user=usr_1", 1),
        ([f"note=ask%20{quote(ADDRESS)}"], "note=ask%20[EMAIL]", 0),
        (["name=Ad%C3%A9la%C3%AFde"], "name=Ad%C3%A9la%C3%AFde", 0),
        (["name=%ff"], "", 1),
        (["name=a%2Ctopic%3Dx%3B%25%0d%0a"], "name=a%2Ctopic=x%3B%25%0D%0A", 0),
        (["topic"], "", 1),
        (["Topic=billing"], "", 1),
        ([""], "", 0),
        ([",,topic=billing,"], "topic=billing", 0),
        (["topic=billing\n"], "", 1),
        (["topic=billing", b"x"], "", 2),
        ([",".join(["topic=billing", *["a=b"] * 63])], "topic=billing", 63),
        ([",".join(["topic=billing", *["a=b"] * 64])], "", 1),
        (["topic=billing,a=" + "b" * 8175], "topic=billing", 1),
        (["topic=billing,a=" + "b" * 8177], "", 1),
        (["name=" + '"' * 4000], "", 1),
    ],
)  # fmt: skip
def test_of_baggage_named_entries_leave_when_what_they_say_passes(
    values: Sequence[str], wanted: str, dropped: int
) -> None:
    given = [("baggage", value) for value in values]
    assert at("eu-service").metadata(given, UNKNOWN_FACTS) == ((("baggage", wanted),) if wanted else (), dropped)
    assert at("us-service").metadata(given, UNKNOWN_FACTS) == ((), len(values))


@pytest.mark.parametrize(
    ("values", "wanted", "dropped"),
    [
        (["acme=t61rcWkgMzE"], "acme=t61rcWkgMzE", 0),
        (["other=1,acme=a"], "acme=a", 1),
        (["acme=a,acme=b"], "acme=a", 1),
        (["acme=a", "acme=b"], "acme=a", 1),
        ([f"acme={ADDRESS}"], "", 1),
        (["acme=a=b"], "", 1),
        (["acme=%61"], "", 1),
        (["mail=ADA@acme.example"], "mail=ada@acme.example", 0),
        (["mail=a=b@acme.example"], "", 1),
        (["acme="], "", 1),
        ([",".join(["acme=a", *(f"k{number}=v" for number in range(31))])], "acme=a", 31),
        ([",".join(["acme=a", *(f"k{number}=v" for number in range(32))])], "", 1),
        (["acme=a,k=" + "v" * 503], "acme=a", 1),
        (["acme=a,k=" + "v" * 504], "", 1),
    ],
)
def test_of_tracestate_likewise(values: Sequence[str], wanted: str, dropped: int) -> None:
    given = [("tracestate", value) for value in values]
    assert at("eu-service").metadata(given, UNKNOWN_FACTS) == ((("tracestate", wanted),) if wanted else (), dropped)
    assert at("us-service").metadata(given, UNKNOWN_FACTS) == ((), len(values))


def test_a_plan_that_rules_on_bytes_lets_none_leave() -> None:
    plan = at("eu-service").plan
    odd = EnvelopePlan("odd", {"x-odd-bin": plan.keys["x-topic"]}, {}, {})
    assert Envelope(odd, lambda name: None).metadata([("x-odd-bin", b"a")], UNKNOWN_FACTS) == ((), 1)


KEYS: Final = st.sampled_from([
    *NAMED.keys, *NAMED.credentials, "traceparent", "baggage", "tracestate", "grpc-retry-pushback-ms", "grpc-timeout",
    "x-other", "X-User", "", ":path",
])  # fmt: skip
PLANTED: Final = st.sampled_from([
    ADDRESS, PHONE, quote(ADDRESS, safe=""), f"topic={ADDRESS}", f"topic={PHONE}", f"topic={quote(ADDRESS, safe='')},acme={ADDRESS}",
    f"acme={PHONE}", f"user={ADDRESS}", f"{ADDRESS}={ADDRESS}", f"a {ADDRESS}\u00e9", "ada%2540acme.example",
])  # fmt: skip
VALUES: Final = st.one_of(
    st.text(max_size=40), st.binary(max_size=20), PLANTED, st.tuples(st.text(max_size=5), PLANTED).map("".join)
)
JUDGED: Final = frozenset(
    {"x-user", "x-topic", "x-codec", "x-note", "traceparent", "tracestate", "baggage", "grpc-retry-pushback-ms"}
)


DESTINATIONS: Final = st.sampled_from(["eu-service", "us-service", "us-vendor", "eu-indirect"])


def planned(plan: EnvelopePlan) -> set[str]:
    return {*plan.keys, *(name for name in ("baggage", "tracestate") if getattr(plan, name))}


@given(given=st.lists(st.tuples(KEYS, VALUES), max_size=6), destination=DESTINATIONS)
def test_whatever_goes_in_only_what_is_planned_comes_out(given: list[Pair], destination: str) -> None:
    engine = at(destination)
    pairs, dropped = engine.metadata(given, UNKNOWN_FACTS)
    assert {key for key, _ in pairs} <= planned(engine.plan)
    assert 0 <= dropped <= sum(1 if isinstance(value, bytes) else 1 + value.count(",") for _, value in given)
    for key, value in pairs:
        assert isinstance(value, bytes if key.endswith("-bin") else str)
        assert isinstance(value, bytes) or (value.isascii() and value.isprintable())


@given(given=st.lists(st.tuples(KEYS, VALUES), max_size=6), destination=DESTINATIONS)
def test_nothing_personal_is_left_where_the_rules_look_for_it(given: list[Pair], destination: str) -> None:
    for key, value in at(destination).metadata(given, UNKNOWN_FACTS)[0]:
        if key in JUDGED:
            entries = [entry for entry in str(value).split(",") if not entry.startswith(("name=", "mail="))]
            assert not any(
                planted in entry for entry in entries for planted in (ADDRESS, PHONE, quote(ADDRESS, safe=""))
            )


# ── Status ────────────────────────────────────────────────────────────────────────────────────────────────────────────

SPECIAL: Final = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"


@pytest.mark.parametrize(
    ("code", "text", "inside", "outside"),
    [
        (0, "fine", "", ""),
        (5, "", "", ""),
        (2, SPECIAL, SPECIAL, "unknown error"),
        (5, "no such user", "no such user", "not found"),
        (5, f"no user {ADDRESS}", "no user [EMAIL]", "not found"),
        (16, f"call {PHONE}", "call [PHONE]", "unauthenticated"),
        (17, "x", "x", "unknown error"),
        (-1, "x", "x", "unknown error"),
        (13, "a " * MAX_TEXT_CHARS, "internal error", "internal error"),
        (13, "lone \ud800 surrogate", "lone \ufffd surrogate", "internal error"),
    ],
)
def test_a_status_says_its_text_where_free_text_may_go_and_a_fixed_one_elsewhere(
    code: int, text: str, inside: str, outside: str
) -> None:
    assert (at("eu-service").message(code, text), at("us-service").message(code, text)) == (inside, outside)


@pytest.mark.parametrize("code", range(1, 17))
def test_each_code_has_a_text_of_its_own(code: int) -> None:
    text = at("us-service").message(code, ADDRESS)
    assert STATUS_TEXTS.count(text) == 1
    assert text.isascii()


def packed(*messages: Message) -> list[AnyMessage]:
    details = []
    for message in messages:
        detail = AnyMessage()
        detail.Pack(message, type_url_prefix="acme.example/types")
        details.append(detail)
    return details


def status(*messages: Message) -> bytes:
    raw: bytes = Status(code=9, message=ADDRESS, details=packed(*messages)).SerializeToString()
    return raw


RETRY: Final = RetryInfo(retry_delay={"seconds": 3})
FULL: Final = ErrorInfo(reason="FULL", domain="crm", metadata={"who": ADDRESS})


def left(destination: str, raw: bytes) -> Status:
    return Status.FromString(at(destination).details(5, f"no {ADDRESS}", raw, UNKNOWN_FACTS))


def test_each_detail_is_minimised_by_its_own_plan() -> None:
    wrong = BadRequest(field_violations=[{"field": "mail", "description": f"bad: {ADDRESS}"}])
    raw = status(RETRY, FULL, wrong, DebugInfo(detail=ADDRESS), Timestamp(seconds=1))
    cleaned = BadRequest(field_violations=[{"field": "mail", "description": "bad: [EMAIL]"}])
    wanted = [RETRY, ErrorInfo(reason="FULL", domain="crm"), cleaned]
    found = left("eu-service", raw)
    assert (found.code, found.message) == (5, "no [EMAIL]")
    assert [detail.type_url for detail in found.details] == [
        f"type.googleapis.com/{message.DESCRIPTOR.full_name}" for message in wanted
    ]
    assert [detail.value for detail in found.details] == [message.SerializeToString() for message in wanted]


def test_outside_the_eu_less_is_left_of_them() -> None:
    found = left("us-service", status(RETRY, FULL, LocalizedMessage(message=ADDRESS)))
    assert (found.code, found.message) == (5, "not found")
    assert [detail.value for detail in found.details] == [
        RETRY.SerializeToString(),
        ErrorInfo(reason="FULL").SerializeToString(),
    ]


def any_of(url: str, value: bytes) -> bytes:
    raw: bytes = Status(details=[AnyMessage(type_url=url, value=value)]).SerializeToString()
    return raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xff",
        b"not a status",
        Status(code=5, message=ADDRESS).SerializeToString(),
        status(DebugInfo(detail=ADDRESS)),
        any_of("type.googleapis.com/acme.Unknown", b"\x0a\x03ada"),
        any_of("type.googleapis.com/t.Hidden", b"\x0a\x03ada"),
        any_of("type.googleapis.com/google.protobuf.Any", b"\x0a\x03ada"),
        any_of("type.googleapis.com/t.M", b"\xff"),
        any_of("", b""),
        any_of("type.googleapis.com/", b"ada"),
    ],
)
def test_without_details_there_is_no_status(raw: bytes) -> None:
    assert at("eu-service").details(5, "x", raw, UNKNOWN_FACTS) == b""


@pytest.mark.parametrize(("code", "wanted"), [(0, 0), (7, 7), (17, 2), (-1, 2), (2**40, 2)])
def test_a_status_says_the_code_that_the_call_ended_with(code: int, wanted: int) -> None:
    found = Status.FromString(at("eu-service").details(code, "x", status(RETRY), UNKNOWN_FACTS))
    assert (found.code, found.message) == (wanted, "x" if code else "")


def test_a_personal_subject_withholds_details_from_vendors() -> None:
    assert at("us-vendor").details(5, "x", status(RETRY), Facts(0, personal=True)) == b""


def test_unknown_fields_of_a_status_are_gone() -> None:
    raw = status(RETRY) + b"\xaa\x06\x03ada"
    assert b"ada" not in at("eu-service").details(5, "x", raw, UNKNOWN_FACTS)


def test_details_are_bounded() -> None:
    assert len(left("eu-service", status(*[RETRY] * 100)).details) == MAX_DETAILS
    large = [LocalizedMessage(message="well " * 200)] * 50
    raw = at("eu-service").details(5, "x", status(RETRY, *large, RETRY), UNKNOWN_FACTS)
    assert MAX_STATUS_BYTES - 1100 < len(raw) <= MAX_STATUS_BYTES


NAMES: Final = st.sampled_from(
    ["google.rpc.RetryInfo", "google.rpc.ErrorInfo", "google.rpc.DebugInfo", "t.M", "t.Hidden", "acme.No", ""]
)
ANYS: Final = st.builds(
    AnyMessage, type_url=NAMES.map("x/".__add__), value=st.binary(max_size=30) | st.just(FULL.SerializeToString())
)
STATUSES: Final = st.builds(lambda details: Status(details=details).SerializeToString(), st.lists(ANYS, max_size=4))


@given(raw=STATUSES | st.binary(max_size=60), code=st.integers(), text=st.text(max_size=20), destination=DESTINATIONS)
def test_whatever_the_bytes_only_known_details_are_left(raw: bytes, code: int, text: str, destination: str) -> None:
    answer = at(destination).details(code, text, raw, UNKNOWN_FACTS)
    types = {detail.type_url for detail in Status.FromString(answer).details}
    assert types <= {f"type.googleapis.com/{name}" for name in ("google.rpc.RetryInfo", "google.rpc.ErrorInfo", "t.M")}
    assert ADDRESS.encode() not in answer
