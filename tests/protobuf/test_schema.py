"""Projections as message classes.

What they read and write is what the original would, for every feature of protobuf.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from gateway.errors import ItemReason, Refused
from gateway.plan import FieldPlan, Form, MessagePlan, Presence
from gateway.protobuf.schema import attribute, build, parse
from tests.support.contracts import PROTO_HEADER, compiler, decode, encode, minimiser, proto, release_of
from tests.support.contracts import contract as contract_of
from tests.support.wire_format import record, tag, varint

E: Final = Presence.EXPLICIT
I: Final = Presence.IMPLICIT  # noqa: E741  a column of the table below


def one(*fields: FieldPlan, more: tuple[MessagePlan, ...] = ()) -> Any:
    return build((MessagePlan("t.M", fields), *more))[0]


def through(cls: Any, raw: bytes) -> bytes:
    return bytes(parse(cls, raw).SerializePartialToString())


VALUES: Final = {
    **dict.fromkeys(("int64", "int32"), (0, varint(-5))),
    **dict.fromkeys(("uint64", "uint32", "sint64", "sint32", "bool"), (0, b"\x01")),
    **dict.fromkeys(("fixed64", "sfixed64", "double"), (1, b"\x01" + b"\0" * 7)),
    **dict.fromkeys(("fixed32", "sfixed32", "float"), (5, b"\x01\0\0\0")),
    "string": (2, b"a"),
    "bytes": (2, b"\xff"),
}
"""A value of each scalar, with its wire type."""


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("presence", [E, I, Presence.REQUIRED, Presence.EXPANDED])
@pytest.mark.parametrize("number", [1, 15, 16, 19_000, 536_870_911])
def test_every_scalar_is_read_and_written(kind: str, presence: Presence, number: int) -> None:
    wire, value = VALUES[kind]
    cls = one(FieldPlan(number, "x", kind, presence))
    raw = record(number, wire, value)
    assert through(cls, raw) == raw
    assert (
        through(
            cls,
            raw
            + record(4711, 2, b"anna")
            + record(number, 1 if wire == 5 else 5, b"annaanna"[: 8 if wire == 5 else 4]),
        )
        == raw
    )


@pytest.mark.parametrize(
    ("presence", "wanted"),
    [(Presence.PACKED, record(3, 2, b"\x01\x02\x03")), (Presence.EXPANDED, b"\x18\x01\x18\x02\x18\x03")],
)
def test_packed_or_not_is_read_and_the_original_s_is_written(presence: Presence, wanted: bytes) -> None:
    cls = one(FieldPlan(3, "x", "uint32", presence))
    assert {
        through(cls, raw)
        for raw in (b"\x18\x01\x18\x02\x18\x03", record(3, 2, b"\x01\x02\x03"), b"\x18\x01" + record(3, 2, b"\x02\x03"))
    } == {wanted}


@pytest.mark.parametrize(("presence", "left"), [(E, b"\x08\x00"), (I, b"")])
def test_a_zero_is_written_where_presence_is_explicit(presence: Presence, left: bytes) -> None:
    assert through(one(FieldPlan(1, "x", "int32", presence)), b"\x08\x00") == left


def test_groups_are_groups() -> None:
    cls = one(FieldPlan(1, "x", "group", E, message=0), FieldPlan(2, "y", "string", E))
    raw = tag(1, 3) + record(2, 2, b"a") + tag(1, 4)
    assert through(cls, raw) == raw
    assert through(cls, record(1, 2, record(2, 2, b"a"))) == b""


def test_numbers_that_an_enum_does_not_have_are_gone() -> None:
    for presence in (E, Presence.PACKED, Presence.EXPANDED):
        cls = one(FieldPlan(1, "x", "enum", presence, enum=(0, 5, -3)))
        raw = b"".join(record(1, 0, varint(number)) for number in (4, -3, 2**31 - 1, -(2**31), 2**40 + 1))
        kept = {
            E: record(1, 0, varint(-3)),
            Presence.PACKED: record(1, 2, varint(-3)),
            Presence.EXPANDED: record(1, 0, varint(-3)),
        }[presence]
        assert through(cls, raw) == kept


def test_the_first_number_of_an_enum_is_its_default() -> None:
    cls = one(FieldPlan(1, "x", "enum", E, enum=(5, 0)))
    assert (getattr(cls.message(), attribute(1)), through(cls, b"\x08\x05")) == (5, b"\x08\x05")


@pytest.mark.parametrize(
    ("key", "value", "raw", "left"),
    [
        ("string", "int32", record(1, 2, b"a") + b"\x10\x05", record(1, 2, b"a") + b"\x10\x05"),
        ("string", "int32", b"\x10\x05" + record(1, 2, b"a"), record(1, 2, b"a") + b"\x10\x05"),
        ("string", "int32", record(1, 2, b"a"), record(1, 2, b"a") + b"\x10\x00"),
        ("string", "int32", b"\x10\x05", record(1, 2, b"") + b"\x10\x05"),
        ("string", "int32", b"", record(1, 2, b"") + b"\x10\x00"),
        ("bool", "string", b"\x08\x01" + record(2, 2, b"a"), b"\x08\x01" + record(2, 2, b"a")),
        (
            "string",
            "int32",
            record(1, 2, b"anna") + record(1, 2, b"a") + b"\x10\x04\x10\x05",
            record(1, 2, b"a") + b"\x10\x05",
        ),
        ("sint64", "fixed32", b"\x08\x05\x15\x01\0\0\0", b"\x08\x05\x15\x01\0\0\0"),
    ],
)
def test_an_entry_of_a_map_is_put_in_order(key: str, value: str, raw: bytes, left: bytes) -> None:
    entry = MessagePlan("t.M.E", (FieldPlan(1, "key", key, I), FieldPlan(2, "value", value, I)), Form.MAP_ENTRY)
    cls = one(FieldPlan(7, "m", "message", Presence.EXPANDED, message=1), more=(entry,))
    assert through(cls, record(7, 2, raw)) == record(7, 2, left)


def test_an_entry_with_a_field_that_nobody_knows_is_gone_whole() -> None:
    """So the runtime reads it; other fields of the message are no matter."""
    entry = MessagePlan("t.M.E", (FieldPlan(1, "key", "string", I), FieldPlan(2, "value", "int32", I)), Form.MAP_ENTRY)
    cls = one(FieldPlan(7, "m", "message", Presence.EXPANDED, message=1), more=(entry,))
    for odd in (record(3, 2, b"anna"), record(2, 2, b"anna"), record(1, 0, b"\x05")):
        assert through(cls, record(7, 2, record(1, 2, b"a") + b"\x10\x05" + odd) + record(7, 2, b"")) == record(
            7, 2, b"\x0a\x00\x10\x00"
        )


def test_an_entry_with_an_unknown_enum_number_is_gone_whole() -> None:
    entry = MessagePlan(
        "t.M.E", (FieldPlan(1, "key", "string", I), FieldPlan(2, "value", "enum", I, enum=(0, 1))), Form.MAP_ENTRY
    )
    cls = one(FieldPlan(7, "m", "message", Presence.EXPANDED, message=1), more=(entry,))
    assert through(cls, record(7, 2, record(1, 2, b"anna") + b"\x10\x63")) == b""


def test_oneofs_hold_one() -> None:
    cls = one(
        FieldPlan(1, "a", "string", E, "o"), FieldPlan(2, "b", "int32", E, "o"), FieldPlan(3, "c", "string", E, "p")
    )
    assert through(cls, record(1, 2, b"a") + b"\x10\x00" + record(3, 2, b"c")) == b"\x10\x00" + record(3, 2, b"c")


def test_messages_refer_to_each_other() -> None:
    more = (MessagePlan("t.N", (FieldPlan(1, "m", "message", Presence.EXPANDED, message=0),)),)
    cls = one(FieldPlan(1, "n", "message", E, message=1), FieldPlan(2, "a", "string", I), more=more)
    raw = record(1, 2, record(1, 2, record(2, 2, b"a")) + record(1, 2, record(1, 2, b"")))
    assert through(cls, raw) == raw


def test_a_message_without_fields_keeps_nothing_and_is_still_parsed() -> None:
    (cls,) = build((MessagePlan("t.M", ()),))
    assert through(cls, record(1, 2, b"anna")) == b""
    with pytest.raises(Refused) as caught:
        parse(cls, b"\x0a")
    assert caught.value.reason is ItemReason.MALFORMED


def test_text_is_utf_8() -> None:
    with pytest.raises(Refused) as caught:
        parse(one(FieldPlan(1, "a", "string", E)), record(1, 2, b"\xed\xa0\x80"))
    assert caught.value.reason is ItemReason.MALFORMED


# ── Every feature, from a proto file to the bytes ─────────────────────────────────────────────────────────────────────

PROTO2: Final = PROTO_HEADER.replace("proto3", "proto2")
EDITION: Final = PROTO_HEADER.replace('syntax = "proto3"', 'edition = "2023"')
CLOSED: Final = (
    EDITION + "option features.enum_type = CLOSED; option features.field_presence = IMPLICIT; option "
    "features.message_encoding = DELIMITED;\n"
)


@pytest.mark.parametrize(
    ("head", "body", "text"),
    [
        (
            PROTO_HEADER,
            "string a = 1 @NAME; optional int32 b = 2 @USAGE; repeated bool c = 3 @USAGE;",
            'a: "x" b: 0 c: [true, false]',
        ),
        (PROTO_HEADER, "oneof o { string a = 1 @NAME; M m = 2; bytes b = 3 @CONTENT; }", 'm { b: "\\377" }'),
        (
            PROTO_HEADER,
            "map<sint64, M> a = 1 @{map_key: USAGE}; map<bool, bytes> b = 2 @{map_key: USAGE, category: CONTENT};",
            'a { key: -5 value { b { key: true value: "x" } } }',
        ),
        (
            PROTO_HEADER,
            "google.protobuf.Struct a = 1 @CONTENT;",
            (
                'a { fields { key: "k" value { list_value { values { null_value: NULL_VALUE } values { struct_value {} } '
                "} } } }"
            ),
        ),
        (
            PROTO_HEADER,
            "google.protobuf.Timestamp a = 1 @USAGE; repeated google.protobuf.Duration b = 2 @USAGE;",
            "a { seconds: -5 } b { nanos: 7 } b {}",
        ),
        (
            PROTO_HEADER,
            (
                "google.protobuf.Int64Value a = 1 @USAGE; map<string, google.protobuf.StringValue> b = 2 @{map_key: NAME, "
                "category: NAME};"
            ),
            'a {} b { key: "k" value { value: "v" } }',
        ),
        (
            PROTO_HEADER,
            "enum E { A = 0; B = 7; } repeated E a = 1 @USAGE; map<int32, E> b = 2 @{category: USAGE, map_key: USAGE};",
            "a: [B, A, B] b { key: 1 value: B }",
        ),
        (
            PROTO2,
            "required string a = 1 @NAME; optional M m = 2; optional group G = 3 { required int32 x = 1 @USAGE; }",
            'a: "x" m { a: "" } G { x: 0 }',
        ),
        (
            PROTO2,
            (
                "enum E { B = 7; A = 0; } optional E a = 1 @USAGE; repeated E b = 2 @USAGE; repeated E c = 3 [packed = "
                "true];"
            ),
            "a: A b: [B, A]",
        ),
        (
            PROTO2,
            (
                'optional string a = 1 [default = "x", (kannelle.privacy.v1.field).category = DATA_CATEGORY_NAME]; '
                "optional bool b = 2 @USAGE;"
            ),
            'a: "x" b: false',
        ),
        (
            PROTO2,
            "repeated group G = 1 { optional group H = 2 { repeated M m = 3; optional string x = 4 @NAME; } }",
            'G { H { m { G {} } x: "y" } } G {}',
        ),
        (
            PROTO2,
            "extensions 100 to 200; } extend M { repeated int32 e = 100 @USAGE; optional M f = 101;",
            "[t.e]: [1, 2] [t.f] { [t.e]: 3 }",
        ),
        (
            EDITION,
            "string a = 1 @NAME; repeated int32 b = 2 @USAGE; M m = 3 [features.message_encoding = DELIMITED];",
            'a: "" b: [1, 2] m { a: "x" }',
        ),
        (
            EDITION,
            (
                "int32 a = 1 [features.field_presence = LEGACY_REQUIRED, (kannelle.privacy.v1.field).category = "
                "DATA_CATEGORY_USAGE];"
            ),
            "a: 0",
        ),
        (
            CLOSED,
            "M m = 1; repeated M n = 2; map<string, M> o = 3 @{map_key: NAME}; string a = 4 @NAME;",
            'm { a: "x" } n {} n { n {} } o { key: "k" value { m {} } }',
        ),
        (
            CLOSED,
            "oneof o { M m = 1; google.protobuf.Timestamp t = 2 @USAGE; } google.protobuf.StringValue s = 3 @NAME;",
            't { seconds: 5 } s { value: "x" }',
        ),
    ],
)
def test_what_may_all_leave_leaves_as_it_is(head: str, body: str, text: str) -> None:
    """Byte for byte, as the original type writes it."""
    held = contract_of(proto(f"message M {{ {body} }}", head))
    raw = encode(held, "t.M", text)
    payload = release_of(minimiser(f"message M {{ {body} }}", "t.M", "eu-service", head=head), raw).payload
    assert decode(held, "t.M", payload).SerializeToString(deterministic=True) == raw
    assert len(payload) == len(raw)


@pytest.mark.parametrize("count", [500])
def test_a_type_of_many_fields_and_many_types_is_no_matter(count: int) -> None:
    body = "".join(
        f"message N{index} {{ N{(index + 1) % count} next = 1; string a = 2 @NAME; }}" for index in range(count)
    )
    fields = "".join(f"N{index} f{index} = {index + 1};" for index in range(count))
    made = compiler(f"message M {{ {fields} }} {body}")
    assert len(made.plan("t.M", "eu-service").messages) == count + 1
