"""OTLP's JSON at its worst.

Whatever is sent, others get their turn, and a megabyte takes no more than a bounded time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Final

import pytest

from gateway.errors import Refused
from gateway.otlp.json_request import parse
from gateway.otlp.signals import LOGS, METRICS, Signal
from tests.receivers.gil_time import MAX_MESSAGE_BYTES, MB, assert_within_limits

Make = Callable[[int], bytes]
"""A text of a size."""


def listed(start: str, element: str, end: str) -> Make:
    """The same element, or member, again and again."""
    one = element.encode() + b","
    return lambda size: start.encode() + one * (size // len(one)) + one[:-1] + end.encode()


def differing(start: str, member: str, end: str) -> Make:
    """Members with a number in each."""

    def make(size: int) -> bytes:
        out, numbers = [], count()
        while size > 0:
            out.append((member % next(numbers)).encode())
            size -= len(out[-1]) + 1
        return start.encode() + b",".join(out) + end.encode()

    return make


def filled(start: str, piece: str, end: str = "") -> Make:
    one = piece.encode()
    return lambda size: start.encode() + one * (size // len(one)) + end.encode()


def resources(element: str) -> Make:
    return listed('{"resourceLogs":[', element, "]}")


RECORDS: Final = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[', "]}]}]}"


def record(start: str, element: str, end: str) -> Make:
    """The element again and again in one record."""
    return listed(RECORDS[0] + start, element, end + RECORDS[1])


def values(element: str) -> Make:
    return record('{"body":{"arrayValue":{"values":[', element, "]}}}")


def points(name: str, element: str) -> Make:
    """In a data point of a histogram."""
    start = '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"%s":['
    return listed(start % name, element, "]}]}}]}]}]}")


def unknown(element: str) -> Make:
    return listed('{"x":[', element, "]}")


SOUND: Final = (
    '{"timeUnixNano":"1767322800000000001","severityNumber":9,"severityText":"INFO","body":{"stringValue":"video '
    'exported"},'
    '"attributes":[{"key":"service.name","value":{"stringValue":"editor"}},{"key":"http.response.status_code","value":{"intValue":"200"}}],'
    '"traceId":"5B8EFFF798038103d269b633813fc60c","spanId":"EEE19B7EC3C1B174"}'
)

SHAPES: Final[dict[str, Make]] = {
    "sound records": listed(RECORDS[0], SOUND, RECORDS[1]),
    "numbers for resources": resources("1e308"),
    "empty resources": resources("{}"),
    "resources with an empty one": resources('{"resource":{}}'),
    "empty records": listed(RECORDS[0], "{}", RECORDS[1]),
    "records of nothing": listed(RECORDS[0], '{"body":null}', RECORDS[1]),
    "empty attributes": record('{"attributes":[', "{}", "]}"),
    "attributes without a key": record('{"attributes":[', '{"value":{}}', "]}"),
    "empty values": values("{}"),
    "values of whole numbers": values('{"intValue":1}'),
    "values of large numbers": values('{"doubleValue":1e308}'),
    "values of large numbers in texts": values('{"doubleValue":"1e308"}'),
    "values of whole numbers in texts, written as large ones": values('{"intValue":"9e18"}'),
    "values of empty texts": values('{"stringValue":""}'),
    "values of bytes": values('{"bytesValue":"AA"}'),
    "values of empty lists": values('{"arrayValue":{}}'),
    "counts": points("bucketCounts", "1"),
    "counts in texts": points("bucketCounts", '"1"'),
    "bounds": points("explicitBounds", "1"),
    "large bounds": points("explicitBounds", "1e308"),
    "large bounds in texts": points("explicitBounds", '"1e308"'),
    "no numbers in texts": points("explicitBounds", '"nan"'),
    "empty exemplars": points("exemplars", "{}"),
    "unknown large numbers": unknown("1e308"),
    "unknown whole numbers": unknown("1"),
    "unknown long numbers": unknown("9" * 4300),
    "unknown long fractions": unknown("9007199254740993." + "0" * 3000 + "1"),
    "unknown empty texts": unknown('""'),
    "unknown texts with an escape": unknown('"\\n"'),
    "unknown nothing": unknown("null"),
    "unknown empty lists": unknown("[]"),
    "unknown empty objects": unknown("{}"),
    "unknown objects": unknown('{"":1}'),
    "unknown lists in lists": unknown("[" * 200 + "]" * 200),
    "unknown objects in objects": unknown('{"":' * 200 + "1" + "}" * 200),
    "lists in lists without an end": filled("", "["),
    "objects in objects without an end": filled("", '{"a":'),
    "lists in lists for resources": filled('{"resourceLogs":', "["),
    "keys that differ": differing("{", '"%x":1', "}"),
    "keys that differ behind an escape": differing("{", '"\\n%x":1', "}"),
    "keys that differ, in a record": differing(RECORDS[0] + "{", '"%x":{}', "}" + RECORDS[1]),
    "equal keys": listed("{", '"a":1', "}"),
    "one key": filled('{"', "a", '":1}'),
    "one key of escapes": filled('{"', "\\u00e9", '":1}'),
    "one text": filled('{"x":"', "a", '"}'),
    "one text of short escapes": filled('{"x":"', "\\n", '"}'),
    "one text of long escapes": filled('{"x":"', "\\u00e9", '"}'),
    "one text of pairs": filled('{"x":"', "\\ud83d\\ude00", '"}'),
    "one text with escapes in between": filled('{"x":"', "é\\n", '"}'),
    "one text of four bytes a character": filled('{"x":"', "\U0001f600", '"}'),
    "one text without an end": filled('{"x":"', "a"),
    "one text that ends in the middle of an escape": filled('{"x":"', "\\"),
    "one body": filled(RECORDS[0] + '{"body":{"stringValue":"', "a", '"}}' + RECORDS[1]),
    "one body of bytes": filled(RECORDS[0] + '{"body":{"bytesValue":"', "AAAA", '"}}' + RECORDS[1]),
    "one trace ID": filled(RECORDS[0] + '{"traceId":"', "00", '"}' + RECORDS[1]),
    "one time": filled(RECORDS[0] + '{"timeUnixNano":"', "9", '"}' + RECORDS[1]),
    "one time that is no number": filled(RECORDS[0] + '{"timeUnixNano":"', "a", '"}' + RECORDS[1]),
    "one whole number": filled('{"x":', "9", "}"),
    "one fraction": filled('{"x":0.', "3", "}"),
    "one exponent": filled('{"x":1e', "0", "1}"),
    "spaces alone": filled("", " "),
    "spaces in between": filled('{"x":', " ", "1}"),
    "spaces around numbers": unknown("\n\t\t\t\t1 "),
    "commas": filled('{"x":[', ","),
    "quotes": filled("{", '"'),
}
"""Of metrics where data points are, else of logs."""


def signal_of(raw: bytes) -> Signal:
    return METRICS if raw.startswith(b'{"resourceMetrics"') else LOGS


def reading(make: Make, size: int) -> Callable[[], None]:
    raw = make(size - 500)

    def read() -> None:
        with suppress(Refused):
            parse(signal_of(raw), raw)

    return read


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
def test_no_text_holds_others_up(make: Make) -> None:
    assert_within_limits(reading(make, MB // 2), MB // 2)


@pytest.mark.soak
@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
def test_no_text_of_full_size_holds_others_up(make: Make) -> None:
    assert_within_limits(reading(make, MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES)
