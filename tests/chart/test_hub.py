"""The hub: one pod with a volume, nobody's token, and vendors' secrets by reference."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.helm import Manifest, find, render

pytestmark = pytest.mark.chart


def hub_pod(documents: list[Manifest]) -> Any:
    return find(documents, "StatefulSet", "privacy-gateway-hub")["spec"]["template"]["spec"]


def test_a_secret_of_a_vendor_is_named_and_nowhere_written() -> None:
    (container,) = hub_pod(
        render({"hub": {"secretEnv": {"SEGMENT_WRITE_KEY": {"secret": "vendors", "key": "segment"}}}})
    )["containers"]
    assert container["env"] == [
        {"name": "SEGMENT_WRITE_KEY", "valueFrom": {"secretKeyRef": {"name": "vendors", "key": "segment"}}}
    ]


def test_it_may_do_nothing_but_run() -> None:
    pod = hub_pod(render({}))
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in pod["containers"]:
        context = container["securityContext"]
        assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_a_mesh_is_told_that_what_agents_say_is_tls() -> None:
    (port,) = find(render({}), "Service", "privacy-gateway-hub")["spec"]["ports"]
    assert (port["port"], port["appProtocol"]) == (14007, "tls")


def test_no_disruption_budget_keeps_a_node_from_being_drained() -> None:
    assert "PodDisruptionBudget" not in {one["kind"] for one in render({})}


def test_a_changed_configuration_is_a_new_pod_and_a_changed_policy_is_none() -> None:
    def annotation(**hub: Any) -> Any:
        return find(render(hub), "StatefulSet", "privacy-gateway-hub")["spec"]["template"]["metadata"]["annotations"]

    assert annotation() != annotation(hub={"outbox": {"maxAge": "4d"}})
    assert annotation(policy={"document": "version: 1\n"}) == annotation(policy={"document": "version: 2\n"})


@pytest.mark.parametrize(("digest", "image"), [("", "gateway:2"), (f"sha256:{'a' * 64}", f"gateway@sha256:{'a' * 64}")])
def test_a_digest_goes_before_a_tag(digest: str, image: str) -> None:
    given = {"image": {"repository": "gateway", "tag": "2", "digest": digest}}
    assert hub_pod(render(given))["containers"][0]["image"] == image
