"""Telemetry by the Python client: one call sends all signals through a gateway.

What becomes of a log record is test_client_handler's.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from kannelle_privacy.telemetry import setup
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from gateway.config import Local
from gateway.otlp.signals import LOGS, METRICS, TRACES
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.fake_delivery import FakeDelivery
from tests.support.planted_values import find_planted
from tests.support.running_gateway import run_gateway


@pytest.mark.parametrize(
    "address", ["collector.example:4317", "10.0.0.7:4317", "0.0.0.0:4317", "https://127.0.0.1:4317", "4317", ""]
)
def test_raw_telemetry_goes_to_this_machine_only(address: str) -> None:
    with pytest.raises(ValueError, match=r"^address: must be host:port on loopback"):
        setup("video", address)


README: Final = Path(__file__).parents[1] / "clients" / "python" / "README.md"

ALL: Final = """
import logging, sys
from kannelle_privacy.telemetry import setup
from opentelemetry import trace
root = logging.getLogger()
telemetry = setup("video", sys.argv[1], resource={"service.version": "1.4.2", "host.name": "zqxjkvwyq"}, fields={"user.id", "user.email"})
with trace.get_tracer("video").start_as_current_span("zqxjkvwyq"):
    logging.info("video exported", extra={"user.id": "usr_1", "user.email": "zqxjkvwyq@gmail.com"})
assert len(root.handlers) == 1 and root.level == logging.INFO
telemetry.flush()
telemetry.shutdown()
telemetry.shutdown()
assert root.handlers == [] and root.level == logging.WARNING
try:
    setup("again")
except RuntimeError as error:
    print(error)
"""


def example() -> str:
    """The README's, as it stands there."""
    (block,) = [
        block for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if "telemetry" in block
    ]
    assert 'setup("video")' in block
    return f"import sys\n{block}".replace('setup("video")', 'setup("video", sys.argv[1])')


async def program(text: str, *arguments: str) -> str:
    """Run one, in an environment with a proxy that isn't there; what it printed."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "GRPC_")) and name.lower() != "no_proxy"
    }
    environ = {
        **kept,
        "http_proxy": "http://127.0.0.1:9",
        "grpc_proxy": "http://127.0.0.1:9",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.id=d1",
    }
    command = [sys.executable, "-c", text, *arguments]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env=environ,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


MESSAGES: Final[Mapping[str, type[Message]]] = {
    LOGS.item: ResourceLogs,
    TRACES.item: ResourceSpans,
    METRICS.item: ResourceMetrics,
}


def arrived(gate: FakeDelivery) -> Iterator[tuple[str, Any, Any]]:
    """The type of each item, its resource's attributes, and the record, span or metric."""
    for release in gate.releases:
        item: Any = MESSAGES[release.type].FromString(release.payload)
        (scope,) = item.ListFields()[-1][1]
        (record,) = scope.ListFields()[-1][1]
        yield release.type, {one.key: one.value.string_value for one in item.resource.attributes}, record


async def test_the_example_of_the_readme_sends_all_signals(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        assert await program(example(), gateway.address) == ""
    came = list(arrived(gate))
    assert {kind for kind, _, _ in came} == {LOGS.item, TRACES.item, METRICS.item}
    assert all(resource["service.name"] == "video" for _, resource, _ in came)
    logs = [record for kind, _, record in came if kind == LOGS.item]
    (span,) = [record for kind, _, record in came if kind == TRACES.item]
    assert sorted(record.body.string_value for record in logs) == ["", "video exported"]
    assert {record.span_id for record in logs} == {span.span_id}
    assert not any(b"Ada" in release.payload for release in gate.releases)


@pytest.mark.parametrize("where", ["port", "socket"])
async def test_one_call_sets_all_up_and_one_ends_it(where: str, tmp_path: Path) -> None:
    local = Local(address="127.0.0.1:0" if where == "port" else f"unix:{tmp_path}/gateway.sock")
    async with run_gateway(tmp_path, gate := FakeDelivery(), local=local) as gateway:
        said = await program(ALL, gateway.address)
    assert said.splitlines() == [
        "OpenTelemetry is set up already (tracer, meter, logger provider): call setup once, and first"
    ]
    came = {kind: (resource, record) for kind, resource, record in arrived(gate)}
    resource, record = came[LOGS.item]
    assert resource.items() >= {"service.name": "video", "service.version": "1.4.2", "deployment.id": "d1"}.items()
    assert {one.key: one.value.string_value for one in record.attributes} == {"user.id": "usr_1"}
    assert record.body.string_value == "video exported"
    assert not any(find_planted(release.payload) for release in gate.releases)


async def test_the_client_itself_needs_no_opentelemetry() -> None:
    text = "import kannelle_privacy, sys; print(*[name for name in sys.modules if name.startswith('opentelemetry')])"
    assert await program(text) == "\n"
