"""Where the lock is on, no container of a pod can undo it, and the namespace must let it in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from tests.cluster.api import said
from tests.cluster.objects import GATEWAY, HARMLESS, Object, container, pod
from tests.cluster.release import VALUES, Release

pytestmark = pytest.mark.cluster

LOCK: Final = "privacy-gateway-lock"
LOCKED: Final[Mapping[str, Any]] = {
    **VALUES,
    "lock": {"enabled": True, "image": "example/nft:1", "allow": ["10.20.0.53/32", "fd20::53/128", "10.20.0.0/24"]},
    "agent": {"outbox": {"enabled": True, "volume": "ephemeral"}},
}

UNDONE: Final = (
    "the container {} could undo the lock of the pod's network: say runAsUser and allowPrivilegeEscalation: false of "
    "it, drop ALL or run as another user than root, and add no capability but CHOWN, DAC_OVERRIDE, FOWNER, FSETID, "
    "KILL, NET_BIND_SERVICE; privileged it may not be"
)
UNDONE_BY_APP: Final = UNDONE.format("app")
UNDONE_BY_EPHEMERAL: Final = UNDONE.replace("the container {}", "an ephemeral container")
NAME_TAKEN: Final = (
    f"the container {LOCK} differs from what is injected by that name: rename yours, or leave it out, and let no "
    "webhook change it"
)
FS_GROUP: Final = (
    "the privacy gateway can't write to a volume claim of a pod without fsGroup: set securityContext.fsGroup of the pod"
)
OWN_DNS: Final = (
    "the pod names DNS servers of its own, which the lock of its network would let all its containers reach: take "
    "dnsConfig.nameservers away, or list them under lock.allow in the chart's values, such as 192.0.2.53/32"
)
NODE: Final = (
    "the pod reaches its node, and by that whatever the lock of its network keeps it from: take hostPID, hostIPC and "
    "all volumes away but configMap, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected, secret"
)
USER_ID: Final = "UID 14317 is the privacy gateway's alone: run as another one"

USER: Final = {"runAsUser": 1000, "allowPrivilegeEscalation": False}
ROOT: Final = {"runAsUser": 0, "allowPrivilegeEscalation": False}
DROPPED: Final = {"drop": ["ALL"]}

CONTEXTS: Final[Mapping[str, tuple[Mapping[str, Any] | None, str | None]]] = {
    "none": (None, UNDONE_BY_APP),
    "user, no escalation": (USER, None),
    "user, escalation": ({"runAsUser": 1000}, UNDONE_BY_APP),
    "no user, no escalation": ({"allowPrivilegeEscalation": False}, UNDONE_BY_APP),
    "no user, drops all": ({"capabilities": DROPPED}, UNDONE_BY_APP),
    "non-root, no user": ({"runAsNonRoot": True, "allowPrivilegeEscalation": False}, UNDONE_BY_APP),
    "root": ({"runAsUser": 0}, UNDONE_BY_APP),
    "root, no escalation": (ROOT, UNDONE_BY_APP),
    "root, drops all, escalation": ({"runAsUser": 0, "capabilities": DROPPED}, UNDONE_BY_APP),
    "user, drops all, escalation": ({"runAsUser": 1000, "capabilities": DROPPED}, UNDONE_BY_APP),
    "root, drops all": ({**ROOT, "capabilities": DROPPED}, None),
    "root, drops all but one": ({**ROOT, "capabilities": {"drop": ["NET_RAW"]}}, UNDONE_BY_APP),
    "setuid": ({**ROOT, "capabilities": {**DROPPED, "add": ["SETUID"]}}, UNDONE_BY_APP),
    "NET_ADMIN": ({**USER, "capabilities": {**DROPPED, "add": ["NET_ADMIN"]}}, UNDONE_BY_APP),
    "NET_RAW": ({**USER, "capabilities": {"add": ["NET_RAW"]}}, UNDONE_BY_APP),
    "all capabilities": ({**USER, "capabilities": {"add": ["ALL"]}}, UNDONE_BY_APP),
    "a harmless capability": ({**USER, "capabilities": {**DROPPED, "add": ["NET_BIND_SERVICE"]}}, None),
    "privileged": ({"runAsUser": 0, "privileged": True, "capabilities": DROPPED}, UNDONE_BY_APP),
    "the gateway's user": ({**USER, "runAsUser": 14317}, USER_ID),
}

EPHEMERAL: Final[Mapping[str, tuple[Mapping[str, Any] | None, str | None]]] = {
    "none": (None, UNDONE_BY_EPHEMERAL),
    "user, no escalation": (USER, None),
    "NET_ADMIN": ({"capabilities": {"add": ["NET_ADMIN"]}}, UNDONE_BY_EPHEMERAL),
}

REFUSED_BY_POD_SECURITY: Final = {
    "baseline": (
        'violates PodSecurity "baseline:latest": non-default capabilities (container "privacy-gateway-lock" must not '
        'include "NET_ADMIN" in securityContext.capabilities.add)'
    ),
    "restricted": (
        'violates PodSecurity "restricted:latest": unrestricted capabilities (container "privacy-gateway-lock" must not '
        'include "NET_ADMIN" in securityContext.capabilities.add), runAsNonRoot != true (container '
        '"privacy-gateway-lock" must not set securityContext.runAsNonRoot=false), runAsUser=0 (container '
        '"privacy-gateway-lock" must not set runAsUser=0)'
    ),
}


@pytest.fixture(scope="module", autouse=True)
def applied(release: Release) -> None:
    release.apply(LOCKED)


def locked(*containers: Object, context: Mapping[str, Any] | None = None, **parts: Any) -> Object:
    """A pod that can have a volume claim."""
    return pod(*containers, securityContext={"fsGroup": 1000, **(context or {})}, **parts)


def app(context: Mapping[str, Any] | None, name: str = "app") -> Object:
    return container(name) if context is None else container(name, securityContext=dict(context))


@pytest.mark.parametrize(("context", "text"), [pytest.param(*row, id=name) for name, row in CONTEXTS.items()])
def test_a_container_that_could_undo_it_is_refused(
    context: Mapping[str, Any] | None, text: str | None, release: Release
) -> None:
    assert said(lambda: release.cluster.api.create(locked(app(context)), dry_run=True)) == text


def test_an_init_container_is_looked_at_likewise(release: Release) -> None:
    asked = locked(app(USER), initContainers=[app(None, "migrate")])
    assert said(lambda: release.cluster.api.create(asked, dry_run=True)) == UNDONE.format("migrate")


def test_the_pod_s_user_is_its_containers(release: Release) -> None:
    asked = locked(app({"allowPrivilegeEscalation": False}), context={"runAsUser": 1000})
    assert said(lambda: release.cluster.api.create(asked, dry_run=True)) is None


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_a_container_of_the_lock_s_name_is_refused(kind: str, release: Release) -> None:
    asked = locked(app(USER))
    asked["spec"].setdefault(kind, []).append(app(USER, LOCK))
    assert said(lambda: release.cluster.api.create(asked, dry_run=True)) == NAME_TAKEN


@pytest.mark.parametrize("servers", [["198.51.100.9"], ["10.20.0.53", "198.51.100.9"], ["10.20.0.1"], ["2001:db8::53"]])
def test_dns_servers_of_a_pod_s_own_are_refused(servers: list[str], release: Release) -> None:
    assert said(lambda: release.cluster.api.create(with_servers(*servers), dry_run=True)) == OWN_DNS


@pytest.mark.parametrize("servers", [[], ["10.20.0.53"], ["fd20::53", "10.20.0.53"]])
def test_dns_servers_that_all_may_reach_are_admitted(servers: list[str], release: Release) -> None:
    assert said(lambda: release.cluster.api.create(with_servers(*servers), dry_run=True)) is None


def with_servers(*servers: str) -> Object:
    return locked(app(USER), dnsConfig={"nameservers": list(servers), "searches": ["acme.test"]})


@pytest.mark.parametrize(
    "parts",
    [
        {"hostPID": True},
        {"hostIPC": True},
        {"volumes": [{"name": "scratch", "emptyDir": {}}, {"name": "node", "hostPath": {"path": "/"}}]},
        {"volumes": [{"name": "remote", "nfs": {"server": "198.51.100.9", "path": "/"}}]},
        {"volumes": [{"name": "remote", "csi": {"driver": "smb.csi.k8s.io"}}]},
    ],
    ids=str,
)
def test_a_pod_that_reaches_its_node_is_refused(parts: Mapping[str, Any], release: Release) -> None:
    assert said(lambda: release.cluster.api.create(locked(app(USER), **parts), dry_run=True)) == NODE


def test_volumes_of_the_cluster_are_admitted(release: Release) -> None:
    volumes = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ]
    assert said(lambda: release.cluster.api.create(locked(app(USER), volumes=volumes), dry_run=True)) is None


def test_a_volume_claim_asks_for_a_group(release: Release) -> None:
    assert said(lambda: release.cluster.api.create(pod(app(USER)), dry_run=True)) == FS_GROUP


def test_the_lock_comes_first_and_the_gateway_after_it(release: Release) -> None:
    made = release.cluster.api.create(locked(app(USER), initContainers=[app(USER, "migrate")]), dry_run=True)
    assert [one["name"] for one in made["spec"]["initContainers"]] == [LOCK, GATEWAY, "migrate"]
    again = release.cluster.api.create({"apiVersion": "v1", "kind": "Pod", **made}, dry_run=True)
    assert again["spec"] == made["spec"]


@pytest.fixture
def running(release: Release) -> Iterator[Object]:
    """A pod that is there."""
    made = {"apiVersion": "v1", "kind": "Pod", **release.cluster.api.create(locked(app(USER)))}
    yield made
    release.cluster.api.delete(made)


@pytest.mark.parametrize(("context", "text"), [pytest.param(*row, id=name) for name, row in EPHEMERAL.items()])
def test_an_ephemeral_container_that_could_undo_it_is_refused(
    context: Mapping[str, Any] | None, text: str | None, release: Release, running: Object
) -> None:
    patch = {"spec": {"ephemeralContainers": [app(context, "debug")]}}
    below = "/ephemeralcontainers?dryRun=All"
    assert said(lambda: release.cluster.api.patch(running, patch, kind="strategic", below=below)) == text


@pytest.mark.parametrize(("level", "text"), [pytest.param(*row, id=row[0]) for row in REFUSED_BY_POD_SECURITY.items()])
def test_pod_security_lets_it_into_privileged_namespaces_alone(level: str, text: str, release: Release) -> None:
    api = release.cluster.api
    refused = said(lambda: api.create(locked(app(HARMLESS), namespace=level), dry_run=True))
    assert refused is not None
    assert refused.partition(" is forbidden: ")[2] == text
    assert said(lambda: api.create(locked(app(HARMLESS), namespace="privileged"), dry_run=True)) is None
