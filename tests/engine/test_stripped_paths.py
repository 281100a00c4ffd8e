"""What is stripped of a message that a mask speaks of: told exactly, and at a cost that grows with the message."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.protobuf.wire import numbers
from tests.engine.test_vectors import engine
from tests.support.contracts import UNKNOWN_FACTS
from tests.support.engines import decide_one
from tests.support.wire_format import record, tag, varint

NUMBERS: Final = st.sampled_from([2, 3, 15, 16, 2047, 2048, 536_870_911])
FIELDS: Final = st.recursive(
    st.one_of(
        st.builds(lambda number, value: tag(number, 0) + varint(value), NUMBERS, st.sampled_from([0, 1, 127, 128, -1])),
        st.builds(lambda number: tag(number, 1) + b"12345678", NUMBERS),
        st.builds(lambda number: tag(number, 5) + b"1234", NUMBERS),
        st.builds(lambda number, held: record(number, 2, held), NUMBERS, st.binary(max_size=200)),
    ),
    lambda inner: st.builds(
        lambda number, held: tag(number, 3) + b"".join(held) + tag(number, 4), NUMBERS, st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.lists(FIELDS, max_size=8).map(b"".join))
def test_numbers_are_those_that_the_runtime_finds(raw: bytes) -> None:
    assert numbers(raw) == {one.field_number for one in UnknownFieldSet(FieldMask.FromString(raw))}  # type: ignore[attr-defined]


def mask(*paths: bytes) -> bytes:
    return record(2, 2, b"".join(record(1, 2, path) for path in paths))


COSTLY: Final = {
    "unknown fields": record(1, 2, (tag(99, 0) + b"\x01") * 300_000) + mask(b"seats", b"*"),
    "unknown fields in a list": record(1, 2, record(8, 2, tag(99, 0) + b"\x01") * 20_000) + mask(b"contacts", b"*"),
    "unknown paths": mask(*[b"x" * 70] * 14_000),
    "empty paths": mask(*[b""] * 450_000),
    "paths through a type in itself": record(1, 2, b"") + mask(*[b"parent." * 60 + b"seats"] * 2_300),
    "unknown paths through a type in itself": mask(*[b"parent." * 50 + b"%d" % number for number in range(2_800)]),
    "everything, often": record(1, 2, b"") + mask(*[b"*"] * 300_000),
    "values that fail": record(1, 2, record(9, 2, record(2, 2, b"Anna")) * 1 + record(7, 2, b"Anna") * 20_000)
    + mask(*[b"tags", b"*"] * 900),
}
"""About a megabyte each, or as much as is accepted."""


@pytest.mark.parametrize("name", COSTLY)
def test_no_mask_costs_more_than_a_second_of_cpu(name: str) -> None:
    made, begun = engine("policy.yaml", "vectors.masks.UpdateCustomerRequest", "eu-log"), time.process_time()
    with suppress(Refused):
        decide_one(made, COSTLY[name], UNKNOWN_FACTS)
    assert time.process_time() - begun < 1
