"""What HTTP answers mean."""

from __future__ import annotations

import logging

import pytest

from gateway.exporters.http_client import HttpResponse
from gateway.exporters.http_responses import (
    MAX_RETRY_AFTER_SECONDS,
    NO_RESPONSE,
    ResponseClass,
    StatusLog,
    classify_status,
    retry_after,
)

NOW = 1_790_000_000.0
"""Mon, 21 Sep 2026 14:13:20 GMT."""


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((200, 201, 202, 204), ResponseClass.ACCEPTED),
        ((400, 413, 422), ResponseClass.REJECTED),
        ((408, 425, 429, 460, 500, 502, 503, 504, 599), ResponseClass.TRANSIENT),
        ((101, 301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 409, 410, 411, 415, 451), ResponseClass.MISCONFIGURED),
    ],
)
def test_a_status_says_one_of_four_things(statuses: tuple[int, ...], expected: ResponseClass) -> None:
    assert {classify_status(status) for status in statuses} == {expected}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0", 0.0),
        ("30", 30.0),
        (" 30 ", 30.0),
        ("-5", 0.0),
        ("3601", MAX_RETRY_AFTER_SECONDS),
        ("99999999999999999999", MAX_RETRY_AFTER_SECONDS),
        ("Mon, 21 Sep 2026 14:14:20 GMT", 60.0),
        ("Mon, 21 Sep 2026 14:14:20", 60.0),
        ("Mon, 21 Sep 2026 14:13:20 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_SECONDS),
        ("", None),
        ("soon", None),
        ("1e9", None),
        ("٣", None),
        ("999999999999999999999999", None),
        ("Mon, 99 Sep 2026 14:14:20 GMT", None),
    ],
)
def test_retry_after_is_bounded(given: str, expected: float | None) -> None:
    assert retry_after(HttpResponse(429, {"retry-after": given}, b""), NOW) == expected


def test_an_odd_answer_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    temper = StatusLog("destinations.crm.exporter")
    for status in (200, 401, 401, 503, 401, 403, 200, 201, NO_RESPONSE, NO_RESPONSE, 201, 401):
        temper.record(status)
    assert [record.getMessage().removeprefix("destinations.crm.exporter: ") for record in caplog.records] == [
        "answers 401; what is for it waits",
        "answers 403; what is for it waits",
        "answers 200 again",
        "can't be reached, or only at an address that is not public; what is for it waits",
        "answers 201 again",
        "answers 401; what is for it waits",
    ]


def test_an_answer_is_not_repeated() -> None:
    assert repr(HttpResponse(200, {"a": "hunter2"}, b"hunter2")) == "Answer(200)"
