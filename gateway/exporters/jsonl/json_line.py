"""Entries as lines of JSON: OTLP JSON for OTLP's signals, proto-JSON in an envelope for everything else.

No I/O here.

https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/,
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding and https://protobuf.dev/programming-guides/json/.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any, Final

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from gateway.errors import ItemReason, Rejected
from gateway.exporters.base import MessageClass
from gateway.model import OutboxEntry
from gateway.signals import BY_ITEM, SIGNALS

# What the libraries raise on a message that has no JSON form: a timestamp out of range, an `Any` of an unknown type, …
_SERIALIZATION_ERRORS: Final = (
    DecodeError,
    json_format.Error,
    msgspec.MsgspecError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


# `resource_logs` is `resourceLogs` in JSON: https://protobuf.dev/programming-guides/json/#field-options.
_GROUP_NAMES: Final = {signal.item: re.sub("_(.)", lambda found: found[1].upper(), signal.groups) for signal in SIGNALS}

_ID_FIELDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})


def json_line(entry: OutboxEntry, message_class: MessageClass) -> bytes | Rejected:
    """One line, newline included. Rejected where the type is in no contract, or the message has no JSON form."""
    release = entry.release
    try:
        cls = message_class(release.type)
    except KeyError:
        return Rejected(ItemReason.UNKNOWN_TYPE)
    try:
        return msgspec.json.encode(_document(entry, cls.FromString(release.payload))) + b"\n"
    except _SERIALIZATION_ERRORS:
        return Rejected(ItemReason.MALFORMED)


def _document(entry: OutboxEntry, message: Message) -> dict[str, Any]:
    release = entry.release
    if release.type in BY_ITEM:
        return {_GROUP_NAMES[release.type]: [_otlp_json(message)]}
    return {"type": release.type, "plan": release.plan, "key": entry.key.hex(), "message": _proto_json(message)}


def _proto_json(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message, descriptor_pool=message.DESCRIPTOR.file.pool)  # type: ignore[arg-type]  # types-protobuf: upb's pool


def _otlp_json(message: Message) -> dict[str, Any]:
    drawn = json_format.MessageToDict(message, use_integers_for_enums=True)
    _to_hex_ids(drawn)
    return drawn


def _to_hex_ids(drawn: Any) -> None:
    """Turn IDs from base64 to hexadecimal, wherever they stand: keys here are names of fields, never data."""
    if isinstance(drawn, list):
        for entry in drawn:
            _to_hex_ids(entry)
    elif isinstance(drawn, dict):
        for key, value in drawn.items():
            if key in _ID_FIELDS:
                drawn[key] = b64decode(value).hex()
            else:
                _to_hex_ids(value)
