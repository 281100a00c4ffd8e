"""A configuration that the chart renders is one: `config check` finds no fault in it where its files are."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gateway.contracts.load import default_path
from tests.chart import helm, matrix
from tests.support.proxy_certificates import CA, certificate_for, dns

pytestmark = pytest.mark.chart

PLACEHOLDER: Final = re.compile(r"\{[a-zA-Z]+\}")

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


def check(path: Path, root: Path, container: Any) -> subprocess.CompletedProcess[str]:
    """`config check` of a configuration whose absolute paths lead below a folder."""
    text = path.read_text(encoding="utf-8")
    for start in ("/etc/privacy-gateway", "/run/privacy-gateway", "/var/lib/privacy-gateway"):
        text = text.replace(start, f"{root}{start}")
    path.write_text(text, encoding="utf-8")
    command = (sys.executable, "-m", "gateway", "config", "check", "--config", str(path))
    said = {one["name"]: PLACEHOLDER.sub("any", one.get("value", "secret")) for one in container.get("env", ())}
    environ = {**os.environ, **said}
    return subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=120)


def rendered(case: Path) -> list[helm.Manifest]:
    """The manifests of a case, without contracts that are in an image and with a CA that is one."""
    given = helm.values_of(case)
    given.get("contracts", {}).pop("paths", None)
    if given.get("certificates", {}).get("ca"):
        given["certificates"]["ca"] = CA.certificate.decode()
    return helm.render(given)


CASES: Final = [pytest.param(case, id=case.stem) for case in matrix.cases()]


@pytest.mark.parametrize("case", CASES)
def test_the_hub_starts_by_its_configuration(case: Path, tmp_path: Path) -> None:
    documents = rendered(case)
    pod = helm.find(documents, "StatefulSet", "privacy-gateway-hub")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    done = check(lay_out(tmp_path, documents, "privacy-gateway", pod, container), tmp_path, container)
    assert done.returncode == 0, done.stderr
    assert "role hub" in done.stdout


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.stem) for case in matrix.cases() if helm.values_of(case).get("namespaces")],
)
def test_every_agent_starts_by_its_configuration(case: Path, tmp_path: Path) -> None:
    documents = rendered(case)
    table = find_table(documents)
    container = table["initContainers"][-1]
    for namespace in helm.values_of(case)["namespaces"]:
        root = tmp_path / namespace["name"]
        root.mkdir()
        done = check(lay_out(root, documents, namespace["name"], table, container), root, container)
        assert done.returncode == 0, done.stderr
        assert "role agent" in done.stdout


def find_table(documents: list[helm.Manifest]) -> Any:
    """The table of what is injected."""
    return yaml.safe_load(helm.find(documents, "ConfigMap", "privacy-gateway-injection")["data"]["table.yaml"])


def test_contracts_of_values_are_those_of_the_hub(tmp_path: Path) -> None:
    given = {"contracts": {"files": {"kannelle.binpb": base64.b64encode(default_path().read_bytes()).decode()}}}
    documents = helm.render(given)
    pod = helm.find(documents, "StatefulSet", "privacy-gateway-hub")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    done = check(lay_out(tmp_path, documents, "privacy-gateway", pod, container), tmp_path, container)
    assert (done.returncode, "contracts/kannelle.binpb" in done.stdout) == (0, True), done.stderr
