"""Whatever values say, the server admits the pod that it injects by them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.chart import helm, matrix
from tests.cluster.objects import GATEWAY, Object, object_of
from tests.cluster.release import VALUES, Release, probe
from tests.support.proxy_process import wait_until

pytestmark = pytest.mark.cluster

KINDS: Final = {
    "certificates": ("cert-manager.io", "Certificate"),
    "podmonitors": ("monitoring.coreos.com", "PodMonitor"),
    "prometheusrules": ("monitoring.coreos.com", "PrometheusRule"),
}
"""What other projects bring to a cluster, by the plural."""

CASES: Final = [pytest.param(case, id=case.stem) for case in matrix.cases()]
ON_A_SERVER: Final = {
    "namespaces": VALUES["namespaces"],
    "injection": {"mode": "policy"},
    "admission": {"enabled": True},
}


def definition(plural: str, group: str, kind: str) -> Object:
    """A kind of any content."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": [version]}
    return object_of("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{group}", spec=spec)


@pytest.fixture(scope="module", autouse=True)
def other_projects(release: Release) -> None:
    api = release.cluster.api
    defined = [definition(plural, group, kind) for plural, (group, kind) in KINDS.items()]
    for one in defined:
        api.create(one)
    wait_until(lambda: all(is_established(api.read(one)) for one in defined))


def is_established(defined: Object) -> bool:
    """Whether objects of a kind can be created."""
    conditions = {one["type"]: one["status"] for one in defined["status"].get("conditions", ())}
    return conditions.get("Established") == "True"


@pytest.mark.parametrize("case", CASES)
def test_a_pod_that_is_injected_by_them_is_admitted_and_stays_as_it_is(case: Path, release: Release) -> None:
    release.uninstall()  # a volume's size and class are those that it was made with
    release.apply({**helm.values_of(case), **ON_A_SERVER})
    made = release.cluster.api.create(probe(), dry_run=True)
    assert GATEWAY in [one["name"] for one in made["spec"]["initContainers"]]
    again = release.cluster.api.create({"apiVersion": "v1", "kind": "Pod", **made}, dry_run=True)
    assert again["spec"] == made["spec"]
