"""A service, the gateway as a process of its own with Kannelle's policy, and a collector that takes nothing wrong.

What arrives of what.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from gateway.otlp.signals import SIGNALS
from gateway.standins.collector import Collector
from tests.support.gateway_process import GatewayProcess
from tests.support.kannelle_policy import KANNELLE_POLICY
from tests.support.planted_values import forms

PLANTED: Final[Mapping[str, Any]] = json.loads(Path(__file__).with_name("planted.json").read_text())
ME: Final = {"user.id": PLANTED["may_pass"]["user_id"], "user.email": PLANTED["may_pass"]["work_email"]}
"""Whom the services name as they should."""

# A base64 form has its own case; elsewhere case doesn't tell.
NEEDLES: Final = tuple(
    {
        form.lower(): mark
        for mark in PLANTED["marks"]
        for case in (mark, mark.title(), mark.upper())
        for form in forms(case)
        if len(form) > 5
    }.items()
)

SECONDS: Final = 60
"""How long a service may take."""


def found(said: bytes) -> list[str]:
    """Which marks are in it, in whatever form, and around what."""
    said = said.lower()
    hits = [(mark, said.find(form)) for form, mark in NEEDLES]
    return [f"{mark}: …{said[max(0, at - 80) : at + 60]!r}" for mark, at in hits if at >= 0]


def policy(endpoint: str) -> str:
    """Kannelle's, with the collector for what the SDK sends."""
    document = yaml.safe_load(KANNELLE_POLICY)
    for signal in SIGNALS:
        for name in document["flows"][signal.flow]:
            document["destinations"][name]["exporter"] = {"kind": "otlp", "endpoint": endpoint}
    return yaml.safe_dump(document, sort_keys=False)


@asynccontextmanager
async def fronted(folder: Path) -> AsyncIterator[tuple[Collector, GatewayProcess]]:
    """A collector, and a gateway before it."""
    async with Collector() as collector:
        (folder / "policy.yaml").write_text(policy(collector.endpoint))
        with GatewayProcess(
            folder, environ={"PRIVACY_GATEWAY__POLICY": "policy.yaml", "PRIVACY_GATEWAY__INSECURE_LOOPBACK": "true"}
        ) as process:
            await asyncio.to_thread(process.listener_address, "local_http")
            yield collector, process
            assert await asyncio.to_thread(process.stop) == 0


async def run(command: Sequence[str | Path], environ: Mapping[str, str]) -> str:
    """Run a service to its end; what it said. No proxy of the environment comes between."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(("OTEL_", "GRPC_"))
    }
    service = await asyncio.create_subprocess_exec(
        *command, env={**kept, **environ}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(SECONDS):
            said, _ = await service.communicate()
    finally:
        if service.returncode is None:
            service.kill()
    assert service.returncode == 0, said.decode()
    return said.decode()


def places(message: Message, at: str = "") -> Iterator[tuple[str, str | bytes]]:
    """Every text in a message, and where: field names from the request down, with the keys of attributes."""
    for field, value in message.ListFields():
        path = f"{at}.{field.name}" if at else field.name
        for one in value if field.is_repeated else [value]:
            if isinstance(one, KeyValue):
                yield path, one.key
                yield from places(one.value, f"{path}[{one.key}]")
            elif field.type == FieldDescriptor.TYPE_MESSAGE:
                yield from places(one, path)
            elif isinstance(one, str | bytes):
                yield path, one


def slots(collector: Collector) -> set[str]:
    """Where something planted arrived."""
    texts = ((path, text) for request in collector.requests for path, text in places(request))
    return {path for path, text in texts if found(text if isinstance(text, bytes) else text.encode())}


def leaks(collector: Collector) -> list[str]:
    """What of the planted arrived, as bytes off the wire or as a number."""
    whole = (*collector.received, *(str(request).encode() for request in collector.requests))
    return [hit for data in whole for hit in found(data)]


def attributes(message: Any) -> dict[str, Any]:
    """The attributes of a resource, a span, a record, a data point: the values of single ones."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in message.attributes}


def numbers(metric: Any) -> list[Any]:
    """A metric's data points."""
    return list(getattr(metric, metric.WhichOneof("data")).data_points)
