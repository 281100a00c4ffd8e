"""Policies that follow each other, each with what its recipients may get, by the digest that an item names."""

from __future__ import annotations

import base64
import json
import random
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.config import Config
from gateway.contracts.approvals import write_approvals
from gateway.contracts.contract import Contract
from gateway.contracts.field_types import approvals_of
from gateway.contracts.load import load
from gateway.loading import compile_all
from gateway.model import FieldPrivacy
from gateway.policy.compile import Compiler
from gateway.policy.load import load as load_policy
from gateway.policy.load import parse
from tests.support.contracts import proto

PROTO: Final = proto(
    """
message Note {
  string op = 1 @OPERATIONAL;
  string name = 2 @NAME;
  string phone = 3 @PHONE;
  string user_id = 4 @USER_ID;
  string unclassified = 5;
}
service Talk { rpc Both(stream Note) returns (stream Note); }
"""
)
FIELDS: Final = {"op": "OPERATIONAL", "name": "NAME", "phone": "PHONE", "userId": "USER_ID"}
"""The fields of a note, as JSON names them, with their categories."""

SECRET: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PEOPLE: Final = ("NAME", "PHONE", "USER_ID")
DESTINATION_TERMS: Final = {
    "region": "FR",
    "purpose": "essential.service",
    "legal_basis": "CONTRACT",
    "retention": "30d",
}
AUTHORITY: Final = "talk.test"
CALLER: Final = "web.test"


class PolicyVersion(msgspec.Struct, frozen=True):
    """A policy, and what it comes to.

    `plans`: by digest, the destination and the fields that leave; `talk`: those of the route's messages.

    `sound`: it can be put in force; if not, what was before it stays.
    """

    text: str
    approved: frozenset[str]
    plans: Mapping[str, tuple[str, frozenset[str]]]
    route_fields: frozenset[str]
    valid: bool = True


@cache
def contract() -> Contract:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "note.proto").write_text(PROTO)
        return load([Path(folder)])


def descriptor_set(folder: Path) -> Path:
    """The contract as a descriptor set."""
    path = folder / "contract.binpb"
    path.write_bytes(FileDescriptorSet(file=contract().files.values()).SerializeToString())
    return path


def note(**fields: str) -> bytes:
    """A message with more than anybody may get."""
    message = contract().message_class("t.Note")
    return message(
        name="Ann", phone="+33612345678", user_id="usr_a", unclassified="planted", **fields
    ).SerializeToString()


def fields_of(raw: bytes) -> frozenset[str]:
    """The fields that a message has."""
    message = contract().message_class("t.Note").FromString(raw)
    return frozenset(field.json_name for field, _ in message.ListFields())


