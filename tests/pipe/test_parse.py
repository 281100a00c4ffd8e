"""Lines as log records: which key means what, and what a record can't hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

from gateway.pipe.attributes import MAX_VALUE_DEPTH
from gateway.pipe.keys import keys_of
from gateway.pipe.line_format import LineFormat, Syntax
from gateway.pipe.parse import MalformedLine, ParsedLine
from gateway.pipe.parse import parse_line as read_by
from gateway.pipe.render import render_line
from gateway.pipe.times import parse_time
from tests.support.contracts import NOW_SECONDS, policy

NS = 10**9
RECEIVED = NOW_SECONDS * NS
KEYS = keys_of(policy("otlp: {log_templates: [listed]}").policy)


def read(line: bytes, received_ns: int) -> ParsedLine:
    return read_by(line, received_ns, KEYS)


def made(**fields: Any) -> tuple[LogRecord, LineFormat, bool]:
    got = read(json.dumps(fields).encode(), RECEIVED)
    return ResourceLogs.FromString(got.raw).scope_logs[0].log_records[0], got.form, got.lossy


def attributes(record: LogRecord) -> list[str]:
    return [pair.key for pair in record.attributes]


@pytest.mark.parametrize(
    ("fields", "key", "rest"),
    [
        ({"message": "a", "msg": "b"}, "message", ["msg"]),
        ({"event": "b", "msg": "a"}, "msg", ["event"]),
        ({"message": {"x": 1}, "event": "a"}, "event", ["message"]),
        ({"message": 1}, "", ["message"]),
        ({"text": "a", "body": "a"}, "body", ["text"]),
        ({"message": "b", "event": "a\r\n", "@mt": "listed"}, "@mt", ["message", "event"]),
    ],
)
def test_the_text_is_the_first_that_is_listed_else_the_first(fields: dict[str, Any], key: str, rest: list[str]) -> None:
    record, form, _ = made(**fields)
    assert (form.body, attributes(record)) == ((key,) if key else (), rest)
    assert record.body.string_value == ("listed" if key == "@mt" else "a" if key else "")


@pytest.mark.parametrize(
    ("value", "text", "number", "scale"),
    [
        ("info", "info", 9, ""), ("WARNING", "WARNING", 13, ""), ("Information", "Information", 9, ""),
        ("ERR", "ERR", 17, ""), ("dpanic", "dpanic", 18, ""), ("panic", "panic", 19, ""), ("verbose", "verbose", 1, ""),
        ("crit", "crit", 21, ""), ("\x1b[31merror\x1b[39m", "error", 17, ""), (" WARN ", "WARN", 13, ""),
        ("DEBUG-4", "DEBUG", 1, "slog"), ("ERROR+99", "ERROR", 24, "slog"), (30, "", 9, "pino"), (60, "", 21, "pino"),
        (250, "", 10, "monolog"),
    ],
)  # fmt: skip
def test_a_level_is_a_word_or_a_number(value: Any, text: str, number: int, scale: str) -> None:
    record, form, _ = made(level=value)
    assert (record.severity_text, record.severity_number, form.level, form.scale) == (text, number, ("level",), scale)


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"PRIORITY": "0"}, 21), ({"PRIORITY": "7"}, 5), ({"PRIORITY": 4}, 13), ({"levelno": 30}, 13), ({"severity_number": 13}, 13),
        ({"level": 3, "short_message": "x"}, 17), ({"level": 3}, 0), ({"PRIORITY": "8"}, 0), ({"PRIORITY": "06"}, 0), ({"levelno": 25}, 0),
        ({"PRIORITY": "٣"}, 0), ({"severity_number": 25}, 0), ({"severity_number": True}, 0), ({"level": "30"}, 0),
    ],
)  # fmt: skip
def test_the_key_or_the_shape_tells_the_scale_of_a_number(fields: dict[str, Any], number: int) -> None:
    record, _, _ = made(**fields)
    assert record.severity_number == number


@pytest.mark.parametrize(
    "value",
    [True, 33, 30.0, None, ["info"], 2**70, "Ada", "", "0612345678", "INFO+", "Ada+2", "INFO+123", {"a": "INFO"}],
)
def test_what_is_no_level_is_an_attribute(value: Any) -> None:
    record, form, _ = made(level=value, severity="INFO")
    assert (record.severity_text, form.level) == ("INFO", ("severity",))
    assert attributes(record) in (["level"], [])


@pytest.mark.parametrize(
    ("value", "nanoseconds", "unit"),
    [
        (NOW_SECONDS, NOW_SECONDS * NS, "s"),
        (NOW_SECONDS + 0.5, NOW_SECONDS * NS + NS // 2, "s"),
        (NOW_SECONDS * 1000 + 7, NOW_SECONDS * NS + 7_000_000, "ms"),
        (NOW_SECONDS * 10**6 + 7, NOW_SECONDS * NS + 7_000, "us"),
        (NOW_SECONDS * NS + 7, NOW_SECONDS * NS + 7, "ns"),
        ("2023-11-14T22:13:20Z", NOW_SECONDS * NS, "text"),
        ("2023-11-14 23:13:20.000000007+01:00", NOW_SECONDS * NS + 7, "text"),
        ("2023-11-14 23:13:20,5+0100", NOW_SECONDS * NS + NS // 2, "text"),
        ("2023/11/14 22:13:20 UTC", NOW_SECONDS * NS, "text"),
        (f"{NOW_SECONDS}.25", NOW_SECONDS * NS + NS // 4, "s"),
        ({"seconds": NOW_SECONDS, "nanos": 7}, NOW_SECONDS * NS + 7, "text"),
        ({"epochSecond": NOW_SECONDS, "nanoOfSecond": 7}, NOW_SECONDS * NS + 7, "text"),
    ],
)
def test_a_time_is_what_its_size_or_form_says(value: Any, nanoseconds: int, unit: str) -> None:
    record, form, _ = made(ts=value)
    assert (record.time_unix_nano, form.time, form.unit) == (nanoseconds, ("ts",), unit)


@pytest.mark.parametrize(
    "value",
    [33612345678, 612345678, 2025550123, 0, -1, True, 1e300, "1984-05-06T00:00:00Z", "2023-11-14", f"0{NOW_SECONDS}", "0612345678",
     "2023-11-14T22:13:20Z Ada", ("2023-11-14T22:13:20 "
                                 "Paris"), "2023-11/14 22:13:20Z", {"seconds": NOW_SECONDS}, {"seconds": NOW_SECONDS, "nanos": 10**9},
     {"seconds": NOW_SECONDS, "nanos": 0, "name": "Ada"}, {"seconds": True, "nanos": 0}, "NaN", "1e9", "2023-11-14T22:13:20+01",
     "2023-02-30T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "２023-11-14T22:13:20Z", "22:13", [NOW_SECONDS]],
)  # fmt: skip
def test_what_may_be_something_else_is_no_time(value: Any) -> None:
    record, form, _ = made(time=value, timestamp=NOW_SECONDS)
    assert (record.time_unix_nano, form.time, attributes(record)) == (RECEIVED, ("timestamp",), ["time"])


@pytest.mark.parametrize(
    ("key", "value", "is_id"),
    [
        ("trace_id", "5B8EFFF798038103D269B633813FC60C", True),
        ("span_id", "eee19b7ec3c1b174", True),
        ("trace_id", "0" * 32, False),
        ("trace_id", "eee19b7ec3c1b174", False),
        ("span_id", "eee19b7ec3c1b17٤", False),
        ("span_id", 1, False),
        ("trace_id", b"ada@acme.example".hex(), False),
        ("trace_id", b"+33612345678\0\0\0\0".hex(), False),
        ("trace_id", "Zoé O'Connor-Ash".encode().hex()[:32], False),
        ("trace_id", "0000000000000000000033612345678"[-32:].rjust(32, "0"), False),
        ("span_id", b"AdaByron".hex(), False),
        ("span_id", "4111111111111111", False),
    ],
)
def test_ids_are_hexadecimal_and_of_their_length(key: str, value: Any, is_id: bool) -> None:
    record, _, _ = made(**{key: value})
    assert bytes(getattr(record, key)).hex() == (value.lower() if is_id else "")
    assert attributes(record) == ([] if is_id else [key])


def test_the_rest_are_attributes_as_they_are() -> None:
    record, form, lost = made(a="x", b=1, c=1.5, d=True, e=None, f=[1, None, "y"], g={"h": {"i": "z"}, "j": None})
    left = json.loads(render_line(record, form))
    assert left == {"a": "x", "b": 1, "c": 1.5, "d": True, "f": [1, "y"], "g": {"h": {"i": "z"}}}
    assert not lost


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else 1


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, 10**400, nested(MAX_VALUE_DEPTH + 1), [[[nested(MAX_VALUE_DEPTH)]]]]
)
def test_what_a_record_cannot_hold_is_lost(value: Any) -> None:
    *_, lost = made(a=value)
    assert lost


@pytest.mark.parametrize("depth", [1, MAX_VALUE_DEPTH])
def test_values_may_nest(depth: int) -> None:
    *_, lost = made(a=nested(depth))
    assert not lost


@pytest.mark.parametrize(
    "given_line",
    [
        b"{", b"{'a': 1}", b'{"a": 1} {"b": 2}', b'{"a": NaN', b'{"a": 1e999', b'{"a": 1e999} 1', b'{"a": "\\ud800}',
        b'{"NaN":' * 10_000 + b"1" + b"}" * 10_000, b'{"a": "\xff"}', b'{"a":' * 10_000, b'{"a": 01}', b'{"a": "\\ud8"}',
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b'  {"a"', b'{"a": %s' % (b"9" * 60_000), b"\xff", b"\x80abc",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_malformed(given_line: bytes) -> None:
    with pytest.raises(MalformedLine):
        read(given_line, RECEIVED)


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_any_value_is_a_time_or_none(value: Any) -> None:
    when = parse_time(value)
    assert when is None or 0 <= when[0] < 2**63


def test_keys_may_be_here_twice() -> None:
    got = read(b'{"msg": "a", "msg": "b", "x": 1, "x": 2}', RECEIVED)
    record = ResourceLogs.FromString(got.raw).scope_logs[0].log_records[0]
    assert json.loads(render_line(record, got.form)) == {"msg": "b", "x": 2}


@pytest.mark.parametrize(
    ("fields", "spelling"),
    [
        ({"log.level": "info"}, ("log.level",)),
        ({"log": {"level": "info"}}, ("log", "level")),
        ({"record": {"level": {"name": "info"}}}, ("record", "level", "name")),
        ({"record.level": {"name": "info"}}, ("record.level", "name")),
        ({"record": {"level.name": "info"}}, ("record", "level.name")),
        ({"log": {"level": {"name": "info"}}}, ()),
        ({"log": "level"}, ()),
    ],
)
def test_a_path_is_one_key_or_keys_within_keys_and_comes_out_as_it_was(
    fields: dict[str, Any], spelling: tuple[str, ...]
) -> None:
    record, form, _ = made(**fields)
    assert (form.level, record.severity_number) == (spelling, 9 if spelling else 0)
    if spelling:
        record.ClearField("attributes")
        assert json.loads(render_line(record, form)) == fields


MAPPED = policy("""
pipe:
  keys:
    timestamp: [when.at]
    severity_text: [how_bad]
    body: [what]
    trace_id: [ids.t]
    span_id: [ids.s]
