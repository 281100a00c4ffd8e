"""The files of a container of a rendering, laid out below a folder as kubelet mounts them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.tls import Material
from tests.chart import helm
from tests.support.proxy_certificates import write_tls

MOUNTED: Final = ("/etc/privacy-gateway", "/run/privacy-gateway", "/var/lib/privacy-gateway")
"""Where the chart mounts what it has."""

TLS_VOLUME: Final = "privacy-gateway-tls"

Volumes = Mapping[str, Mapping[str, Any]]


def lay_out(
    root: Path, documents: list[helm.Manifest], namespace: str, pod: Any, container: Any, *, tls: Material
) -> Path:
    """Write the files of a container; where its configuration is, whose paths lead below the folder."""
    volumes: Volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        folder = root / mount["mountPath"].lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        volume = volumes.get(mount["name"], {})
        if "configMap" in volume:
            _write_config_map(folder, helm.find(documents, "ConfigMap", volume["configMap"]["name"], namespace))
        elif mount["name"] == TLS_VOLUME:
            write_tls(folder, tls)
        elif mount["name"] == "privacy-gateway-hash":
            (folder / "secret").write_text("0" * 64)
    path = root / str(container["args"][-1]).lstrip("/")
    text = path.read_text(encoding="utf-8")
    for start in MOUNTED:
        text = text.replace(start, f"{root}{start}")
    path.write_text(text, encoding="utf-8")
    return path


def _write_config_map(folder: Path, source: helm.Manifest) -> None:
    for name, text in source.get("data", {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, text in source.get("binaryData", {}).items():
        (folder / name).write_bytes(base64.b64decode(text))


def injected(documents: list[helm.Manifest]) -> Any:
    """The table of what is injected into a pod."""
    return helm.manifests(helm.find(documents, "ConfigMap", "privacy-gateway-injection")["data"]["table.yaml"])[0]


def hub_pod(documents: list[helm.Manifest]) -> Any:
    """The hub's pod."""
    return helm.find(documents, "StatefulSet", "privacy-gateway-hub")["spec"]["template"]["spec"]


def tls_secret(pod: Any) -> str:
    """The name of the secret with a pod's certificate; in the table {serviceAccount} is in it."""
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == TLS_VOLUME)
    return str(volume["secret"]["secretName"])
