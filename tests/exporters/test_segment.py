"""Segment, against its stand-in."""

from __future__ import annotations

import pytest

from gateway.entry_batch import EntryBatch
from gateway.errors import EndReason, ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED
from gateway.exporters.http_client import HttpClient
from gateway.exporters.segment.exporter import MAX_EVENT_BYTES, MAX_REQUEST_BYTES
from gateway.standins import Fault, SegmentStandIn
from tests.exporters.sending import EVENT, TRACK_TEMPLATE, event, events, keys, message, outcome_letters, segment


async def test_an_event_arrives_as_a_track_call_under_its_key(http: HttpClient) -> None:
    async with SegmentStandIn() as vendor:
        assert await segment(http, vendor.url).send([event(7)]) == [DELIVERED]
    key = "00000000000000000000000000000007"
    sent = {"event": "video.exported", "userId": "usr_1", "properties": {"scenes": 7}}
    assert vendor.accepted == {key: {"type": "track", "messageId": key, **sent}}
    assert vendor.violations == []


async def test_an_event_of_nobody_is_anonymous_under_its_key(http: HttpClient) -> None:
    async with SegmentStandIn() as vendor:
        await segment(http, vendor.url).send([event(7, user_id="")])
    (sent,) = vendor.accepted.values()
    assert sent["anonymousId"] == sent["messageId"]
    assert vendor.violations == []


async def test_the_same_event_again_is_one_event(http: HttpClient) -> None:
    async with SegmentStandIn() as vendor:
        for _ in range(3):
            assert outcome_letters(await segment(http, vendor.url).send(events(2))) == "dd"
    assert (len(vendor.accepted), vendor.repeats, vendor.duplicates) == (2, 4, [])


@pytest.mark.parametrize("fault", list(Fault))
async def test_what_goes_wrong_is_tried_again_and_arrives_once(http: HttpClient, fault: Fault) -> None:
    faults = [fault]
    async with SegmentStandIn(faults=lambda: faults.pop() if faults else None) as vendor:
        hasty = segment(http, vendor.url, timeout=0.5 if fault is Fault.HANG else 10.0)
        assert outcome_letters(await hasty.send(events(2))) == "rr"
        assert outcome_letters(await segment(http, vendor.url).send(events(2))) == "dd"
    assert list(vendor.accepted) == keys(events(2))
    assert vendor.violations == []


@pytest.mark.parametrize("fault", [Fault.RATE_LIMITED, Fault.RATE_LIMITED_UNTIL])
async def test_a_vendor_that_says_when_is_believed(http: HttpClient, fault: Fault) -> None:
    async with SegmentStandIn(faults=lambda: fault, retry_after_seconds=30, clock=lambda: 1_790_000_000) as vendor:
        assert await segment(http, vendor.url).send([event()]) == [Retryable(after=30.0)]


async def test_a_large_batch_is_several_requests_that_fit(http: HttpClient) -> None:
    many = [event(number, user_id="usr_" + "x" * 20_000) for number in range(60)]
    async with SegmentStandIn() as vendor:
        assert outcome_letters(await segment(http, vendor.url).send(many)) == "d" * 60
    assert vendor.requests == 1 + 60 * 20_000 // MAX_REQUEST_BYTES
    assert list(vendor.accepted) == keys(many)
    assert vendor.violations == []


async def test_an_event_that_cannot_fit_is_rejected_and_its_neighbours_are_not(http: HttpClient) -> None:
    batch = [event(1), event(2, user_id="u" * MAX_EVENT_BYTES), event(3)]
    async with SegmentStandIn() as vendor:
        outcomes = await segment(http, vendor.url).send(batch)
    assert outcomes == [DELIVERED, Rejected(ItemReason.TOO_LARGE), DELIVERED]
    assert vendor.violations == []


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (event(name=""), ItemReason.REQUIRED_FIELD),
        (message(), ItemReason.UNKNOWN_TYPE),
    ],
)
async def test_what_makes_no_event_is_rejected(http: HttpClient, entry: EntryBatch, reason: EndReason) -> None:
    async with SegmentStandIn() as vendor:
        assert await segment(http, vendor.url).send([entry]) == [Rejected(reason)]
    assert vendor.requests == 0


async def test_a_wrong_key_loses_nothing_and_is_told_once(
    http: HttpClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WRITE_KEY", "hunter2")
    async with SegmentStandIn() as vendor:
        exporter = segment(http, vendor.url)
        for _ in range(3):
            assert outcome_letters(await exporter.send(events(2))) == "rr"
    assert [record.getMessage() for record in caplog.records] == [
        "destinations.vendor.exporter: answers 401; what is for it waits"
    ]


async def test_a_fixed_part_of_the_template_arrives_as_it_is(http: HttpClient) -> None:
    items = {EVENT: {**TRACK_TEMPLATE, "context": {"app": {"name": "kannelle"}}, "integrations": {"All": False}}}
    async with SegmentStandIn() as vendor:
        await segment(http, vendor.url, items).send([event()])
    (sent,) = vendor.accepted.values()
    assert (sent["context"], sent["integrations"]) == ({"app": {"name": "kannelle"}}, {"All": False})


async def test_nothing_is_sent_once_closed(http: HttpClient) -> None:
    async with SegmentStandIn() as vendor:
        exporter = segment(http, vendor.url)
        await exporter.close()
        await exporter.close()
        with pytest.raises(Retryable):
            await exporter.send([event()])
    assert vendor.requests == 0
