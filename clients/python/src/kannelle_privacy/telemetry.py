"""Telemetry through the gateway.

One call that sets the OpenTelemetry SDK up, and a log handler that sends templates, never texts.

Needs the extra `telemetry`. What may leave is the gateway's to decide: this only keeps what nobody needs from being
sent at all.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, cast

from kannelle_privacy.address import OPTIONS, check, local_address
from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import LoggerProvider as AnyLoggerProvider
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

DEFAULT_FIELDS: Final = frozenset(
    {
        "user.id",
        "user.email",
        "kannelle.workspace.id",
        "kannelle.video.id",
        "kannelle.video.codec",
        "kannelle.video.duration_s",
    }
)
"""What a log record may be about, as Kannelle's policy has it."""

_SEVERITIES: Final = (
    SeverityNumber.TRACE,
    SeverityNumber.DEBUG,
    SeverityNumber.INFO,
    SeverityNumber.WARN,
    SeverityNumber.ERROR,
)

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""What every record has of its own: arguments, texts and tracebacks among it."""

# A record of the SDK tells that an export went wrong: sent through the same exporter, it would come round again.
_SDK: Final = "opentelemetry"


class TemplateHandler(logging.Handler):
    """Sends a record's template, `record.msg` as it was written, as the body; its arguments never.

    Attributes are the `fields` that the record has by `extra={"kannelle.video.id": …}`, as far as they hold a string, a
    number or a boolean; and `exception.type`, without message or traceback. A record whose `msg` is no string has no
    body. Time, severity, the logger's name as scope and the trace context go along. What the OpenTelemetry SDK logs
    itself is not sent.
    """

    def __init__(
        self,
        provider: AnyLoggerProvider | None = None,
        *,
        fields: Collection[str] = DEFAULT_FIELDS,
        level: int = logging.NOTSET,
    ) -> None:
        """Without a `provider`, the global one counts.

        Raises ValueError if one of the `fields` is an attribute of every record.
        """
        super().__init__(level)
        self._provider = provider
        self._fields = _declared(fields)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one. Never raises: an application doesn't fail for what it logs."""
        try:
            if record.name.partition(".")[0] != _SDK:
                self._send(record)
        except Exception:  # noqa: BLE001 - whatever it is: see handleError
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's name; the record is what is not told
        """Tell on standard error that a record was not sent, and why by the error's type.

        Logging's own would print the arguments.
        """
        kind = getattr(sys.exc_info()[0], "__name__", "unknown")
        if logging.raiseExceptions and sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write(f"TemplateHandler: a log record was not sent: {kind}\n")

    def _send(self, record: logging.LogRecord) -> None:
        severity = _severity(record.levelno)
        _logs.get_logger(record.name, logger_provider=self._provider).emit(
            timestamp=int(record.created * 1e9),
            severity_number=severity,
            severity_text=severity.name,
            body=record.msg if _is_text(record.msg) else None,
            attributes=dict(self._attributes(record)),
        )

    def _attributes(self, record: logging.LogRecord) -> Iterator[tuple[str, str | int | float]]:
        for name in self._fields & vars(record).keys():
            value = getattr(record, name)
            if _is_text(value) or _is_number(value):
                yield name, value
        kind = _exception(record)
        if kind is not None:
            yield "exception.type", kind


class Telemetry:
    """The SDK, set up. A context manager, which shuts it down at its end; so does the end of the process."""

    def __init__(
        self, tracers: TracerProvider, meters: MeterProvider, loggers: LoggerProvider, undo: Callable[[], None]
    ) -> None:
        self.tracers = tracers
        self.meters = meters
        self.loggers = loggers
        self._undo = undo
        self._over = False

    def flush(self) -> None:
        """Send what waits."""
        for provider in (self.tracers, self.meters, self.loggers):
            provider.force_flush()

    def shutdown(self) -> None:
        """Send what waits, then nothing more; the handler is off the root logger.

        Takes seconds where no gateway answers.
        """
        if self._over:
            return
        self._over = True
        self._undo()
        for provider in (self.tracers, self.meters, self.loggers):
            provider.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()


def setup(
    service_name: str,
    address: str | None = None,
    *,
    resource: Mapping[str, str] = {},
    fields: Collection[str] = DEFAULT_FIELDS,
    level: int = logging.INFO,
) -> Telemetry:
    """Send logs, traces and metrics through the gateway at `address`, `host:port` on loopback or `unix:PATH`.

    Once a process.

    Without an address: the one in PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS, or 127.0.0.1:4317. No proxy of the
    environment is used. Sets the global providers, and puts a `TemplateHandler` for `fields` and for records from
    `level` on the root logger, which lets these through from now on. `resource` is what else is said of the service,
    beside OTEL_RESOURCE_ATTRIBUTES. Batches and the like are set by the SDK's environment variables: OTEL_BSP_*,
    OTEL_BLRP_*, OTEL_METRIC_EXPORT_INTERVAL, OTEL_EXPORTER_OTLP_TIMEOUT.

    Raises ValueError if `address` is anywhere else, for what goes there is not minimised yet, or for `fields` that no
    handler takes; RuntimeError if a global provider is set already, by `opentelemetry-instrument` for example.
    """
    target = local_address() if address is None else check(address)
    _check_unset()
    declared = _declared(fields)
    described = Resource.create({**resource, "service.name": service_name})
    # An option of gRPC is a number too, whatever the exporters' types say.
    to: dict[str, Any] = {"endpoint": target, "insecure": True, "channel_options": cast(Any, OPTIONS)}

    tracers = TracerProvider(resource=described)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(**to)))
    meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(**to))], resource=described)
    loggers = LoggerProvider(described)
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(**to)))

    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    _logs.set_logger_provider(loggers)
    return Telemetry(
        tracers, meters, loggers, _installed(TemplateHandler(loggers, fields=declared, level=level), level)
    )


def _installed(handler: logging.Handler, level: int) -> Callable[[], None]:
    """Put a handler on the root logger, and let its records through; how to undo both."""
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(min(before, level))

    def undo() -> None:
        root.removeHandler(handler)
        root.setLevel(before)

    return undo


def _check_unset() -> None:
    # Each signal has a stand-in until its provider is set; asking for it sets nothing.
    found = {
        "tracer": trace.get_tracer_provider(),
        "meter": metrics.get_meter_provider(),
        "logger": _logs.get_logger_provider(),
    }
    taken = [name for name, provider in found.items() if "Proxy" not in type(provider).__name__]
    if taken:
        raise RuntimeError(f"OpenTelemetry is set up already ({', '.join(taken)} provider): call setup once, and first")


def _declared(fields: Collection[str]) -> frozenset[str]:
    names = frozenset([fields] if isinstance(fields, str) else fields)
    if names & _OWN:
        raise ValueError(f"fields: every log record has {', '.join(sorted(names & _OWN))}, which may hold anything")
    return names


def _severity(level: int) -> SeverityNumber:
    """OpenTelemetry's for a level of logging.

    See https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber.
    """
    return SeverityNumber.FATAL if level >= logging.CRITICAL else _SEVERITIES[max(level, 0) // 10]


# What can't be encoded would take its whole batch with it, and the SDK would say on standard error what it was.


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _exception(record: logging.LogRecord) -> str | None:
    """The qualified name of the type of the exception that a record is about."""
    kind = record.exc_info[0] if record.exc_info else None
    if kind is None:
        return None
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
