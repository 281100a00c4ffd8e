"""What weighs too much isn't parsed.

No call of the runtime holds the interpreter for long, whatever a message holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ItemReason, Reason, Refused
from gateway.model import MAX_ITEM_BYTES
from gateway.plan import FieldPlan, Form, MessagePlan, Presence
from gateway.protobuf.schema import Schema, build, read
from gateway.protobuf.weight import MAX_WEIGHT, Scales
from tests.support.random_choices import ChoiceSequence
from tests.support.random_contracts import contract
from tests.support.random_messages import RandomMessages
from tests.support.wire_format import record, tag

E: Final = Presence.EXPLICIT
MANY: Final = Presence.EXPANDED
ENTRY: Final = MessagePlan(
    "E",
    (FieldPlan(1, "key", "string", Presence.IMPLICIT), FieldPlan(2, "value", "int32", Presence.IMPLICIT)),
    Form.MAP_ENTRY,
)
SINGLE: Final = (
    MessagePlan("M", (FieldPlan(1, "x", "message", MANY, message=1),)),
    MessagePlan("N", (FieldPlan(1, "x", "int64", E),)),
)
PARTS: Final = (b"\x0a\x00", b"\x12\x00", b"\x1b\x1c", b"\x22\x00", b"\x2a\x00", b"\x78\x01", b"\x32\x02\x0a\x00")


def wide(fields: int) -> tuple[MessagePlan, ...]:
    """A list of messages of so many fields, a map, a group, a message that may come twice."""
    held = tuple(FieldPlan(number, "x", "int64", E) for number in range(1, fields + 1))
    return (
        MessagePlan(
            "M",
            (
                FieldPlan(1, "many", "message", MANY, message=1),
                FieldPlan(2, "keyed", "message", MANY, message=2),
                FieldPlan(3, "groups", "group", MANY, message=1),
                FieldPlan(4, "one", "message", E, message=1),
                FieldPlan(5, "bytes", "bytes", MANY),
                FieldPlan(6, "self", "message", MANY, message=0),
            ),
        ),
        MessagePlan("N", held),
        ENTRY,
    )


@cache
def schema(fields: int) -> Schema:
    return build(wide(fields))[0]


@cache
def keys() -> bytes:
    return b"".join(record(2, 2, record(1, 2, b"%x" % number)) for number in range(MAX_ITEM_BYTES // 10))


SHAPES: Final[dict[str, Callable[[int], bytes]]] = {
    "empty messages": lambda size: b"\x0a\x00" * (size // 2),
    "empty groups": lambda size: (tag(3, 3) + tag(3, 4)) * (size // 2),
    "one message over and over": lambda size: b"\x22\x00" * (size // 2),
    "entries with keys of their own": lambda size: keys()[: size // 8 * 8],
    "entries with one key": lambda size: b"\x12\x00" * (size // 2),
    "empty bytes": lambda size: b"\x2a\x00" * (size // 2),
    "unknown numbers": lambda size: b"\x78\x01" * (size // 2),
    "unknown groups": lambda size: b"\x7b\x7c" * (size // 2),
    "messages in messages": lambda size: record(6, 2, b"\x0a\x00" * 60) * (size // 123),
}


def is_taken(target: Schema, raw: bytes) -> bool:
    try:
        read(target, raw)
    except Refused as error:
        assert error.reason in (ItemReason.TOO_LARGE, ItemReason.MALFORMED)  # noqa: PT017 - either may be
        return False
    return True


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fields", [20, 2000])
def test_what_is_taken_holds_nobody_up(shape: str, fields: int) -> None:
    """Measured beside a parse of 4 MiB of empty messages of one field.

    40 ms on the development machine, where 100 are the bound.
    """
    target, size = schema(fields), MAX_ITEM_BYTES
    while not is_taken(target, raw := SHAPES[shape](size)):
        size //= 2
    assert size > 1000
    message = target.message.FromString(raw)
    calls: list[Callable[[], Any]] = [
        lambda: target.message.FromString(raw),
        lambda: message.SerializePartialToString(deterministic=True),
        message.DiscardUnknownFields,
    ]
    assert max(map(lasted, calls)) < 2.5 * reference()


@cache
def reference() -> int:
    empty, raw = build(SINGLE)[0], b"\x0a\x00" * (MAX_ITEM_BYTES // 2)
    return lasted(lambda: empty.message.FromString(raw))


def lasted(call: Callable[[], Any]) -> int:
    """CPU nanoseconds of a call, of several the fastest."""
    took = []
    for _ in range(3):
        begun = time.thread_time_ns()
        kept = call()
        took.append(time.thread_time_ns() - begun)
        del kept
    return min(took)


@pytest.mark.parametrize("fields", [1, 20, 500])
@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=40))
def test_no_message_of_the_light_size_is_too_heavy(fields: int, parts: list[bytes]) -> None:
    """The weight of what repeats grows with its bytes: as heavy as the heaviest field for each two of them, at most."""
    scales, raw = Scales(wide(fields)), b"".join(parts)
    assert scales.weigh(0, raw) <= len(raw) * MAX_WEIGHT / scales.light_bytes + fields


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1000, max_size=1000))
def test_what_the_parser_takes_can_be_weighed(data: bytes) -> None:
    chance = ChoiceSequence(data)
    held = contract(chance)
    messages = []
    numbers = {name: number for number, name in enumerate(name for name in held.messages if name.startswith("x"))}
    for type_ in numbers:
        fields = [
            FieldPlan(
                field.number,
                "x",
                "group" if field.type == 10 else "message",
                E,
                message=numbers[field.message_type.full_name],
            )
            for field in held.fields(held.message(type_))
            if field.message_type is not None and field.message_type.full_name in numbers
        ]
        messages.append(MessagePlan(type_, tuple(fields)))
    raw = RandomMessages(chance, held).message(held.message("x0.M0"))
    assert Scales(messages).weigh(numbers["x0.M0"], raw) >= len(
        list(held.message_class("x0.M0").FromString(raw).ListFields())
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x0a", ItemReason.MALFORMED),
        (b"\x80" * 11, ItemReason.MALFORMED),
        (b"\x0f", ItemReason.MALFORMED),
        (b"\x7b" * 200, ItemReason.TOO_DEEP),
        (b"\x0a\x00" * 2_000_000, ItemReason.TOO_LARGE),
    ],
)
def test_what_cant_be_weighed_is_refused(raw: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as caught:
        Scales(wide(20)).weigh(0, raw)
    assert caught.value.reason is reason
