"""The secrets that `certificates` prints are those that a rendering mounts, and Kubernetes knows them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.chart import helm, matrix
from tests.chart.mounts import hub_pod, injected, tls_secret
from tests.support.issued_secrets import issue

pytestmark = pytest.mark.chart

CASES: Final = [
    pytest.param(case, id=case.stem)
    for case in matrix.cases()
    if helm.values_of(case).get("certificates", {}).get("mode", "existing") == "existing"
]


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