""")


def test_keys_of_the_policy_come_first() -> None:
    trace, span = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
    fields = {"how_bad": "crit", "what": "a", "when": {"at": NOW_SECONDS}, "ids": {"t": trace, "s": span}}
    others = {"level": "info", "msg": "b", "time": NOW_SECONDS + 1, "trace_id": trace[::-1], "span_id": span[::-1]}
    got = read_by(json.dumps({**others, **fields}).encode(), RECEIVED, keys_of(MAPPED.policy))
    record = ResourceLogs.FromString(got.raw).scope_logs[0].log_records[0]
    assert (record.severity_text, record.body.string_value, record.time_unix_nano) == ("crit", "a", RECEIVED)
    assert (record.trace_id.hex(), record.span_id.hex()) == (trace, span)
    record.ClearField("attributes")
    assert json.loads(render_line(record, got.form)) == fields


def test_a_mapped_key_that_holds_something_else_stays_an_attribute() -> None:
    fields = {
        "how_bad": "Ada",
        "when": {"at": "0612345678"},
        "ids": {"t": "Ada", "s": 4111111111111111},
        "level": "info",
    }
    got = read_by(json.dumps(fields).encode(), RECEIVED, keys_of(MAPPED.policy))
    record = ResourceLogs.FromString(got.raw).scope_logs[0].log_records[0]
    assert (record.severity_text, record.time_unix_nano, record.trace_id, record.span_id) == ("info", 0, b"", b"")
    assert attributes(record) == ["how_bad", "when", "ids"]


@given(st.text(st.sampled_from("ab=\"'\\ \t{}[]:-.|,INFOerror2023-11-14T22:13:20Z\x1b[m\x00é"), max_size=80))
def test_any_text_is_read_or_malformed(text: str) -> None:
    try:
        got = read(text.encode(), RECEIVED)
    except MalformedLine:
        return
    record = ResourceLogs.FromString(got.raw).scope_logs[0].log_records[0]
    assert record.severity_number in range(25)
    assert got.form.syntax in Syntax
    assert render_line(record, got.form).count(b"\n") == 1
