"""Messages in messages: what an `Any` holds decides, however deep, however odd its type URL."""

from __future__ import annotations

from typing import Final

import pytest

from gateway.engine.reference import ReferenceEngine
from gateway.errors import FieldReason, ItemReason, Reason, Refused
from gateway.model import Withheld
from gateway.protobuf.any_message import any_bytes, open_any, type_name
from tests.support.contracts import UNKNOWN_FACTS, minimiser, release_of
from tests.support.engines import decide_one
from tests.support.wire_format import record

BODY: Final = """
message M {
  google.protobuf.Any any = 1;
  repeated google.protobuf.Any many = 2;
  map<string, google.protobuf.Any> keyed = 3 @{map_key: OPERATIONAL};
  M child = 4;
  oneof o { google.protobuf.Any one = 5; string other = 6 @OPERATIONAL; }
  google.protobuf.Any content = 7 @CONTENT;
  google.protobuf.Any secret = 8 @CREDENTIAL;
}
message P { string code = 1 @OPERATIONAL; string name = 2 @NAME; string email = 3 @WORK_EMAIL; }
message Dead { string a = 1; }
"""
P: Final = record(1, 2, b"ok") + record(2, 2, b"Anna")
LEFT: Final = record(1, 2, b"ok")


def any_of(value: bytes, url: bytes = b"type.googleapis.com/t.P") -> bytes:
    return record(1, 2, url) + record(2, 2, value)


def engine(destination: str = "eu-indirect") -> ReferenceEngine:
    return minimiser(BODY, "t.M", destination)


def refusal(raw: bytes) -> Reason:
    with pytest.raises(Refused) as caught:
        decide_one(engine(), raw, UNKNOWN_FACTS)
    return caught.value.reason


@pytest.mark.parametrize(
    ("number", "kept"),
    [(1, True), (2, True), (5, True), (7, False), (8, False)],
)
def test_the_payload_is_minimised_by_its_own_type(number: int, kept: bool) -> None:
    assert release_of(engine(), record(number, 2, any_of(P))).payload == (
        record(number, 2, any_of(LEFT)) if kept else b""
    )


def test_the_category_of_the_field_is_a_further_condition() -> None:
    assert release_of(engine("eu-service"), record(7, 2, any_of(P))).payload == record(7, 2, any_of(P))
    assert release_of(engine("eu-service"), record(8, 2, any_of(P))).payload == b""


def test_the_values_of_a_map_are_minimised_like_any_other() -> None:
    entries = [(b"a", any_of(P)), (b"anna@acme.example", any_of(P)), (b"b", any_of(P, b"t.Dead")), (b"c", b"")]
    raw = b"".join(record(3, 2, record(1, 2, key) + record(2, 2, value)) for key, value in entries)
    assert release_of(engine(), raw).payload == record(3, 2, record(1, 2, b"a") + record(2, 2, any_of(LEFT)))


@pytest.mark.parametrize(
    "url",
    [
        b"type.googleapis.com/t.P",
        b"t.P",
        b"/t.P",
        b"//t.P",
        b"https://anna@acme.example/secret/t.P",
        b"anna@acme.example/t.P",
        "ünïcode/t.P".encode(),
    ],
)
def test_a_type_url_is_read_from_its_last_slash_and_written_anew(url: bytes) -> None:
    assert release_of(engine(), record(1, 2, any_of(P, url))).payload == record(1, 2, any_of(LEFT))


@pytest.mark.parametrize(
    "url",
    [
        b"", b"/", b"type.googleapis.com/", b"type.googleapis.com/t.None", b"t.P/", b"t.P?x", b"t.p", b"t.P ", b" t.P",
        b".t.P", b"t/P", b"P", b"t.P\0", b"t.Dead", b"google.protobuf.Timestamp", b"google.protobuf.Struct",
        b"google.protobuf.StringValue", b"google.protobuf.Empty", "t.\u0420".encode(),
    ],
)  # fmt: skip
def test_a_type_that_may_not_leave_goes_with_its_any(url: bytes) -> None:
    release = release_of(
        engine(), record(1, 2, any_of(P, url)) + record(2, 2, any_of(P, url)) + record(2, 2, any_of(P))
    )
    assert release.payload == record(2, 2, any_of(LEFT))
    assert {(one.path, one.reason) for one in release.stripped} == {
        ("any", FieldReason.TYPE_NOT_IN_CONTRACT),
        ("many[*]", FieldReason.TYPE_NOT_IN_CONTRACT),
    }


@pytest.mark.parametrize("times", [1, 2, 5, 15])
def test_an_any_in_an_any_is_treated_likewise(times: int) -> None:
    raw, wanted = any_of(P, b"x/t.P"), any_of(LEFT)
    for _ in range(times):
        raw, wanted = (
            any_of(raw, b"anna@acme.example/google.protobuf.Any"),
            any_of(wanted, b"type.googleapis.com/google.protobuf.Any"),
        )
    assert release_of(engine(), record(1, 2, raw)).payload == record(1, 2, wanted)


@pytest.mark.parametrize("inner", [any_of(P, b"t.None"), any_of(P, b"google.protobuf.Timestamp"), b""])
def test_an_any_whose_inmost_payload_may_not_leave_goes_whole(inner: bytes) -> None:
    raw = any_of(any_of(inner, b"google.protobuf.Any"), b"google.protobuf.Any")
    assert release_of(engine(), record(1, 2, raw)).payload == b""


@pytest.mark.parametrize(
    "raw",
    [
        record(1, 2, b"\x0a"),
        record(1, 2, any_of(b"\x0a")),
        record(1, 2, record(1, 2, b"\xff")),
        record(2, 2, any_of(b"\x0a\x01\xff")),
    ],
)
def test_a_malformed_payload_refuses_the_item(raw: bytes) -> None:
    assert refusal(raw) is ItemReason.MALFORMED


