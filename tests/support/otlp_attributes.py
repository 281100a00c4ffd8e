"""Attributes as OTLP has them, from plain values."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList


def any_value(value: object) -> AnyValue:
    """A text, bytes, a number, a list of such or a mapping."""
    match value:
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))
        case list() | tuple():
            return AnyValue(array_value=ArrayValue(values=map(any_value, value)))
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
    return AnyValue(string_value=str(value))


def key_values(values: Mapping[str, object]) -> list[KeyValue]:
    """Each key with its value."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]
