"""Builders that tests share: contracts from proto text, policies from YAML text, items from protobuf's text format."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from google.protobuf import text_format
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.contracts.contract import Contract
from gateway.contracts.load import load
from gateway.engine.reference import ReferenceEngine
from gateway.model import Facts, FieldPrivacy, Release
from gateway.policy.compile import Compiler
from gateway.policy.load import PolicyFile, parse
from gateway.policy.tracking_plan import Property
from tests.support.engines import decide_one

NOW_SECONDS: Final = 1_700_000_000
"""The time of receipt in tests, in seconds since 1970."""

UNKNOWN_FACTS: Final = Facts(received_ns=NOW_SECONDS * 10**9)
"""The facts without a directory."""

PROTO_HEADER: Final = """\
syntax = "proto3";
package t;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "kannelle/privacy/v1/annotations.proto";
"""

EU_CATEGORIES: Final = (
    "USER_ID, WORK_EMAIL, OPERATIONAL, NAME, PHONE, DEVICE, ORGANISATION, USAGE, CONTENT, FREE_TEXT, PAYMENT"
)
US_CATEGORIES: Final = "USER_ID, WORK_EMAIL, OPERATIONAL"
RECIPIENTS: Final = ("service", "store", "vendor")
"""The kinds that the policy has inside the EU and outside; a log, which is never outside, it has inside alone."""


def _destination(name: str, recipient: str, region: str, allow: str) -> str:
    return (
        f"  {name}: {{recipient: {recipient}, region: {region}, purpose: functional.service, legal_basis: CONTRACT, "
        f"allow: [{allow}], retention: 30d, exporter: {{kind: 'null'}}}}\n"
    )


POLICY: Final = (
    f"""\
version: 1
controller: Check it Out S.A.S.
user_id: {{pattern: "usr_[A-Za-z0-9]{{1,32}}"}}
identifiers: ["ws_[A-Za-z0-9]{{1,32}}", "sup_[a-z0-9]{{8,32}}"]
timestamps: {{days_around_receipt: 7}}
ceilings:
  FR: [{EU_CATEGORIES}]
  US: [{US_CATEGORIES}]
destinations:
"""
    + "".join(_destination(f"eu-{recipient}", recipient, "FR", EU_CATEGORIES) for recipient in RECIPIENTS)
    + "".join(_destination(f"us-{recipient}", recipient, "US", US_CATEGORIES) for recipient in RECIPIENTS)
    + "".join(_destination(name, "log", "FR", US_CATEGORIES) for name in ("eu-log", "eu-indirect"))
    + _destination("jp-service", "service", "JP", "OPERATIONAL")
)
"""A policy with each recipient inside the EU and outside; `flows` and what else a test needs come after it."""

DESTINATIONS: Final = ", ".join(re.findall(r"(?m)^  (\S+): \{recipient", POLICY))
"""All of its destinations."""

FED: Final = f"flows: {{other.v1.Fed: [{DESTINATIONS}]}}\nelsewhere: [other.v1.*]\n"
"""After `POLICY`: each destination is fed, by what another contract has."""


def policy(more: str = "", flows: str = "{}", destinations: str = "") -> PolicyFile:
    """`POLICY`, with further `destinations`, and `more` after it."""
    return parse(f"{POLICY}{destinations}flows: {flows}\n{more}")


def with_open_patterns(file: PolicyFile, held: Contract) -> PolicyFile:
    """A policy under which every pattern may leave the EU, as if it were an identifier's: an engine is judged by it.

    Such a policy doesn't load: what a pattern may be there, `tests/policy/test_open_patterns.py` says.
    """
    given = file.policy
    rules: tuple[FieldPrivacy | Property, ...] = (
        *held.annotations.values(),
        *given.classifications.values(),
        *map(given.otlp.privacy, given.otlp.attributes),
        *(one for event in given.tracking_plan.values() for one in event.properties.values()),
    )
    patterns = tuple(dict.fromkeys(rule.pattern for rule in rules if rule.pattern))
    return replace(file, policy=msgspec.structs.replace(given, identifiers=patterns))


def proto(body: str, head: str = PROTO_HEADER) -> str:
    """A proto file.

    `@NAME` after a field stands for its category, `@{category: NAME, min: 1}` for its whole classification.
    """
    body = re.sub(
        r"@\{(.*?)\}(?=\s*[;,\]])", lambda match: f"[(kannelle.privacy.v1.field) = {{{_named(match[1])}}}]", body
    )
    return head + re.sub(r"@([A-Z_]+)", r"[(kannelle.privacy.v1.field).category = DATA_CATEGORY_\1]", body)


def _named(options: str) -> str:
    return re.sub(r"\b(category|map_key): ([A-Z])", r"\1: DATA_CATEGORY_\2", options)


@cache
def contract(*protos: str) -> Contract:
    """The contract of these proto files, named `f0.proto` and so on."""
    with tempfile.TemporaryDirectory() as folder:
        for index, text in enumerate(protos):
            (Path(folder) / f"f{index}.proto").write_text(text, encoding="utf-8")
        return load([Path(folder)])


def compiler(body: str, more: str = "", flows: str = "{}", head: str = PROTO_HEADER) -> Compiler:
    """A compiler of one proto file, as `proto` writes it, under `policy`."""
    return Compiler(contract(proto(body, head)), policy(more, flows))


def minimiser(body: str, type: str, destination: str, more: str = "", head: str = PROTO_HEADER) -> ReferenceEngine:
    """The minimiser of a type of a proto file at a destination of `POLICY`."""
    return ReferenceEngine(compiler(body, more, head=head).plan(type, destination))


def encode(held: Contract, type: str, text: str) -> bytes:
    """The bytes of a message in text format."""
    message = held.message_class(type)()
    text_format.Parse(text, message, descriptor_pool=held.pool)
    return message.SerializePartialToString(deterministic=True)


def decode(held: Contract, type: str, raw: bytes) -> Message:
    """The message that bytes hold. Fails if there are unknown fields anywhere in it."""
    message = held.message_class(type).FromString(raw)
    assert not has_unknown_fields(message)
    return message


def has_unknown_fields(message: Message) -> bool:
    """Whether there are unknown fields anywhere in a message, but for what is in an `Any`."""
    if len(UnknownFieldSet(message)):
        return True
    return any(has_unknown_fields(held) for _, value in message.ListFields() for held in _messages(value))


def _messages(value: object) -> list[Message]:
    if isinstance(value, Message):
        return [value]
    if hasattr(value, "values"):
        return [one for one in value.values() if isinstance(one, Message)]
    return [one for one in value if isinstance(one, Message)] if isinstance(value, Iterable) else []


def release_of(engine: ReferenceEngine, raw: bytes, facts: Facts = UNKNOWN_FACTS) -> Release:
    """The release of an item that must not be withheld."""
    verdict = decide_one(engine, raw, facts)
    assert isinstance(verdict, Release)
    return verdict
