"""The secrets that `certificates` prints are those that a rendering mounts, and Kubernetes knows them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.chart import helm, matrix
from tests.chart.mounts import hub_pod, injected, tls_secret
from tests.support.issued_secrets import issue, material_of, names

pytestmark = pytest.mark.chart

CASES: Final = [
    pytest.param(case, id=case.stem)
    for case in matrix.cases()
    if helm.values_of(case).get("certificates", {}).get("mode", "existing") == "existing"
]


EARLIER: Final = "certificates: {duration: 720h}\nnamespaces: [{name: a, serviceAccounts: [b]}]\nlog: {format: text}\n"
LATER: Final = "trustDomain: acme.example\nnamespaces: [{name: web, serviceAccounts: [site, api]}]\n"


@pytest.mark.parametrize("case", CASES)
def test_every_certificate_that_is_mounted_is_made_and_no_other(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kubernetes_validate  # noqa: PLC0415 only `make test-chart` installs it

    monkeypatch.chdir(tmp_path)
    made = helm.manifests(issue(values=case.read_text(encoding="utf-8")).stdout)
    for secret in made:
        for version in matrix.APIS:
            kubernetes_validate.validate(secret, version, strict=True)
    documents = helm.render(helm.values_of(case))
    of_agents = {
        (namespace["name"], tls_secret(injected(documents)).replace("{serviceAccount}", account))
        for namespace in helm.values_of(case).get("namespaces", [])
        for account in namespace["serviceAccounts"]
    }
    mounted = {("privacy-gateway", tls_secret(hub_pod(documents)))} | of_agents
    assert {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in made} == mounted


def test_several_files_of_values_lead_to_what_helm_makes_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("later.yaml").write_text(LATER)
    made = helm.manifests(issue("--values", "later.yaml", values=EARLIER).stdout)
    command = helm.command("--values", "values.yaml", "--values", "later.yaml", *helm.NEWEST)
    configuration = helm.find(helm.manifests(helm.run(*command)), "ConfigMap", "privacy-gateway-hub")
    agents = yaml.safe_load(configuration["data"]["gateway.yaml"])["listeners"]["delivery"]["agents"]
    found = {name for secret in made for name in names(material_of(secret))}
    assert found == {"privacy-gateway-hub.privacy-gateway.svc", *agents}
