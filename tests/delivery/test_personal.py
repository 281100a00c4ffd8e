"""An item about a personal account reaches no vendor, also when what is left of it no longer shows whom it is about."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Final

import msgspec
import pytest

from gateway.batch_verdict import ReleaseBatch
from gateway.config import Outbox
from gateway.delivery.outbox.interface import LeasedBatch
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.delivery.redecider import Redecider
from gateway.entry_batch import EntryBatch
from gateway.errors import ItemReason
from gateway.exporters.base import BatchLimits
from gateway.model import Release, Verdict, Withheld
from gateway.pipeline.flows import Flows
from tests.support.again import MinimisedItems, decide_again, minimised
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


def released(destination: str, text: str) -> EntryBatch:
    """What a destination gets of an item, as it is stored."""
    verdict: Verdict = decider().decide_inline(
        FLOWS.only("t.M", destination), encode(MADE.contract, "t.M", text), NOW_SECONDS * 10**9
    )[1][0]  # type: ignore[index]
    assert isinstance(verdict, Release)
    return EntryBatch(ReleaseBatch.of([verdict]), bytes(16), [NOW_SECONDS * 10**9])


def moved(leased: LeasedBatch, destination: str) -> LeasedBatch:
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
    verdict = await decide_again(again, moved(leased, vendor))
    assert verdict == Withheld(vendor, ItemReason.PERSONAL_ACCOUNT)
    verdict = await decide_again(again, leased)
    assert isinstance(verdict, Release)
    assert verdict.personal


@pytest.mark.parametrize("vendor", VENDORS)
async def test_only_those_of_a_batch_that_were_are_withheld(vendor: str) -> None:
    (one,) = released("eu-service", ITEMS["its own address"]).releases.payloads
    batch = MinimisedItems(vendor, "t.M", [one] * 3, [NOW_SECONDS * 10**9] * 3, {1})
    (again,) = await Redecider(lambda: FLOWS, decider()).decide_all([batch])
    assert (again.places, again.ended) == ([0, 2], {1: ItemReason.PERSONAL_ACCOUNT})


@pytest.mark.parametrize("destination", [*OTHERS, *VENDORS])
async def test_a_business_account_is_none(destination: str) -> None:
    releases = released(destination, 'user_id: "usr_1" email: "anna@acme.example" code: "ok"').releases
    assert not releases.personal
    item = minimised("us-vendor", "t.M", releases.payloads[0], NOW_SECONDS * 10**9)
    verdict = await decide_again(Redecider(lambda: FLOWS, decider()), item)
    assert isinstance(verdict, Release)
