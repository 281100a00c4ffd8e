"""The minimiser against the slow oracle, over random contracts, destinations and messages; and against random bytes."""

from __future__ import annotations

from functools import cache
from typing import Final

import msgspec
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from gateway.contracts.contract import Contract
from gateway.contracts.load import default_path, load
from gateway.engine.reference import ReferenceEngine
from gateway.errors import BadPolicy, ItemReason, Refused
from gateway.model import Category, Facts, Recipient, Withheld
from gateway.otlp.signals import SIGNALS
from gateway.plan import Plan
from gateway.policy.compile import Compiler
from gateway.policy.load import PolicyFile
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.protobuf.schema import MAX_DEPTH
from tests.support.contracts import NOW_SECONDS, decode, policy, proto, with_open_patterns
from tests.support.contracts import contract as contract_of
from tests.support.engines import decide_one
from tests.support.examples import examples
from tests.support.message_shape import message_shape
from tests.support.oracle import Oracle
from tests.support.random_choices import ChoiceSequence
from tests.support.random_contracts import contract
from tests.support.random_messages import RandomMessages

BYTES: Final = 1000
MARGIN: Final = 8
"""Levels that the innermost message may have more: an entry of a map, groups that nobody knows.

`test_depth.py` draws the line itself.
"""
POLICY: Final = policy()
INSIDE: Final = tuple(POLICY.policy.destinations["eu-service"].allow)
INDIRECT: Final = (Category.USER_ID, Category.WORK_EMAIL, Category.OPERATIONAL)
FACTS: Final = (
    Facts(NOW_SECONDS * 10**9),
    Facts(NOW_SECONDS * 10**9, directory=True, verified=frozenset({"acme.example"})),
    Facts(NOW_SECONDS * 10**9, directory=True),
    Facts(NOW_SECONDS * 10**9, personal=True),
)


def file(chance: ChoiceSequence) -> PolicyFile:
    """A policy with one destination, `here`, inside the EU or outside."""
    region = chance.pick(("FR", "FR", "US", "JP"))
    options = {"FR": sorted(INSIDE), "US": INDIRECT, "JP": (Category.OPERATIONAL,)}[region]
    allow = frozenset(category for category in options if not chance.rarely(10))
    given = msgspec.structs.replace(
        POLICY.policy.destinations["eu-service"], region=region, recipient=chance.pick(tuple(Recipient)), allow=allow
    )
    timestamps = None if chance.rarely(4) else POLICY.policy.timestamps
    changed = msgspec.structs.replace(POLICY.policy, destinations={"here": given}, timestamps=timestamps)
    return PolicyFile(changed, POLICY.origin, POLICY.path)


def wanted(oracle: Oracle, raw: bytes, facts: Facts) -> object:
    """What the oracle says, in a form to compare: a reason, None for withheld, or what is left."""
    try:
        message = oracle.decide("x0.M0", raw, facts)
    except Refused as error:
        return error.reason
    return None if message is None else list(message_shape(message, oracle.contract))


def said(engine: ReferenceEngine, held: Contract, raw: bytes, facts: Facts) -> object:
    """What the engine says, in the same form. Its output has the original type, and nothing unknown anywhere in it."""
    try:
        verdict = decide_one(engine, raw, facts)
    except Refused as error:
        return error.reason
    if isinstance(verdict, Withheld):
        return None
    message = decode(held, engine.plan.type, verdict.payload)
    # Packed as the original is, and no zeros that it wouldn't write: only the order may differ.
    assert len(verdict.payload) == message.ByteSize()
    return list(message_shape(message, held))


@settings(max_examples=examples(500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=BYTES, max_size=BYTES))
def test_the_minimiser_does_what_the_oracle_does(data: bytes) -> None:
    """Left out, since what the engine does is another thing, and no leak.

    Several members of one oneof, several occurrences of what is read as raw bytes, and an unknown enum number after a
    known one. `test_engine.py` says what becomes of them.
    """
    compare(ChoiceSequence(data))


@settings(max_examples=examples(500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=BYTES, max_size=BYTES))
def test_masks_keep_the_paths_that_the_oracle_keeps(data: bytes) -> None:
    compare(ChoiceSequence(data), masks=True)


def compare(chance: ChoiceSequence, *, masks: bool = False) -> None:
    """Compare, over one random contract, what becomes of some random messages."""
    held = contract(chance, masks=masks)
    compiler = Compiler(held, with_open_patterns(file(chance), held))
    oracle = Oracle(held, compiler.classifications, compiler.terms("here"))
    if oracle.strips_required("x0.M0"):
        with pytest.raises(BadPolicy, match="would strip"):
            compiler.plan("x0.M0", "here")
        return
    plan = compiler.plan("x0.M0", "here")
    copy = Plan.load(plan.dump())
    assert (copy, copy.digest) == (plan, plan.digest)
    engine, again = ReferenceEngine(plan), ReferenceEngine(copy)
    for _ in range(3):
        wire = RandomMessages(chance, held)
        raw = wire.message(held.message("x0.M0"))
        if plan.person is not None:
            raw = without_overwritten(held, raw)
        for facts in (chance.pick(FACTS), chance.pick(FACTS)):
            right = wanted(oracle, raw, facts)
            event(type(right).__name__)
            answers = [said(one, held, raw, facts) for one in (engine, engine, again)]
            if wire.levels > MAX_DEPTH - MARGIN and ItemReason.TOO_DEEP in answers:
                right = ItemReason.TOO_DEEP
            assert answers == [right] * 3


