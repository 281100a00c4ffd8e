"""Zendesk, against its stand-in."""

from __future__ import annotations

import pytest

from gateway.errors import DeliveryReason, ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED
from gateway.exporters.http_client import HttpClient
from gateway.exporters.zendesk.exporter import MAX_TICKET_BYTES
from gateway.standins import Fault, ZendeskStandIn
from tests.exporters.sending import MESSAGE, TICKET_TEMPLATE, event, keys, message, outcome_letters, zendesk


@pytest.mark.parametrize("oauth", [False, True])
async def test_a_message_arrives_as_a_ticket_under_its_key(http: HttpClient, oauth: bool) -> None:
    async with ZendeskStandIn() as vendor:
        assert await zendesk(http, vendor.url, oauth=oauth).send([message(7)]) == [DELIVERED]
    assert vendor.accepted == {
        "00000000000000000000000000000007": {
            "subject": "SUPPORT_TOPIC_BILLING, sup_00000007",
            "comment": {"body": "See sup_00000007.", "public": False},
            "requester": {"name": "usr_1", "email": "ann@acme.example"},
            "external_id": "sup_00000007",
            "tags": ["kannelle", "SUPPORT_TOPIC_BILLING"],
        }
    }
    assert vendor.violations == []


async def test_a_ticket_of_nobody_with_an_address_is_the_agents(http: HttpClient) -> None:
    async with ZendeskStandIn() as vendor:
        assert await zendesk(http, vendor.url).send([message(work_email="")]) == [DELIVERED]
    (ticket,) = vendor.accepted.values()
    assert "requester" not in ticket
    assert vendor.violations == []


async def test_a_requester_without_a_name_has_the_address_for_one(http: HttpClient) -> None:
    async with ZendeskStandIn() as vendor:
        assert await zendesk(http, vendor.url).send([message(user_id="")]) == [DELIVERED]
    (ticket,) = vendor.accepted.values()
    assert ticket["requester"] == {"name": "ann@acme.example", "email": "ann@acme.example"}
    assert vendor.violations == []


@pytest.mark.parametrize("fault", list(Fault))
async def test_what_goes_wrong_is_tried_again_and_makes_one_ticket(http: HttpClient, fault: Fault) -> None:
    faults = [fault]
    batch = [message(number) for number in range(3)]
    async with ZendeskStandIn(faults=lambda: faults.pop() if faults else None) as vendor:
        hasty = zendesk(http, vendor.url, timeout=2.0 if fault is Fault.HANG else 10.0)
        assert sorted(outcome_letters(await hasty.send(batch))) == ["d", "d", "r"]
        assert outcome_letters(await zendesk(http, vendor.url).send(batch)) == "ddd"
    assert sorted(vendor.accepted) == keys(batch)
    assert (vendor.duplicates, vendor.violations) == ([], [])


async def test_a_known_key_with_another_body_is_the_ticket_of_the_first(http: HttpClient) -> None:
    async with ZendeskStandIn() as vendor:
        await zendesk(http, vendor.url).send([message()])
        other = {MESSAGE: {**TICKET_TEMPLATE, "subject": "{reference}"}}
        assert await zendesk(http, vendor.url, items=other).send([message()]) == [DELIVERED]
    assert len(vendor.accepted) == 1


async def test_one_bad_ticket_is_rejected_and_its_neighbours_are_made(http: HttpClient) -> None:
    batch = [message(1), message(2, work_email="no address"), message(3)]
    async with ZendeskStandIn() as vendor:
        assert await zendesk(http, vendor.url).send(batch) == [DELIVERED, Rejected(DeliveryReason.REJECTED), DELIVERED]
    assert vendor.violations == ["Zendesk: a ticket: requester is not as documented"]


async def test_what_is_beyond_the_rate_waits_as_long_as_it_is_told(http: HttpClient) -> None:
    async with ZendeskStandIn(clock=lambda: 1_790_000_000) as vendor:
        vendor.rate = (2, 60.0)
        outcomes = await zendesk(http, vendor.url).send([message(number) for number in range(4)])
    assert sorted(outcome_letters(outcomes)) == ["d", "d", "r", "r"]
    assert set(outcomes) == {DELIVERED, Retryable(after=60.0)}


async def test_what_makes_no_ticket_is_rejected(http: HttpClient) -> None:
    async with ZendeskStandIn() as vendor:
        bare = zendesk(http, vendor.url, items={MESSAGE: {"comment": {"body": "{text}"}}})
        assert await bare.send([message()]) == [Rejected(ItemReason.REQUIRED_FIELD)]
        assert await bare.send([event()]) == [Rejected(ItemReason.UNKNOWN_TYPE)]
        large = zendesk(http, vendor.url, items={MESSAGE: {"comment": {"body": "x" * MAX_TICKET_BYTES}}})
        assert await large.send([message()]) == [Rejected(ItemReason.TOO_LARGE)]
    assert vendor.requests == 0


async def test_nothing_is_sent_once_closed(http: HttpClient) -> None:
    async with ZendeskStandIn() as vendor:
        exporter = zendesk(http, vendor.url)
        await exporter.close()
        with pytest.raises(Retryable):
            await exporter.send([message()])
