"""The server puts the gateway into every pod of a labelled namespace, once, first, and finds it there again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import pytest

from tests.cluster.objects import GATEWAY, Object, container, env, injected, object_of, pod, variables
from tests.cluster.release import VALUES, Release
from tests.support.proxy_process import wait_until

pytestmark = pytest.mark.cluster

ENVIRONMENT: Final = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS": "127.0.0.1:4317",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}
SIDECAR: Final = container("mesh", restartPolicy="Always")

PODS: Final = {
    "bare": pod(),
    "two containers": pod(container(), container("other")),
    "own init containers": pod(initContainers=[container("migrate"), SIDECAR]),
    "own volumes and annotations": pod(
        container(volumeMounts=[{"name": "data", "mountPath": "/data"}]),
        annotations={"example.com/a": "b"},
        volumes=[{"name": "data", "emptyDir": {}}],
    ),
    "another service account": pod(serviceAccountName="editor"),
    "its own resources": pod(annotations={"privacy.kannelle.com/memory-limit": "1Gi"}),
}

KEPT: Final = {
    "another protocol": (
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
    ),
    "a proxy": (
        {"NO_PROXY": "10.0.0.0/8", "no_proxy": "a,127.0.0.1"},
        {"NO_PROXY": "10.0.0.0/8,127.0.0.1,localhost", "no_proxy": "a,127.0.0.1"},
    ),
    "an empty proxy": ({"NO_PROXY": ""}, {"NO_PROXY": "127.0.0.1,localhost"}),
    "of its own": ({"MODE": "fast"}, {"MODE": "fast"}),
}

OTHERS: Final = {"before ours": "a-mesh", "after ours": "z-mesh"}
"""Another mutating policy, by when the server comes to it: by name."""


@pytest.fixture(scope="module", autouse=True)
def applied(release: Release) -> None:
    release.apply(VALUES)


def others(made: Object) -> list[Object]:
    """All containers of a pod but the gateway."""
    spec = made["spec"]
    return [one for one in (*spec["initContainers"], *spec["containers"]) if one["name"] != GATEWAY]


@pytest.mark.parametrize("asked", [pytest.param(one, id=name) for name, one in PODS.items()])
def test_a_pod_gets_the_gateway_first_and_every_other_container_its_environment(
    asked: Object, release: Release
) -> None:
    made = release.cluster.api.create(asked, dry_run=True)
    assert [one["name"] for one in made["spec"]["initContainers"]] == [
        GATEWAY,
        *(one["name"] for one in asked["spec"].get("initContainers", ())),
    ]
    assert all(variables(one) == ENVIRONMENT for one in others(made))
    assert made["metadata"]["labels"]["privacy.kannelle.com/gateway"] == "injected"
    assert made["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "app"


def test_the_gateway_is_a_native_sidecar_without_the_service_account_s_token(release: Release) -> None:
    made = release.cluster.api.create(pod(serviceAccountName="editor"), dry_run=True)
    gateway = made["spec"]["initContainers"][0]
    mounts = {one["mountPath"]: one["name"] for one in gateway["volumeMounts"]}
    assert gateway["restartPolicy"] == "Always"
    assert gateway["resources"] == {
        "requests": {"cpu": "50m", "memory": "192Mi"},
        "limits": {"cpu": "1", "memory": "384Mi"},
    }
    assert mounts["/var/run/secrets/kubernetes.io/serviceaccount"] == "privacy-gateway-no-token"
    assert not [name for name in mounts.values() if name.startswith("kube-api-access")]
    sources = {one["name"]: one for one in made["spec"]["volumes"]}
    assert sources["privacy-gateway-tls"]["secret"]["secretName"] == "privacy-gateway-tls-editor"


@pytest.mark.parametrize(("given", "found"), [pytest.param(*row, id=name) for name, row in KEPT.items()])
def test_what_a_container_says_itself_stays(
    given: Mapping[str, str], found: Mapping[str, str], release: Release
) -> None:
    made = release.cluster.api.create(pod(container(env=env(**given))), dry_run=True)
    assert variables(made["spec"]["containers"][0]) == {**ENVIRONMENT, **found}


@pytest.mark.parametrize("asked", [pytest.param(one, id=name) for name, one in PODS.items()])
def test_a_pod_that_has_the_gateway_stays_as_it_is(asked: Object, release: Release) -> None:
    api = release.cluster.api
    once = api.create(asked, dry_run=True)
    assert injected(api.create({"apiVersion": "v1", "kind": "Pod", **once}, dry_run=True)) == injected(once)


@contextmanager
def policy(release: Release, name: str) -> Iterator[None]:
    """Another mutating policy, in force: it puts a container first and one last."""
    version = "admissionregistration.k8s.io/v1"
    selector = {"matchLabels": {"example.com/mesh": "wanted"}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    expression = (
        '(has(object.spec.initContainers) ? [] : [JSONPatch{op: "add", path: "/spec/initContainers", value: []}]) + ['
        'JSONPatch{op: "add", path: "/spec/initContainers/0", value: dyn({"name": "mesh-init", "image": "m"})},'
        'JSONPatch{op: "add", path: "/spec/containers/-", value: dyn({"name": "mesh", "image": "m"})}]'
    )
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"objectSelector": selector, "resourceRules": [rule]},
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
    }
    api = release.cluster.api
    made = object_of(version, "MutatingAdmissionPolicy", name, spec=spec)
    bound = object_of(version, "MutatingAdmissionPolicyBinding", name, spec={"policyName": name})
    with ExitStack() as stack:
        for one in (made, bound):
            api.create(one)
            stack.callback(api.delete, one)
        wait_until(lambda: len(api.create(meshed("default"), dry_run=True)["spec"]["containers"]) > 1)
        yield
    wait_until(lambda: len(api.create(meshed("default"), dry_run=True)["spec"]["containers"]) == 1)


def meshed(namespace: str = "video", **spec: Any) -> Object:
    """A pod that another policy changes."""
    made = pod(namespace=namespace, **spec)
    made["metadata"]["labels"] = {"example.com/mesh": "wanted"}
    return made


@pytest.mark.parametrize("name", [pytest.param(name, id=when) for when, name in OTHERS.items()])
def test_what_another_policy_adds_comes_after_the_gateway_and_has_the_environment(name: str, release: Release) -> None:
    with policy(release, name):
        made = release.cluster.api.create(meshed(initContainers=[container("migrate")]), dry_run=True)
    assert [one["name"] for one in made["spec"]["initContainers"]] == [GATEWAY, "mesh-init", "migrate"]
    assert [one["name"] for one in made["spec"]["containers"]] == ["app", "mesh"]
    assert all(variables(one) == ENVIRONMENT for one in others(made))


def test_a_variable_that_is_there_twice_is_extended_once(release: Release) -> None:
    twice = pod(container(env=env(NO_PROXY="127.0.0.1") + env(NO_PROXY="10.0.0.0/8")))
    made = release.cluster.api.create(twice, dry_run=True)["spec"]["containers"][0]
    values = [one["value"] for one in made["env"] if one["name"] == "NO_PROXY"]
    assert values == ["127.0.0.1", "10.0.0.0/8,127.0.0.1,localhost"]
