"""A hub and agents run by the chart's configurations, with the secrets that `certificates` makes of the same values.

The configurations are those of a golden rendering, so that this needs no helm. The hub is found by its service's name.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from kannelle.privacy.v1.analytics_pb2 import TrackEventRequest

from gateway.contracts.load import default_path
from gateway.errors import CallReason, Cause
from gateway.tls import Material
from tests.chart import helm, matrix
from tests.chart.mounts import MOUNTED, hub_pod, injected, lay_out, tls_secret
from tests.delivery.outboxes import mount, on_a_volume
from tests.support.channels import blocking_channel, call
from tests.support.gateway_process import WatchedProcess
from tests.support.issued_secrets import certificate, issued_secrets
from tests.support.ports import reserved
from tests.support.proxy_certificates import write_tls
from tests.support.proxy_process import fetch_page, metric_value, wait_until
from tests.support.requests import TRACK, event

CASE: Final = helm.VALUES / "oldest.yaml"
RELEASE: Final = "privacy-gateway"
HUB: Final = f"privacy-gateway-hub.{RELEASE}.svc"

POLICY: Final = """version: 1
controller: A
user_id: {pattern: "usr_[a-z0-9]{1,9}"}
ceilings: {FR: [USER_ID, OPERATIONAL]}
destinations:
  events: {recipient: service, region: FR, purpose: essential.service, legal_basis: CONTRACT, retention: 30d, allow: [USER_ID, OPERATIONAL]}
