"""What is created beside the chart: namespaces, certificates, programs, and pods that say them to the gateway."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

from gateway.tls import Material
from tests.cluster.objects import HARMLESS, INJECT, Object, namespace_of, object_of, pod
from tests.cluster.pods import images
from tests.cluster.pods.programs import FOLDER, PYTHON
from tests.support.proxy_certificates import certificate_for, dns, uri

RELEASE_NAMESPACE: Final = "privacy-gateway"
HUB: Final = "privacy-gateway-hub"
HUB_HOST: Final = f"{HUB}.{RELEASE_NAMESPACE}.svc"
NAMESPACE: Final = "video"
ACCOUNT: Final = "editor"
EXPORTER: Final = "opentelemetry-exporter-otlp-proto-grpc"

Security = Mapping[str, Any]
"""A container's security context."""


def before() -> Iterator[Object]:
    """What a platform's engineer has ready before the chart."""
    yield namespace_of(RELEASE_NAMESPACE)
    yield namespace_of(NAMESPACE, {INJECT: "enabled"})
    yield object_of("v1", "ServiceAccount", ACCOUNT, NAMESPACE)
    yield _secret("privacy-gateway-hub-tls", RELEASE_NAMESPACE, certificate_for(dns(HUB_HOST)))
    spiffe = uri(f"spiffe://cluster.local/ns/{NAMESPACE}/sa/{ACCOUNT}")
    yield _secret(f"privacy-gateway-tls-{ACCOUNT}", NAMESPACE, certificate_for(spiffe))
    programs = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}
    yield object_of("v1", "ConfigMap", "programs", NAMESPACE, data=programs)


def service_pod(name: str, *command: str, **security: Security) -> Object:
    """A pod of containers of Python, by name, each with its security context; `app` unless others are given."""
    containers = [
        {
            "name": container,
            "image": images.GATEWAY,
            "command": [PYTHON, *command],
            "env": [{"name": "PYTHONPATH", "value": "/exporter"}],
            "volumeMounts": [{"name": volume, "mountPath": f"/{volume}"} for volume in ("exporter", "app", "scratch")],
            "securityContext": dict(context),
        }
        for container, context in (security or {"app": HARMLESS}).items()
    ]
    volumes: list[Object] = [
        {"name": "exporter", "persistentVolumeClaim": {"claimName": EXPORTER}},
        {"name": "app", "configMap": {"name": "programs"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    made = pod(*containers, name=name, namespace=NAMESPACE, volumes=volumes)
    made["spec"].update(serviceAccountName=ACCOUNT, restartPolicy="Never")
    return made


def install_exporter(into: Path) -> None:
    """Have OpenTelemetry's exporter where a service has it: the gateway's image has none."""
    needed = {Requirement(text).name for text in distribution(EXPORTER).requires or () if "extra ==" not in text}
    for name in (EXPORTER, *(name for name in needed if name.startswith("opentelemetry-exporter-"))):
        for path in distribution(name).files or ():
            if path.suffix == ".py":
                target = into / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_binary())


def _secret(name: str, namespace: str, certificate: Material) -> Object:
    files = {"tls.crt": certificate.certificate, "tls.key": certificate.key, "ca.crt": certificate.ca}
    encoded = {key: base64.b64encode(value).decode() for key, value in files.items()}
    return object_of("v1", "Secret", name, namespace, data=encoded)
