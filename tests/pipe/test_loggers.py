"""What loggers print is read: level, time, IDs and listed text are found, and nothing else comes out."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from gateway.pipe.filter import LineFilter
from gateway.pipe.line_counts import LineCounts
from gateway.pipe.line_format import Syntax
from gateway.pipe.render import render_line as rendered
from tests.pipe.filtering import CLOSED_LOG, compiler
from tests.pipe.logger_lines import AT, LINES, SPAN, TRACE, Logged


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times without a zone are this process's: let it be UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("logged", LINES, ids=[logged.logger for logged in LINES])
def test_level_time_ids_and_listed_text_are_found_and_nothing_else(logged: Logged) -> None:
    line_filter = LineFilter(compiler(), CLOSED_LOG, LineCounts(), clock=lambda: AT)
    (kept,) = line_filter.filter([logged.line.encode()])
    out = rendered(kept.record, kept.form).decode()
    assert found(kept.record) == expected(logged), out
    assert not any(part in out for part in ("Ada", "Byron", "byron", "203.0.113"))
    if kept.form.syntax is Syntax.TEXT:
        assert logged.body in out
    # What came out is read as what came in.
    (again,) = LineFilter(compiler(), CLOSED_LOG, LineCounts(), clock=lambda: AT).filter(
        [out.encode().removesuffix(b"\n")]
    )
    assert again.record.body == kept.record.body
    assert again.record.severity_number == kept.record.severity_number


def found(record: LogRecord) -> tuple[str, int, int | None, str, str]:
    after = record.time_unix_nano - AT if record.time_unix_nano else None
    return record.body.string_value, record.severity_number, after, record.trace_id.hex(), record.span_id.hex()


def expected(logged: Logged) -> tuple[str, int, int | None, str, str]:
    # A number with a fraction holds microseconds.
    return logged.body, logged.number, logged.after_ns, TRACE if logged.ids else "", SPAN if logged.ids else ""
