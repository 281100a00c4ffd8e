"""Whoever makes a pod, a controller or a person: it has the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tests.cluster.objects import GATEWAY, container, object_of, pod, variables
from tests.cluster.release import VALUES, Release
from tests.support.proxy_process import wait_until

pytestmark = pytest.mark.cluster

LABELS: Final = {"app": "kitchen"}
SELECTOR: Final = {"selector": {"matchLabels": LABELS}}
CONTAINERS: Final = {"containers": [container()], "initContainers": [container("migrate")]}
TEMPLATE: Final = {"metadata": {"labels": LABELS}, "spec": CONTAINERS}
TASK: Final = {**TEMPLATE, "spec": {**CONTAINERS, "restartPolicy": "Never"}}
CRON: Final = {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": TASK}}}
NODE: Final = object_of("v1", "Node", "one")


def created(version: str, kind: str, **spec: Any) -> Callable[[Release], None]:
    """Creates a workload."""
    workload = object_of(version, kind, "kitchen", "video", spec=spec)

    def start(release: Release) -> None:
        release.cluster.api.create(workload)

    return start


def start_bare_pod(release: Release) -> None:
    bare = pod(container(), name="kitchen", initContainers=[container("migrate")])
    bare["metadata"]["labels"] = LABELS
    release.cluster.api.create(bare)


def start_job_of_cron_job(release: Release) -> None:
    """As a person does it."""
    release.cluster.api.create(object_of("batch/v1", "CronJob", "kitchen", "video", spec=CRON))
    release.cluster.kubectl("create", "job", "kitchen", "--from=cronjob/kitchen", "--namespace=video")


def miss_schedule_of_cron_job(release: Release) -> None:
    """What was due since the last time, the controller makes up for."""
    made = object_of("batch/v1", "CronJob", "kitchen", "video", spec={**CRON, "suspend": True})
    release.cluster.api.create(made)
    earlier = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    release.cluster.api.patch(made, {"status": {"lastScheduleTime": earlier}}, below="/status")
    release.cluster.api.patch(made, {"spec": {"suspend": False}})


STARTED: Final[dict[str, Callable[[Release], None]]] = {
    "Deployment": created("apps/v1", "Deployment", **SELECTOR, template=TEMPLATE),
    "ReplicaSet": created("apps/v1", "ReplicaSet", **SELECTOR, template=TEMPLATE),
    "StatefulSet": created("apps/v1", "StatefulSet", **SELECTOR, template=TEMPLATE, serviceName="kitchen"),
    "DaemonSet": created("apps/v1", "DaemonSet", **SELECTOR, template=TEMPLATE),
    "Job": created("batch/v1", "Job", template=TASK),
    "CronJob": miss_schedule_of_cron_job,
    "Job of a CronJob": start_job_of_cron_job,
    "bare pod": start_bare_pod,
}


@pytest.fixture(scope="module", autouse=True)
def applied(release: Release) -> Iterator[None]:
    release.apply(VALUES)
    # A new node is tainted until its kubelet says that it is ready; there is none.
    release.cluster.api.create(NODE)
    release.cluster.api.patch(NODE, {"spec": {"taints": None}})
    yield
    release.cluster.api.delete(NODE)


@pytest.fixture(autouse=True)
def cleared(release: Release) -> Iterator[None]:
    """Each test's workloads end with it."""
    yield
    kinds = "deployments,replicasets,statefulsets,daemonsets,cronjobs,jobs,pods"
    release.cluster.kubectl("delete", kinds, "--all", "--namespace=video", "--force", "--grace-period=0")


@pytest.mark.parametrize("start", [pytest.param(start, id=kind) for kind, start in STARTED.items()])
def test_the_pods_of_a_workload_have_the_gateway(start: Callable[[Release], None], release: Release) -> None:
    start(release)
    (made, *_) = wait_until(lambda: release.cluster.api.list(object_of("v1", "Pod", "", "video")))
    alone = release.cluster.api.create(pod(), dry_run=True)["spec"]
    gateway, migrate = made["spec"]["initContainers"]
    assert gateway == alone["initContainers"][0]
    assert (gateway["name"], migrate["name"]) == (GATEWAY, "migrate")
    for one in (migrate, *made["spec"]["containers"]):
        assert variables(one) == variables(alone["containers"][0])
    assert made["metadata"]["labels"].items() >= LABELS.items()


def test_a_workload_whose_pods_are_refused_says_why(release: Release) -> None:
    refused = {**TEMPLATE, "spec": {**CONTAINERS, "serviceAccountName": "studio"}}
    created("apps/v1", "ReplicaSet", **SELECTOR, template=refused)(release)

    def told() -> list[str]:
        events = release.cluster.api.list(object_of("v1", "Event", "", "video"))
        return [one["message"] for one in events if one["reason"] == "FailedCreate"]

    assert "video/studio isn't listed under namespaces in the chart's values" in wait_until(told)[0]
