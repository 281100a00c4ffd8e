"""An item about a personal account reaches no vendor, also when what is left of it no longer shows whom it is about."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Final

import msgspec
import pytest
from kannelle.privacy.v1 import delivery_pb2

from gateway.config import Outbox
from gateway.delivery.hub.stream import _to_proto
from gateway.delivery.outbox.interface import Leased
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.delivery.redecider import Redecider
from gateway.errors import ItemReason
from gateway.exporters.base import BatchLimits
from gateway.model import OutboxEntry, Release, Verdict, Withheld
from gateway.pipeline.flows import Flows
from tests.support.again import MinimisedItem, decide_again
from tests.support.contracts import NOW_SECONDS, compiler, encode
from tests.support.fake_delivery import decider

BODY: Final = """
message M { string user_id = 1 @USER_ID; string email = 2 @WORK_EMAIL; string code = 3 @{category: OPERATIONAL, one_of: "ok"};
  Other other = 4; }
message Other { string email = 1 @WORK_EMAIL; }
"""
VENDORS: Final = ("eu-vendor", "us-vendor")
OTHERS: Final = ("eu-log", "eu-service", "eu-store", "us-service", "jp-service")
ITEMS: Final = {
    "its own address": 'user_id: "usr_1" email: "anna.martin@gmail.com" code: "ok"',
    "another's address": 'user_id: "usr_1" email: "anna@acme.example" other { email: "bob@gmail.com" } code: "ok"',
    "a throw-away address": 'email: "anna@mailinator.com" code: "ok"',
}
WAITING: Final = [pair for pair in product(ITEMS, OTHERS) if pair != ("another's address", "jp-service")]
"""An address that isn't the subject's own isn't looked at where its field is stripped by plan."""
MADE: Final = compiler(BODY, flows=f"{{t.M: [{', '.join((*OTHERS, *VENDORS))}]}}")
FLOWS: Final = Flows(MADE)


def released(destination: str, text: str) -> OutboxEntry:
    """What a destination gets of an item, as it is stored."""
    verdict: Verdict = decider().decide_inline(
        FLOWS.only("t.M", destination), encode(MADE.contract, "t.M", text), NOW_SECONDS * 10**9
    )[1][0]  # type: ignore[index]
    assert isinstance(verdict, Release)
    return OutboxEntry(verdict, bytes(16), b"", NOW_SECONDS * 10**9)


def moved(leased: Leased, destination: str) -> Leased:
    """The same item, had it waited for another destination."""
    return msgspec.structs.replace(leased, destination=destination)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("item", "before"), WAITING)
async def test_what_becomes_a_vendors_while_it_waits_is_withheld(
    item: str, before: str, vendor: str, tmp_path: Path
) -> None:
    outbox = SqliteOutbox.open(tmp_path / "outbox.db", Outbox())
    try:
        await outbox.accept([released(before, ITEMS[item])], NOW_SECONDS * 10**9)
        (leased,) = await outbox.lease(before, BatchLimits(), NOW_SECONDS * 10**9)
    finally:
        await outbox.close()
    again = Redecider(lambda: FLOWS, decider())
    (verdict,) = await again.decide_all([moved(leased, vendor)])
    assert isinstance(verdict, Withheld)
    assert verdict.reason is ItemReason.PERSONAL_ACCOUNT
    (verdict,) = await again.decide_all([leased])
    assert isinstance(verdict, Release)
    assert verdict.personal


@pytest.mark.parametrize("vendor", VENDORS)
async def test_what_an_agent_hands_over_says_so_too(vendor: str) -> None:
    one = delivery_pb2.Entry.FromString(_to_proto(released("eu-service", ITEMS["its own address"])).SerializeToString())
    item = MinimisedItem(vendor, one.type, one.payload, NOW_SECONDS * 10**9, one.personal)
    verdict = await decide_again(Redecider(lambda: FLOWS, decider()), item)
    assert isinstance(verdict, Withheld)


@pytest.mark.parametrize("destination", [*OTHERS, *VENDORS])
async def test_a_business_account_is_none(destination: str) -> None:
    entry = released(destination, 'user_id: "usr_1" email: "anna@acme.example" code: "ok"')
    assert not entry.release.personal
    item = MinimisedItem("us-vendor", "t.M", entry.release.payload, NOW_SECONDS * 10**9)
    verdict = await decide_again(Redecider(lambda: FLOWS, decider()), item)
    assert isinstance(verdict, Release)
