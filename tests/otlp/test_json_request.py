"""OTLP's JSON: what is read, what is refused, and that nothing is lost."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.errors import ItemReason, Refused
from gateway.otlp.hints import HEXADECIMAL_FIELDS
from gateway.otlp.json_request import MAX_MESSAGE_DEPTH, parse
from gateway.otlp.messages import REQUESTS
from gateway.otlp.signals import LOGS, METRICS, SIGNALS, TRACES, Signal

ROOTS: Final = {LOGS: ("resourceLogs", "scopeLogs", "logRecords"), TRACES: ("resourceSpans", "scopeSpans", "spans")}


def enclosed(signal: Signal, text: str) -> bytes:
    """A request with one record."""
    resources, scopes, records = ROOTS[signal]
    return f'{{"{resources}": [{{"{scopes}": [{{"{records}": [{text}]}}]}}]}}'.encode()


def read(signal: Signal, raw: bytes) -> Any:
    request = REQUESTS[signal]()
    request.ParseFromString(parse(signal, raw))
    return request


def log(text: str) -> LogRecord:
    record = read(LOGS, enclosed(LOGS, text)).resource_logs[0].scope_logs[0].log_records[0]
    assert isinstance(record, LogRecord)
    return record


def span(text: str) -> Span:
    found = read(TRACES, enclosed(TRACES, text)).resource_spans[0].scope_spans[0].spans[0]
    assert isinstance(found, Span)
    return found


def body(text: str) -> Any:
    return log(f'{{"body": {text}}}').body


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", LogRecord()),
        ('{"timeUnixNano": "1767322800000000001"}', LogRecord(time_unix_nano=1767322800000000001)),
        ('{"timeUnixNano": 1767322800000000001}', LogRecord(time_unix_nano=1767322800000000001)),
        ('{"timeUnixNano": "18446744073709551615"}', LogRecord(time_unix_nano=2**64 - 1)),
        (
            '{"timeUnixNano": 1.0, "observedTimeUnixNano": "1e3"}',
            LogRecord(time_unix_nano=1, observed_time_unix_nano=1000),
        ),
        (
            '{"timeUnixNano": 1e18, "observedTimeUnixNano": "1e18"}',
            LogRecord(time_unix_nano=10**18, observed_time_unix_nano=10**18),
        ),
        ('{"severityNumber": 9.0}', LogRecord(severity_number=9)),  # type: ignore[arg-type]
        ('{"time_unix_nano": 1}', LogRecord(time_unix_nano=1)),
        ('{"severityNumber": 9}', LogRecord(severity_number=9)),  # type: ignore[arg-type]
        ('{"severityNumber": 99}', LogRecord(severity_number=99)),  # type: ignore[arg-type]
        (
            '{"traceId": "5B8EFFF798038103d269b633813fc60c"}',
            LogRecord(trace_id=bytes.fromhex("5b8efff798038103d269b633813fc60c")),
        ),
        ('{"spanId": "EEE19B7EC3C1B174", "trace_id": ""}', LogRecord(span_id=bytes.fromhex("eee19b7ec3c1b174"))),
        ('{"severityText": null, "body": null, "attributes": null}', LogRecord()),
        ('{"anything": {"at": ["all"]}, "severityText": "\\ud83d\\ude00"}', LogRecord(severity_text="\U0001f600")),
        ('{"droppedAttributesCount": 3, "flags": "1"}', LogRecord(dropped_attributes_count=3, flags=1)),
    ],
)
def test_a_record_is_read(text: str, expected: LogRecord) -> None:
    assert log(text) == expected


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ('{"stringValue": ""}', "string_value", ""),
        ('{"boolValue": false}', "bool_value", False),
        ('{"intValue": "-9223372036854775808"}', "int_value", -(2**63)),
        ('{"intValue": 0}', "int_value", 0),
        ('{"doubleValue": 1}', "double_value", 1.0),
        ('{"doubleValue": "1.5"}', "double_value", 1.5),
        ('{"doubleValue": "-Infinity"}', "double_value", -math.inf),
        ('{"bytesValue": "+/8="}', "bytes_value", b"\xfb\xff"),
        ('{"bytesValue": "-_8"}', "bytes_value", b"\xfb\xff"),
        ('{"bytesValue": ""}', "bytes_value", b""),
    ],
)
def test_a_value_is_read_with_its_kind(text: str, kind: str, expected: object) -> None:
    found = body(text)
    assert (found.WhichOneof("value"), getattr(found, kind)) == (kind, expected)


@pytest.mark.parametrize("text", ['{"doubleValue": "NaN"}', '{"doubleValue": "nan"}'])
def test_what_is_no_number_is_read_as_such(text: str) -> None:
    assert math.isnan(body(text).double_value)


@pytest.mark.parametrize(
    ("text", "kind"), [('{"kvlistValue": {}}', "kvlist_value"), ('{"arrayValue": {}}', "array_value")]
)
def test_an_empty_list_is_there(text: str, kind: str) -> None:
    assert body(text).WhichOneof("value") == kind


def test_the_ids_of_a_span_and_of_its_links_are_hexadecimal() -> None:
    found = span(
        '{"traceId": "0A", "spanId": "0b", "parentSpanId": "0C", "kind": 2, "links": [{"traceId": "0d", "spanId": '
        '"0E"}]}'
    )
    assert (found.trace_id, found.span_id, found.parent_span_id, found.kind) == (b"\x0a", b"\x0b", b"\x0c", 2)
    assert (found.links[0].trace_id, found.links[0].span_id) == (b"\x0d", b"\x0e")


SECRET: Final = "anna.secret@example.com"

DUPLICATES: Final = {
    "resources": b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{}]}]}], "resourceLogs": []}',
    "resources, as protobuf names them": b'{"resourceLogs": [], "resource_logs": []}',
    "resources, null": b'{"resourceLogs": null, "resourceLogs": []}',
    "a resource": b'{"resourceLogs": [{"resource": {}, "resource": {}}]}',
    "scopes": b'{"resourceLogs": [{"scope_logs": [], "scopeLogs": []}]}',
    "records": b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{}], "log_records": []}]}]}',
    "a level": enclosed(LOGS, '{"severityText": "INFO", "severityText": "WARN"}'),
    "a level, with an escape": enclosed(LOGS, '{"severityText": "INFO", "severity\\u0054ext": "INFO"}'),
    "a time": enclosed(LOGS, '{"timeUnixNano": 1, "severityText": "INFO", "time_unix_nano": "1"}'),
    "a body": enclosed(LOGS, '{"body": {"stringValue": "a", "stringValue": "a"}}'),
    "attributes": enclosed(LOGS, '{"attributes": [{"key": "a"}], "attributes": [{"key": "b"}]}'),
    "an attribute's key": enclosed(LOGS, '{"attributes": [{"key": "a", "value": {}, "key": "b"}]}'),
    "a value in lists": enclosed(
        LOGS, '{"body": {"arrayValue": {"values": [{"kvlistValue": {"values": [], "values": []}}]}}}'
    ),
    "what nobody reads": enclosed(LOGS, '{"unknown": 1, "unknown": 2}'),
    "what nobody reads, below it": enclosed(LOGS, '{"unknown": [{"a": 1, "a": 1}]}'),
}

MALFORMED: Final = {
    **{f"{name}, twice": raw for name, raw in DUPLICATES.items()},
    "nothing": b"",
    "no JSON": SECRET.encode(),
    "cut off": b'{"resourceLogs": [',
    "more behind it": b"{} {}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "not UTF-8": b'{"resourceLogs": "\xff"}',
    "a list": b"[]",
    "a text": f'"{SECRET}"'.encode(),
    "a number": b"1",
    "null": b"null",
    "NaN as it is": enclosed(LOGS, '{"body": {"doubleValue": NaN}}'),
    "a lone surrogate": enclosed(LOGS, '{"severityText": "\\ud800"}'),
    "a surrogate the wrong way round": enclosed(LOGS, '{"severityText": "\\udc00 anna.secret"}'),
    "a surrogate as a key": enclosed(LOGS, '{"\\ud800 anna.secret": 1}'),
    "a surrogate in bytes": b'{"resourceLogs": "\xed\xa0\x80"}',
    "a text for a message": b'{"resourceLogs": [{"resource": "anna"}]}',
    "a list for a message": b'{"resourceLogs": [[]]}',
    "a null in a list": b'{"resourceLogs": [null]}',
    "a message for a list": b'{"resourceLogs": {}}',
    "a number for a text": enclosed(LOGS, '{"severityText": 1}'),
    "a text for a flag": enclosed(LOGS, '{"body": {"boolValue": "true"}}'),
    "a number for a flag": enclosed(LOGS, '{"body": {"boolValue": 1}}'),
    "a name for a number": enclosed(LOGS, '{"severityNumber": "SEVERITY_NUMBER_INFO"}'),
    "an enum in quotes": enclosed(LOGS, '{"severityNumber": "9"}'),
    "an enum that is too large": enclosed(LOGS, '{"severityNumber": 2147483648}'),
    "a flag for a number": enclosed(LOGS, '{"timeUnixNano": true}'),
    "a fraction for a number": enclosed(LOGS, '{"timeUnixNano": 1.5}'),
    "less than nothing": enclosed(LOGS, '{"timeUnixNano": -1}'),
    "too many bits": enclosed(LOGS, '{"timeUnixNano": "18446744073709551616"}'),
    "many digits": enclosed(LOGS, '{"timeUnixNano": "' + "9" * 10_000 + '"}'),
    "many digits as they are": enclosed(LOGS, '{"body": {"doubleValue": ' + "9" * 10_000 + "}}"),
    "an endless number": enclosed(LOGS, '{"body": {"doubleValue": 1e400}}'),
    "an endless number that nobody reads": enclosed(LOGS, '{"unknown": -1e400}'),
    "an endless number in quotes": enclosed(LOGS, '{"body": {"intValue": "1e400"}}'),
    "spaces in a number": enclosed(LOGS, '{"timeUnixNano": " 1"}'),
    "a trace ID of other letters": enclosed(LOGS, '{"traceId": "5B8EFFF798038103D269B633813FC60G"}'),
    "half a byte": enclosed(LOGS, '{"traceId": "5B8"}'),
    "a trace ID with spaces": enclosed(LOGS, '{"traceId": "5B 8E"}'),
    "a trace ID in base64": enclosed(LOGS, '{"traceId": "W47/95gDgQPSabYzgT/GDA=="}'),
    "a span ID as a number": enclosed(LOGS, '{"spanId": 12}'),
    "full-width digits": enclosed(LOGS, '{"spanId": "\uff11\uff12"}'),
    "base64 of other letters": enclosed(LOGS, '{"body": {"bytesValue": "a.b"}}'),
    "base64 cut off": enclosed(LOGS, '{"body": {"bytesValue": "a"}}'),
    "base64 in full-width letters": enclosed(LOGS, '{"body": {"bytesValue": "\uff21\uff21"}}'),
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused) as caught:
        parse(LOGS, raw)
    assert caught.value.reason is ItemReason.MALFORMED
    assert caught.value.__cause__ is None


def nested(depth: int) -> bytes:
    """A request whose record's body holds lists in one another; `depth` messages in all."""
    lists, odd = divmod(depth - 5, 2)
    inside = '{"arrayValue": {' + ('"values": []' if odd else "") + "}}" if odd else "{}"
    return enclosed(LOGS, '{"body": ' + '{"arrayValue": {"values": [' * lists + inside + "]}}" * lists + "}")


