"""What loggers print is read: level, time, IDs and listed text are found, and nothing else comes out."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from gateway.pipe.form import Syntax
from gateway.pipe.render import line as rendered
from gateway.pipe.sieve import Sieve
from gateway.pipe.tally import Tally
from tests.pipe.loggers import AT, LINES, SPAN, TRACE, Logged
from tests.pipe.sifting import CLOSED, compiler


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
    sieve = Sieve(compiler(), CLOSED, Tally(), clock=lambda: AT)
    (kept,) = sieve.sift([logged.line.encode()])
    out = rendered(kept.record, kept.form).decode()
    assert found(kept.record) == expected(logged), out
    assert not any(part in out for part in ("Ada", "Byron", "byron", "203.0.113"))
    if kept.form.syntax is Syntax.TEXT:
        assert logged.body in out
    # What came out is read as what came in.
    (again,) = Sieve(compiler(), CLOSED, Tally(), clock=lambda: AT).sift([out.encode().removesuffix(b"\n")])
    assert again.record.body == kept.record.body
    assert again.record.severity_number == kept.record.severity_number


def found(record: LogRecord) -> tuple[str, int, int | None, str, str]:
    after = record.time_unix_nano - AT if record.time_unix_nano else None
    return record.body.string_value, record.severity_number, after, record.trace_id.hex(), record.span_id.hex()


def expected(logged: Logged) -> tuple[str, int, int | None, str, str]:
    # A number with a fraction holds microseconds.
    return logged.body, logged.number, logged.after_ns, TRACE if logged.ids else "", SPAN if logged.ids else ""
