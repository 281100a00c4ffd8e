"""The stand-in for Segment is strict."""

from __future__ import annotations

from typing import Any, Final

import pytest

from gateway.standins import Fault, SegmentStandIn
from tests.vendors.asking import StandInResponse, request

EVENT: Final = {"type": "track", "event": "video.exported", "userId": "usr_1", "messageId": "m1"}


async def batch(
    vendor: SegmentStandIn, *events: Any, user: str = SegmentStandIn.write_key, **more: Any
) -> StandInResponse:
    return await request(f"{vendor.url}/v1/batch", {"batch": events, **more}, user=user)


async def test_what_is_documented_is_taken() -> None:
    context = {"app": {"name": "a"}, "traits": {}}
    whole = {
        **EVENT,
        "properties": {"a": [1]},
        "context": context,
        "timestamp": "2026-01-02T03:04:05.678Z",
        "integrations": {"All": True},
    }
    async with SegmentStandIn() as vendor:
        told = await batch(vendor, whole)
    assert (told.status, told.body) == (200, {"success": True})
    assert (vendor.accepted, vendor.violations) == ({"m1": whole}, [])


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ({"plan": "x"}, "plan is not documented"),
        ({"writeKey": "x"}, "writeKey is not documented"),
        ({"type": "identify"}, "type is not as documented"),
        ({"event": 7}, "event is not as documented"),
        ({"event": ""}, "event is not as documented"),
        ({"userId": 7}, "userId is not as documented"),
        ({"messageId": "m" * 100}, "messageId is not as documented"),
        ({"properties": []}, "properties is not as documented"),
        ({"context": {"plan": "x"}}, "context is not as documented"),
        ({"timestamp": "yesterday"}, "timestamp is not as documented"),
        ({"timestamp": 1700000000}, "timestamp is not as documented"),
    ],
)
async def test_an_event_with_a_fault_is_dropped_behind_a_200(change: dict[str, Any], violation: str) -> None:
    async with SegmentStandIn() as vendor:
        assert (await batch(vendor, {**EVENT, **change}, {**EVENT, "messageId": "m2"})).status == 200
    assert list(vendor.accepted) == ["m2"]
    assert vendor.violations == [f"Segment: an event: {violation}"]


@pytest.mark.parametrize("missing", ["type", "event", "messageId", "userId"])
async def test_an_event_needs_what_segment_needs(missing: str) -> None:
    async with SegmentStandIn() as vendor:
        await batch(vendor, {key: value for key, value in EVENT.items() if key != missing})
    assert vendor.accepted == {}
    assert len(vendor.violations) == 1


async def test_a_request_with_a_fault_is_refused() -> None:
    async with SegmentStandIn() as vendor:
        url, user = f"{vendor.url}/v1/batch", vendor.write_key
        statuses = [
            (await request(url, {"batch": [EVENT]})).status,
            (await request(url, {"batch": [EVENT]}, user="another")).status,
            (await request(url, {"batch": [EVENT]}, user=user, method="PUT")).status,
            (await request(f"{vendor.url}/v1/track", EVENT, user=user)).status,
            (await request(url, {"batch": [EVENT]}, user=user, headers={"Content-Type": "text/plain"})).status,
            (await request(url, b"{", user=user)).status,
            (await request(url, b'{"batch": [], "batch": []}', user=user)).status,
            (await request(url, {"batch": []}, user=user)).status,
            (await request(url, {"batch": [EVENT], "plan": 1}, user=user)).status,
            (await request(url, {"batch": [{**EVENT, "properties": {"a": "x" * 32_000}}]}, user=user)).status,
            (await request(url, {"batch": [EVENT] * 6000}, user=user)).status,
        ]
    assert statuses == [401, 401, 404, 404, *[400] * 7]
    assert len(vendor.violations) == len(statuses)
    assert vendor.accepted == {}


async def test_more_than_2500_events_are_dropped() -> None:
    async with SegmentStandIn() as vendor:
        assert (await batch(vendor, *[{**EVENT, "messageId": f"m{number}"} for number in range(2501)])).status == 200
    assert vendor.accepted == {}
    assert vendor.violations == ["Segment: more than 2,500 events in a request"]


async def test_an_identifier_is_known_for_a_day() -> None:
    now = [0.0]
    async with SegmentStandIn(clock=lambda: now[0]) as vendor:
        for now[0] in (0.0, 86_399.0, 86_400.0):
            await batch(vendor, EVENT)
    assert (vendor.repeats, vendor.duplicates) == (1, ["m1"])


async def test_beyond_the_rate_it_says_when() -> None:
    async with SegmentStandIn(clock=lambda: 0.0) as vendor:
        vendor.rate = (1, 5.0)
        told = [await batch(vendor, EVENT) for _ in range(2)]
    assert [one.status for one in told] == [200, 429]
    assert told[1].headers["retry-after"] == "5"
    assert vendor.violations == ["Segment: more than its rate"]


@pytest.mark.parametrize(
    ("fault", "status", "after"),
    [
        (Fault.ERROR, 500, None),
        (Fault.UNAVAILABLE, 503, None),
        (Fault.RATE_LIMITED, 429, "7"),
        (Fault.RATE_LIMITED_UNTIL, 429, "Thu, 01 Jan 1970 00:01:47 GMT"),
    ],
)
async def test_a_fault_takes_nothing(fault: Fault, status: int, after: str | None) -> None:
    async with SegmentStandIn(faults=lambda: fault, clock=lambda: 100.0, retry_after_seconds=7) as vendor:
        told = await batch(vendor, EVENT)
    assert (told.status, told.headers.get("retry-after")) == (status, after)
    assert (vendor.accepted, vendor.violations) == ({}, [])


async def test_it_can_stop_and_start_again_where_it_was() -> None:
    vendor = SegmentStandIn()
    await vendor.start()
    url = vendor.url
    await vendor.stop()
    await vendor.start()
    assert (await batch(vendor, EVENT)).status == 200
    await vendor.stop()
    assert vendor.url == url
