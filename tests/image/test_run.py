"""The image runs: as its own user, without capabilities, with one folder that it may write to."""

from __future__ import annotations

import http.client
import re
import signal
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from kannelle.privacy.v1.analytics_pb2 import TrackEventRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from gateway import __version__
from gateway.otlp.signals import LOGS
from tests.image.builder import Image
from tests.image.container import CONFIGURATION, Container
from tests.support.channels import blocking_channel, call
from tests.support.proxy_process import wait_until
from tests.support.requests import TRACK, event, logs_request

pytestmark = pytest.mark.image

IMPORTING_SECONDS: Final = 0.15
"""Of a processor: Python runs the gateway by then, and not yet the part that stops in order."""


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("version",), f"privacy-gateway {__version__}\n"),
        (("config", "check"), "no configuration file: role all on 127.0.0.1:0\n"),
        (("config", "check", "--config", f"{CONFIGURATION}/gateway.yaml"), "gateway.yaml"),
    ],
)
def test_a_command_runs(image: Image, arguments: tuple[str, ...], output: str, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/gateway.yaml").write_text("telemetry: {log: {format: json}}\n")
    with Container(image, tmp_path, *arguments) as container:
        code, told = container.wait_for_exit()
    assert (code, output in told) == (0, True), told


def test_its_process_may_write_to_its_folder_alone_and_has_no_rights(image: Image, tmp_path: Path) -> None:
    with Container(image, tmp_path) as container:
        container.wait_until_ready()
        status = dict(re.findall(r"(?m)^(\w+):\t(.*)$", Path(f"/proc/{container.pid}/status").read_text()))
        mounts = [line.split() for line in Path(f"/proc/{container.pid}/mountinfo").read_text().splitlines()]
    assert [status[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == [""] * 5
    assert (status["NoNewPrivs"], status["NSpid"].split()[-1]) == ("1", "1")
    assert {*status["Uid"].split(), *status["Gid"].split()} == {image.config.user.split(":")[0]}
    writable = {mount[4] for mount in mounts if mount[5].split(",")[0] == "rw"}
    assert writable == {"/proc", image.config.working_dir}


def test_it_takes_calls_and_telemetry_and_ends_on_sigterm(image: Image, tmp_path: Path) -> None:
    for user in ("usr_0000000001", "usr_0000000002"):
        with Container(image, tmp_path) as container:
            container.wait_until_ready()
            with blocking_channel(container.address) as channel:
                request = TrackEventRequest(request_id=user, event=event(user)).SerializeToString()
                assert isinstance(call(channel, TRACK, request), bytes)
            assert _exported(container) == ExportLogsServiceResponse()
            assert container.stop() == 0
    state = tmp_path / "work/.privacy-gateway"
    assert len((state / "application-log.jsonl").read_text().splitlines()) == 2
    assert re.findall(r"usr_0000000\d+", (state / "analytics.jsonl").read_text()) == [
        "usr_0000000001",
        "usr_0000000002",
    ]


def test_sigterm_ends_it_while_it_starts_too(image: Image, tmp_path: Path) -> None:
    """A container's first process gets no signal that it has no handler for."""
    with Container(image, tmp_path) as container:
        wait_until(lambda: container.is_running and container.cpu >= IMPORTING_SECONDS, every=0.005)
        assert container.stop() == 128 + signal.SIGTERM
        assert b"Traceback" not in container.output


def _exported(container: Container) -> ExportLogsServiceResponse:
    body, kind = logs_request("INFO").SerializeToString(), {"Content-Type": "application/x-protobuf"}
    with closing(http.client.HTTPConnection(container.listener_address("local_http"))) as connection:
        connection.request("POST", LOGS.path, body, kind)
        with connection.getresponse() as answer:
            assert answer.status == http.HTTPStatus.OK
            return ExportLogsServiceResponse.FromString(answer.read())
