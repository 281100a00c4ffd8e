"""What a sender is told of a body that can't be read: one of the hints, and nothing of what it sent."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import Final

from gateway.errors import ItemReason
from gateway.otlp.hints import Hint
from gateway.otlp.signals import LOGS, METRICS, TRACES
from gateway.receivers.otlp_http_faults import JSON, PROTOBUF
from gateway.receivers.statuses import STATUS
from tests.receivers.test_otlp_http import LOOPBACK, ONE, SECRET, SPANS, posted, said
from tests.support.fake_delivery import FakeDelivery
from tests.support.running_gateway import run_gateway

ID: Final = base64.b64encode(bytes(range(200, 216))).decode()
PACKED: Final = "Content-Encoding: gzip"


def record(fields: str) -> bytes:
    return f'{{"resourceLogs": [{{"scopeLogs": [{{"logRecords": [{{{fields}}}]}}]}}]}}'.encode()


def span(fields: str) -> bytes:
    return f'{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{{{fields}}}]}}]}}]}}'.encode()


def metric(fields: str) -> bytes:
    return f'{{"resourceMetrics": [{{"scopeMetrics": [{{"metrics": [{{{fields}}}]}}]}}]}}'.encode()


HINTS: Final[dict[str, tuple[bytes, Hint]]] = {
    # IDs and enums, as other protobuf libraries' JSON has them.
    "a log's trace ID in base64": (posted(record(f'"traceId": "{ID}"'), LOGS.path, JSON), Hint.ID_NOT_HEXADECIMAL),
    "a span's trace ID in base64": (posted(span(f'"traceId": "{ID}"'), TRACES.path, JSON), Hint.ID_NOT_HEXADECIMAL),
    "a span ID as a number": (posted(span('"spanId": 12'), TRACES.path, JSON), Hint.ID_NOT_HEXADECIMAL),
    "a parent's ID as a list of bytes": (posted(span('"parentSpanId": [1, 2]'), TRACES.path, JSON), Hint.NOT_A_SCALAR),
    "a link's trace ID": (
        posted(span(f'"links": [{{"traceId": "{ID}"}}]'), TRACES.path, JSON),
        Hint.ID_NOT_HEXADECIMAL,
    ),
    "an exemplar's trace ID": (
        posted(metric(f'"sum": {{"dataPoints": [{{"exemplars": [{{"traceId": "{ID}"}}]}}]}}'), METRICS.path, JSON),
        Hint.ID_NOT_HEXADECIMAL,
    ),
    "a UUID": (
        posted(span('"traceId": "6f9619ff-8b86-d011-b42d-00cf4fc964ff"'), TRACES.path, JSON),
        Hint.ID_NOT_HEXADECIMAL,
    ),
    "a severity's name": (
        posted(record('"severityNumber": "SEVERITY_NUMBER_INFO"'), LOGS.path, JSON),
        Hint.ENUM_NOT_INTEGER,
    ),
    "a kind's name": (posted(span('"kind": "SPAN_KIND_SERVER"'), TRACES.path, JSON), Hint.ENUM_NOT_INTEGER),
    "a status code's name": (
        posted(span('"status": {"code": "STATUS_CODE_OK"}'), TRACES.path, JSON),
        Hint.ENUM_NOT_INTEGER,
    ),
    "a temporality's name": (
        posted(metric('"sum": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA"}'), METRICS.path, JSON),
        Hint.ENUM_NOT_INTEGER,
    ),
    # Values of another kind.
    "a time for people": (posted(record('"timeUnixNano": "2026-11-30T01:02:03Z"'), LOGS.path, JSON), Hint.NOT_A_NUMBER),
    "a time with a fraction": (posted(record('"timeUnixNano": 1767322800.5'), LOGS.path, JSON), Hint.NOT_A_NUMBER),
    "a bucket's count as a word": (
        posted(metric('"histogram": {"dataPoints": [{"bucketCounts": ["one"]}]}'), METRICS.path, JSON),
        Hint.NOT_A_NUMBER,
    ),
    "a body that is a text": (posted(record(f'"body": "{SECRET}"'), LOGS.path, JSON), Hint.NOT_AN_OBJECT),
    "attributes as an object": (
        posted(record(f'"attributes": {{"user.email": "{SECRET}"}}'), LOGS.path, JSON),
        Hint.NOT_A_LIST,
    ),
    "a number for a text": (posted(record('"severityText": 9'), LOGS.path, JSON), Hint.NOT_A_STRING),
    "a text for a flag": (posted(record('"body": {"boolValue": "true"}'), LOGS.path, JSON), Hint.NOT_A_BOOLEAN),
    "bytes that aren't base64": (posted(record('"body": {"bytesValue": "a.b"}'), LOGS.path, JSON), Hint.NOT_BASE64),
    # The whole of it.
    "an array": (posted(b"[" + record("") + b"]", LOGS.path, JSON), Hint.NOT_A_REQUEST),
    "an empty array": (posted(b"[]", LOGS.path, JSON), Hint.NOT_A_REQUEST),
    "a text": (posted(f'"{SECRET}"'.encode(), LOGS.path, JSON), Hint.NOT_A_REQUEST),
    "one after another": (posted(record("") + b"\n" + record(""), LOGS.path, JSON), Hint.NOT_JSON),
    "nothing": (posted(b"", LOGS.path, JSON), Hint.EMPTY),
    "nothing in gzip": (posted(b"", LOGS.path, JSON, PACKED), Hint.EMPTY),
    "cut off": (posted(record("")[:-2], LOGS.path, JSON), Hint.NOT_JSON),
    "no JSON": (posted(f"severity=INFO user={SECRET}".encode(), LOGS.path, JSON), Hint.NOT_JSON),
    "single quotes": (posted(b"{'resourceLogs': []}", LOGS.path, JSON), Hint.NOT_JSON),
    "a comma too many": (posted(b'{"resourceLogs": [],}', LOGS.path, JSON), Hint.NOT_JSON),
    "NaN as it is": (posted(record('"body": {"doubleValue": NaN}'), LOGS.path, JSON), Hint.NOT_JSON),
    "a byte order mark": (posted(b"\xef\xbb\xbf" + record(""), LOGS.path, JSON), Hint.NOT_UTF_8),
    "UTF-16": (posted(record("").decode().encode("utf-16"), LOGS.path, JSON), Hint.NOT_UTF_8),
    "Latin-1": (posted(record('"severityText": "é"').decode().encode("latin-1"), LOGS.path, JSON), Hint.NOT_UTF_8),
    # Keys.
    "keys as Go has them": (posted(b'{"ResourceLogs": [{}]}', LOGS.path, JSON), Hint.UNKNOWN_KEYS),
    "spans where logs go": (posted(span(""), LOGS.path, JSON), Hint.UNKNOWN_KEYS),
    "logs where spans go": (posted(record(""), TRACES.path, JSON), Hint.UNKNOWN_KEYS),
    "a record by itself": (
        posted(f'{{"body": {{"stringValue": "{SECRET}"}}}}'.encode(), LOGS.path, JSON),
        Hint.UNKNOWN_KEYS,
    ),
    "both names of a key": (posted(b'{"resourceLogs": [], "resource_logs": []}', LOGS.path, JSON), Hint.DUPLICATE_KEY),
    # Heads that speak of something else.
    "gzip, unsaid, for JSON": (posted(gzip.compress(record("")), LOGS.path, JSON), Hint.GZIP),
    "gzip, unsaid, for protobuf": (posted(gzip.compress(ONE), LOGS.path, PROTOBUF), Hint.GZIP),
    "gzip, said, of nothing of the kind": (posted(record(""), LOGS.path, JSON, PACKED), Hint.NOT_GZIP),
    "gzip, cut off": (posted(gzip.compress(ONE)[:-4], LOGS.path, PROTOBUF, PACKED), Hint.NOT_GZIP),
    "JSON, said to be protobuf": (posted(record(f'"severityText": "{SECRET}"'), LOGS.path, PROTOBUF), Hint.JSON),
    "an array, said to be protobuf": (posted(b" [{}]", LOGS.path, PROTOBUF), Hint.JSON),
    "protobuf, said to be JSON": (posted(ONE, LOGS.path, JSON), Hint.NOT_JSON),
    "a frame of gRPC": (posted(b"\0" + len(ONE).to_bytes(4, "big") + ONE, LOGS.path, PROTOBUF), Hint.GRPC),
    "neither": (posted(b"\xff" + SECRET.encode(), LOGS.path, PROTOBUF), Hint.NOT_PROTOBUF),
}

TAKEN: Final[dict[str, bytes]] = {
    "an object of nothing": posted(b"{}", LOGS.path, JSON),
    "a list of nothing": posted(b'{"resourceLogs": []}', LOGS.path, JSON),
    "null": posted(b'{"resourceLogs": null}', LOGS.path, JSON),
    "nothing in protobuf": posted(b"", LOGS.path, PROTOBUF),
    "keys in snake_case": posted(
        b'{"resource_logs": [{"scope_logs": [{"log_records": [{"severity_number": 9}]}]}]}', LOGS.path, JSON
    ),
    "a key of a later OTLP": posted(b'{"resourceLogs": [], "later": {"a": [1]}}', LOGS.path, JSON),
    "spans": posted(SPANS.SerializeToString(), TRACES.path, PROTOBUF),
}


async def test_a_body_that_is_malformed_is_told_how_and_nothing_of_itself(tmp_path: Path) -> None:
    number, text = STATUS[ItemReason.MALFORMED]
    async with run_gateway(tmp_path, FakeDelivery(), local_http=LOOPBACK) as gateway:
        found = {name: await said(gateway, request) for name, (request, _) in HINTS.items()}
    assert {name: one.refusal for name, one in found.items()} == {
        name: (400, number.value[0], f"{text}: {hint}") for name, (_, hint) in HINTS.items()
    }
    assert not any(SECRET.encode() in one.body for one in found.values())


async def test_what_otlp_lets_pass_is_taken(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, FakeDelivery(), local_http=LOOPBACK) as gateway:
        assert {name: (await said(gateway, request)).status for name, request in TAKEN.items()} == dict.fromkeys(
            TAKEN, 200
        )


def test_each_hint_is_met() -> None:
    assert {hint for _, hint in HINTS.values()} == set(Hint)
