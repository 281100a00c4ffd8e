"""Metadata is minimised in one pass and with what is remembered as it is pair by pair, without memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.metadata import (
    GRPC_HEADERS,
    MAX_BAGGAGE_CHARS,
    MAX_BAGGAGE_ENTRIES,
    MAX_TRACESTATE_CHARS,
    MAX_TRACESTATE_ENTRIES,
    MetadataRules,
)
from gateway.engine.metadata_values import BaggageValue, Pair, TracestateValue, is_printable, key_filter, rule_filter
from gateway.model import Category, Facts
from gateway.plan import EnvelopePlan, Rule
from gateway.policy.document import Classification, Metadata
from gateway.policy.envelope import envelope_plan
from tests.support.contracts import compiler

C = Category
CODEC: Final = Classification(category=C.OPERATIONAL, one_of=("h264", "hevc"))
Entries = Mapping[str, Category | Classification]
KEYS: Final[Entries] = {"x-user": C.USER_ID, "x-mail": C.WORK_EMAIL, "x-codec": CODEC, "x-note": C.FREE_TEXT}
ALONE: Final[Entries] = {"user": C.USER_ID, "codec": CODEC, "note": C.FREE_TEXT}
POLICIES: Final = {
    "lists that need no facts": Metadata(
        keys=KEYS, credentials=("authorization", "x-key-bin"), baggage=ALONE, tracestate={"acme": C.OPERATIONAL}
    ),
    "lists that need facts": Metadata(
        keys=KEYS, baggage={**ALONE, "mail": C.WORK_EMAIL}, tracestate={"mail": C.WORK_EMAIL}
    ),
    "no lists": Metadata(keys=KEYS),
}
FACTS: Final = (
    Facts(0),
    Facts(0, directory=True),
    Facts(0, directory=True, verified=frozenset({"acme.example"})),
)


@cache
def plan_and_rules(policy: str, destination: str) -> tuple[EnvelopePlan, MetadataRules]:
    """A plan, and the rules of it that all examples share, with what these remember."""
    plan = envelope_plan(POLICIES[policy], compiler("message M {}").terms(destination))
    return plan, MetadataRules(plan)


def pair_by_pair(plan: EnvelopePlan, pairs: Sequence[Pair], facts: Facts) -> tuple[tuple[Pair, ...], int]:
    """What is kept and how many were dropped, by filters that are made anew for each value."""
    kept, others = list[Pair](), list[Pair]()
    for key, value in pairs:
        left = key_filter(key, plan.keys[key]).filter(value, facts) if key in plan.keys else None
        if left is None:
            others.append((key, value))
        else:
            kept.append((key, left))
    lists = [key for key in dict.fromkeys(key for key, _ in others) if key in ("baggage", "tracestate")]
    dropped = sum(
        not (key in GRPC_HEADERS or key.startswith("grpc-") or key in ("baggage", "tracestate")) for key, _ in others
    )
    for key in lists:
        text, entries = list_left(plan, key, [value for name, value in others if name == key], facts)
        kept += [(key, text)] if text else []
        dropped += entries
    return tuple(kept), dropped


def list_left(plan: EnvelopePlan, key: str, values: Sequence[str | bytes], facts: Facts) -> tuple[str, int]:
    """What is left of one list, and how many of its entries were dropped."""
    rules: Mapping[str, Rule | None] = plan.baggage if key == "baggage" else plan.tracestate
    value_type = BaggageValue if key == "baggage" else TracestateValue
    max_chars, max_entries = (
        (MAX_BAGGAGE_CHARS, MAX_BAGGAGE_ENTRIES) if key == "baggage" else (MAX_TRACESTATE_CHARS, MAX_TRACESTATE_ENTRIES)
    )
    whole = ",".join(map(str, values))
    entries = whole.split(",")
    unreadable = not all(map(is_printable, values))
    if not rules or unreadable or len(whole) > max_chars or len(entries) > max_entries:
        return "", len(values)
    kept: dict[str, str] = {}
    for name, _, value in (entry.partition("=") for entry in entries):
        named = name.strip()
        if named in rules and named not in kept:
            left = value_type(rule_filter(rules[named])).filter(value.strip(), facts)
            kept |= {} if left is None else {named: left}
    text = ",".join(f"{name}={value}" for name, value in kept.items())
    said = sum(bool(entry.strip()) for entry in entries)
    return (text, said - len(kept)) if len(text) <= max_chars else ("", said)


NAMES: Final = st.sampled_from([
    *KEYS, "authorization", "x-key-bin", "traceparent", "baggage", "baggage", "tracestate", "tracestate", "user-agent",
    "grpc-timeout", "grpc-retry-pushback-ms", "x-other", "",
])  # fmt: skip
ENTRY: Final = st.sampled_from([
    "user=usr_1", "user=usr%5F1;ttl=5", "user=Ana", " user = usr_2 ", "codec=h264", "codec=vp9", "note=ask%20ada",
    "note=ada@acme.example", "mail=Ada@acme.example", "mail=ada%40gmail.com", "acme=t61", "acme=a=b", "acme=", "other=1", "", "=",
])  # fmt: skip
VALUE: Final = st.one_of(
    st.lists(ENTRY, max_size=5).map(",".join),
    st.lists(ENTRY, min_size=30, max_size=70).map(",".join),
    st.sampled_from(["usr_1", "ada@acme.example", "ADA@gmail.com", "h264", "250", "Bearer abc", "a\n", "é", "x" * 600]),
    st.binary(max_size=4),
)


@pytest.mark.parametrize("policy", POLICIES)
@settings(deadline=None)
@given(
    pairs=st.lists(st.tuples(NAMES, VALUE), max_size=6),
    destination=st.sampled_from(["eu-service", "us-service", "us-vendor"]),
    facts=st.sampled_from(FACTS),
)
def test_one_pass_leaves_what_is_left_pair_by_pair(
    policy: str, pairs: list[Pair], destination: str, facts: Facts
) -> None:
    plan, rules = plan_and_rules(policy, destination)
    left = pair_by_pair(plan, pairs, facts)
    assert rules.minimise(pairs, facts) == left
    # What was remembered of it is the same.
    assert rules.minimise(pairs, facts) == left
