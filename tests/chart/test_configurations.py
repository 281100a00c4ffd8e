"""A configuration that the chart renders is one: `config check` finds no fault in it where its files are."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.contracts.load import default_path
from tests.chart import helm, matrix
from tests.support.proxy_certificates import certificate_for, dns

pytestmark = pytest.mark.chart

Volumes = Mapping[str, Mapping[str, Any]]


def lay_out(root: Path, documents: list[helm.Manifest], namespace: str, pod: Any, container: Any) -> Path:
    """The files of a container below a folder, as kubelet mounts them; where its configuration is."""
    volumes: Volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        folder = root / mount["mountPath"].lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        volume = volumes.get(mount["name"], {})
        if "configMap" in volume:
            source = helm.find(documents, "ConfigMap", volume["configMap"]["name"], namespace)
            for name, text in source.get("data", {}).items():
                (folder / name).write_text(text, encoding="utf-8")
            for name, text in source.get("binaryData", {}).items():
                (folder / name).write_bytes(base64.b64decode(text))
        elif mount["name"] == "privacy-gateway-tls":
            held = certificate_for(dns("privacy-gateway-hub.privacy-gateway.svc"))
            for name, pem in (("tls.crt", held.certificate), ("tls.key", held.key), ("ca.crt", held.ca)):
                (folder / name).write_bytes(pem)
        elif mount["name"] == "privacy-gateway-hash":
            (folder / "secret").write_text("0" * 64)
    return root / str(container["args"][-1]).lstrip("/")


def check(path: Path, root: Path) -> subprocess.CompletedProcess[str]:
    """`config check` of a configuration whose absolute paths lead below a folder."""
    text = path.read_text(encoding="utf-8")
    for start in ("/etc/privacy-gateway", "/run/privacy-gateway", "/var/lib/privacy-gateway"):
        text = text.replace(start, f"{root}{start}")
    path.write_text(text, encoding="utf-8")
    command = (sys.executable, "-m", "gateway", "config", "check", "--config", str(path))
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)


def without_paths(given: dict[str, Any]) -> dict[str, Any]:
    """The values of a case without contracts that are in an image, which no test has."""
    given.get("contracts", {}).pop("paths", None)
    return given


CASES: Final = [pytest.param(case, id=case.stem) for case in matrix.cases()]


@pytest.mark.parametrize("case", CASES)
def test_the_hub_starts_by_its_configuration(case: Path, tmp_path: Path) -> None:
    documents = helm.render(without_paths(helm.values_of(case)), *matrix.flags(matrix.GOLDEN_VERSION))
    pod = helm.find(documents, "StatefulSet", "privacy-gateway-hub")["spec"]["template"]["spec"]
    done = check(lay_out(tmp_path, documents, "privacy-gateway", pod, pod["containers"][0]), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "role hub" in done.stdout


def test_contracts_of_values_are_those_of_the_hub(tmp_path: Path) -> None:
    given = {"contracts": {"files": {"kannelle.binpb": base64.b64encode(default_path().read_bytes()).decode()}}}
    documents = helm.render(given)
    pod = helm.find(documents, "StatefulSet", "privacy-gateway-hub")["spec"]["template"]["spec"]
    done = check(lay_out(tmp_path, documents, "privacy-gateway", pod, pod["containers"][0]), tmp_path)
    assert (done.returncode, "contracts/kannelle.binpb" in done.stdout) == (0, True), done.stderr