class PolicyVersions:
    """Makes one policy after another.

    Recipients are at ports of loopback: `web` takes webhooks, `talk` is the upstream of the route.
    """

    def __init__(self, folder: Path, web: int, talk: int, seed: int) -> None:
        self._folder = folder
        self._web = web
        self._talk = talk
        self._random = random.Random(seed)
        self._epochs = {"keep": 0, "extra": 0}

    def every(self, count: int) -> Iterator[PolicyVersion]:
        """So many of them; the last one leads everything somewhere."""
        for number in range(count):
            if number and number < count - 1 and self._random.random() < 0.1:
                yield PolicyVersion("version: [", frozenset(), {}, frozenset(), valid=False)
            else:
                yield self._made(whole=number in (0, count - 1))

    def write(self, generation: PolicyVersion) -> None:
        """Put its files in place, none of them half."""
        _replaced(self._folder / "policy.yaml", generation.text)
        if generation.valid:
            self._write_approvals(generation.approved)

    def _write_approvals(self, approved: frozenset[str]) -> None:
        claims = {name: privacy for name, privacy in self._claims().items() if name in approved}
        write_approvals(self._folder / "approvals.new", approvals_of(contract(), claims))
        (self._folder / "approvals.new").replace(self._folder / "my approvals.lock")

    @cache  # noqa: B019 - it lives as long as the test
    def _claims(self) -> Mapping[str, FieldPrivacy]:
        bare = parse(
            json.dumps(
                {"version": 1, "controller": "C", "user_id": {"pattern": "usr_"}, "destinations": {}, "flows": {}}
            )
        )
        return {
            name: privacy for name, privacy in Compiler(contract(), bare).claims.items() if name.startswith("t.Note.")
        }

    def _made(self, *, whole: bool) -> PolicyVersion:
        draw = self._random.random
        destinations = {"keep": self._webhook("keep")}
        if whole or draw() < 0.7:
            destinations["extra"] = self._webhook("extra")
        paths = self._random.sample(["a.jsonl", "b.jsonl"], 2)
        destinations["log"] = self._log(paths[0])
        if whole or draw() < 0.8:
            destinations["other"] = self._log(paths[1])
        document: dict[str, Any] = {
            "version": 1,
            "controller": "C",
            "approvals": "my approvals.lock",
            "user_id": {"pattern": "usr_[a-z]{1,9}"},
            "ceilings": {"FR": ["OPERATIONAL", *PEOPLE]},
            "flows": {"t.Note": list(destinations)},
            "destinations": {
                **destinations,
                "service": {**DESTINATION_TERMS, "recipient": "service", "allow": self._allowed()},
            },
            "routes": [self._route()] if whole or draw() < 0.9 else [],
        }
        approved = frozenset(
            ["t.Note.op", "t.Note.user_id", *(f"t.Note.{name}" for name in ("name", "phone") if draw() < 0.8)]
        )
        return self._compiled(json.dumps(document), approved)

    def _compiled(self, text: str, approved: frozenset[str]) -> PolicyVersion:
        self._write_approvals(approved)
        # Not to the gateway's own folder: it reads only what is complete.
        path = self._folder / "tried.yaml"
        path.write_text(text)
        made = compile_all(Config(policy=path), load_policy(path), contract())
        plans = {}
        for type_, destination in made.flows.fed:
            plan = made.flows.engine(type_, destination).plan
            plans[plan.digest] = (destination, frozenset(_json_name(field.name) for field in plan.messages[0].fields))
        out = [compiled.request_policy for compiled in made.compiled_routes.routes]
        talk = (
            frozenset(_json_name(field.name) for field in out[0]._terms.plan.messages[0].fields) if out else frozenset()
        )
        return PolicyVersion(text, approved, plans, talk)

    def _allowed(self) -> list[str]:
        return ["OPERATIONAL", *(category for category in PEOPLE if self._random.random() < 0.5)]

    def _webhook(self, name: str) -> Mapping[str, Any]:
        self._epochs[name] += self._random.random() < 0.5
        endpoint = f"http://127.0.0.1:{self._web}/{name}/{self._epochs[name]}"
        exporter = {"kind": "webhook", "endpoint": endpoint, "secret": {"env": "WEBHOOK_SECRET"}, "timeout": "1s"}
        return {**DESTINATION_TERMS, "recipient": "store", "allow": self._allowed(), "exporter": exporter}

    def _log(self, path: str) -> Mapping[str, Any]:
        allow = ["OPERATIONAL", *(["USER_ID"] if self._random.random() < 0.5 else [])]
        exporter = {"kind": "jsonl", "path": path, "max_bytes": self._random.choice([20_000, 40_000])}
        return {**DESTINATION_TERMS, "recipient": "log", "allow": allow, "exporter": exporter}

    def _route(self) -> Mapping[str, Any]:
        caller = {"region": "FR", "allow": self._allowed()}
        upstream = {"upstream": [f"127.0.0.1:{self._talk}"], "plaintext": True}
        return {"authority": AUTHORITY, "destination": "service", "callers": {CALLER: caller}, **upstream}


def _json_name(name: str) -> str:
    return "userId" if name == "user_id" else name


def _replaced(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.replace(path)
