"""The stand-in for Zendesk is strict."""

from __future__ import annotations

from typing import Any, Final

import pytest

from gateway.standins import ZendeskStandIn
from tests.vendors.asking import StandInResponse, request

TICKET: Final = {"subject": "s", "comment": {"body": "b"}}
AGENT: Final = f"{ZendeskStandIn.email}/token"


async def create(vendor: ZendeskStandIn, ticket: Any, key: str = "k1", **more: Any) -> StandInResponse:
    return await request(
        f"{vendor.url}/api/v2/tickets",
        {"ticket": ticket},
        user=AGENT,
        password=vendor.token,
        headers={"Idempotency-Key": key, **more},
    )


async def test_what_is_documented_is_a_ticket() -> None:
    who = {"name": "n", "email": "a@b.example"}
    whole = {
        **TICKET,
        "requester": who,
        "external_id": "e",
        "tags": ["a"],
        "priority": "high",
        "type": "question",
        "status": "open",
    }
    async with ZendeskStandIn() as vendor:
        told = await create(vendor, whole)
    assert (told.status, told.body["ticket"]["id"], told.headers["x-idempotency-lookup"]) == (201, 1, "miss")
    assert (vendor.accepted, vendor.violations) == ({"k1": whole}, [])


@pytest.mark.parametrize(
    "change",
    [
        {"plan": "x"},
        {"subject": 7},
        {"subject": ""},
        {"comment": {}},
        {"comment": "b"},
        {"comment": {"Body": "b"}},
        {"comment": {"body": "b", "public": "no"}},
        {"comment": {"body": "b" * 65_536}},
        {"requester": {"name": "n"}},
        {"requester": {"email": "a@b.example"}},
        {"requester": {"email": "nobody"}},
        {"requester": {"email": "a@b.example", "phone": "1"}},
        {"tags": "a"},
        {"tags": ["a b"]},
        {"priority": "whenever"},
        {"type": "complaint"},
        {"external_id": 7},
    ],
)
async def test_a_ticket_with_a_fault_is_not_made(change: dict[str, Any]) -> None:
    async with ZendeskStandIn() as vendor:
        told = await create(vendor, {**TICKET, **change})
    assert (told.status, told.body["error"]) == (422, "RecordInvalid")
    assert (vendor.accepted, len(vendor.violations)) == ({}, 1)


async def test_a_request_with_a_fault_is_refused() -> None:
    async with ZendeskStandIn() as vendor:
        url, sound = f"{vendor.url}/api/v2/tickets", {"Idempotency-Key": "k1"}
        body = {"ticket": TICKET}
        agent: dict[str, Any] = {"user": AGENT, "password": vendor.token}
        statuses = [
            (await request(url, body, headers=sound)).status,
            (await request(url, body, headers={**sound, "Authorization": "Bearer other"})).status,
            (await request(url, body, headers=sound, user=vendor.email, password=vendor.token)).status,
            (await request(f"{vendor.url}/api/v2/users", body, headers=sound, **agent)).status,
            (await request(url, body, headers={**sound, "Content-Type": "text/plain"}, **agent)).status,
            (await request(url, body, headers={**sound, "Accept": "*/*"}, **agent)).status,
            (await request(url, body, **agent)).status,
            (await request(url, body, headers={"Idempotency-Key": "k" * 256}, **agent)).status,
            (await request(url, b"{", headers=sound, **agent)).status,
            (await request(url, TICKET, headers=sound, **agent)).status,
        ]
    assert statuses == [401, 401, 401, 404, 415, 415, 400, 400, 400, 400]
    assert len(vendor.violations) == len(statuses)
    assert vendor.accepted == {}


async def test_a_key_is_known_for_two_hours() -> None:
    now = [0.0]
    lookups = []
    async with ZendeskStandIn(clock=lambda: now[0]) as vendor:
        for now[0] in (0.0, 7_199.0, 7_200.0):
            lookups.append((await create(vendor, TICKET)).headers["x-idempotency-lookup"])
    assert lookups == ["miss", "hit", "miss"]
    assert (vendor.repeats, vendor.duplicates) == (1, ["k1"])


async def test_a_known_key_with_another_body_is_an_error() -> None:
    async with ZendeskStandIn() as vendor:
        await create(vendor, TICKET)
        told = await create(vendor, {**TICKET, "subject": "other"})
    assert (told.status, told.body["error"]) == (400, "IdempotentRequestError")
    assert vendor.accepted == {"k1": TICKET}


async def test_a_ticket_that_was_not_made_leaves_its_key_free() -> None:
    async with ZendeskStandIn() as vendor:
        assert (await create(vendor, {})).status == 422
        assert (await create(vendor, TICKET)).status == 201


async def test_beyond_the_rate_it_says_when() -> None:
    async with ZendeskStandIn(clock=lambda: 0.0) as vendor:
        vendor.rate = (1, 60.0)
        told = [await create(vendor, TICKET, key) for key in ("k1", "k2")]
    assert [one.status for one in told] == [201, 429]
    assert told[1].headers["retry-after"] == "60"
