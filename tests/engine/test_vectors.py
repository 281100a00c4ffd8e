"""The language-neutral cases of `tests/vectors`, by the reference engine.

Their format is described in the README beside them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from gateway.contracts.load import load as load_contract
from gateway.engine.reference import ReferenceEngine
from gateway.errors import Refused
from gateway.model import EU, Facts, Release, Switch, Verdict, Withheld
from gateway.policy.compile import Compiler
from gateway.policy.item_types import is_log_type
from gateway.policy.load import load as load_policy
from tests.support.contracts import decode, with_open_patterns
from tests.support.engines import decide_one
from tests.support.wire_format import record, tag, varint

Case = Mapping[str, Any]

FOLDER: Final = Path(__file__).parents[1] / "vectors"
CASES: Final[list[Case]] = [
    case for file in sorted(FOLDER.glob("*.json")) for case in json.loads(file.read_text(encoding="utf-8"))
]
OUTCOMES: Final = {"output", "refused", "withheld"}
KEYS: Final = {"name", "row", "contract", "policy", "type", "destination", "facts", "input"}

ROWS: Final = {
    "unknown fields at every depth", "wrong wire type", ("duplicate and interleaved "
                                                        "fields"), "map entries with extra fields",
    "value before key", "map entry with an unknown enum value", "Any in Any", "unknown type URL", "odd type-URL prefix",
    "map key that is an address", "enum number out of range", "e-mail in an event name", "card number in a property",
    "phone number in an integer", "base64 of an address in a user ID", "percent-encoded @", "HTML-encoded @",
    "zero-width characters", "full-width characters", "look-alike domains", "subaddresses", "10 MB", "depth 60",
    "depth 61", "depth 63", "depth 64", "depth 99", "depth 101", "depth 200", "personal address", "verified domain",
    "unverified domain", "free text", "timestamp near", "timestamp far", "event not planned", "unlisted property",
    "echo", "attribute listed", "attribute unlisted", "body template", "trace ID", ("required field "
                                                                           "missing"), "closed enum", "group",
    "extension declared", "extension undeclared", "packed and unpacked", "oneof",
    "span name", "span status", "span event", "span link", "tracestate", "metric name", "measurement", "exemplar",
    "attribute list", "update mask", "mask without paths", "path to a message", "path to a list or a map", "everything",
    "value stripped under a mask", "number that reads as a card", "prohibited name", "personal key",
    "array as one value", "time out of bounds", "what the parser doesn't know under a mask",
    "masks in lists, maps and Any", "read mask", "mask of an event", "mask of nobody knows what",
    "mail domain of the policy", "consumer mail", "consumer's domain in a local part",
    "gate",
}  # fmt: skip
"""What must have a case inside the EU and one outside.

A gzip bomb, which never becomes an item, is in tests/e2e/test_hostile.py.
"""


@cache
def compiler(policy: str) -> Compiler:
    """Vectors judge an engine, so that its plans are made of patterns too that may not leave the EU."""
    held = load_contract([FOLDER / "contracts"])
    return Compiler(held, with_open_patterns(load_policy(FOLDER / policy), held))


@cache
def engine(policy: str, type: str, destination: str) -> ReferenceEngine:
    return ReferenceEngine(compiler(policy).plan(type, destination))


def written(parts: Iterable[Mapping[str, Any]]) -> bytes:
    """The bytes that parts stand for."""
    return b"".join(map(_part, parts))


def _part(part: Mapping[str, Any]) -> bytes:
    if "field" in part:
        return record(part["field"], 2, _content(part))
    if "varint" in part:
        return tag(part["varint"], 0) + varint(part["value"] % 2**64)
    if "wrap" in part:
        return _wrapped(part)
    return _content(part) * int(part.get("times", 1))


def _content(part: Mapping[str, Any]) -> bytes:
    if "utf8" in part:
        return str(part["utf8"]).encode()
    return bytes.fromhex(part["hex"]) if "hex" in part else written(part["parts"])


def _wrapped(part: Mapping[str, Any]) -> bytes:
    held, before = written(part["parts"]), written(part.get("before", ()))
    for _ in range(part["times"]):
        held = before + record(part["wrap"], 2, held)
    return held


def facts_of(case: Case) -> Facts:
    """What is known beside the item. What a case doesn't say of its workspace, nobody knows."""
    said = case["facts"]
    backup = Switch(said.get("backup", "UNKNOWN"))
    return Facts(said["received_ns"], said["directory"], frozenset(said["verified"]), backup=backup)


def decide(case: Case) -> Verdict:
    chosen, facts = engine(case["policy"], case["type"], case["destination"]), facts_of(case)
    for before in case.get("before", ()):
        decide_one(chosen, written(before), facts)
    return decide_one(chosen, written(case["input"]), facts)


def expected(case: Case) -> Message:
    contract = compiler(case["policy"]).contract
    message: Message = contract.message_class(case["type"])()
    text_format.Parse(case["output"]["text"], message, descriptor_pool=contract.pool)
    return message


def of(outcome: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES if outcome in case])


@of("output")
def test_what_leaves_is_what_the_vector_says(case: Case) -> None:
    """Parsed with the original type, which knows all fields of it, and written anew."""
    verdict = decide(case)
    assert isinstance(verdict, Release)
    got = decode(compiler(case["policy"]).contract, case["type"], verdict.payload)
    assert got.SerializePartialToString(deterministic=True) == expected(case).SerializePartialToString(
        deterministic=True
    ), got


@of("refused")
def test_what_is_refused_is_refused_for_the_vector_s_reason(case: Case) -> None:
    with pytest.raises(Refused) as caught:
        decide(case)
    assert caught.value.reason == case["refused"]


@of("withheld")
def test_what_is_withheld_is_withheld_for_the_vector_s_reason(case: Case) -> None:
    verdict = decide(case)
    assert isinstance(verdict, Withheld)
    assert verdict.reason == case["withheld"]


@pytest.mark.parametrize("row", sorted(ROWS))
def test_every_row_has_a_case_inside_the_eu_and_one_outside_unless_it_is_about_a_log(row: str) -> None:
    cases = [case for case in CASES if case["row"] == row]
    inside = {compiler(case["policy"]).terms(case["destination"]).region in EU for case in cases}
    assert inside == ({True} if all(is_log_type(case["type"]) for case in cases) else {True, False})


def test_every_case_is_whole_and_its_name_is_its_own() -> None:
    assert all(set(case) - OUTCOMES - {"before"} == KEYS and len(set(case) & OUTCOMES) == 1 for case in CASES)
    assert all(compiler(case["policy"]).contract.message(case["type"]).file.name == case["contract"] for case in CASES)
    assert len({case["name"] for case in CASES}) == len(CASES)
