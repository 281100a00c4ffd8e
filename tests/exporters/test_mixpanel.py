"""Mixpanel, against its stand-in, and against answers that it shouldn't give."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import DeliveryReason, ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED
from gateway.exporters.http_client import HttpClient
from gateway.standins import Fault, MixpanelStandIn
from gateway.standins.vendor import Reply, object_of
from tests.exporters.sending import EVENT, IMPORT_TEMPLATE, event, events, keys, message, mixpanel, outcome_letters


async def test_an_event_is_imported_under_its_key(http: HttpClient) -> None:
    async with MixpanelStandIn() as vendor:
        held = event(7)
        assert await mixpanel(http, vendor.url).send([held]) == [DELIVERED]
    ours = {"distinct_id": "usr_1", "time": 1_790_000_000_000, "$insert_id": held.keys.hex(), "ip": 0}
    assert vendor.accepted == {held.keys.hex(): {"event": "video.exported", "properties": {"scenes": 7, **ours}}}
    assert vendor.violations == []


async def test_the_time_is_the_events_own_where_it_has_one(http: HttpClient) -> None:
    held = event(7)
    items = {EVENT: {**IMPORT_TEMPLATE, "time": 1_789_999_999_000}}
    async with MixpanelStandIn() as vendor:
        assert await mixpanel(http, vendor.url, items).send([held]) == [DELIVERED]
    assert object_of(vendor.accepted[held.keys.hex()]["properties"])["time"] == 1_789_999_999_000


async def test_an_event_of_nobody_says_so(http: HttpClient) -> None:
    async with MixpanelStandIn() as vendor:
        assert await mixpanel(http, vendor.url).send([event(user_id="")]) == [DELIVERED]
    (sent,) = vendor.accepted.values()
    assert object_of(sent["properties"])["distinct_id"] == ""


async def test_those_that_are_listed_are_rejected_and_the_others_are_in(http: HttpClient) -> None:
    batch = [event(1), event(2, user_id="null"), event(3), event(4, user_id="anonymous")]
    async with MixpanelStandIn() as vendor:
        outcomes = await mixpanel(http, vendor.url).send(batch)
    assert outcomes == [DELIVERED, Rejected(DeliveryReason.REJECTED), DELIVERED, Rejected(DeliveryReason.REJECTED)]
    assert list(vendor.accepted) == keys([batch[0], batch[2]])


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.HANG])
async def test_what_goes_wrong_is_tried_again_and_arrives_once(http: HttpClient, fault: Fault) -> None:
    faults = [fault]
    async with MixpanelStandIn(faults=lambda: faults.pop() if faults else None) as vendor:
        exporter = mixpanel(http, vendor.url)
        assert outcome_letters(await exporter.send(events(2))) == "rr"
        assert outcome_letters(await exporter.send(events(2))) == "dd"
    assert list(vendor.accepted) == keys(events(2))
    assert (vendor.duplicates, vendor.violations) == ([], [])


class Odd(MixpanelStandIn):
    """Answers what it is told, one after the other."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__()
        self._replies = list(replies)

    def answer(self, request: Any, body: bytes) -> Reply:
        return self._replies.pop(0)


def imported(status: int, count: int, *failed: int) -> Reply:
    return Reply(status, {"num_records_imported": count, "failed_records": [{"index": index} for index in failed]})


OK = imported(200, 2)
ODD = Reply(400, {"error": "no JSON"})


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([imported(200, 2)], "dd"),
        ([imported(400, 1, 1)], "dx"),
        ([imported(400, 0, 0, 1)], "xx"),
        ([imported(200, 1)], "rr"),
        ([imported(200, 1, 2)], "rr"),
        ([Reply(200, "fine")], "rr"),
        ([Reply(200, {"num_records_imported": "2"})], "rr"),
        ([ODD, imported(200, 1), imported(200, 1)], "dd"),
        ([ODD, ODD, imported(200, 1)], "xd"),
        ([ODD, ODD, ODD], "xx"),
        ([ODD, Reply(500, {})], "rr"),
        ([Reply(413, {}), imported(200, 1), Reply(413, {})], "dx"),
        ([Reply(401, {})], "rr"),
        ([Reply(302, {}, {"Location": "http://127.0.0.1:1/"})], "rr"),
    ],
)
async def test_an_answer_is_taken_at_its_word_and_an_odd_one_is_no_answer(
    http: HttpClient, replies: list[Reply], expected: str
) -> None:
    async with Odd(*replies) as vendor:
        assert outcome_letters(await mixpanel(http, vendor.url).send(events(2))) == expected
    assert vendor._replies == []


async def test_once_told_to_wait_the_rest_is_not_sent(http: HttpClient) -> None:
    async with Odd(ODD, Reply(429, {}, {"Retry-After": "9"})) as vendor:
        assert await mixpanel(http, vendor.url).send(events(4)) == [Retryable(after=9.0)] * 4
    assert vendor.requests == 2


async def test_what_makes_no_event_is_rejected(http: HttpClient) -> None:
    async with MixpanelStandIn() as vendor:
        exporter = mixpanel(http, vendor.url)
        assert await exporter.send([event(name="")]) == [Rejected(ItemReason.REQUIRED_FIELD)]
        assert await exporter.send([message()]) == [Rejected(ItemReason.UNKNOWN_TYPE)]
        assert await exporter.send([event(user_id="x" * 900_000)]) == [Rejected(ItemReason.TOO_LARGE)]
    assert vendor.requests == 0