DEEP: Final = {
    "one too many": nested(MAX_MESSAGE_DEPTH + 1),
    "lists": b"[" * 10_000,
    "lists that nobody reads": b'{"unknown": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "objects": b'{"a":' * 10_000,
    "values": nested(10_001),
}


@pytest.mark.parametrize("raw", DEEP.values(), ids=DEEP)
def test_what_nests_too_deep_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused) as caught:
        parse(LOGS, raw)
    assert caught.value.reason is ItemReason.TOO_DEEP


def test_what_nests_as_deep_as_protobuf_allows_is_read() -> None:
    assert len(read(LOGS, nested(MAX_MESSAGE_DEPTH)).resource_logs) == 1


def test_a_hundred_thousand_keys_are_nothing() -> None:
    keys = ",".join(f'"k{number}": {number}' for number in range(100_000))
    assert log("{" + keys + ', "severityText": "INFO"}') == LogRecord(severity_text="INFO")


# A message's own fields, all types of the three signals.

KINDS: Final[dict[int, st.SearchStrategy[Any]]] = {
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_ENUM: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: st.text(max_size=5),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=5),
}


def filled(draw: Callable[..., Any], type: Any, left: int) -> dict[str, Any]:
    """Some of a message's fields, as protobuf's constructors take them."""
    chosen = (
        draw(st.lists(st.sampled_from(list(type.fields)), max_size=4, unique_by=lambda field: field.number))
        if type.fields
        else []
    )
    oneofs = {field.containing_oneof.name if field.containing_oneof else field.name: field for field in chosen}
    return {field.name: value(draw, field, left) for field in oneofs.values() if left or field.message_type is None}


