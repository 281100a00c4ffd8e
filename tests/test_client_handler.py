"""What the Python client's log handler sends of a record: its template, the fields declared, an exception's type.

Never more.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import Any, Final

import pytest
from kannelle_privacy.telemetry import DEFAULT_FIELDS, TemplateHandler
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from gateway.policy.load import default_path, load
from tests.support.planted_values import VALUES, WORD, find_planted

FIELDS: Final = {"user.id", "seats", "ratio", "trial"}


class Sent:
    """A logger with the handler, and what it sent."""

    def __init__(self, **options: Any) -> None:
        make: Any = InMemoryLogRecordExporter
        self._memory: InMemoryLogRecordExporter = make()
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(SimpleLogRecordProcessor(self._memory))
        self.log = logging.Logger("video")  # noqa: LOG001 - one of this test's own
        self.log.addHandler(TemplateHandler(provider, **options))

    @property
    def records(self) -> list[LogRecord]:
        return [one.log_record for one in self._memory.get_finished_logs()]

    @property
    def record(self) -> LogRecord:
        (record,) = self.records
        return record

    @property
    def said(self) -> str:
        """All of it, as the SDK writes it down."""
        return "".join(one.to_json() for one in self._memory.get_finished_logs())


@pytest.fixture
def sent() -> Sent:
    return Sent(fields=FIELDS)


def test_the_template_is_the_body_and_its_arguments_stay(sent: Sent) -> None:
    sent.log.info("%s signed in from %s", *VALUES[:2])
    sent.log.info("signed in: %(who)s", {"who": WORD})
    assert [record.body for record in sent.records] == ["%s signed in from %s", "signed in: %(who)s"]
    assert not any(record.attributes for record in sent.records)
    assert not find_planted(sent.said.encode())


def test_of_extra_the_declared_fields_are_sent(sent: Sent) -> None:
    extra = {"user.id": "usr_1", "seats": 3, "ratio": 0.5, "trial": True, "user.name": WORD, "customer": VALUES[1]}
    sent.log.info("video exported", extra=extra)
    assert sent.record.attributes == {"user.id": "usr_1", "seats": 3, "ratio": 0.5, "trial": True}


class Odd:
    """Tells when asked what it is."""

    def __str__(self) -> str:
        return WORD

    __repr__ = __str__


@pytest.mark.parametrize("value", [None, b"x", ["x"], {"x": WORD}, Odd(), "\udce9", 2**63, -(2**63) - 1], ids=ascii)
def test_a_value_of_another_kind_is_not_sent(sent: Sent, value: object, capfd: pytest.CaptureFixture[str]) -> None:
    sent.log.info("video exported", extra={"user.id": value})
    assert not sent.record.attributes
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "message", [{"who": WORD}, [WORD], WORD.encode(), ValueError(WORD), Odd(), 7, None, f"{WORD}\udce9"], ids=ascii
)
def test_a_record_whose_message_is_no_text_has_no_body(sent: Sent, message: object) -> None:
    sent.log.info(message)
    assert sent.record.body is None
    assert not find_planted(sent.said.encode())


class Refusal(Exception):
    """Of this module."""


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError(WORD), "ValueError"),
        (Refusal(*VALUES), f"{__name__}.Refusal"),
        (ExceptionGroup(WORD, [KeyError(WORD)]), "ExceptionGroup"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_of_an_exception_its_type_is_sent(sent: Sent, error: Exception, name: str) -> None:
    try:
        raise error
    except Exception:
        sent.log.exception("request failed", stack_info=True)
    assert sent.record.attributes == {"exception.type": name}
    assert not find_planted(sent.said.encode())


@pytest.mark.parametrize("info", [None, (None, None, None), False])
def test_without_an_exception_there_is_no_type(sent: Sent, info: Any) -> None:
    sent.log.error("request failed", exc_info=info)
    assert not sent.record.attributes


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (1, SeverityNumber.TRACE),
        (10, SeverityNumber.DEBUG),
        (20, SeverityNumber.INFO),
        (25, SeverityNumber.INFO),
        (30, SeverityNumber.WARN),
        (40, SeverityNumber.ERROR),
        (50, SeverityNumber.FATAL),
        (1000, SeverityNumber.FATAL),
    ],
)
def test_a_level_has_its_severity(sent: Sent, level: int, severity: SeverityNumber) -> None:
    sent.log.log(level, "server started")
    assert (sent.record.severity_number, sent.record.severity_text) == (severity, severity.name)


def test_a_record_knows_its_span_and_its_time(sent: Sent) -> None:
    record = logging.makeLogRecord({"msg": "video exported", "levelno": 20, "name": "video", "created": 1.5})
    with TracerProvider(shutdown_on_exit=False).get_tracer("video").start_as_current_span("export") as span:
        sent.log.handle(record)
    where = span.get_span_context()
    assert (sent.record.trace_id, sent.record.span_id, sent.record.timestamp) == (
        where.trace_id,
        where.span_id,
        1_500_000_000,
    )


def test_records_below_the_handlers_level_are_not_sent() -> None:
    sent = Sent(level=logging.WARNING)
    sent.log.info("server started")
    sent.log.warning("server stopped")
    assert sent.record.body == "server stopped"


def test_what_the_sdk_logs_itself_is_not_sent(sent: Sent) -> None:
    sent.log.name = "opentelemetry.exporter.otlp.proto.grpc.exporter"
    sent.log.error("Failed to export %s", "logs")
    assert sent.records == []


class Broken(LoggerProvider):
    """Has no logger for anybody."""

    def get_logger(self, *_: Any, **__: Any) -> Any:
        raise ValueError(WORD)


@pytest.mark.parametrize(
    ("raising", "said"), [(True, "TemplateHandler: a log record was not sent: ValueError\n"), (False, "")]
)
def test_a_record_that_cannot_be_sent_fails_nobody(
    raising: bool, said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", raising)
    log = logging.Logger(WORD)  # noqa: LOG001 - one of this test's own
    log.addHandler(TemplateHandler(Broken(shutdown_on_exit=False)))
    log.error("%d", WORD, extra={"user.id": WORD})
    assert capfd.readouterr() == ("", said)


def closed() -> io.StringIO:
    """A stream that takes nothing more."""
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed()])
def test_nobody_fails_where_there_is_no_standard_error(stream: object, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.Logger("video")  # noqa: LOG001 - one of this test's own
    log.addHandler(TemplateHandler(Broken(shutdown_on_exit=False)))
    monkeypatch.setattr(sys, "stderr", stream)
    log.error("server stopped")


@pytest.mark.parametrize(
    "fields", [{"args"}, {"user.id", "msg"}, ["exc_text"], {"message"}, "pathname", {"stack_info"}]
)
def test_what_every_record_has_cannot_be_declared(fields: Any) -> None:
    with pytest.raises(ValueError, match=r"^fields: every log record has \w+"):
        TemplateHandler(fields=fields)


def test_one_name_is_one_field() -> None:
    sent = Sent(fields="user.id")
    sent.log.info("server started", extra={"user.id": "usr_1", "user": WORD})
    assert sent.record.attributes == {"user.id": "usr_1"}


def test_kannelles_policy_knows_the_fields_declared_by_default() -> None:
    assert load(default_path()).policy.otlp.attributes.keys() >= DEFAULT_FIELDS
