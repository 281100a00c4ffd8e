"""Releases as lines of JSON: OTLP JSON for OTLP's signals, proto-JSON in an envelope for everything else.

No I/O here.

https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/,
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding and https://protobuf.dev/programming-guides/json/.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from gateway.errors import ItemReason, Rejected
from gateway.exporters.base import MessageClass
from gateway.exporters.json_forms import JsonDialect
from gateway.exporters.proto_json import SERIALIZATION_ERRORS, MessageJson
from gateway.otlp.signals import BY_ITEM, SIGNALS

# `resource_logs` is `resourceLogs` in JSON: https://protobuf.dev/programming-guides/json/#field-options.
_GROUP_NAMES: Final = {signal.item: re.sub("_(.)", lambda found: found[1].upper(), signal.groups) for signal in SIGNALS}

# https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
_OTLP_JSON: Final = JsonDialect(enum_numbers=True, hex_fields=frozenset({"traceId", "spanId", "parentSpanId"}))


class LineRenderer:
    """Renders releases whose types are in one contract."""

    def __init__(self, message_class: MessageClass) -> None:
        self._otlp_json = MessageJson(message_class, _OTLP_JSON)
        self._proto_json = MessageJson(message_class)

    def render(self, type: str, plan: str, payload: bytes, key: bytes) -> bytes | Rejected:
        """Return the line of a release by its plan and the key of its entry, newline included.

        Rejected where the type is in no contract, or the message has no JSON form.
        """
        try:
            if type in BY_ITEM:
                return msgspec.json.encode({_GROUP_NAMES[type]: [self._otlp_json.of(type, payload)]}) + b"\n"
            message = self._proto_json.of(type, payload)
            return msgspec.json.encode({"type": type, "plan": plan, "key": key.hex(), "message": message}) + b"\n"
        except KeyError:
            return Rejected(ItemReason.UNKNOWN_TYPE)
        except (*SERIALIZATION_ERRORS, msgspec.MsgspecError):
            return Rejected(ItemReason.MALFORMED)
