"""What else a namespace asks of its pods, the gateway fulfils: Pod Security, and a quota on limits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import pytest

from tests.chart.helm import manifests
from tests.cluster.api import said
from tests.cluster.objects import HARMLESS, Object, container, namespace_of, object_of, pod
from tests.cluster.release import NAME, NAMESPACE, SECURITY, VALUES, Release
from tests.support.proxy_process import wait_until

pytestmark = pytest.mark.cluster

RESTRICTED: Final = "without-gateways"
LIMITS: Final = {"cpu": "100m", "memory": "64Mi"}
QUOTA: Final = object_of(
    "v1", "ResourceQuota", "limits", "quota", spec={"hard": {"limits.cpu": "2", "limits.memory": "1Gi"}}
)


@pytest.mark.parametrize("outbox", [None, "emptyDir", "ephemeral"])
def test_pod_security_admits_an_injected_pod_at_every_level(outbox: str | None, release: Release) -> None:
    release.apply({**VALUES, "agent": {"outbox": {"enabled": True, "volume": outbox}}} if outbox else VALUES)
    for level in ("baseline", "restricted", "privileged"):
        asked = pod(container(securityContext=HARMLESS), namespace=level, securityContext={"fsGroup": 1000})
        assert said(partial(release.cluster.api.create, asked, dry_run=True)) is None, level


def test_pod_security_restricted_admits_the_hub_and_its_test(release: Release) -> None:
    release.apply(VALUES)
    api = release.cluster.api
    (hub,) = wait_until(lambda: api.list(object_of("v1", "Pod", "", NAMESPACE)))
    (test,) = [one for one in manifests(release.helm("get", "hooks", NAME)) if one["kind"] == "Pod"]
    for one in (hub, test):
        # Their service accounts are in the release's own namespace.
        asked = {**one["spec"], "serviceAccountName": "default", "serviceAccount": "default"}
        assert said(partial(api.create, {**pod(namespace=RESTRICTED), "spec": asked}, dry_run=True)) is None


def test_pod_security_still_refuses_what_the_app_lacks(release: Release) -> None:
    release.apply(VALUES)
    text = said(lambda: release.cluster.api.create(pod(namespace="restricted"), dry_run=True))
    assert text is not None
    assert 'violates PodSecurity "restricted:latest"' in text
    assert "privacy-gateway" not in text


@pytest.fixture(scope="module", autouse=True)
def restricted(release: Release) -> None:
    """A namespace that restricts pods, and injects nothing into them."""
    release.cluster.api.create(namespace_of(RESTRICTED, {SECURITY: "restricted"}))
    account = object_of("v1", "ServiceAccount", "default", RESTRICTED)
    wait_until(lambda: release.cluster.api.list(account))


@pytest.fixture
def quota(release: Release) -> Iterator[None]:
    """A quota that is in force: a pod without limits is refused by it."""
    release.apply(VALUES)
    api = release.cluster.api
    bare = pod(namespace="quota")
    api.create(QUOTA)
    wait_until(lambda: "failed quota" in (said(lambda: api.create(bare, dry_run=True)) or ""))
    yield
    api.delete(QUOTA)


def limited(**limits: str) -> Object:
    return pod(container(resources={"limits": {**LIMITS, **limits}}), namespace="quota")


def test_a_quota_on_limits_counts_the_gateway_s(release: Release, quota: None) -> None:
    api = release.cluster.api
    assert said(lambda: api.create(limited(), dry_run=True)) is None
    text = said(lambda: api.create(limited(memory="900Mi"), dry_run=True))
    assert text is not None
    assert "exceeded quota: limits, requested: limits.memory=1284Mi" in text
