"""Lines as log records: which key means what, and what a record can't hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

from gateway.pipe.record import DEPTH, Form, Malformed, moment, read
from gateway.pipe.render import line
from tests.build import NOW

NS = 10**9
RECEIVED = NOW * NS


def made(**fields: Any) -> tuple[LogRecord, Form, bool]:
    got = read(json.dumps(fields).encode(), RECEIVED)
    return ResourceLogs.FromString(got.raw).scope_logs[0].log_records[0], got.form, got.lost


def attributes(record: LogRecord) -> list[str]:
    return [pair.key for pair in record.attributes]


@pytest.mark.parametrize(
    ("fields", "key", "rest"),
    [
        ({"message": "a", "msg": "b"}, "message", ["msg"]),
        ({"event": "b", "msg": "a"}, "msg", ["event"]),
        ({"message": {"x": 1}, "event": "a"}, "event", ["message"]),
        ({"message": 1}, "", ["message"]),
        ({"Message": "a", "body": "a"}, "body", ["Message"]),
    ],
)
def test_the_text_is_the_first_key_that_holds_one(fields: dict[str, Any], key: str, rest: list[str]) -> None:
    record, form, _ = made(**fields)
    assert (form.body, attributes(record)) == (key, rest)
    assert record.body.string_value == ("a" if key else "")


@pytest.mark.parametrize(
    ("value", "text", "number"),
    [("info", "info", 9), ("WARNING", "WARNING", 13), ("Ada", "Ada", 0), (30, "", 9), (60, "", 21)],
)
def test_a_level_is_a_text_or_a_number_of_pino(value: Any, text: str, number: int) -> None:
    record, form, _ = made(level=value)
    assert (record.severity_text, record.severity_number, form.level, form.number) == (text, number, "level", isinstance(value, int))


@pytest.mark.parametrize("value", [True, 33, 30.0, None, ["info"], 2**70])
def test_what_is_no_level_is_an_attribute(value: Any) -> None:
    record, form, _ = made(level=value, severity="INFO")
    assert (record.severity_text, form.level) == ("INFO", "severity")
    assert attributes(record) in (["level"], [])


@pytest.mark.parametrize(
    ("value", "nanoseconds", "unit"),
    [
        (NOW, NOW * NS, "s"),
        (NOW + 0.5, NOW * NS + NS // 2, "s"),
        (NOW * 1000 + 7, NOW * NS + 7_000_000, "ms"),
        (NOW * 10**6 + 7, NOW * NS + 7_000, "us"),
        (NOW * NS + 7, NOW * NS + 7, "ns"),
        ("2023-11-14T22:13:20Z", NOW * NS, "text"),
        ("2023-11-14 23:13:20.000000007+01:00", NOW * NS + 7, "text"),
    ],
)
def test_a_time_is_what_its_size_or_form_says(value: Any, nanoseconds: int, unit: str) -> None:
    record, form, _ = made(ts=value)
    assert (record.time_unix_nano, form.time, form.unit) == (nanoseconds, "ts", unit)


@pytest.mark.parametrize(
    "value",
    [33612345678, 612345678, 2025550123, 0, -1, True, 1e300, "1984-05-06T00:00:00Z", "2023-11-14", "2023-11-14T22:13:20",
     "2023-02-30T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "２023-11-14T22:13:20Z", "22:13", [NOW]],
)  # fmt: skip
def test_what_may_be_something_else_is_no_time(value: Any) -> None:
    record, form, _ = made(time=value, timestamp=NOW)
    assert (record.time_unix_nano, form.time, attributes(record)) == (RECEIVED, "timestamp", ["time"])


@pytest.mark.parametrize(
    ("key", "value", "is_id"),
    [
        ("trace_id", "5B8EFFF798038103D269B633813FC60C", True),
        ("span_id", "eee19b7ec3c1b174", True),
        ("trace_id", "0" * 32, False),
        ("trace_id", "eee19b7ec3c1b174", False),
        ("span_id", "eee19b7ec3c1b17٤", False),
        ("span_id", 1, False),
    ],
)
def test_ids_are_hexadecimal_and_of_their_length(key: str, value: Any, is_id: bool) -> None:
    record, _, _ = made(**{key: value})
    assert bytes(getattr(record, key)).hex() == (value.lower() if is_id else "")
    assert attributes(record) == ([] if is_id else [key])


def test_the_rest_are_attributes_as_they_are() -> None:
    record, form, lost = made(a="x", b=1, c=1.5, d=True, e=None, f=[1, None, "y"], g={"h": {"i": "z"}, "j": None})
    left = json.loads(line(record, form))
    assert left == {"a": "x", "b": 1, "c": 1.5, "d": True, "f": [1, "y"], "g": {"h": {"i": "z"}}}
    assert not lost


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else 1


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400, nested(DEPTH + 1), [[[nested(DEPTH)]]]])
def test_what_a_record_cannot_hold_is_lost(value: Any) -> None:
    *_, lost = made(a=value)
    assert lost


@pytest.mark.parametrize("depth", [1, DEPTH])
def test_values_may_nest(depth: int) -> None:
    *_, lost = made(a=nested(depth))
    assert not lost


@pytest.mark.parametrize(
    "given_line",
    [
        b"{", b"{'a': 1}", b'{"a": 1} {"b": 2}', b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b'{"a": "\xff"}', b'{"a":' * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b'  {"a"', b'{"a": %s}' % (b"9" * 60_000), b"\xff", b"\x80abc",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_malformed(given_line: bytes) -> None:
    with pytest.raises(Malformed):
        read(given_line, RECEIVED)


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_any_value_is_a_time_or_none(value: Any) -> None:
    when = moment(value)
    assert when is None or 0 <= when[0] < 2**63


def test_keys_may_be_here_twice() -> None:
    got = read(b'{"msg": "a", "msg": "b", "x": 1, "x": 2}', RECEIVED)
    record = ResourceLogs.FromString(got.raw).scope_logs[0].log_records[0]
    assert json.loads(line(record, got.form)) == {"msg": "b", "x": 2}
