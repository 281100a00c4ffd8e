"""Templates, filled."""

from __future__ import annotations

from typing import Any, Final

import pytest
from google.protobuf.message import Message

from gateway.errors import EndReason, ItemReason, Rejected
from gateway.exporters.template.field_renderers import milliseconds, rfc3339
from gateway.exporters.template_renderer import TemplateRenderer
from tests.support.contracts import contract, proto

HELD: Final = contract(
    proto("""
    enum Topic { NONE = 0; BILLING = 1; }
    message Value { oneof kind { string s = 1; int64 i = 2; double d = 3; bool b = 4; Topic t = 5; } }
    message Inner { string name = 1; optional int32 level = 2; }
    message A {
      string name = 1; int64 size = 2; bool on = 3; double ratio = 4; Topic topic = 5; google.protobuf.Timestamp time = 6;
      Inner inner = 7; map<string, Value> values = 8; map<string, string> words = 9; repeated string tags = 10; repeated Topic topics = 11;
      optional bool maybe = 12; map<string, Topic> by_topic = 13; map<string, google.protobuf.Timestamp> times = 14;
    }
    """)
)
A: Final = HELD.message_class("t.A")


def item(**fields: Any) -> Message:
    return A(**fields)


def filled(template: Any, message: Message, moment: Any = rfc3339) -> Any:
    filler = TemplateRenderer({"t.A": template}, HELD.message_class, moment)
    return filler.render("t.A", message.SerializeToString())


@pytest.mark.parametrize(
    ("template", "fields", "expected"),
    [
        ("{name}", {"name": "n"}, "n"),
        ("{size}", {"size": 7}, 7),
        ("{on}", {"on": True}, True),
        ("{ratio}", {"ratio": 0.5}, 0.5),
        ("{topic}", {"topic": 1}, "BILLING"),
        ("{maybe}", {"maybe": False}, False),
        ("{time}", {"time": {"seconds": 1_700_000_000, "nanos": 5_000_000}}, "2023-11-14T22:13:20.005Z"),
        ("{inner.name}", {"inner": {"name": "n"}}, "n"),
        ("{inner.level}", {"inner": {"level": 0}}, 0),
        ("{tags}", {"tags": ["a", "b"]}, ["a", "b"]),
        ("{topics}", {"topics": [1, 1]}, ["BILLING", "BILLING"]),
        ("{words}", {"words": {"a": "b"}}, {"a": "b"}),
        ("{by_topic}", {"by_topic": {"a": 1}}, {"a": "BILLING"}),
        ("{times}", {"times": {"a": {"seconds": 0}}}, {"a": "1970-01-01T00:00:00Z"}),
        ("{values}",
         {"values": {"s": {"s": "x"}, "i": {"i": 0}, "d": {"d": 1.5}, "b": {"b": False}, "t": {"t": 1}}},
         {"s": "x", "i": 0, "d": 1.5, "b": False, "t": "BILLING"}),
        ("plain", {}, "plain"),
        ("{{name}} of {name}", {"name": "n"}, "{name} of n"),
        ("{name}: {size}, {on}, {topic}, {time}",
         {"name": "n", "size": 7, "on": True, "topic": 1, "time": {"seconds": 0}},
         "n: 7, true, BILLING, 1970-01-01T00:00:00Z"),
        ("{name}-{size}", {"name": "n"}, "n-"),
        (7, {}, 7),
        (0.5, {}, 0.5),
        (False, {}, False),
        (("a", "{name}", "{topic}"), {"name": "n"}, ["a", "n"]),
        ({"b": {"c": "{name}"}}, {"name": "n"}, {"b": {"c": "n"}}),
        ({}, {}, {}),
    ],
)  # fmt: skip
def test_a_placeholder_is_the_value_in_its_own_type(template: Any, fields: dict[str, Any], expected: Any) -> None:
    assert filled({"a": template}, item(**fields)) == {"a": expected}


@pytest.mark.parametrize(
    ("template", "fields"),
    [
        *(
            (f"{{{name}}}", {})
            for name in (
                "name",
                "size",
                "topic",
                "time",
                "inner.name",
                "inner.level",
                "tags",
                "words",
                "values",
                "maybe",
            )
        ),
        ("{inner.level}", {"inner": {"name": "n"}}),
        ("of {name}", {}),
        ("{name}{topic}", {}),
        ("{values}", {"values": {"a": {}}}),
        ("{ratio}", {"ratio": float("inf")}),
        ("{topic}", {"topic": 9}),
        ("{topics}", {"topics": [9]}),
        ({"b": "{name}", "c": {"d": "{topic}"}}, {}),
        (("{name}", "{topic}"), {}),
    ],
)
def test_what_has_nothing_to_say_is_left_out(template: Any, fields: dict[str, Any]) -> None:
    assert filled({"a": template, "z": 1}, item(**fields)) == {"z": 1}


def test_a_time_may_be_milliseconds() -> None:
    assert filled({"a": "{time}"}, item(time={"seconds": 5, "nanos": 7_000_000}), milliseconds) == {"a": 5007}


def test_a_body_that_has_nothing_to_say_is_empty() -> None:
    assert filled({"a": "{name}"}, item()) == {}


@pytest.mark.parametrize(
    ("type", "payload", "reason"),
    [
        ("t.Unknown", b"", ItemReason.UNKNOWN_TYPE),
        ("t.Inner", b"", ItemReason.UNKNOWN_TYPE),
        ("t.A", b"\xff", ItemReason.MALFORMED),
        ("t.A", A(time={"seconds": 10**15}).SerializeToString(), ItemReason.MALFORMED),
    ],
)
def test_what_has_no_form_is_rejected(type: str, payload: bytes, reason: EndReason) -> None:
    filler = TemplateRenderer({"t.A": {"a": "{time}"}}, HELD.message_class, rfc3339)
    assert filler.render(type, payload) == Rejected(reason)


def test_a_new_contract_has_its_own_templates() -> None:
    classes = [A, contract(proto("message A { int64 name = 2; }")).message_class("t.A")]
    filler = TemplateRenderer({"t.A": {"a": "{name}"}}, lambda _: classes[0], rfc3339)
    payload = item(name="n", size=7).SerializeToString()
    assert filler.render("t.A", payload) == {"a": "n"}
    classes.pop(0)
    assert filler.render("t.A", payload) == {"a": 7}
