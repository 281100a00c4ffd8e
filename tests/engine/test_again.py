"""Deciding is idempotent.

What is left of an item, decided on again with the same facts, stays as it is, and nothing more is stripped.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from gateway.engine.reference import ReferenceEngine
from gateway.errors import BadPolicy, ItemReason, Refused
from gateway.model import Facts, FieldVerdict, Release
from gateway.policy.compile import Compiler
from tests.engine.disguised import ADDRESSES, HIDDEN, TEXTS, wide
from tests.engine.test_attributes_oracle import KEYS, VALUES, engine, logged
from tests.engine.test_oracle import BYTES, FACTS, KANNELLES, engines, file, mutated
from tests.engine.test_subject_index import numbered
from tests.engine.test_vectors import CASES, Case, facts_of, written
from tests.engine.test_vectors import engine as vector_engine
from tests.support.contracts import UNKNOWN_FACTS, compiler, release_of, with_open_patterns
from tests.support.engines import decide_one
from tests.support.examples import examples
from tests.support.random_choices import ChoiceSequence
from tests.support.random_contracts import contract
from tests.support.random_messages import RandomMessages
from tests.support.wire_format import record


def check(minimiser: ReferenceEngine, raw: bytes, facts: Facts) -> str:
    """What became of an item at first; if it was released, it is released again."""
    try:
        first = decide_one(minimiser, raw, facts)
    except Refused:
        return "refused"
    if not isinstance(first, Release):
        return "withheld"
    again = decide_one(minimiser, first.payload, facts)
    assert isinstance(again, Release)
    assert again.payload == first.payload
    assert all(each.verdict is FieldVerdict.KEEP for each in again.stripped), "what stays is at most counted"
    return "stripped" if first.stripped else "released"


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=BYTES, max_size=BYTES))
def test_messages_of_any_type_stay_as_they_are(data: bytes) -> None:
    chance = ChoiceSequence(data)
    held = contract(chance, masks=chance.rarely(2))
    try:
        minimiser = ReferenceEngine(
            Compiler(held, with_open_patterns(numbered(file(chance)), held)).plan("x0.M0", "here")
        )
    except BadPolicy:
        return
    for _ in range(3):
        event(check(minimiser, RandomMessages(chance, held).message(held.message("x0.M0")), chance.pick(FACTS)))


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=BYTES, max_size=BYTES), st.sampled_from(range(len(KANNELLES) + 6)), st.sampled_from(FACTS))
def test_items_of_ours_and_of_otlp_stay_as_they_are(data: bytes, index: int, facts: Facts) -> None:
    chance = ChoiceSequence(data)
    held, minimiser = engines()[index]
    types = ("t.M", "kannelle.privacy.v1.AnalyticsEvent", "kannelle.privacy.v1.UserContext")
    raw = RandomMessages(chance, held, [name for name in types if name in held.messages]).message(
        held.message(minimiser.plan.type)
    )
    event(check(minimiser, raw, facts))
    event(check(minimiser, mutated(chance, raw), facts))


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=4))
def test_attributes_stay_as_they_are(attributes: dict[str, Any], body: dict[str, Any]) -> None:
    event(check(engine(), logged(attributes, body), FACTS[0]))


SAID: Final = """
message M {
  string mail = 1 @WORK_EMAIL; repeated string mails = 2 @WORK_EMAIL; string code = 3 @OPERATIONAL; string note = 4 @FREE_TEXT;
  repeated string notes = 5 @FREE_TEXT; map<string, string> noted = 6 @{category: FREE_TEXT, map_key: WORK_EMAIL};
}
"""
SAYINGS: Final = st.fixed_dictionaries(
    {},
    optional={
        "mail": ADDRESSES,
        "mails": st.lists(ADDRESSES, max_size=3),
        "noted": st.dictionaries(ADDRESSES, TEXTS, max_size=2),
        "code": ADDRESSES.map(lambda text: text.partition("@")[0]),
        "note": TEXTS,
        "notes": st.lists(TEXTS, max_size=2),
    },
)


@cache
def saying(destination: str) -> tuple[type[Message], ReferenceEngine]:
    made = compiler(SAID)
    return made.contract.message_class("t.M"), ReferenceEngine(made.plan("t.M", destination))


@settings(max_examples=500, deadline=None)
@given(SAYINGS, st.sampled_from(["eu-store", "eu-vendor", "us-vendor"]), st.sampled_from(FACTS))
def test_what_hides_addresses_stays_as_it_is(sayings: dict[str, Any], destination: str, facts: Facts) -> None:
    message, minimiser = saying(destination)
    event(check(minimiser, message(**sayings).SerializeToString(), facts))


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_a_vendor_gets_it_gets_again(hidden: str) -> None:
    message, minimiser = saying("us-vendor")
    assert (
        check(minimiser, message(mail=f"{wide(hidden).upper()}@acme.example").SerializeToString(), UNKNOWN_FACTS)
        != "released"
    )


def test_what_would_be_too_large_to_be_decided_on_again_is_refused() -> None:
    plan = compiler("message M { google.protobuf.Any any = 1; string id = 2 @USER_ID; }").plan("t.M", "eu-service")
    raw = record(1, 2, record(1, 2, b"t.M") + record(2, 2, record(2, 2, b"usr_1")))
    left = release_of(ReferenceEngine(plan), raw).payload
    assert len(left) > len(raw)
    assert release_of(ReferenceEngine(plan, len(left)), raw).payload == left
    with pytest.raises(Refused) as caught:
        decide_one(ReferenceEngine(plan, len(raw)), raw, UNKNOWN_FACTS)
    assert caught.value.reason is ItemReason.TOO_LARGE


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_what_the_vectors_leave_stays_as_it_is(case: Case) -> None:
    fate = check(
        vector_engine(case["policy"], case["type"], case["destination"]), written(case["input"]), facts_of(case)
    )
    assert (fate in ("released", "stripped")) == ("output" in case)
