"""A document with many faults: all are told, each at its place, and no other."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import Config
from gateway.errors import BadPolicy
from gateway.policy.document import Policy
from gateway.yamlfile import build, compose, parse

CALLER: Final = {
    "region": "FR",
    "allow": ["USER_ID"],
    "metadata": {"keys": {"x-a": "USER_ID"}, "credentials": ["authorization"]},
}
DESTINATION: Final = {
    "recipient": "vendor", "region": "US", "purpose": "sales", "legal_basis": "CONTRACT", "allow": ["USER_ID", "OPERATIONAL"],
    "retention": "1y",
    "exporter": {"kind": "segment", "endpoint": "https://a.example", "write_key": {"env": "KEY"}, "items": {"a.B": {"event": "{name}"}}},
}  # fmt: skip
DOCUMENT: Final = {
    "version": 1,
    "controller": "Example",
    "user_id": {"pattern": "usr_[a-z]{8}", "without": ["phone"]},
    "destinations": {
        "crm": DESTINATION,
        "log": {**DESTINATION, "exporter": {"kind": "otlp", "endpoint": "https://a.example:1", "timeout": "2s"}},
    },
    "flows": {"otlp/logs": ["log"]},
    "tracking_plan": {"video.exported": {"properties": {"codec": {"one_of": ["a"], "type": "string"}}}},
    "routes": [{
        "authority": "a", "upstream": ["127.0.0.1:1"], "destination": "crm", "callers": {"a": CALLER},
        "retry": {"max_attempts": 2, "codes": ["UNKNOWN"]},
    }],
    "otlp": {"attributes": {"user.id": "USER_ID", "a.b": {"category": "OPERATIONAL", "max_length": 9}}, "log_templates": ["a", "b"]},
}  # fmt: skip
"""A policy whose every value is sound, and of which no text is by chance a duration, a name or a number."""

FREE: Final = ("items",)
"""Below these anything may stand."""


def places(value: Any, keys: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where something stands in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [place for key, one in inner if key not in FREE for place in places(one, (*keys, key))]
    return [keys, *below] if keys else below


Fault = tuple[str, tuple[str | int, ...]]

LEAVES: Final = [
    keys for keys in places(DOCUMENT) if not any(other[: len(keys)] == keys != other for other in places(DOCUMENT))
]
STRUCTS: Final = (
    (), ("user_id",), ("destinations", "crm"), ("destinations", "log", "exporter"), ("routes", 0),
    ("routes", 0, "callers", "a"), ("otlp",), ("routes", 0, "retry"), ("tracking_plan", "video.exported"),
)  # fmt: skip
REQUIRED: Final = (
    ("version",), ("controller",), ("destinations", "crm", "region"), ("destinations", "log", "retention"),
    ("destinations", "crm", "purpose"),
    ("destinations", "crm", "exporter", "write_key"), ("routes", 0, "authority"),
    ("routes", 0, "retry", "max_attempts"),
)  # fmt: skip

FAULTS: Final = [
    *[("wrong", keys) for keys in LEAVES],
    *[("unknown", (*keys, "zzzz")) for keys in STRUCTS],
    *[("missing", keys) for keys in REQUIRED],
]


def spoil(document: Any, kind: str, keys: tuple[str | int, ...]) -> None:
    """Put one fault into a document."""
    *above, last = keys
    for key in above:
        document = document[key]
    if kind == "missing":
        del document[last]
    else:
        # No key takes it: not a text, a number, a list, a name, a duration or a mapping with keys that it may have.
        document[last] = {"~": {"~": None}}


def told(document: Any, type: Any = Policy) -> list[str]:
    """The places that an error tells, as the reader has them."""
    try:
        parse(json.dumps(document, indent=1), "p", type, BadPolicy)
    except BadPolicy as error:
        return [line.split(": ")[1] for line in str(error).splitlines()]
    return []


def shown(keys: tuple[str | int, ...]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def apart(faults: list[Fault]) -> list[Fault]:
    """Faults of which none stands where another is, above it, or at a tag, which says what the keys beside it are."""
    taken: list[Fault] = []
    for kind, keys in faults:
        if keys[-1] != "kind" and not any(keys[: len(other)] == other[: len(keys)] for _, other in taken):
            taken.append((kind, keys))
    return taken


@cache
def alone(kind: str, keys: tuple[str | int, ...]) -> list[str]:
    """What a document with one fault is told, which the table holds to its place."""
    document = json.loads(json.dumps(DOCUMENT))
    spoil(document, kind, keys)
    return told(document)


def test_the_document_itself_has_none() -> None:
    assert told(DOCUMENT) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[0]} {shown(fault[1])}")
def test_each_fault_alone_is_told_at_its_place(fault: Fault) -> None:
    at = shown(fault[1])
    assert alone(*fault)
    assert all(place == at or place.startswith((f"{at}.", f"{at}[")) for place in alone(*fault))


@given(st.lists(st.sampled_from(FAULTS), unique_by=lambda fault: fault[1], max_size=12))
@settings(max_examples=40, deadline=None)
def test_faults_together_are_told_as_each_of_them_alone(faults: list[Fault]) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    faults = apart(faults)
    for fault in faults:
        spoil(document, *fault)
    assert sorted(told(document)) == sorted(place for fault in faults for place in alone(*fault))


def test_faults_are_told_in_the_order_of_the_document() -> None:
    text = (
        "user_id: {pattern: ''}\nversion: 2\nzzzz: 1\n"
        "destinations:\n  A: 1\n  crm: {region: fr, purpose: x, exporter: {kind: jsonl, max_bytes: 0}}\n"
    )
    with pytest.raises(BadPolicy) as caught:
        parse(text, "p", Policy, BadPolicy)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == sorted(line.split(": ")[0] for line in lines)
    assert [line.split(": ")[1] for line in lines] == [
        "controller", "flows", "user_id.pattern", "version", "zzzz", "destinations.A", "destinations.A",
        "destinations.crm.recipient", "destinations.crm.legal_basis", "destinations.crm.allow",
        "destinations.crm.retention", "destinations.crm.region", "destinations.crm.purpose",
        "destinations.crm.exporter.max_bytes",
    ]  # fmt: skip


def test_more_than_fifty_are_counted() -> None:
    with pytest.raises(BadPolicy) as caught:
        build(compose("contracts: [" + "1, " * 60 + "]\nrole: x", "c", BadPolicy), Config, BadPolicy)
    lines = str(caught.value).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "and 11 more"


def test_a_misspelt_key_that_is_required_is_told_once() -> None:
    document = {("controler" if key == "controller" else key): value for key, value in DOCUMENT.items()}
    assert told(document) == ["controler"]
