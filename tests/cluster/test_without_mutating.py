"""A cluster that doesn't know mutating policies: `inject` gives the pods that the policy makes elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings

from gateway.cli import main
from tests.cli.test_inject import specs
from tests.cluster.api import Refused, said
from tests.cluster.cluster import Failed, started
from tests.cluster.objects import HARMLESS, Object, container, env, injected, object_of, pod
from tests.cluster.release import NAMESPACE, VALUES, Release
from tests.support.proxy_process import wait_until

pytestmark = pytest.mark.cluster

OLDER: Final = "--emulated-version=1.34"
PATCHED: Final = {"injection": {"mode": "manifests"}}
SAME_IMAGE: Final[Mapping[str, Any]] = {**VALUES, "image": {"repository": "example/gateway", "tag": "same"}}
LOCKED: Final[Mapping[str, Any]] = {
    **SAME_IMAGE,
    "image": {"repository": "example/gateway", "tag": "locked"},
    "lock": {"enabled": True, "image": "example/nft:1", "allow": ["10.20.0.0/16"]},
    "agent": {"outbound": True, "inbound": True, "outbox": {"enabled": True, "volume": "ephemeral"}},
}

UNKNOWN: Final = (
    "injection.mode: policy needs admissionregistration.k8s.io/v1/MutatingAdmissionPolicy, which this cluster doesn't "
    "know: injection.mode=manifests, and `privacy-gateway inject` patches manifests instead. Where no cluster is asked "
    "(helm template, Argo CD), say that yours has it: --api-versions "
    "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
)
NOT_PATCHED: Final = (
    "the pod has no privacy gateway before all its other init containers, or lacks its label: patch its manifest by "
    "`privacy-gateway inject`, and let nothing else put containers before it"
)

NAME_TAKEN: Final = (
    "the container privacy-gateway differs from what is injected by that name: rename yours, or leave it out, and let "
    "no webhook change it"
)

PODS: Final = {
    "bare": pod(),
    "two containers": pod(container(), container("other")),
    "own init containers": pod(initContainers=[container("migrate"), container("mesh", restartPolicy="Always")]),
    "another service account": pod(serviceAccountName="editor"),
    "its own resources": pod(annotations={"privacy.kannelle.com/memory-limit": "1.0Gi"}),
    "own environment": pod(container(env=env(NO_PROXY="a", OTEL_EXPORTER_OTLP_PROTOCOL="http/json"))),
    "own volumes": pod(volumes=[{"name": "data", "emptyDir": {}}]),
    "exempt": pod(serviceAccountName="batch", annotations={"privacy.kannelle.com/inject": "disabled"}),
}

CONTAINERS: Final = {"containers": [container()]}
TEMPLATE: Final = {"metadata": {"labels": {"app": "kitchen"}}, "spec": CONTAINERS}
SELECTOR: Final = {"selector": {"matchLabels": {"app": "kitchen"}}}
WORKLOADS: Final = [
    object_of("apps/v1", "Deployment", "kitchen", "video", spec={**SELECTOR, "template": TEMPLATE}),
    object_of(
        "apps/v1", "StatefulSet", "kitchen", "video", spec={**SELECTOR, "template": TEMPLATE, "serviceName": "k"}
    ),
    object_of(
        "batch/v1",
        "Job",
        "kitchen",
        "video",
        spec={"template": {**TEMPLATE, "spec": {**CONTAINERS, "restartPolicy": "Never"}}},
    ),
]


@pytest.fixture(scope="module")
def older() -> Iterator[Release]:
    """A release in a cluster without the API."""
    with TemporaryDirectory() as folder, started(Path(folder), OLDER) as cluster:
        made = Release(cluster)
        made.prepare()
        yield made


def apply(release: Release, older: Release, values: Mapping[str, Any] = SAME_IMAGE) -> None:
    """Have the same values in force where the policy injects, and where manifests are patched."""
    release.apply(values)
    older.apply({**values, **PATCHED})


def patched(older: Release, manifest: Object) -> Object | None:
    """What `inject` makes of a manifest, by the table in the cluster; nothing if it refuses."""
    with TemporaryDirectory() as folder:
        table = Path(folder) / "injection.yaml"
        table.write_text(yaml.safe_dump(older.held_table()))
        done = CliRunner().invoke(main, ("inject", "--table", str(table), "-"), input=yaml.safe_dump(manifest))
    return None if done.exit_code else yaml.safe_load(done.stdout)


def admitted(release: Release, manifest: Object | None) -> Object | None:
    """What a server makes of a pod; nothing if there is none, or if it refuses."""
    if manifest is None:
        return None
    try:
        return injected(release.cluster.api.create(manifest, dry_run=True))
    except Refused:
        return None


def test_an_install_by_policy_fails_and_names_the_flag(older: Release) -> None:
    older.uninstall()
    with pytest.raises(Failed) as refused:
        older.apply(VALUES)
    assert UNKNOWN in " ".join(str(refused.value).split())
    with pytest.raises(Refused, match="404"):
        older.cluster.api.read(object_of("v1", "ConfigMap", "privacy-gateway-injection", NAMESPACE))


def test_a_manifest_that_is_not_patched_is_refused(older: Release) -> None:
    older.apply({**SAME_IMAGE, **PATCHED})
    assert said(lambda: older.cluster.api.create(pod(), dry_run=True)) == NOT_PATCHED


def test_a_manifest_of_before_an_upgrade_is_admitted_where_values_name_its_image(older: Release) -> None:
    def refused() -> str | None:
        return said(lambda: older.cluster.api.create(manifest or {}, dry_run=True))

    older.apply({**SAME_IMAGE, **PATCHED})
    manifest = patched(older, pod())
    assert refused() is None
    newer = {**SAME_IMAGE, **PATCHED, "image": {"repository": "example/gateway", "tag": "newer"}}
    older.apply(newer)
    assert refused() == NAME_TAKEN
    older.apply({**newer, "admission": {"images": ["example/gateway:same"]}})
    wait_until(lambda: refused() is None)


@pytest.mark.parametrize("asked", [pytest.param(one, id=name) for name, one in PODS.items()])
def test_a_patched_pod_is_the_one_that_the_policy_makes(asked: Object, release: Release, older: Release) -> None:
    apply(release, older)
    made = admitted(release, asked)
    assert made is not None
    assert admitted(older, patched(older, asked)) == made


@settings(max_examples=40)
@given(specs)
def test_any_patched_pod_is_the_one_that_the_policy_makes(release: Release, older: Release, spec: Object) -> None:
    apply(release, older)
    asked = {**pod(), "spec": spec}
    assert admitted(older, patched(older, asked)) == admitted(release, asked)


def test_a_locked_pod_is_the_one_that_the_policy_makes(release: Release, older: Release) -> None:
    apply(release, older, LOCKED)
    asked = pod(container(securityContext=HARMLESS), securityContext={"fsGroup": 1000})
    made = admitted(release, asked)
    assert made is not None
    assert len(made["spec"]["initContainers"]) == 2
    assert admitted(older, patched(older, asked)) == made


@pytest.mark.parametrize("workload", [pytest.param(one, id=one["kind"]) for one in WORKLOADS])
def test_pods_of_a_patched_workload_are_those_that_the_policy_makes(
    workload: Object, release: Release, older: Release
) -> None:
    apply(release, older)
    manifest = patched(older, workload)
    assert manifest is not None
    assert pod_of(older, manifest)["spec"] == pod_of(release, workload)["spec"]


def pod_of(release: Release, workload: Object) -> Object:
    """The pod that a controller makes of a workload, which ends."""
    cluster = release.cluster
    cluster.api.create(workload)
    try:
        (made,) = wait_until(lambda: cluster.api.list(object_of("v1", "Pod", "", "video")))
        return injected(made)
    finally:
        kinds = f"{workload['kind']}s,pods"
        cluster.kubectl("delete", kinds, "--all", "--namespace=video", "--force", "--grace-period=0")
