"""The chart is installed, upgraded, rolled back and uninstalled."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.cluster.api import said
from tests.cluster.cluster import Failed
from tests.cluster.objects import container, object_of, pod
from tests.cluster.release import NAME, NAMESPACE, VALUES, Release
from tests.support.proxy_process import wait_until

pytestmark = pytest.mark.cluster

HUB: Final = object_of("apps/v1", "StatefulSet", "privacy-gateway-hub", NAMESPACE)
WITH_OUTBOX: Final = {**VALUES, "agent": {"outbox": {"enabled": True}}}

INJECTION: Final = "inject.privacy.kannelle.com"
MISSING: Final = (
    "the pod has no privacy gateway before all its other init containers, or lacks its label: create it once the policy "
    "inject.privacy.kannelle.com is there, and let nothing else put containers before it"
)
CONTRACTS: Final = (
    "contracts.files: 921601 bytes, and a ConfigMap takes 921600 (900 KiB): ship them in an image instead."
)

POLICIES: Final = {
    "MutatingAdmissionPolicy": {"inject"},
    "ValidatingAdmissionPolicy": {"changes", "ephemeral-containers", "exec", "exempt", "namespaces", "pods"},
}


@pytest.fixture(autouse=True)
def uninstalled(release: Release) -> Iterator[None]:
    """Each test begins and ends without a release."""
    release.uninstall()
    yield
    release.uninstall()


def names(release: Release, kind: str, version: str, namespace: str | None = None) -> set[str]:
    """Objects of a kind that the release has, by name."""
    listed = release.cluster.api.list(object_of(version, kind, "", namespace))
    ours = (one["metadata"] for one in listed)
    return {one["name"] for one in ours if one.get("labels", {}).get("app.kubernetes.io/instance") == NAME}


def volumes(release: Release) -> list[str]:
    """What an agent's pod has of the gateway's volumes."""
    made = release.cluster.api.create(pod(), dry_run=True)
    return [one["name"] for one in made["spec"]["volumes"] if one["name"].startswith("privacy-gateway-")]


def test_an_install_brings_a_hub_policies_and_files_of_each_namespace(release: Release) -> None:
    told = release.apply(VALUES)
    assert "The lock is OFF" in told
    wait_until(lambda: names(release, "Pod", "v1", NAMESPACE) == {"privacy-gateway-hub-0"})
    for kind, short in POLICIES.items():
        full = {f"{one}.privacy.kannelle.com" for one in short}
        assert names(release, kind, "admissionregistration.k8s.io/v1") == full
        assert names(release, f"{kind}Binding", "admissionregistration.k8s.io/v1") == full
    for listed in VALUES["namespaces"]:
        assert "privacy-gateway-agent" in names(release, "ConfigMap", "v1", listed["name"])


def test_the_server_finds_no_fault_in_the_policies_types(release: Release) -> None:
    release.apply({**VALUES, "lock": {"enabled": True, "image": "example/nft:1"}, "admission": {"images": ["g:1"]}})
    policies = object_of("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "")

    def checked() -> list[Any]:
        found = [one["status"]["typeChecking"] for one in api.list(policies) if "typeChecking" in one.get("status", {})]
        return found if len(found) == len(POLICIES["ValidatingAdmissionPolicy"]) else []

    api = release.cluster.api
    assert [one for one in wait_until(checked) if one.get("expressionWarnings")] == []


def test_an_upgrade_and_a_rollback_are_in_force_for_pods_that_are_made_next(release: Release) -> None:
    release.apply(VALUES)
    hub = release.cluster.api.read(HUB)
    assert "privacy-gateway-outbox" not in volumes(release)
    release.apply(WITH_OUTBOX)
    assert "privacy-gateway-outbox" in volumes(release)
    release.roll_back()
    assert "privacy-gateway-outbox" not in volumes(release)
    assert release.cluster.api.read(HUB)["spec"]["template"] == hub["spec"]["template"]


def test_another_volume_of_the_hub_s_asks_for_another_stateful_set(release: Release) -> None:
    larger = {**VALUES, "hub": {"persistence": {"size": "8Gi"}}}
    release.apply(VALUES)
    with pytest.raises(Failed, match=r"volumeClaimTemplates.*field is immutable"):
        release.apply(larger)
    release.cluster.kubectl("delete", "statefulset", "privacy-gateway-hub", "-n", NAMESPACE, "--cascade=orphan")
    release.apply(larger)
    template = release.cluster.api.read(HUB)["spec"]["volumeClaimTemplates"][0]
    assert template["spec"]["resources"]["requests"] == {"storage": "8Gi"}
    wait_until(lambda: names(release, "Pod", "v1", NAMESPACE) == {"privacy-gateway-hub-0"})


def test_contracts_that_no_config_map_takes_are_refused_with_another_way(release: Release) -> None:
    large = {"contracts": {"files": {"acme.binpb": base64.b64encode(bytes(900 * 1024 + 1)).decode()}}}
    with pytest.raises(Failed) as refused:
        release.apply({**VALUES, **large})
    assert CONTRACTS in " ".join(str(refused.value).split())


def test_pods_are_refused_where_the_other_policy_is_away(release: Release) -> None:
    release.apply(VALUES)
    api = release.cluster.api
    api.delete(object_of("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicyBinding", INJECTION))
    assert wait_until(lambda: said(lambda: api.create(pod(), dry_run=True))) == MISSING


def test_what_is_left_after_an_uninstall_is_the_hub_s_volume(release: Release) -> None:
    api = release.cluster.api
    claims = object_of("v1", "PersistentVolumeClaim", "", NAMESPACE)
    release.apply(VALUES)
    wait_until(lambda: api.list(claims))
    release.uninstall()
    kinds = release.cluster.kubectl("api-resources", "--verbs=list", "--output=name").split()
    left = release.cluster.kubectl(
        "get", ",".join(kinds), "--all-namespaces", "--selector", f"app.kubernetes.io/instance={NAME}", "--output=name"
    )
    assert left.split() == ["persistentvolumeclaim/outbox-privacy-gateway-hub-0"]
    assert api.list(claims)[0]["metadata"]["name"] == "outbox-privacy-gateway-hub-0"


def test_pods_of_before_stay_editable_and_new_ones_are_injected(release: Release) -> None:
    api = release.cluster.api
    older = pod(name="older", serviceAccountName="studio")
    api.create(older)
    release.apply(VALUES)
    change = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}
    assert api.patch(older, change)["metadata"]["labels"] == {"a": "b"}
    debugging = {"spec": {"ephemeralContainers": [container("debug")]}}
    assert said(lambda: api.patch(older, debugging, kind="strategic", below="/ephemeralcontainers")) is None
    api.delete(older)
