"""An agent whose hub is away, or doesn't name it, and a hub that refuses an agent: both processes say so."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from kannelle.privacy.v1.analytics_pb2 import TrackEventRequest

from tests.support.channels import blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.ports import reserved
from tests.support.proxy_certificates import certificate_for, dns, write_tls
from tests.support.proxy_process import fetch_page, metric_value, wait_until
from tests.support.requests import TRACK, event

DAY_SECONDS = 24 * 3600
GRACE_SECONDS = 60.0


def started(folder: Path, *names: str, **environ: str) -> GatewayProcess:
    """A gateway with a certificate for these names."""
    folder.mkdir()
    tls = write_tls(folder, certificate_for(*map(dns, names)))
    files = {"TLS__CERTIFICATE": str(tls.certificate), "TLS__KEY": str(tls.key), "TLS__CA": str(tls.ca)}
    given = {"LISTENERS__HTTP__ADDRESS": "127.0.0.1:0", **files, **environ}
    return GatewayProcess(folder, environ={f"PRIVACY_GATEWAY__{name}": value for name, value in given.items()})


def checks(process: GatewayProcess) -> dict[str, Any]:
    """Readiness' checks, by name, of a gateway that is ready."""
    status, text = fetch_page(process, "/readyz")
    told = json.loads(text)
    assert (status, told["ready"]) == (200, True)
    return {one["name"]: one for one in told["checks"]}


def hub_is(process: GatewayProcess, up: bool, cause: str = "") -> Callable[[], Any]:
    """The hub as readiness tells of it, once it is so."""

    def looked() -> Any:
        told = checks(process)["hub"]
        return told if (told["ok"], told["cause"]) == (up, cause) else None

    return looked


def test_an_agent_and_its_hub_tell_of_each_other(tmp_path: Path) -> None:
    with reserved() as port:
        hub = {
            "STOP__GRACE": f"{GRACE_SECONDS:.0f}s",
            "ROLE": "hub",
            "LISTENERS__DELIVERY__ADDRESS": f"127.0.0.1:{port}",
        }
        agent = {"ROLE": "agent", "HUB__ADDRESS": f"localhost:{port}"}
        with started(tmp_path / "agent", "video.example", **agent) as sidecar:
            wait_until(hub_is(sidecar, False, "UPSTREAM_REFUSED"))
            assert metric_value(sidecar, "privacy_gateway_hub_up") == 0
            assert metric_value(sidecar, "privacy_gateway_hub_last_success_timestamp_seconds") == 0
            assert metric_value(sidecar, 'privacy_gateway_hub_failures_total{cause="UPSTREAM_REFUSED"}') >= 1
            with blocking_channel(sidecar.address) as channel:
                refused: Any = call(
                    channel, TRACK, TrackEventRequest(event=event("usr_a", "ada@acme.example")).SerializeToString()
                )
            assert refused.code is grpc.StatusCode.UNAVAILABLE
            assert 0 < refused.after <= 10
            assert not (sidecar.state / "outbox.db").exists()
            with started(
                tmp_path / "strict", "localhost", LISTENERS__DELIVERY__AGENTS="[crm.example]", **hub
            ) as strict:
                strict.listener_address("http")
                wait_until(hub_is(sidecar, False, "CALLER_NOT_ALLOWED"))
                wait_until(
                    lambda: metric_value(strict, 'privacy_gateway_agents_refused_total{reason="CALLER_NOT_ALLOWED"}')
                )
                strict.wait_for_output(
                    rb"an agent is refused, 1 times since last said: listeners.delivery.agents doesn't name video.example"
                )
                sidecar.wait_for_output(
                    rb"the hub takes nothing: CALLER_NOT_ALLOWED.*listeners.delivery.agents must name the certificate"
                )
                assert metric_value(strict, "privacy_gateway_agents") == 0
                assert strict.stop() == 0
            with started(tmp_path / "open", "localhost", LISTENERS__DELIVERY__AGENTS="[video.example]", **hub) as kind:
                kind.listener_address("http")
                told = wait_until(hub_is(sidecar, True))
                assert re.fullmatch(r"last heard 20\S+Z", told["detail"])
                sidecar.wait_for_output(rb"the hub is back")
                kind.wait_for_output(rb"agent video.example is connected")
                assert metric_value(kind, "privacy_gateway_agents") == 1
                assert metric_value(sidecar, "privacy_gateway_hub_up") == 1
                assert metric_value(sidecar, "privacy_gateway_hub_last_success_timestamp_seconds") > 1_700_000_000
                begun = time.monotonic()
                assert kind.stop() == 0
                assert time.monotonic() - begun < GRACE_SECONDS, (
                    "an agent that has nothing to hand over holds the stop up"
                )
                wait_until(hub_is(sidecar, False, "UPSTREAM_REFUSED"))
                assert b"Traceback" not in sidecar.output + kind.output


@pytest.mark.parametrize("role", ["all"])
def test_when_certificates_expire_is_told(tmp_path: Path, role: str) -> None:
    with started(tmp_path / role, "localhost", ROLE=role) as process:
        process.listener_address("http")
        told = checks(process)
        own = metric_value(process, 'privacy_gateway_certificate_not_after_timestamp_seconds{certificate="own"}')
        ca = metric_value(process, 'privacy_gateway_certificate_not_after_timestamp_seconds{certificate="ca"}')
        assert own < ca
        own_check, ca_check = told["certificate-own"], told["certificate-ca"]
        # A certificate of an hour of which the last third has not begun.
        assert (own_check["ok"], ca_check["ok"]) == (True, True)
        assert re.fullmatch(r"not after 20\S+Z", own_check["detail"])
        assert "hub" not in told
        assert "privacy_gateway_hub_up" not in fetch_page(process, "/metrics")[1].replace("# ", "")