def value(draw: Callable[..., Any], field: FieldDescriptor, left: int) -> Any:
    def one() -> Any:
        return draw(KINDS[field.type]) if field.message_type is None else filled(draw, field.message_type, left - 1)

    return [one() for _ in range(draw(st.integers(0, 3)))] if field.is_repeated else one()


@st.composite
def requests(draw: Callable[..., Any], signal: Signal) -> Message:
    made = REQUESTS[signal]
    return made(**filled(draw, made().DESCRIPTOR, 9))


def hexadecimal(held: Any) -> Any:
    """What protobuf wrote as JSON, as OTLP writes it."""
    if isinstance(held, list):
        return [hexadecimal(inner) for inner in held]
    if isinstance(held, dict):
        return {key: _written(key, inner) for key, inner in held.items()}
    return held


def _written(key: str, held: Any) -> Any:
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
    return base64.b64decode(held).hex() if snake in HEXADECIMAL_FIELDS else hexadecimal(held)


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
@given(data=st.data())
def test_what_is_written_is_read_back(signal: Signal, data: st.DataObject) -> None:
    request = data.draw(requests(signal))
    raw = json.dumps(hexadecimal(MessageToDict(request, use_integers_for_enums=True))).encode()
    assert read(signal, raw) == request


JUNK: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["resourceMetrics", "scopeMetrics", "metrics", "name", "sum", "dataPoints", "asInt", "x"]),
            inner,
        )
    ),
    max_leaves=15,
)


@given(JUNK.map(lambda held: json.dumps(held).encode()) | st.binary(max_size=20))
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    with suppress(Refused):
        read(METRICS, raw)


def test_no_request_holds_what_is_not_read() -> None:
    seen: dict[str, Any] = {}

    def walk(type: Any) -> None:
        if type.full_name not in seen:
            seen[type.full_name] = type
            for field in type.fields:
                if field.message_type is not None:
                    walk(field.message_type)

    for made in REQUESTS.values():
        walk(made().DESCRIPTOR)
    assert not any(held.GetOptions().map_entry or held.full_name.startswith("google.") for held in seen.values())
    assert {field.type for held in seen.values() for field in held.fields} <= {*KINDS, FieldDescriptor.TYPE_MESSAGE}
