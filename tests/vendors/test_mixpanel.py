"""The stand-in for Mixpanel is strict."""

from __future__ import annotations

import gzip
import json
from typing import Any, Final

import pytest

from gateway.standins import MixpanelStandIn
from tests.vendors.asking import StandInResponse, request

NOW: Final = 1_790_000_000
SAID: Final = {"time": NOW * 1000, "distinct_id": "usr_1", "$insert_id": "i1", "ip": 0}
EVENT: Final = {"event": "video.exported", "properties": SAID}


def mixpanel() -> MixpanelStandIn:
    return MixpanelStandIn(clock=lambda: NOW)


def said(**change: Any) -> dict[str, Any]:
    return {"event": "video.exported", "properties": {**SAID, **change}}


async def post(
    vendor: MixpanelStandIn, body: Any, query: str = "strict=1&project_id=4711", password: str = "", **headers: str
) -> StandInResponse:
    url = f"{vendor.url}/import?{query}"
    return await request(url, body, user=vendor.username, password=password or vendor.password, headers=headers)


async def test_what_is_documented_is_imported_zipped_or_not() -> None:
    zipped = gzip.compress(json.dumps([said(**{"$insert_id": "i2"})]).encode())
    async with mixpanel() as vendor:
        told = [await post(vendor, [EVENT]), await post(vendor, zipped, **{"Content-Encoding": "gzip"})]
    assert [(one.status, one.body) for one in told] == [
        (200, {"code": 200, "num_records_imported": 1, "status": "OK"})
    ] * 2
    assert (list(vendor.accepted), vendor.violations) == (["i1", "i2"], [])


@pytest.mark.parametrize(
    "bad",
    [
        {"event": "", "properties": SAID},
        {"event": 7, "properties": SAID},
        {"event": "a"},
        {**EVENT, "plan": 1},
        7,
        said(time=NOW),
        said(time=float(NOW * 1000)),
        said(time=(NOW + 3601) * 1000),
        said(time="2026-01-01"),
        said(distinct_id=None),
        said(distinct_id="undefined"),
        said(**{"$insert_id": "i" * 37}),
        said(**{"$insert_id": "i 1"}),
        said(token="t"),
        *(said(ip=ip) for ip in (None, 1, "0", False, "203.0.113.7")),
        said(**{"$os": "x"}),
        said(mp_lib="x"),
        said(**{f"p{number}": 1 for number in range(255)}),
    ],
)
async def test_an_event_with_a_fault_is_listed_and_the_others_are_imported(bad: Any) -> None:
    async with mixpanel() as vendor:
        told = await post(vendor, [bad, EVENT])
    assert (told.status, told.body["num_records_imported"]) == (400, 1)
    assert [record["index"] for record in told.body["failed_records"]] == [0]
    assert (list(vendor.accepted), len(vendor.violations)) == (["i1"], 1)


async def test_a_request_with_a_fault_is_refused() -> None:
    async with mixpanel() as vendor:
        statuses = [
            (await post(vendor, [EVENT], password="other")).status,
            (await post(vendor, [EVENT], query="project_id=4711")).status,
            (await post(vendor, [EVENT], query="strict=1&project_id=1")).status,
            (await post(vendor, [EVENT], **{"Content-Type": "text/plain"})).status,
            (await post(vendor, b"[")).status,
            (await post(vendor, [])).status,
            (await post(vendor, EVENT)).status,
            (await post(vendor, [EVENT] * 2001)).status,
            (await post(vendor, [said(a="x" * 1_000_000)])).status,
            (await request(f"{vendor.url}/track", [EVENT], user=vendor.username, password=vendor.password)).status,
        ]
    assert statuses == [401, *[400] * 6, 413, 413, 404]
    assert len(vendor.violations) == len(statuses)
    assert vendor.accepted == {}


async def test_one_event_is_one_by_event_user_time_and_identifier() -> None:
    async with mixpanel() as vendor:
        for event in (EVENT, EVENT, said(time=NOW * 1000 - 1)):
            assert (await post(vendor, [event])).status == 200
    assert (vendor.repeats, vendor.duplicates) == (1, ["i1"])


async def test_its_rate_counts_events() -> None:
    async with mixpanel() as vendor:
        vendor.rate = (2, 60.0)
        told = [
            await post(vendor, [said(**{"$insert_id": f"i{number}"}), said(**{"$insert_id": f"j{number}"})])
            for number in range(2)
        ]
    assert [one.status for one in told] == [200, 429]
    assert told[1].headers["retry-after"] == "60"
