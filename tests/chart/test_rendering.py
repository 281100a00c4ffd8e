"""Every combination of values renders to manifests that Kubernetes knows, key by key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from gateway import __version__
from tests.chart import helm, matrix

pytestmark = pytest.mark.chart

FOREIGN: Final = frozenset({"cert-manager.io/v1", "monitoring.coreos.com/v1"})
"""APIs that Kubernetes doesn't bring, so that no schema of it knows them."""

OLDEST: Final[Mapping[str, Any]] = {"injection": {"mode": "manifests"}, "admission": {"enabled": False}}

CASES: Final = [pytest.param(case, id=case.stem) for case in matrix.cases()]


@pytest.mark.parametrize(
    ("case", "version"),
    [
        pytest.param(case, version, id=f"{case.stem} in {version}")
        for case in matrix.cases()
        for version in matrix.versions(case)
    ],
)
def test_what_is_rendered_is_known_to_the_cluster_key_by_key(case: Path, version: str) -> None:
    import kubernetes_validate  # noqa: PLC0415 only `make test-chart` installs it

    for manifest in helm.render(helm.values_of(case), *matrix.flags(version)):
        if manifest["apiVersion"] not in FOREIGN:
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("case", CASES)
def test_the_rendering_is_the_golden_one(case: Path) -> None:
    golden = matrix.golden(case).read_text(encoding="utf-8")
    assert matrix.rendering(case) == golden, "python -m tests.chart.matrix --write"


def test_every_golden_rendering_has_its_values() -> None:
    assert {path.name for path in helm.GOLDEN.iterdir()} == {case.name for case in matrix.cases()}


@pytest.mark.parametrize("case", CASES)
def test_what_is_rendered_twice_is_the_same(case: Path) -> None:
    assert matrix.rendering(case) == matrix.rendering(case)


@pytest.mark.parametrize("case", CASES)
def test_helm_lint_finds_nothing(case: Path) -> None:
    helm.run("lint", "--strict", str(helm.CHART), "--values", str(case), "--kube-version", matrix.GOLDEN_VERSION)


def test_the_matrix_has_every_version() -> None:
    assert {version for case in matrix.cases() for version in matrix.versions(case)} == set(matrix.APIS)


@pytest.mark.parametrize(
    ("given", "api"),
    [
        ({"admission": {"enabled": False}}, matrix.INJECTION),
        ({"injection": {"mode": "manifests"}}, matrix.ADMISSION),
        ({**OLDEST, "monitoring": {"podMonitor": {"enabled": True}}}, matrix.MONITORING[0]),
        ({**OLDEST, "monitoring": {"rules": {"enabled": True}}}, matrix.MONITORING[1]),
    ],
)
@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_what_a_cluster_does_not_know_is_said_and_not_left_out(given: dict[str, Any], api: str, version: str) -> None:
    with pytest.raises(helm.NotRendered, match=f"--api-versions {api}"):
        helm.render(given, "--kube-version", version)


def test_a_value_is_text_whatever_it_says() -> None:
    text = "x\n      hostNetwork: true"
    hub = {"priorityClassName": text, "hashSecret": {"secret": "123"}, "persistence": {"storageClass": "a: b"}}
    rendered = helm.render({"hub": hub, "namespaces": [{"name": "2024", "serviceAccounts": ["007"]}]})
    spec = helm.find(rendered, "StatefulSet", "privacy-gateway-hub")["spec"]
    assert spec["template"]["spec"]["priorityClassName"] == text
    assert "123" in [one.get("secret", {}).get("secretName") for one in spec["template"]["spec"]["volumes"]]
    assert spec["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "a: b"
    assert "2024" in [one["metadata"].get("namespace") for one in rendered]


def test_the_chart_and_the_gateway_have_one_version() -> None:
    chart = helm.values_of(helm.CHART / "Chart.yaml")
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