def without_overwritten(held: Contract, raw: bytes) -> bytes:
    """A message without what its later bytes overwrite, or its type doesn't have; one that can't be read as it is.

    A name counts for the engine though another takes its place, or its entry has a number that no enum knows.
    """
    try:
        message = held.message_class("x0.M0").FromString(raw)
    except DecodeError:
        return raw
    message.DiscardUnknownFields()
    return bytes(message.SerializePartialToString())


ANYTHING: Final = """
message M {
  google.protobuf.Any any = 1;
  repeated google.protobuf.Any anys = 2;
  map<string, google.protobuf.Any> keyed = 3 @{map_key: OPERATIONAL};
  M child = 4;
  map<int32, M> children = 5 @{map_key: OPERATIONAL};
  string name = 6 @FREE_TEXT;
  google.protobuf.Struct content = 7 @CONTENT;
}
"""
OLD: Final = """\
syntax = "proto2";
package t;
import "google/protobuf/any.proto";
import "kannelle/privacy/v1/annotations.proto";
enum Kind { NONE = 0; FIVE = 5; }
message M {
  required string id = 1 @USER_ID;
  optional group Part = 2 { required bool on = 1 @OPERATIONAL; repeated Kind kinds = 2 @OPERATIONAL; optional M child = 3; }
  repeated int64 counts = 3 @{category: OPERATIONAL, min: 0, max: 9};
  map<string, Kind> kinds = 4 @{category: OPERATIONAL, map_key: WORK_EMAIL};
  oneof choice { bytes raw = 5 @CONTENT; google.protobuf.Any any = 6; }
  extensions 100 to 199;
}
extend M { repeated M more = 100; optional string note = 101 @FREE_TEXT; }
"""


@cache
def engines() -> list[tuple[Contract, ReferenceEngine]]:
    """Engines of all sorts, with their contracts."""
    held = load([default_path()])
    kannelle = Compiler(held, with_open_patterns(load_policy(default_policy()), held))
    own = [ReferenceEngine(kannelle.plan(*one)) for one in KANNELLES]
    made = [(kannelle.contract, engine) for engine in own]
    for held in (contract_of(proto(ANYTHING)), contract_of(proto(OLD, ""))):
        compiler = Compiler(held, with_open_patterns(POLICY, held))
        made += [
            (held, ReferenceEngine(compiler.plan("t.M", name))) for name in ("eu-service", "eu-vendor", "us-vendor")
        ]
    return made


KANNELLES: Final = (
    ("kannelle.privacy.v1.AnalyticsEvent", "analytics"),
    ("kannelle.privacy.v1.AnalyticsEvent", "activity-log"),
    ("kannelle.privacy.v1.SupportMessage", "support"),
    ("kannelle.privacy.v1.SupportMessage", "support-archive"),
    ("kannelle.crm.v1.Contact", "crm"),
    ("kannelle.video.v1.VideoExported", "analytics"),
    *((signal.item, destination) for signal in SIGNALS for destination in ("application-log", "support-archive")),
)


def mutated(chance: ChoiceSequence, raw: bytes) -> bytes:
    """Bytes with a few of them changed, cut out, doubled or put elsewhere."""
    for _ in chance.times(4):
        at, end = sorted((chance.below(256) * len(raw) // 256, chance.below(256) * len(raw) // 256))
        piece = raw[at:end]
        raw = chance.pick(
            (
                raw[:at] + bytes((chance.below(256),)) + raw[at + 1 :],
                raw[:at] + raw[end:],
                raw[:end] + piece + raw[end:],
                piece + raw,
            )
        )
    return raw


def check(held: Contract, engine: ReferenceEngine, raw: bytes, facts: Facts) -> None:
    """A refusal or a minimised message, the same each time; never an exception of another kind."""
    first = said(engine, held, raw, facts)
    event(type(first).__name__)
    assert said(engine, held, raw, facts) == first


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(range(len(KANNELLES) + 6)), st.sampled_from(FACTS))
def test_random_bytes_are_refused_or_minimised(raw: bytes, index: int, facts: Facts) -> None:
    check(*engines()[index], raw, facts)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=BYTES, max_size=BYTES), st.sampled_from(range(len(KANNELLES) + 6)), st.sampled_from(FACTS))
def test_damaged_messages_are_refused_or_minimised(data: bytes, index: int, facts: Facts) -> None:
    chance = ChoiceSequence(data)
    held, engine = engines()[index]
    types = ("t.M", "kannelle.privacy.v1.AnalyticsEvent", "kannelle.privacy.v1.UserContext")
    raw = RandomMessages(chance, held, [name for name in types if name in held.messages]).message(
        held.message(engine.plan.type)
    )
    check(held, engine, mutated(chance, raw), facts)
