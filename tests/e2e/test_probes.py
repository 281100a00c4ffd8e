"""Probes as a kubelet sends them: by plaintext to the pod's address, from the start of the process to its end.

Ready is who takes calls, however vendors and hub are; alive is who runs.
"""

from __future__ import annotations

import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from kannelle.privacy.v1.analytics_pb2 import TrackEventRequest

from tests.e2e.clients_and_vendor import POLICY
from tests.support.channels import TIMEOUT_SECONDS, blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.ports import reserved
from tests.support.proxy_certificates import certificate_for, dns, write_tls
from tests.support.proxy_process import metric_value, wait_until
from tests.support.requests import TRACK, event

NOTICE_SECONDS: Final = 2.0


def pod_address() -> str:
    """An address of this machine that isn't loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))
            return str(one.getsockname()[0])
        except OSError:
            pytest.skip("needs an address beside loopback")


class Pod:
    """A gateway whose probes are at the pod's address, from the moment when its process is started."""

    def __init__(self, process: GatewayProcess, ports: dict[str, int]) -> None:
        self.process = process
        self._address = pod_address()
        self._ports = ports

    def page(self, path: str) -> int:
        """The status that a kubelet gets, 0 while nobody listens."""
        request = urllib.request.Request(
            f"http://{self._address}:{self._ports['http']}{path}",
            headers={"User-Agent": "kube-probe/1.33", "Accept": "*/*", "Connection": "close"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except urllib.error.URLError:
            return 0

    def health(self) -> int | None:
        """What gRPC health says; None while nobody listens. A probe dials anew each time."""
        with blocking_channel(f"{self._address}:{self._ports['health']}") as channel:
            answer: Any = call(channel, "/grpc.health.v1.Health/Check", HealthCheckRequest().SerializeToString())
        return int(HealthCheckResponse.FromString(answer).status) if isinstance(answer, bytes) else None

    def probed(self) -> tuple[int, int, int | None]:
        return self.page("/livez"), self.page("/readyz"), self.health()

    def track(self, user: str) -> Any:
        """How an event of its service is taken."""
        with blocking_channel(self.process.address) as channel:
            request = TrackEventRequest(request_id=user, event=event(user)).SerializeToString()
            answer = call(channel, TRACK, request)
        return grpc.StatusCode.OK if isinstance(answer, bytes) else answer.code


READY: Final = (200, 200, HealthCheckResponse.SERVING)


@contextmanager
def pod(folder: Path, **environ: str) -> Iterator[Pod]:
    """One that is just being started. Its vendor is where nobody listens."""
    with reserved() as vendor, reserved() as health, reserved() as http:
        (folder / "policy.yaml").write_text(POLICY.format(url=f"http://127.0.0.1:{vendor}", delivery="stored"))
        given = {
            "POLICY": str(folder / "policy.yaml"),
            "INSECURE_LOOPBACK": "true",
            "LISTENERS__HEALTH__ADDRESS": f"0.0.0.0:{health}",
            "LISTENERS__HTTP__ADDRESS": f"0.0.0.0:{http}",
            "STOP__NOTICE": f"{NOTICE_SECONDS}s",
            **environ,
        }
        names = {f"PRIVACY_GATEWAY__{name}": value for name, value in given.items()}
        with GatewayProcess(folder, environ={"SEGMENT_WRITE_KEY": "a-write-key", **names}) as process:
            yield Pod(process, {"health": health, "http": http})


def test_who_is_ready_takes_calls_at_once(tmp_path: Path) -> None:
    with pod(tmp_path) as one:
        assert one.health() in {None, HealthCheckResponse.NOT_SERVING}
        wait_until(lambda: one.health() == HealthCheckResponse.SERVING)
        assert one.track("usr_first") is grpc.StatusCode.OK
        assert one.probed() == READY


def test_a_vendor_that_is_away_leaves_it_ready(tmp_path: Path) -> None:
    with pod(tmp_path) as one:
        wait_until(lambda: one.page("/readyz") == 200)
        failing = 'privacy_gateway_recipient_failing{destination="analytics"}'
        for number in range(20):
            assert one.track(f"usr_{number}") is grpc.StatusCode.OK
        wait_until(lambda: metric_value(one.process, failing) == 1, every=0.2)
        assert one.probed() == READY


@pytest.mark.parametrize(
    ("outbox", "code"), [("null", grpc.StatusCode.UNAVAILABLE), ("{}", grpc.StatusCode.OK)], ids=["without", "with"]
)
def test_a_hub_that_is_away_leaves_an_agent_ready(outbox: str, code: grpc.StatusCode, tmp_path: Path) -> None:
    tls = write_tls(tmp_path, certificate_for(dns("localhost")))
    files = {"TLS__CERTIFICATE": str(tls.certificate), "TLS__KEY": str(tls.key), "TLS__CA": str(tls.ca)}
    with reserved() as hub, pod(tmp_path, ROLE="agent", HUB__ADDRESS=f"localhost:{hub}", OUTBOX=outbox, **files) as one:
        wait_until(lambda: one.page("/readyz") == 200)
        assert one.track("usr_a") is code
        assert one.probed() == READY


def test_at_the_end_it_is_alive_not_ready_and_takes_calls_until_its_notice_is_over(tmp_path: Path) -> None:
    with pod(tmp_path) as one:
        wait_until(lambda: one.probed() == READY)
        one.process.send_signal(signal.SIGTERM)
        wait_until(lambda: one.page("/readyz") == 503)
        assert one.probed() == (200, 503, HealthCheckResponse.NOT_SERVING)
        assert one.track("usr_last") is grpc.StatusCode.OK
        assert one.process.wait() == 0
        assert one.probed() == (0, 0, None)
