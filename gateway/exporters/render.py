"""Releases as lines of JSON: OTLP JSON for logs, proto-JSON in an envelope for everything else. No I/O here.

https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/, https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
and https://protobuf.dev/programming-guides/json/.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any, Final

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from gateway.errors import Reason
from gateway.exporters.base import LOGS, MessageClass, Rejected
from gateway.model import Release

# What the libraries raise on a message that has no JSON form: a timestamp out of range, an `Any` of an unknown type, …
_FORMLESS: Final = (DecodeError, json_format.Error, msgspec.MsgspecError, OverflowError, RecursionError, TypeError, ValueError)


def line(release: Release, message_class: MessageClass) -> bytes | Rejected:
    """One line, newline included. Rejected where the type is in no contract, or the message has no JSON form."""
    try:
        cls = message_class(release.type)
    except KeyError:
        return Rejected(Reason.UNKNOWN_TYPE)
    try:
        return msgspec.json.encode(_drawn(release, cls.FromString(release.payload))) + b"\n"
    except _FORMLESS:
        return Rejected(Reason.MALFORMED)


def _drawn(release: Release, message: Message) -> dict[str, Any]:
    if release.type == LOGS:
        return {"resourceLogs": [_otlp(message)]}
    return {"type": release.type, "plan": release.plan, "message": _proto(message)}


def _proto(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message, descriptor_pool=message.DESCRIPTOR.file.pool)  # type: ignore[arg-type]  # types-protobuf: upb's pool


def _otlp(message: Message) -> dict[str, Any]:
    logs = json_format.MessageToDict(message, use_integers_for_enums=True)
    for scope in logs.get("scopeLogs", ()):
        for record in scope.get("logRecords", ()):
            record.update({key: _hexadecimal(record[key]) for key in ("traceId", "spanId") if key in record})
    return logs


def _hexadecimal(base64: str) -> str:
    return b64decode(base64).hex()
