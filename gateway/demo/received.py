"""What the destinations have.

Read from files and from what the collectors received, by nothing that had a part in minimising.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs

from gateway.contracts.contract import Contract

MEASURED: Final = {"kannelle.privacy.v1.AccessEntry": ("time", "duration", "bytes_in", "bytes_out")}
"""What of a message the gateway itself measures, by type: nobody knows it beforehand, so it isn't compared."""


def read_files(
    states: Iterable[Path], contract: Contract
) -> tuple[Mapping[str, tuple[Message, ...]], Mapping[str, bytes]]:
    """The messages in each destination's files in the state folders, and the files' bytes."""
    raw: dict[str, bytes] = {}
    for path in (path for state in states for path in sorted(state.glob("*.jsonl"))):
        raw[path.stem] = raw.get(path.stem, b"") + path.read_bytes()
    return {name: tuple(_message(line, contract) for line in data.splitlines()) for name, data in raw.items()}, raw


def log_items(requests: Iterable[ExportLogsServiceRequest]) -> list[Message]:
    """A batch's resource and scope, each that there is once, then the records, in order.

    Each as an item with nothing else in it.
    """
    heads: dict[bytes, Message] = {}
    records: list[Message] = []
    for logs in (logs for request in requests for logs in request.resource_logs):
        for held in logs.scope_logs:
            head = ResourceLogs(
                resource=logs.resource,
                schema_url=logs.schema_url,
                scope_logs=[ScopeLogs(scope=held.scope, schema_url=held.schema_url)],
            )
            heads.setdefault(head.SerializeToString(deterministic=True), head)
            records += [ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])]) for record in held.log_records]
    return [*heads.values(), *records]


def _message(line: bytes, contract: Contract) -> Message:
    written = json.loads(line)
    message = contract.message_class(written["type"])()
    ParseDict(written["message"], message, descriptor_pool=contract.pool)
    for name in MEASURED.get(written["type"], ()):
        message.ClearField(name)
    return message
