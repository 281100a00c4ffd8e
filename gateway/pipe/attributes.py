"""Fields as attributes of a log record: values as they are, as far as a record can hold them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from gateway.pipe.ansi import strip_escapes

MAX_VALUE_DEPTH: Final = 16
"""How deep values may nest."""

_INT64: Final = range(-(2**63), 2**63)


class AttributeEncoder:
    """Fields, one after another; `lossy` once there was one that no record can hold."""

    def __init__(self) -> None:
        self.lossy = False

    def encode(self, fields: Mapping[str, object], depth: int = MAX_VALUE_DEPTH) -> Iterator[KeyValue]:
        """Yield a pair for each field that has a value."""
        for key, value in fields.items():
            any_value = self._value(value, depth)
            if any_value is not None:
                yield KeyValue(key=strip_escapes(key), value=any_value)

    def _value(self, value: object, depth: int) -> AnyValue | None:
        match value:
            case None:
                return None
            case bool():
                return AnyValue(bool_value=value)
            case int() if value in _INT64:
                return AnyValue(int_value=value)
            case float() if math.isfinite(value):
                return AnyValue(double_value=value)
            case str():
                return AnyValue(string_value=strip_escapes(value))
            case list() if depth:
                any_values = (self._value(one, depth - 1) for one in value)
                return AnyValue(array_value=ArrayValue(values=[one for one in any_values if one is not None]))
            case dict() if depth:
                return AnyValue(kvlist_value=KeyValueList(values=[*self.encode(value, depth - 1)]))
        self.lossy = True
        return None
