"""A contract between services, its messages, and a policy with routes for them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import Message

from gateway.contracts.contract import Contract
from gateway.contracts.load import load
from tests.support.contracts import proto

PROTO: Final = proto(
    """
message Note {
  string user_id = 1 @USER_ID;
  string work_email = 2 @WORK_EMAIL;
  string name = 3 @NAME;
  string op = 4 @OPERATIONAL;
  google.protobuf.Any any = 5;
  bytes content = 6 @CONTENT;
  string unclassified = 7;
}
service Talk {
  rpc One(Note) returns (Note);
  rpc Down(Note) returns (stream Note);
  rpc Up(stream Note) returns (Note);
  rpc Both(stream Note) returns (stream Note);
}
message Customer { string id = 1 @USER_ID; string name = 2 @NAME; int32 seats = 3 @{category: OPERATIONAL, min: 0, max: 1000}; }
message UpdateCustomerRequest { Customer customer = 1; google.protobuf.FieldMask update_mask = 2 @OPERATIONAL; }
message GetCustomerRequest { google.protobuf.FieldMask read_mask = 1; google.protobuf.FieldMask fields = 2; }
service Customers {
  rpc UpdateCustomer(UpdateCustomerRequest) returns (Customer);
  rpc GetCustomer(GetCustomerRequest) returns (Customer);
}
"""
)

CALL_KINDS: Final[Mapping[str, str]] = {
    "One": "unary_unary",
    "Down": "unary_stream",
    "Up": "stream_unary",
    "Both": "stream_stream",
}
"""The methods of the contract, and gRPC's names of their kinds."""

SERVICE: Final = "t.Talk"

ONE_METHOD: Final = f"/{SERVICE}/One"

VIDEO_CALLER: Final = "spiffe://kannelle.example/video"

CRM_CALLER: Final = "crm.kannelle.example"

METADATA: Final = "metadata: {keys: {x-op: OPERATIONAL}, credentials: [x-key]}"

FR_TERMS: Final = f"region: FR, {METADATA}"

POLICY_HEADER: Final = f"""\
version: 1
controller: Check it Out S.A.S.
user_id: {{pattern: "usr_[a-z0-9]{{1,9}}"}}
ceilings: {{FR: [USER_ID, WORK_EMAIL, OPERATIONAL, NAME, CONTENT, FREE_TEXT]}}
destinations:
  svc: {{recipient: service, purpose: essential.service, legal_basis: CONTRACT, allow: [USER_ID, OPERATIONAL], retention: 1d, {FR_TERMS}}}
  raw: {{recipient: service, purpose: essential.service, legal_basis: CONTRACT, allow: [OPERATIONAL, CONTENT], retention: 1d, {FR_TERMS}}}
  access: {{recipient: log, region: FR, purpose: essential.service, legal_basis: CONTRACT,
            allow: [USER_ID, WORK_EMAIL, OPERATIONAL], retention: 1d}}
flows: {{kannelle.privacy.v1.AccessEntry: [access]}}
"""

WEB_TERMS: Final = f"web: {{{FR_TERMS}, allow: [OPERATIONAL]}}"

OTHER_TERMS: Final = f"other: {{{FR_TERMS}, allow: [OPERATIONAL]}}"

OUTBOUND: Final = (
    f"authority: enforce.example, destination: svc, callers: {{{WEB_TERMS}}}",
    f"authority: shadow.example, destination: svc, mode: shadow, callers: {{{WEB_TERMS}}}",
    f"authority: enforce-denied.example, destination: svc, callers: {{{OTHER_TERMS}}}",
    f"authority: shadow-denied.example, destination: svc, mode: shadow, callers: {{{OTHER_TERMS}}}",
    f"authority: text.example, destination: svc, callers: {{web: {{{FR_TERMS}, allow: [OPERATIONAL, FREE_TEXT]}}}}",
    (
        f"authority: large.example, destination: raw, max_message_bytes: 8388608, callers: {{web: {{{FR_TERMS}, allow: "
        f"[OPERATIONAL, CONTENT]}}}}"
    ),
)

_CALLERS: Final = (
    f'"{VIDEO_CALLER}": {{{FR_TERMS}, allow: [OPERATIONAL, USER_ID]}}, '
    f"{CRM_CALLER}: {{{FR_TERMS}, allow: [OPERATIONAL, NAME]}}"
)

INBOUND: Final = (f"listener: inbound, authority: own.example, destination: svc, callers: {{{_CALLERS}}}",)


def policy(port: int, routes: Iterable[str] = (*OUTBOUND, *INBOUND)) -> str:
    """A policy with routes, all to one port of loopback."""
    return (
        POLICY_HEADER
        + "routes:\n"
        + "".join(f'  - {{{route}, upstream: ["127.0.0.1:{port}"], plaintext: true}}\n' for route in routes)
    )


@cache
def _contract() -> tuple[Contract, type[Message]]:
    with tempfile.TemporaryDirectory() as folder:
        held = load([write_contract(Path(folder))])
    return held, held.message_class("t.Note")


def write_contract(folder: Path) -> Path:
    """A folder with the contract in it."""
    (folder / "protos").mkdir(exist_ok=True)
    (folder / "protos" / "talk.proto").write_text(PROTO)
    return folder / "protos"


def note(**fields: Any) -> bytes:
    """A message of the contract."""
    return _contract()[1](**fields).SerializeToString(deterministic=True)


def message_class(name: str) -> type[Any]:
    """The class of a message type of the contract."""
    return _contract()[0].message_class(f"t.{name}")


def parse_note(raw: bytes) -> Any:
    """The message that bytes hold."""
    return _contract()[1].FromString(raw)
