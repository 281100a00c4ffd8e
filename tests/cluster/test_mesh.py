"""Beside a mesh, whose webhook comes after the policy: the gateway is first again, and must be as it was injected."""

from __future__ import annotations

import base64
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Self

import pytest
from cryptography import x509

from tests.cluster.api import said
from tests.cluster.objects import GATEWAY, Object, container, object_of, pod, variables
from tests.cluster.release import VALUES, Release
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.proxy_certificates import CA, certificate_for, write_tls
from tests.support.proxy_process import wait_until

pytestmark = pytest.mark.cluster

LOOPBACK: Final = ipaddress.ip_address("127.0.0.1")
MESH: Final = [container("mesh-init"), container("mesh-proxy", restartPolicy="Always")]

Patch = list[Object]


class Webhook:
    """A mesh's webhook, which answers with a patch for each pod. `pods` are those that it was asked about."""

    def __init__(self, folder: Path, patch_of: Callable[[Object], Patch]) -> None:
        self.pods: list[Object] = []
        pods = self.pods

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                found = asked["request"]["object"]
                pods.append(found)
                patch = base64.b64encode(json.dumps(patch_of(found)).encode()).decode()
                answer = {"uid": asked["request"]["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch}
                body = json.dumps({**asked, "response": answer}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        tls = write_tls(folder, certificate_for(x509.IPAddress(LOOPBACK)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        self._server = ThreadingHTTPServer((str(LOOPBACK), 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def configuration(self) -> Object:
        """What tells a server to ask it about pods of video."""
        hook = {
            "name": "sidecars.mesh.example",
            "clientConfig": {
                "url": f"https://{LOOPBACK}:{self._server.server_address[1]}/",
                "caBundle": base64.b64encode(CA.certificate).decode(),
            },
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "video"}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        version = "admissionregistration.k8s.io/v1"
        return object_of(version, "MutatingWebhookConfiguration", "mesh", webhooks=[hook])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(TIMEOUT_SECONDS)


@contextmanager
def mesh(release: Release, folder: Path, patch_of: Callable[[Object], Patch]) -> Iterator[Webhook]:
    """A mesh that the server asks, until the end."""
    api = release.cluster.api

    with Webhook(folder, patch_of) as webhook:

        def is_asked() -> bool:
            before = len(webhook.pods)
            said(lambda: api.create(pod(), dry_run=True))
            return len(webhook.pods) > before

        api.create(webhook.configuration)
        try:
            wait_until(is_asked)
            yield webhook
        finally:
            api.delete(webhook.configuration)
            wait_until(lambda: not is_asked())


def mesh_first(found: Object) -> Patch:
    """Put the mesh's own containers before all others."""
    return [{"op": "add", "path": f"/spec/initContainers/{index}", "value": one} for index, one in enumerate(MESH)]


def probes_led_elsewhere(found: Object) -> Patch:
    """Lead the probes of every native sidecar to a port of the mesh's, as Istio does unless it is told not to."""
    places = [index for index, one in enumerate(found["spec"]["initContainers"]) if "readinessProbe" in one]
    return [
        {"op": "replace", "path": f"/spec/initContainers/{index}/readinessProbe/httpGet/port", "value": 15020}
        for index in places
    ]


@pytest.fixture(scope="module", autouse=True)
def applied(release: Release) -> None:
    release.apply(VALUES)


def test_the_gateway_is_asked_for_before_the_mesh_and_put_first_again_after_it(
    release: Release, tmp_path: Path
) -> None:
    with mesh(release, tmp_path, mesh_first) as webhook:
        made = release.cluster.api.create(pod(), dry_run=True)
        seen = webhook.pods[-1]
    assert [one["name"] for one in seen["spec"]["initContainers"]] == [GATEWAY]
    gateway, *others = made["spec"]["initContainers"]
    assert [one["name"] for one in (gateway, *others)] == [GATEWAY, "mesh-init", "mesh-proxy"]
    assert {variables(one)["OTEL_EXPORTER_OTLP_ENDPOINT"] for one in others} == {"http://127.0.0.1:4317"}


def test_a_mesh_that_leads_the_gateways_probes_elsewhere_has_the_pod_refused(release: Release, tmp_path: Path) -> None:
    with mesh(release, tmp_path, probes_led_elsewhere):
        text = said(lambda: release.cluster.api.create(pod(), dry_run=True))
    assert text is not None
    assert f"the container {GATEWAY} differs from what is injected by that name" in text
    assert text.endswith("let no webhook change it")
