"""The gateway's own log: one line for each record, in UTC, as text or as JSON.

Callers decide what is worth a record.

A record holds words and codes of the code, names of the configuration and the policy, counts and times; never a field's
value, nor the text or the traceback of an exception. Libraries' loggers are silenced: what they log may hold values.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, TextIO, TypedDict, get_args

from gateway import rfc3339

LogFormat = Literal["text", "json"]

LogLevel = Literal["debug", "info", "warning", "error"]

GATEWAY_LOGGER: Final = "gateway"
"""The logger whose records, and those of the loggers below it, are the gateway's own."""

_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What would end a line, or do something to a terminal."""

_UNQUOTED: Final = re.compile(r"[^\s\"=]+")


class LogFields(TypedDict, total=False):
    """What a record may say beside its message, as `extra=LogFields(…)`.

    A closed list, of which nothing is a field's value.
    """

    version: str
    """The gateway's."""

    role: str
    policy: str
    """The policy's path, as the configuration names it."""

    policy_version: int
    """The policy's `version`."""

    policy_sha256: str
    """Of the policy's file, as `sha256sum` prints it."""

    plans_sha256: str
    """Of all plans in force: the label `digest` of the metric `privacy_gateway_policy_info`."""

    contracts: Sequence[str]
    """The paths of the contracts."""

    contracts_sha256: str
    """Of the descriptors in force, without comments."""

    detectors: str
    """The version of the detectors' data."""

    flows: int
    plans: int
    routes: int
    changes: Sequence[str]
    """What isn't as it was before: `flow otlp/logs added`."""

    signal: str
    seconds: float


class TextFormatter(logging.Formatter):
    """`2026-11-30T01:02:03.456Z INFO gateway.app: message key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as one line."""
        fields = "".join(f" {name}={_field_text(value)}" for name, value in _fields(record))
        line = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}{fields}"
        return _CONTROL_CHARACTERS.sub(_escaped, line)


class JsonFormatter(logging.Formatter):
    """`{"time": "2026-11-30T01:02:03.456Z", "level": "INFO", "logger": "gateway.app", "message": "…", …}`."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as one line, in ASCII."""
        said = {"time": _time(record), "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        return json.dumps({**said, **dict(_fields(record))})


FORMATTERS: Final[dict[LogFormat, type[logging.Formatter]]] = {"text": TextFormatter, "json": JsonFormatter}

assert FORMATTERS.keys() == {*get_args(LogFormat)}


def configure_logging(form: LogFormat, level: LogLevel, stream: TextIO) -> None:
    """Write the gateway's own records of a level and above to a stream, and nobody else's."""
    logging.raiseExceptions = False
    logging.getLogger().addHandler(logging.NullHandler())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(FORMATTERS[form]())
    ours = logging.getLogger(GATEWAY_LOGGER)
    ours.addHandler(handler)
    ours.setLevel(level.upper())


def _time(record: logging.LogRecord) -> str:
    """When a record was made: RFC 3339, in UTC."""
    return rfc3339.from_datetime(datetime.fromtimestamp(record.created, UTC), "milliseconds")


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """What a record says beside its message, in the order of the list. Anything that isn't in the list isn't said."""
    return ((name, value) for name in LogFields.__annotations__ if (value := getattr(record, name, None)) is not None)


def _field_text(value: object) -> str:
    """A field's text: in quotes unless it is one plain word."""
    text = (
        value if isinstance(value, str) else ", ".join(value) or "none" if isinstance(value, Sequence) else str(value)
    )
    return text if _UNQUOTED.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