flows: {kannelle.privacy.v1.AnalyticsService/*: [events]}
tracking_plan: {video.exported: {}}
"""

Secrets = Mapping[tuple[str, str], Material]


class Cluster:
    """The folder of a cluster: its renderings, its secrets, and the one port of its hub."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._documents = helm.manifests(matrix.golden(CASE).read_text(encoding="utf-8"))
        (folder / "policy.yaml").write_text(POLICY)

    @contextmanager
    def hub(self, secret: Material) -> Iterator[WatchedProcess]:
        """The hub's pod."""
        pod = hub_pod(self._documents)
        assert tls_secret(pod) == HUBS[1]
        address = {"LISTENERS__DELIVERY__ADDRESS": f"127.0.0.1:{self._port}"}
        with self._pod("hub", pod, pod["containers"][0], secret, address) as process:
            yield process

    @contextmanager
    def agent(self, name: str, secret: Material) -> Iterator[WatchedProcess]:
        """The gateway of a pod of video's."""
        table = injected(self._documents)
        assert tls_secret(table).replace("{serviceAccount}", "editor") == EDITOR[1]
        address = {"HUB__ADDRESS": f"{HUB}:{self._port}", "LISTENERS__LOCAL_HTTP__ADDRESS": "127.0.0.1:0"}
        with self._pod(name, table, table["initContainers"][-1], secret, address) as process:
            yield process

    def renew(self, process: WatchedProcess, name: str, secret: Material) -> None:
        """Bring another secret to a pod, as kubelet does, and have it put in force."""
        before = reloads(process)
        write_tls(self._folder / name / MOUNTED[1].lstrip("/") / "tls", secret)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: reloads(process) > before)

    @contextmanager
    def _pod(
        self, name: str, pod: Any, container: Any, tls: Material, more: Mapping[str, str]
    ) -> Iterator[WatchedProcess]:
        (root := self._folder / name).mkdir()
        namespace = RELEASE if name == "hub" else EDITOR[0]
        path = lay_out(root, self._documents, namespace, pod, container, tls=tls)
        given = {
            "POLICY": str(self._folder / "policy.yaml"),
            "CONTRACTS": f"[{default_path()}]",
            "RELOAD__EVERY": "0",
            "LISTENERS__LOCAL__ADDRESS": "127.0.0.1:0",
            "LISTENERS__HTTP__ADDRESS": "127.0.0.1:0",
            **more,
        }
        environ = {**os.environ, **{f"PRIVACY_GATEWAY__{key}": value for key, value in given.items()}}
        command = (sys.executable, "-m", "gateway", "serve", "--config", str(path))
        with WatchedProcess(command, root, environ) as process:
            process.listener_address("http")
            yield process


@contextmanager
def cluster(volume: Path) -> Iterator[Cluster]:
    """A cluster in whose network the hub's name is loopback's."""
    os.chdir(volume.parent)
    Path("hosts").write_text(f"127.0.0.1 localhost {HUB}\n")
    assert mount("--bind", "hosts", "/etc/hosts") == 0
    with reserved() as port:
        yield Cluster(volume.parent, port)


def secrets_of(*arguments: str, more: str = "") -> Secrets:
    """What `certificates` makes of the values of the rendering."""
    text = CASE.read_text(encoding="utf-8").replace("[editor, default]", f"[editor, default{more}]")
    return issued_secrets(*arguments, values=text)


def track(agent: WatchedProcess, user: str) -> Any:
    """What a service in the pod hears of an event that it sends."""
    with blocking_channel(agent.address) as channel:
        return call(channel, TRACK, TrackEventRequest(request_id=user, event=event(user)).SerializeToString())


def reloads(process: WatchedProcess) -> float:
    """How often it has put other certificates in force."""
    return metric_value(process, 'privacy_gateway_reloads_total{outcome="ok",subject="tls"}')


def ends(process: WatchedProcess) -> float:
    """When its certificate ends, as its metrics say."""
    return metric_value(process, 'privacy_gateway_certificate_not_after_timestamp_seconds{certificate="own"}')


EDITOR: Final = ("video", "privacy-gateway-tls-editor")
HUBS: Final = (RELEASE, "privacy-gateway-hub-tls")


def hub_is(agent: WatchedProcess, up: bool, cause: str = "") -> Callable[[], bool]:
    """Whether an agent's readiness tells that it hands over to its hub, or why not."""

    def looked() -> bool:
        checks = json.loads(fetch_page(agent, "/readyz")[1])["checks"]
        return (up, cause) in {(one["ok"], one["cause"]) for one in checks if one["name"] == "hub"}

    return looked


def _accepted_and_refused(volume: Path) -> None:
    with cluster(volume) as made:
        ours, theirs = secrets_of(more=", batch"), secrets_of("--ca", "other")
        elsewhere, right = secrets_of("-n", "elsewhere"), ours[EDITOR]
        refused = {
            "another CA's": (theirs[EDITOR], Cause.UPSTREAM_UNTRUSTED),
            "forged": (dataclasses.replace(theirs[EDITOR], ca=right.ca), Cause.UPSTREAM_REFUSES_US),
            "another service account's": (ours["video", "privacy-gateway-tls-batch"], CallReason.CALLER_NOT_ALLOWED),
            "the hub's own": (ours[HUBS], CallReason.CALLER_NOT_ALLOWED),
        }
        with made.hub(ours[HUBS]) as hub, made.agent("editor", right) as agent:
            wait_until(hub_is(agent, True))
            assert isinstance(track(agent, "usr_1"), bytes)
            hub.wait_for_output(rb"agent spiffe://cluster.local/ns/video/sa/editor is connected")
            for name, (secret, cause) in refused.items():
                made.renew(agent, "editor", secret)
                wait_until(hub_is(agent, False, cause))
                told = track(agent, "usr_2")
                assert (told.code, told.after > 0) == (grpc.StatusCode.UNAVAILABLE, True), name
            made.renew(hub, "hub", elsewhere["elsewhere", "privacy-gateway-hub-tls"])
            made.renew(agent, "editor", right)
            wait_until(hub_is(agent, False, Cause.UPSTREAM_NAME_MISMATCH))


def _rotated(volume: Path) -> None:
    """Renewed by the same CA, then by another that takes its place: all trust both meanwhile."""
    with cluster(volume) as made:
        first, _ = secrets_of(), secrets_of("--ca", "new")
        steps = {
            "renewed": (),
            "both are trusted": ("--trust", "new/ca.crt"),
            "another signs": ("--ca", "new", "--trust", "ca/ca.crt"),
            "the first is forgotten": ("--ca", "new"),
        }
        with made.hub(first[HUBS]) as hub, made.agent("editor", first[EDITOR]) as agent:
            wait_until(hub_is(agent, True))
            for number, (step, arguments) in enumerate(steps.items()):
                secrets = secrets_of(*arguments)
                for name, process, secret in (("editor", agent, secrets[EDITOR]), ("hub", hub, secrets[HUBS])):
                    made.renew(process, name, secret)
                    assert ends(process) == certificate(secret).not_valid_after_utc.timestamp()
                    assert isinstance(track(agent, f"usr_{number}{name}"), bytes), (step, name)


@pytest.mark.parametrize("case", [_accepted_and_refused, _rotated], ids=lambda case: case.__name__.strip("_"))
def test_certificates_hold_between_hub_and_agents(case: Any, tmp_path: Path) -> None:
    on_a_volume(case, tmp_path / "volume", "-t", "tmpfs", "none")
