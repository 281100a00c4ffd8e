"""Many single-record `ResourceLogs` into one request, records of equal resource and scope together.

The types here are OTLP's with resource, scope and record as plain bytes (the same on the wire): regrouping copies bytes and parses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE: Final = "gateway.raw"
_ONE: Final = FieldDescriptorProto.LABEL_OPTIONAL
_MANY: Final = FieldDescriptorProto.LABEL_REPEATED

# Type → (number, name, label, type); numbers as in opentelemetry/proto/logs/v1/logs.proto. Optional fields tell absent from empty.
_TYPES: Final = {
    "Request": [(1, "resource_logs", _MANY, "ResourceLogs")],
    "ResourceLogs": [(1, "resource", _ONE, ""), (2, "scope_logs", _MANY, "ScopeLogs"), (3, "schema_url", _ONE, "")],
    "ScopeLogs": [(1, "scope", _ONE, ""), (2, "log_records", _MANY, ""), (3, "schema_url", _ONE, "")],
}


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="gateway/raw.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _TYPES.items():
        message = file.message_type.add(name=name)
        for number, field, label, of in fields:
            kind = FieldDescriptorProto.TYPE_MESSAGE if of else FieldDescriptorProto.TYPE_BYTES
            message.field.add(name=field, number=number, label=label, type=kind, type_name=f".{_PACKAGE}.{of}" if of else None)
    return file


def _class(name: str) -> Any:
    return GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


_POOL: Final = DescriptorPool()
_POOL.AddSerializedFile(_file().SerializeToString())
_Request: Final = _class("Request")
_ResourceLogs: Final = _class("ResourceLogs")

_Key = tuple[bytes | None, bytes]
"""A resource or scope, None where there is none, and its schema URL."""


def regroup(payloads: Sequence[bytes]) -> bytes:
    """An `ExportLogsServiceRequest` of all records of these `ResourceLogs`, grouped where resource, scope and schema URLs are equal.

    Groups stand in the order of their first record, and records within one as they came. Never longer than with a group for each payload.
    Expects what a serialiser wrote: each singular field once. Raises DecodeError.
    """
    request = _Request()
    resources: dict[_Key, Any] = {}
    scopes: dict[tuple[_Key, _Key], Any] = {}
    for payload in payloads:
        logs = _ResourceLogs.FromString(payload)
        resource = (logs.resource if logs.HasField("resource") else None, logs.schema_url)
        if resource not in resources:
            resources[resource] = _added(request.resource_logs, "resource", resource)
        for entry in logs.scope_logs:
            scope = (entry.scope if entry.HasField("scope") else None, entry.schema_url)
            if (resource, scope) not in scopes:
                scopes[resource, scope] = _added(resources[resource].scope_logs, "scope", scope)
            scopes[resource, scope].log_records.extend(entry.log_records)
    return bytes(request.SerializeToString())


def _added(groups: Any, name: str, key: _Key) -> Any:
    group = groups.add(**{name: key[0]})
    if key[1]:
        group.schema_url = key[1]
    return group
