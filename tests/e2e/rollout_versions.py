"""Two versions of a policy and of a contract, each put in force with either of the other, and what they come to.

The policy's second version adds a destination, takes one away, lets one field more through and another no longer, and
plans one more event. The contract's has a field, a message type and a method more.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from kannelle.privacy.v1 import analytics_pb2

from tests.support.contracts import contract, proto
from tests.support.requests import event

AUTHORITY: Final = "directory.example"
CALLER: Final = "keeping.example"
"""The agent whose service calls the other's."""

_FIELDS: Final = """
  string op = 1 @OPERATIONAL;
  string user_id = 2 @USER_ID;
  string name = 3 @NAME;
  string phone = 4 @PHONE;
  string unclassified = 5;
"""
_CONTRACTS: Final = {
    1: f"message Note {{ {_FIELDS} }} message Trip {{ {_FIELDS} }} service Talk {{ rpc One(Note) returns (Note); }}",
    2: (
        f"message Note {{ {_FIELDS} string code = 6 @OPERATIONAL; }} message Trip {{ {_FIELDS} }} "
        f"message Memo {{ {_FIELDS} }} "
        "service Talk { rpc One(Note) returns (Note); rpc Two(Memo) returns (Memo); }"
    ),
}
_TERMS: Final = "region: FR, purpose: essential.service, legal_basis: CONTRACT, retention: 30d"
_ALLOWED: Final = {1: "[OPERATIONAL, USER_ID, NAME]", 2: "[OPERATIONAL, USER_ID, PHONE]"}
_STORES: Final = {1: ("keep", "gone"), 2: ("keep", "come")}
_FLOWS: Final = {
    1: "{t.Note: [keep], t.Trip: [keep, gone], kannelle.privacy.v1.AnalyticsService/*: [keep], ",
    2: "{t.Note: [keep], t.Trip: [keep, come], t.Memo: [come], kannelle.privacy.v1.AnalyticsService/*: [keep], ",
}
_EVENTS: Final = {1: ("video.exported",), 2: ("video.exported", "video.shared")}

TYPES: Final = ("t.Note", "t.Trip", "t.Memo", "video.exported", "video.shared")
"""What is sent: message types, and events of the tracking plan."""

LASTING: Final = ("t.Note", "video.exported")
"""Those that all versions know for the same destination."""


class Recipients(NamedTuple):
    """The ports of loopback where stores are, and the service that is called.

    Stores are tried before anything is stored for them where `delivery` is `direct`, not where it is `stored`.
    """

    web: int
    service: int
    delivery: str = "stored"


class Version(NamedTuple):
    """A policy with a contract. `AWAY` is none: nothing is known where nobody runs."""

    policy: int
    contract: int

    def fields(self, type: str) -> frozenset[str]:
        """Which fields of a message leave, or of an event's user."""
        own = ("op", *(("code",) if (type, self.contract) == ("t.Note", 2) else ())) if type.startswith("t.") else ()
        return frozenset({"userId", "name" if self.policy == 1 else "phone", *own})

    def destinations(self, type: str) -> frozenset[str]:
        """Where a type is led."""
        match type:
            case "t.Note" | "video.exported":
                return frozenset(("keep",) if self.policy else ())
            case "t.Trip":
                return frozenset(_STORES[self.policy] if self.policy else ())
            case "video.shared":
                return frozenset(("keep",) if self.policy == 2 else ())
            case "t.Memo":
                return frozenset(("come",) if self == NEW else ())
        raise AssertionError(type)

    def write(self, folder: Path, recipients: Recipients, inner: int) -> None:
        """Put the files in a folder: an agent's `inbound` listener is at the port `inner`."""
        (folder / "protos").mkdir(exist_ok=True)
        _replace(folder / "protos" / "talk.proto", proto(_CONTRACTS[self.contract]))
        _replace(folder / "policy.yaml", self._policy(recipients, inner))

    def _policy(self, recipients: Recipients, inner: int) -> str:
        allowed = _ALLOWED[self.policy]
        stores = "".join(
            f"  {name}: {{recipient: store, {_TERMS}, allow: {allowed}, delivery: {recipients.delivery}, "
            "exporter: {kind: webhook, "
            f'endpoint: "http://127.0.0.1:{recipients.web}/{name}", secret: {{env: WEBHOOK_SECRET}}, timeout: 1s}}}}\n'
            for name in _STORES[self.policy]
        )
        events = "".join(f"  {name}: {{properties: {{codec: {{one_of: [h264]}}}}}}\n" for name in _EVENTS[self.policy])
        route = f"authority: {AUTHORITY}, destination: service, callers: {{{CALLER}: {{region: FR, allow: {allowed}}}}}"
        return (
            "version: 1\ncontroller: C\n"
            'user_id: {pattern: "usr_[a-z]{1,32}"}\n'
            "ceilings: {FR: [OPERATIONAL, USER_ID, NAME, PHONE]}\n"
            f"destinations:\n{stores}"
            f"  service: {{recipient: service, {_TERMS}, allow: {allowed}}}\n"
            f"  access: {{recipient: log, {_TERMS}, allow: [OPERATIONAL, USER_ID], "
            "exporter: {kind: jsonl, path: access.jsonl}}\n"
            f"flows: {_FLOWS[self.policy]}kannelle.privacy.v1.AccessEntry: [access]}}\n"
            f"tracking_plan:\n{events}"
            "routes:\n"
            f'  - {{{route}, upstream: "dns:///127.0.0.1:{inner}"}}\n'
            f'  - {{{route}, listener: inbound, plaintext: true, upstream: ["127.0.0.1:{recipients.service}"]}}\n'
        )


AWAY: Final = Version(0, 0)
OLD: Final = Version(1, 1)
NEW: Final = Version(2, 2)
NEW_POLICY: Final = Version(2, 1)
NEW_CONTRACT: Final = Version(1, 2)


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.replace(path)


@cache
def message_class(type: str) -> type[Any]:
    """A message type of the newer contract."""
    return contract(proto(_CONTRACTS[2])).message_class(type)


def made(type: str, token: str) -> bytes:
    """An item with all that there is, and more than anybody may get."""
    person = {"name": "Ann", "phone": "+33612345678"}
    if type.startswith("t."):
        fields = {"op": token, "user_id": f"usr_{token}", "unclassified": "planted", **person}
        raw: bytes = message_class(type)(**fields, **({"code": "c"} if type == "t.Note" else {})).SerializeToString()
        return raw
    tracked: analytics_pb2.AnalyticsEvent = event(f"usr_{token}", full_name=person["name"])
    tracked.name, tracked.user.phone_number = type, person["phone"]
    tracked.properties["codec"].string_value = "h264"
    return tracked.SerializeToString()


def fields_of(message: dict[str, Any]) -> frozenset[str]:
    """The fields that an item has, an event's being its user's, by the same names."""
    if "user" not in message:
        return frozenset(message)
    names = {"fullName": "name", "phoneNumber": "phone"}
    assert message["properties"] == {"codec": {"stringValue": "h264"}}
    return frozenset(names.get(name, name) for name in message["user"])


def token_of(message: dict[str, Any]) -> str:
    """The token that an item was made with."""
    user: str = message.get("user", message)["userId"]
    return user.removeprefix("usr_")
