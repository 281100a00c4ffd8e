"""A number repeats its item's person as a text does, wherever it stands, and whatever came before it.

As a varint it can't be seen in serialised bytes: what is remembered of these says nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from gateway.engine.reference import ReferenceEngine
from gateway.model import Release
from gateway.policy.compile import Compiler
from gateway.policy.load import parse
from tests.support.contracts import DESTINATIONS, POLICY, UNKNOWN_FACTS, contract, proto

NUMBER: Final = 12_345_678_901_234_567_890
HELD: Final = contract(
    proto("""
message Item {
  uint64 id = 1 @USER_ID;
  repeated Group groups = 2;
  Owner owner = 3;
  google.protobuf.UInt64Value wrapped = 5 @USER_ID;
  repeated uint64 ids = 6 @USER_ID;
}
message Packed { repeated Group groups = 2; google.protobuf.Any any = 4; }
message Group { repeated Record records = 1; uint64 id = 2 @USER_ID; Owner owner = 3; }
message Record { string mail = 1 @WORK_EMAIL; uint64 id = 2 @USER_ID; }
message Owner { uint64 id = 1 @USER_ID; }
""")
)
FLOWS: Final = f"flows: {{t.Item: [{DESTINATIONS}], t.Packed: [{DESTINATIONS}]}}\n"
COMPILER: Final = Compiler(HELD, parse(POLICY.replace("usr_[A-Za-z0-9]{1,32}", "[0-9a-f]{20}") + FLOWS))


def _any(item: Any) -> None:
    owner: Any = HELD.message_class("t.Owner")()
    owner.id = NUMBER
    item.any.Pack(owner)


PLACES: Final[dict[str, Callable[[Any], None]]] = {
    "beside the groups": lambda item: setattr(item, "id", NUMBER),
    "in a wrapper": lambda item: setattr(item.wrapped, "value", NUMBER),
    "in a list": lambda item: item.ids.append(NUMBER),
    "in a message": lambda item: setattr(item.owner, "id", NUMBER),
    "in an Any": _any,
    "in the group": lambda item: setattr(item.groups[0], "id", NUMBER),
    "in the group's message": lambda item: setattr(item.groups[0].owner, "id", NUMBER),
    "in the record": lambda item: setattr(item.groups[0].records[0], "id", NUMBER),
}


def kind(put: Callable[[Any], None]) -> str:
    """The type of items that have a place: what an Any may hold would make all of one type be decided on as a whole."""
    return "t.Packed" if put is _any else "t.Item"


def item(put: Callable[[Any], None], mail: str) -> bytes:
    """An item with the number at a place, and an address in its record."""
    made: Any = HELD.message_class(kind(put))()
    record = made.groups.add().records.add()
    record.mail = mail
    put(made)
    return bytes(made.SerializeToString())


@pytest.mark.parametrize("destination", ["eu-log", "us-service"])
@pytest.mark.parametrize("put", PLACES.values(), ids=PLACES)
def test_no_number_repeats_the_address_of_its_item(put: Callable[[Any], None], destination: str) -> None:
    mails = [f"{NUMBER}@acme.example", "zoe@acme.example", "", f"{NUMBER}+x@acme.example"]
    repeats = [True, False, False, True]
    raws = [item(put, mail) for mail in mails]
    judge = ReferenceEngine(COMPILER.plan(kind(put), destination))
    for order in ((0, 1, 2, 3), (2, 1, 0, 3)):
        for place in order:
            outcome = judge.decide(raws[place], UNKNOWN_FACTS)
            assert isinstance(outcome, Release)
            assert _holds(judge, outcome.payload) is not repeats[place]
        places = [place for place in order for _ in range(9)]
        verdict = judge.decide_batch([raws[place] for place in places], [UNKNOWN_FACTS] * len(places))
        held = [payload is not None and _holds(judge, payload) for payload in verdict.payloads]
        assert held == [not repeats[place] for place in places]


def _holds(judge: ReferenceEngine, payload: bytes) -> bool:
    """Whether the number is in what is left of an item."""
    return str(NUMBER) in {identifier for _, identifier in judge.subjects(payload)}
