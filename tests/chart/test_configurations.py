"""A configuration that the chart renders is one: `config check` finds no fault in it where its files are."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.contracts.load import default_path
from tests.chart import helm, matrix
from tests.chart.mounts import hub_pod, injected, lay_out
from tests.support.proxy_certificates import CA, certificate_for, dns

pytestmark = pytest.mark.chart

PLACEHOLDER: Final = re.compile(r"\{[a-zA-Z]+\}")

TLS: Final = certificate_for(dns("privacy-gateway-hub.privacy-gateway.svc"))


def check(path: Path, root: Path, container: Any) -> subprocess.CompletedProcess[str]:
    """`config check` of a configuration, with a container's environment."""
    command = (sys.executable, "-m", "gateway", "config", "check", "--config", str(path))
    said = {one["name"]: PLACEHOLDER.sub("any", one.get("value", "secret")) for one in container.get("env", ())}
    environ = {**os.environ, **said}
    return subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=120)


def check_hub(documents: list[helm.Manifest], root: Path) -> subprocess.CompletedProcess[str]:
    """`config check` of the hub's."""
    pod = hub_pod(documents)
    (container,) = pod["containers"]
    return check(lay_out(root, documents, "privacy-gateway", pod, container, tls=TLS), root, container)


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
    done = check_hub(rendered(case), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "role hub" in done.stdout


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.stem) for case in matrix.cases() if helm.values_of(case).get("namespaces")],
)
def test_every_agent_starts_by_its_configuration(case: Path, tmp_path: Path) -> None:
    documents = rendered(case)
    table = injected(documents)
    container = table["initContainers"][-1]
    for namespace in helm.values_of(case)["namespaces"]:
        root = tmp_path / namespace["name"]
        root.mkdir()
        done = check(lay_out(root, documents, namespace["name"], table, container, tls=TLS), root, container)
        assert done.returncode == 0, done.stderr
        assert "role agent" in done.stdout


def test_contracts_of_values_are_those_of_the_hub(tmp_path: Path) -> None:
    given = {"contracts": {"files": {"kannelle.binpb": base64.b64encode(default_path().read_bytes()).decode()}}}
    done = check_hub(helm.render(given), tmp_path)
    assert (done.returncode, "contracts/kannelle.binpb" in done.stdout) == (0, True), done.stderr
