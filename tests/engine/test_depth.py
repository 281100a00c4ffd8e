"""Messages of every depth: nothing that may not leave does, and up to the accepted depth everything that may."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.contracts.load import default_path, load
from gateway.engine.reference import ReferenceEngine
from gateway.errors import BadSetup, ItemReason, Refused
from gateway.model import Release
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.protobuf.schema import MAX_DEPTH
from tests.engine.test_oracle import BYTES, FACTS, file
from tests.support.contracts import UNKNOWN_FACTS, compiler, decode, with_open_patterns
from tests.support.engines import decide_one
from tests.support.examples import examples
from tests.support.message_shape import message_shape
from tests.support.oracle import Oracle
from tests.support.random_choices import ChoiceSequence
from tests.support.random_contracts import contract
from tests.support.random_messages import PLANTED_VALUE, RandomMessages
from tests.support.wire_format import record, tag

MARK: Final = b"planted"
BESIDE: Final = record(3, 2, MARK + b" name") + record(999, 2, MARK + b" unknown") + record(2, 5, MARK[:4])
"""An unclassified field, an unknown one, and a known one of another wire type."""
LEAF: Final = record(2, 2, b"v1") + BESIDE
BODY: Final = """
message M {
  M child = 1; string code = 2 @OPERATIONAL; string name = 3;
  repeated M many = 4; map<string, M> keyed = 5 @{map_key: OPERATIONAL};
  oneof choice { M one = 6; string other = 7 @OPERATIONAL; }
  google.protobuf.Any any = 8; N next = 9;
}
message N { M back = 1; }
"""

Wrap = Callable[[bytes], bytes]

WAYS: Final[Mapping[str, tuple[Wrap, int]]] = {
    "a message": (lambda inner: record(1, 2, inner), 1),
    "a list": (lambda inner: record(4, 2, inner) + record(4, 2, BESIDE), 1),
    "a map": (lambda inner: record(5, 2, record(1, 2, b"key") + record(2, 2, inner)), 2),
    "a member of a oneof": (lambda inner: record(6, 2, inner), 1),
    "two types in turn": (lambda inner: record(9, 2, record(1, 2, inner) + record(999, 2, MARK)), 2),
    "one that came twice": (lambda inner: record(1, 2, BESIDE) + record(1, 2, inner), 1),
}
"""Each way for a message to be in another, and how many levels it takes."""


@cache
def engine(destination: str) -> tuple[Compiler, ReferenceEngine]:
    made = compiler(BODY)
    return made, ReferenceEngine(made.plan("t.M", destination))


def nested(way: str, levels: int) -> bytes:
    """A message with so many levels at most, each with what may leave and what may not."""
    wrap, step = WAYS[way]
    raw = LEAF
    for _ in range(levels // step):
        raw = wrap(raw) + LEAF
    return raw


@pytest.mark.parametrize("destination", ["eu-store", "us-vendor"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("levels", range(1, 101))
def test_what_is_planted_at_any_depth_stays_here(destination: str, way: str, levels: int) -> None:
    made, minimiser = engine(destination)
    raw = nested(way, levels)
    try:
        verdict = decide_one(minimiser, raw, UNKNOWN_FACTS)
    except Refused as error:
        assert error.reason is ItemReason.TOO_DEEP  # noqa: PT017 - either may be
        assert levels // WAYS[way][1] * WAYS[way][1] > MAX_DEPTH
        return
    assert isinstance(verdict, Release)
    assert MARK not in verdict.payload
    if levels <= MAX_DEPTH:
        wanted = Oracle(made.contract, made.classifications, made.terms(destination)).decide("t.M", raw, UNKNOWN_FACTS)
        assert wanted is not None
        assert list(message_shape(decode(made.contract, "t.M", verdict.payload), made.contract)) == list(
            message_shape(wanted, made.contract)
        )


@pytest.mark.parametrize("levels", [1, 2, 29, 30, 59, 60, 61, 90])
def test_groups_are_levels_too(levels: int) -> None:
    body = """message M { optional group Part = 1 { optional M child = 1; optional string name = 3; }
    optional string code = 2 @OPERATIONAL; }"""
    made = compiler(body, head='syntax = "proto2";\npackage t;\nimport "kannelle/privacy/v1/annotations.proto";\n')
    minimiser, raw = ReferenceEngine(made.plan("t.M", "eu-store")), LEAF
    for _ in range(levels // 2):
        raw = tag(1, 3) + BESIDE + record(1, 2, raw) + tag(1, 4) + LEAF
    if levels // 2 * 2 > MAX_DEPTH:
        with pytest.raises(Refused):
            decide_one(minimiser, raw, UNKNOWN_FACTS)
    else:
        verdict = decide_one(minimiser, raw, UNKNOWN_FACTS)
        assert isinstance(verdict, Release)
        assert MARK not in verdict.payload
        assert verdict.payload.count(b"v1") == 1 + levels // 2


@pytest.mark.parametrize("levels", [1, 59, 60, 61, 62, 99])
@pytest.mark.parametrize("number", [5, 6], ids=["list", "entries"])
def test_values_of_attributes_are_stripped_as_deep_as_they_are_taken(levels: int, number: int) -> None:
    """An `AnyValue` in an array or a key-value list, in an `AnyValue`: two levels each."""
    made, value = kannelle(), record(1, 2, b"v1") + record(999, 2, MARK)
    for _ in range(levels // 2):
        inner = value if number == 5 else record(1, 2, b"") + record(2, 2, value)
        value = record(number, 2, record(1, 2, inner) + record(999, 2, MARK)) + record(998, 2, MARK)
    attribute = record(1, 2, b"service.name") + record(2, 2, value)
    item = record(1, 2, record(1, 2, attribute)) + record(2, 2, record(2, 2, record(6, 2, attribute)))
    plan = made.plan("opentelemetry.proto.logs.v1.ResourceLogs", "application-log")
    try:
        verdict = decide_one(ReferenceEngine(plan), item, UNKNOWN_FACTS)
    except Refused as error:
        assert error.reason is ItemReason.TOO_DEEP  # noqa: PT017 - either may be
        assert levels > MAX_DEPTH - 2
    else:
        assert isinstance(verdict, Release)
        assert MARK not in verdict.payload


@cache
def kannelle() -> Compiler:
    return Compiler(load([default_path()]), load_policy(default_policy()))


def test_nothing_planted_leaves_in_any_type_of_the_contracts() -> None:
    made = kannelle()
    wire, decided = RandomMessages(ChoiceSequence(b""), made.contract), 0
    for type_ in made.contract.messages:
        raws = [wire.deep(made.contract.message(type_), levels) for levels in (1, 2, 30, 58, 60, 62, 64, 80, 97)]
        for destination in ("application-log", "analytics", "support-archive", "crm"):
            with suppress(BadSetup):
                minimiser = ReferenceEngine(made.plan(type_, destination))
                decided += sum(_is_minimised(made, minimiser, raw) for raw in raws)
    assert decided > 500


def _is_minimised(made: Compiler, minimiser: ReferenceEngine, raw: bytes) -> bool:
    """Whether an item is released; what is, holds nothing planted and nothing unknown."""
    try:
        verdict = decide_one(minimiser, raw, UNKNOWN_FACTS)
    except Refused:
        return False
    if isinstance(verdict, Release):
        assert PLANTED_VALUE not in verdict.payload
        decode(made.contract, minimiser.plan.type, verdict.payload)
    return isinstance(verdict, Release)


@settings(max_examples=examples(500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=BYTES, max_size=BYTES), st.integers(0, 97))
def test_random_types_are_minimised_at_every_depth(data: bytes, levels: int) -> None:
    chance = ChoiceSequence(data)
    held = contract(chance)
    made = Compiler(held, with_open_patterns(file(chance), held))
    oracle = Oracle(held, made.classifications, made.terms("here"))
    if oracle.strips_required("x0.M0"):
        return
    minimiser, raw = (
        ReferenceEngine(made.plan("x0.M0", "here")),
        RandomMessages(chance, held).deep(held.message("x0.M0"), levels),
    )
    facts = chance.pick(FACTS)
    try:
        verdict = decide_one(minimiser, raw, facts)
    except Refused as error:
        assert error.reason is not ItemReason.TOO_DEEP or levels > MAX_DEPTH - 3  # noqa: PT017 - either may be
        return
    wanted = oracle.decide("x0.M0", raw, facts)
    assert (wanted is None) == (not isinstance(verdict, Release))
    if wanted is not None and isinstance(verdict, Release):
        assert PLANTED_VALUE not in verdict.payload
        assert list(message_shape(decode(held, "x0.M0", verdict.payload), held)) == list(message_shape(wanted, held))
