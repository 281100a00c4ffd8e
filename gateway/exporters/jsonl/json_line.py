"""Entries as lines of JSON: OTLP JSON for OTLP's signals, proto-JSON in an envelope for everything else.

No I/O here.

https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/,
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding and https://protobuf.dev/programming-guides/json/.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Final

import msgspec
from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.errors import ItemReason, Rejected
from gateway.exporters.base import MessageClass
from gateway.exporters.proto_json import SERIALIZATION_ERRORS, proto_json
from gateway.model import OutboxEntry
from gateway.otlp.signals import BY_ITEM, SIGNALS

# `resource_logs` is `resourceLogs` in JSON: https://protobuf.dev/programming-guides/json/#field-options.
_GROUP_NAMES: Final = {signal.item: re.sub("_(.)", lambda found: found[1].upper(), signal.groups) for signal in SIGNALS}

_ID_FIELDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})


def json_line(entry: OutboxEntry, message_class: MessageClass) -> bytes | Rejected:
    """One line, newline included. Rejected where the type is in no contract, or the message has no JSON form."""
    try:
        cls = message_class(entry.type)
    except KeyError:
        return Rejected(ItemReason.UNKNOWN_TYPE)
    try:
        return msgspec.json.encode(_document(entry, cls.FromString(entry.payload))) + b"\n"
    except (*SERIALIZATION_ERRORS, msgspec.MsgspecError):
        return Rejected(ItemReason.MALFORMED)


def _document(entry: OutboxEntry, message: Message) -> Mapping[str, object]:
    if entry.type in BY_ITEM:
        return {_GROUP_NAMES[entry.type]: [_otlp_json(message)]}
    return {"type": entry.type, "plan": entry.plan, "key": entry.key.hex(), "message": proto_json(message)}


def _otlp_json(message: Message) -> Mapping[str, object]:
    item = json_format.MessageToDict(message, use_integers_for_enums=True)
    _to_hex_ids(item)
    return item


def _to_hex_ids(value: object) -> None:
    """Turn IDs from base64 to hexadecimal, wherever they stand: keys here are names of fields, never data."""
    if isinstance(value, list):
        for entry in value:
            _to_hex_ids(entry)
    elif isinstance(value, dict):
        for key, held in value.items():
            if key in _ID_FIELDS:
                value[key] = b64decode(held).hex()
            else:
                _to_hex_ids(held)