def test_a_malformed_payload_that_does_not_leave_is_no_matter() -> None:
    assert release_of(engine(), record(1, 2, any_of(b"\x0a", b"t.None")) + record(8, 2, b"\x0a")).payload == b""


def test_unknown_fields_and_wrong_wire_types_are_gone_inside_and_around() -> None:
    odd = record(99, 2, b"anna") + record(1, 0, b"\x05") + record(2, 0, b"\x05")
    assert release_of(engine(), record(1, 2, odd + any_of(odd + P + odd) + odd)).payload == record(1, 2, any_of(LEFT))


def test_of_several_occurrences_the_last_one_counts_and_is_not_merged() -> None:
    """It is read as raw bytes. What is lost is lost; nothing that was stripped comes back."""
    whole, half = any_of(P), record(2, 2, record(1, 2, b"b"))
    assert release_of(engine(), record(1, 2, whole) + record(1, 2, half)).payload == b""
    assert release_of(engine(), record(1, 2, half) + record(1, 2, whole)).payload == record(1, 2, any_of(LEFT))


def test_a_personal_address_in_a_payload_withholds_the_item_from_vendors() -> None:
    held = any_of(record(3, 2, b"anna@gmail.com"))
    for raw in (record(1, 2, held), record(1, 2, held), record(1, 2, any_of(held, b"google.protobuf.Any"))):
        assert isinstance(decide_one(engine("us-vendor"), raw, UNKNOWN_FACTS), Withheld)
    assert release_of(engine(), record(1, 2, held)).payload == record(1, 2, record(1, 2, b"type.googleapis.com/t.P"))


def test_what_was_stripped_in_a_payload_is_named_by_its_place() -> None:
    raw = record(4, 2, record(2, 2, any_of(record(1, 2, b"a b") + record(3, 2, b"anna@gmail.com"))) * 2)
    for _ in range(2):
        assert {(one.path, one.reason, one.count) for one in release_of(engine(), raw).stripped} == {
            ("child.many[*].code", FieldReason.PATTERN_MISMATCH, 2),
            ("child.many[*].email", FieldReason.EMAIL_PERSONAL, 2),
        }


# ── Depth ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def nest(times: int, inner: bytes) -> bytes:
    for _ in range(times):
        inner = record(4, 2, inner)
    return inner


def chain(times: int, levels: int = 0, url: bytes = b"type.googleapis.com/t.M") -> bytes:
    """A message with an `Any` in an `Any` and so on, with messages in between."""
    inner = record(6, 2, b"ok")
    for _ in range(times):
        inner = nest(levels, record(1, 2, any_of(inner, url)))
    return inner


@pytest.mark.parametrize(("times", "levels"), [(1, 0), (1, 59), (60, 0), (30, 1), (2, 58), (4, 14)])
def test_payloads_nest_up_to_a_bound(times: int, levels: int) -> None:
    assert release_of(engine(), chain(times, levels)).payload == chain(times, levels)


@pytest.mark.parametrize(
    ("times", "levels"), [(61, 0), (62, 0), (100, 0), (200, 0), (31, 1), (2, 60), (5, 14), (3, 59), (2, 90), (16, 90)]
)
def test_payloads_that_nest_deeper_are_refused(times: int, levels: int) -> None:
    """However little of the stack is used: the parser sees bytes, and every engine draws the same line."""
    assert refusal(chain(times, levels)) is ItemReason.TOO_DEEP


def test_an_any_in_an_any_nests_up_to_the_same_bound() -> None:
    def direct(times: int) -> bytes:
        raw = any_of(P)
        for _ in range(times):
            raw = any_of(raw, b"google.protobuf.Any")
        return record(1, 2, raw)

    assert release_of(engine(), direct(59)).payload
    assert refusal(direct(60)) is ItemReason.TOO_DEEP
    assert refusal(direct(100)) is ItemReason.TOO_DEEP


@pytest.mark.parametrize("url", [b"t.M", b"type.googleapis.com/t.M"])
@pytest.mark.parametrize(("levels", "most"), [(0, 60), (1, 30)])
def test_what_is_remembered_does_not_change_how_deep_a_payload_may_be(levels: int, most: int, url: bytes) -> None:
    """Short ones are remembered, and messages that stay as they are: what holds them is as deep as before."""
    shared = engine()
    for times in (most, most - 3, most + 1, most + 4, 1, most + 1, most - 1, most):
        raw = chain(times, levels, url)
        if times > most:
            with pytest.raises(Refused):
                decide_one(shared, raw, UNKNOWN_FACTS)
        else:
            assert release_of(shared, raw).payload == chain(times, levels)


def test_a_payload_of_the_deepest_messages_there_are_is_no_matter() -> None:
    raw = record(1, 2, any_of(nest(98, record(1, 2, any_of(P))), b"t.M"))
    assert refusal(raw) is ItemReason.TOO_DEEP
    flat = record(1, 2, any_of(nest(59, record(6, 2, b"ok")), b"t.M"))
    assert release_of(engine(), flat).payload == record(
        1, 2, any_of(nest(59, record(6, 2, b"ok")), b"type.googleapis.com/t.M")
    )


# ── Parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_any_is_opened_and_closed() -> None:
    assert open_any(any_bytes("t.P", P)) == ("t.P", P)
    assert open_any(b"") == ("", b"")
    assert any_bytes("t.P", P) == any_of(P)


@pytest.mark.parametrize(("url", "name"), [("a/b/c.D", "c.D"), ("c.D", "c.D"), ("/c.D", "c.D"), ("a/", ""), ("", "")])
def test_a_type_url_names_what_follows_its_last_slash(url: str, name: str) -> None:
    assert type_name(url) == name
