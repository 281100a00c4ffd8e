"""What a namespace's pods may not be, and what the server says of each: the whole text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from tests.cluster.api import named, said
from tests.cluster.objects import HARMLESS, INJECT, Object, container, env, namespace_of, pod
from tests.cluster.release import VALUES, Release

pytestmark = pytest.mark.cluster

IMAGE: Final = (
    "the image of the privacy gateway may not be changed in a pod that is there: leave it as it is, and create the pod "
    "anew once the chart's values name another one"
)
LOCAL: Final = "PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS"
OWN_ENDPOINT: Final = {"privacy.kannelle.com/own-endpoint": "allowed"}
GATEWAY_LABEL_KEY: Final = "privacy.kannelle.com/gateway"
CERTIFICATE: Final = "privacy-gateway-tls-default"
AS_GATEWAY: Final = {"runAsUser": 14317}
MOUNTED: Final = [{"name": "privacy-gateway-tls", "mountPath": "/tls"}]
KEY: Final = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": CERTIFICATE, "key": "tls.key"}}}
DISABLED: Final = {INJECT: "disabled"}

ANNOTATION: Final = (
    "the annotation privacy.kannelle.com/inject says neither enabled nor disabled: give it one of them, or take it away"
)
LABEL: Final = ANNOTATION.replace("annotation", "label")
UNLISTED: Final = (
    "{} isn't listed under namespaces in the chart's values, so that its privacy gateway has no certificate: list the "
    "namespace and the service account there"
)
MAY_NOT_GO_WITHOUT: Final = (
    "{0} may not go without the privacy gateway: take the annotation privacy.kannelle.com/inject: disabled away, or "
    "list {0} under exempt in the chart's values"
)
QUANTITY: Final = (
    "the annotation privacy.kannelle.com/{} says no quantity: give it one, such as 100m of a CPU or 256Mi of memory, or "
    "take it away"
)
HOST_NETWORK: Final = (
    "a pod on the host's network has no privacy gateway of its own: set hostNetwork to false, or list video/default "
    "under exempt in the chart's values and give the pod the annotation privacy.kannelle.com/inject: disabled"
)
USER_ID: Final = "UID 14317 is the privacy gateway's alone: run as another one"
NAME_TAKEN: Final = (
    "the container privacy-gateway differs from what is injected by that name: rename yours, or leave it out, and let "
    "no webhook change it"
)
ENVIRONMENT: Final = (
    "the container app lacks the environment by which it finds the privacy gateway, or says something else there: take "
    "PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS and its like out of the manifest, and write 127.0.0.1 into NO_PROXY and "
    "no_proxy where they are set"
)
ENDPOINT: Final = (
    "the container app sends telemetry past the privacy gateway: take OTEL_EXPORTER_OTLP_ENDPOINT and its like out of "
    "its environment, or allow it by the annotation privacy.kannelle.com/own-endpoint: allowed"
)
VOLUME: Final = (
    "the volume {} has the name or the certificate of one of the privacy gateway's: rename it, or leave it out"
)
MOUNT: Final = "the container app mounts a volume of the privacy gateway's: only the gateway may"
CERTIFICATE_READ: Final = (
    "the container app has the certificate of a privacy gateway in its environment: only the gateway may have it, so "
    "take the secret out of env and envFrom"
)
PROCESSES: Final = (
    "the pod's containers would share their processes, and with them the privacy gateway's files: take "
    "shareProcessNamespace away"
)
EPHEMERAL_TARGET: Final = (
    "an ephemeral container looks into the privacy gateway's: name another container as its target"
)
ITS_OWN: Final = (
    "the privacy gateway's container is its alone: name another one, and read of the gateway its log and its metrics"
)
GATEWAY_LABEL: Final = (
    "the label privacy.kannelle.com/gateway says that a pod has a privacy gateway, and what it may reach goes by it: "
    "leave it as it is"
)
EPHEMERAL_MOUNT: Final = "an ephemeral container mounts a volume of the privacy gateway's: only the gateway may"


def app(**variables: str) -> Object:
    return container(env=env(**variables))


def volume(name: str, **source: Any) -> Mapping[str, Any]:
    return {"volumes": [{"name": name, **source}]}


REFUSED: Final = {
    "annotation": (pod(annotations={INJECT: "no"}), ANNOTATION),
    "annotation, empty": (pod(annotations={INJECT: ""}), ANNOTATION),
    "annotation of an exempt account": (pod(annotations={INJECT: "off"}, serviceAccountName="batch"), ANNOTATION),
    "disabled": (pod(annotations=DISABLED), MAY_NOT_GO_WITHOUT.format("video/default")),
    "disabled, unlisted": (
        pod(annotations=DISABLED, serviceAccountName="studio"),
        MAY_NOT_GO_WITHOUT.format("video/studio"),
    ),
    "exempt, not disabled": (pod(serviceAccountName="batch"), UNLISTED.format("video/batch")),
    "service account": (pod(serviceAccountName="studio"), UNLISTED.format("video/studio")),
    "namespace": (pod(namespace="sales"), UNLISTED.format("sales/default")),
    "quantity": (pod(annotations={"privacy.kannelle.com/cpu-request": "much"}), QUANTITY.format("cpu-request")),
    "quantity, empty": (pod(annotations={"privacy.kannelle.com/memory-limit": ""}), QUANTITY.format("memory-limit")),
    "host's network": (pod(hostNetwork=True), HOST_NETWORK),
    "UID of the pod": (pod(securityContext=AS_GATEWAY), USER_ID),
    "UID of a container": (pod(container(securityContext=AS_GATEWAY)), USER_ID),
    "UID of an init container": (pod(initContainers=[container("own", securityContext=AS_GATEWAY)]), USER_ID),
    "container of the gateway's name": (pod(container("privacy-gateway")), NAME_TAKEN),
    "init container of it": (pod(initContainers=[container("privacy-gateway")]), NAME_TAKEN),
    "local address": (pod(app(**{LOCAL: "10.0.0.1:4317"})), ENVIRONMENT),
    "local address, once more": (
        pod(container(env=env(**{LOCAL: "127.0.0.1:4317"}) + env(**{LOCAL: "10.0.0.1:4317"}))),
        ENVIRONMENT,
    ),
    "endpoint": (pod(app(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4317")), ENDPOINT),
    "endpoint of traces": (pod(app(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://collector:4317")), ENDPOINT),
    "endpoint of another protocol": (
        pod(app(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317", OTEL_EXPORTER_OTLP_PROTOCOL="http/json")),
        ENDPOINT,
    ),
    "endpoint of an init container": (
        pod(initContainers=[container("own", env=env(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4317"))]),
        ENDPOINT.replace("app", "own"),
    ),
    "volume of its name": (pod(**volume("privacy-gateway-tls", emptyDir={})), VOLUME.format("privacy-gateway-tls")),
    "certificate by another name": (pod(**volume("x", secret={"secretName": CERTIFICATE})), VOLUME.format("x")),
    "projected certificate": (
        pod(**volume("x", projected={"sources": [{"secret": {"name": CERTIFICATE}}]})),
        VOLUME.format("x"),
    ),
    "certificate by a driver": (
        pod(**volume("x", csi={"driver": "acme.example", "nodePublishSecretRef": {"name": CERTIFICATE}})),
        VOLUME.format("x"),
    ),
    "an exempt account's certificate": (
        pod(annotations=DISABLED, serviceAccountName="batch", **volume("x", secret={"secretName": CERTIFICATE})),
        VOLUME.format("x"),
    ),
    "an exempt account's key in a variable": (
        pod(container(env=[KEY]), annotations=DISABLED, serviceAccountName="batch"),
        CERTIFICATE_READ,
    ),
    "processes in common": (pod(shareProcessNamespace=True), PROCESSES),
    "another account's certificate": (
        pod(**volume("x", secret={"secretName": "privacy-gateway-tls-editor"})),
        VOLUME.format("x"),
    ),
    "key in a variable": (pod(container(env=[KEY])), CERTIFICATE_READ),
    "certificate in all variables": (pod(container(envFrom=[{"secretRef": {"name": CERTIFICATE}}])), CERTIFICATE_READ),
    "key in a variable of an init container": (
        pod(initContainers=[container("own", env=[KEY])]),
        CERTIFICATE_READ.replace("app", "own"),
    ),
    "mount": (pod(container(volumeMounts=MOUNTED)), MOUNT),
    "two containers": (
        pod(
            app(OTEL_EXPORTER_OTLP_ENDPOINT="http://a"), container("b", env=env(OTEL_EXPORTER_OTLP_ENDPOINT="http://b"))
        ),
        ENDPOINT.replace("container app", "container app, b"),
    ),
}

ADMITTED: Final = {
    "plain": pod(),
    "another listed account": pod(serviceAccountName="editor"),
    "exempt and disabled": pod(annotations=DISABLED, serviceAccountName="batch"),
    "exempt on the host's network": pod(annotations=DISABLED, serviceAccountName="batch", hostNetwork=True),
    "endpoint that an annotation allows": pod(
        app(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4317"), annotations=OWN_ENDPOINT
    ),
    "the gateway's endpoint": pod(app(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317")),
    "another protocol": pod(app(OTEL_EXPORTER_OTLP_PROTOCOL="http/json")),
    "secrets of its own": pod(
        container(env=[{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "own", "key": "key"}}}]),
        **volume("x", secret={"secretName": "own"}),
    ),
    "a proxy that a field names": pod(
        container(env=[{"name": "NO_PROXY", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])
    ),
    "quantities spelt otherwise": pod(
        annotations={"privacy.kannelle.com/cpu-request": "0.1", "privacy.kannelle.com/memory-limit": "1024Mi"}
    ),
    "not labelled": pod(namespace="default"),
    "restricted": pod(container(securityContext=HARMLESS), namespace="restricted"),
}

EPHEMERAL: Final = {
    "plain": (container("debug"), None),
    "as the gateway": (container("debug", securityContext=AS_GATEWAY), USER_ID),
    "with its certificate": (container("debug", volumeMounts=MOUNTED), EPHEMERAL_MOUNT),
    "looking at it": (container("debug", targetContainerName="privacy-gateway"), EPHEMERAL_TARGET),
    "looking at the app": (container("debug", targetContainerName="app"), None),
    "with its key": (
        container("debug", env=[KEY]),
        CERTIFICATE_READ.replace("the container app", "an ephemeral container"),
    ),
}

IMAGES: Final = {
    "the gateway's": ({"initContainers": [{"name": "privacy-gateway", "image": "other:1"}]}, IMAGE),
    "the app's": ({"containers": [{"name": "app", "image": "other:1"}]}, None),
    "an init container's": ({"initContainers": [{"name": "own", "image": "other:1"}]}, None),
}

LABELS: Final = {
    "another value": ("yes", LABEL),
    "no value": ("", LABEL),
    "enabled": ("enabled", None),
    "disabled": ("disabled", None),
}


@pytest.fixture(scope="module", autouse=True)
def applied(release: Release) -> None:
    release.apply(VALUES)


@pytest.mark.parametrize(("refused", "text"), [pytest.param(*row, id=name) for name, row in REFUSED.items()])
def test_a_pod_that_goes_around_the_gateway_is_refused_with_what_to_change(
    refused: Object, text: str, release: Release
) -> None:
    assert said(lambda: release.cluster.api.create(refused, dry_run=True)) == text


@pytest.mark.parametrize("admitted", [pytest.param(one, id=name) for name, one in ADMITTED.items()])
def test_a_pod_that_does_not_is_admitted(admitted: Object, release: Release) -> None:
    assert release.cluster.api.create(admitted, dry_run=True)["metadata"]["uid"]


@pytest.mark.parametrize(("debugging", "text"), [pytest.param(*row, id=name) for name, row in EPHEMERAL.items()])
def test_an_ephemeral_container_may_be_no_gateway(
    debugging: Object, text: str | None, release: Release, running: Object
) -> None:
    patch = {"spec": {"ephemeralContainers": [debugging]}}
    api = release.cluster.api
    assert said(lambda: api.patch(running, patch, kind="strategic", below="/ephemeralcontainers?dryRun=All")) == text


@pytest.mark.parametrize(("spec", "text"), [pytest.param(*row, id=name) for name, row in IMAGES.items()])
def test_the_gateway_s_image_stays_while_its_pod_is_there(
    spec: Object, text: str | None, release: Release, running: Object
) -> None:
    api = release.cluster.api
    assert said(lambda: api.patch(running, {"spec": spec}, kind="strategic", below="?dryRun=All")) == text


@pytest.mark.parametrize("verb", ["exec", "attach"])
def test_nobody_runs_a_program_in_the_gateway_s_container(verb: str, release: Release, running: Object) -> None:
    def asked(name: str) -> str | None:
        path = f"{named(running)}/{verb}?container={name}&command=id&stdout=true"
        return said(lambda: release.cluster.api.ask("POST", path))

    assert asked("privacy-gateway") == ITS_OWN
    assert (asked("app") or "").endswith("does not have a host assigned")


@pytest.mark.parametrize(("labels", "text"), [({GATEWAY_LABEL_KEY: None}, GATEWAY_LABEL), ({"tier": "web"}, None)])
def test_the_label_that_network_policies_go_by_stays(
    labels: Object, text: str | None, release: Release, running: Object
) -> None:
    patch = {"metadata": {"labels": labels}}
    assert said(lambda: release.cluster.api.patch(running, patch, below="?dryRun=All")) == text


@pytest.fixture
def running(release: Release) -> Iterator[Object]:
    """A pod that is there."""
    made = {"apiVersion": "v1", "kind": "Pod", **release.cluster.api.create(pod(initContainers=[container("own")]))}
    yield made
    release.cluster.api.delete(made)


@pytest.mark.parametrize(("value", "text"), [pytest.param(*row, id=name) for name, row in LABELS.items()])
def test_a_namespace_s_label_is_one_of_two(value: str, text: str | None, release: Release) -> None:
    labelled = namespace_of("labelled", {INJECT: value})
    assert said(lambda: release.cluster.api.create(labelled, dry_run=True)) == text
