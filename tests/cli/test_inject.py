"""`inject` puts the gateway into pods of manifests, once, and changes nothing else.

The table is the one in a golden rendering of the chart, so that this needs no helm.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli import main

TABLE: Final = Path(__file__).parents[1] / "chart" / "golden" / "oldest.yaml"

POD: Final[Mapping[str, Any]] = {"containers": [{"name": "app", "image": "a"}]}


def run(*arguments: str, text: str = "") -> Result:
    command = ("inject", "--table", str(TABLE), *arguments)
    return CliRunner().invoke(main, command, prog_name="privacy-gateway", input=text)


def manifest(kind: str, spec: Any, api_version: str = "v1", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "one", "namespace": "video", **metadata},
        "spec": spec,
    }


def injected(*documents: Any) -> list[Any]:
    done = run("-", text=yaml.safe_dump_all(documents))
    assert done.exit_code == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def pod(spec: Mapping[str, Any], **metadata: Any) -> Any:
    (found,) = injected(manifest("Pod", spec, **metadata))
    return found


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container.get("env", [])}


def names(parts: list[Mapping[str, Any]]) -> list[str]:
    return [part["name"] for part in parts]


def template(*path: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"spec": POD}
    for key in reversed(path):
        spec = {key: spec}
    return spec


@pytest.mark.parametrize(
    ("api_version", "kind", "path"),
    [
        ("apps/v1", "Deployment", ("template",)),
        ("apps/v1", "StatefulSet", ("template",)),
        ("apps/v1", "DaemonSet", ("template",)),
        ("apps/v1", "ReplicaSet", ("template",)),
        ("batch/v1", "Job", ("template",)),
        ("batch/v1", "CronJob", ("jobTemplate", "spec", "template")),
    ],
)
def test_every_workload_gets_it_in_its_template(api_version: str, kind: str, path: tuple[str, ...]) -> None:
    (found,) = injected(manifest(kind, template(*path), api_version))
    inner = found["spec"]
    for key in path:
        inner = inner[key]
    assert inner["spec"] == pod(POD)["spec"]
    assert inner["metadata"] == {
        "labels": {"privacy.kannelle.com/gateway": "injected"},
        "annotations": {"kubectl.kubernetes.io/default-container": "app"},
    }


def test_it_is_the_first_native_sidecar_and_every_other_container_finds_it() -> None:
    spec = pod({**POD, "initContainers": [{"name": "migrate", "image": "m"}]})["spec"]
    assert names(spec["initContainers"]) == ["privacy-gateway", "migrate"]
    gateway, migrate = spec["initContainers"]
    assert gateway["restartPolicy"] == "Always"
    for container in (migrate, *spec["containers"]):
        assert environment(container) == {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS": "127.0.0.1:4317",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }


def test_only_the_gateway_has_the_certificate_and_it_has_no_token() -> None:
    spec = pod({**POD, "serviceAccountName": "editor"})["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    (gateway,) = spec["initContainers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in gateway["volumeMounts"]}
    assert volumes["privacy-gateway-tls"]["secret"]["secretName"] == "privacy-gateway-tls-editor"
    assert volumes[mounts["/var/run/secrets/kubernetes.io/serviceaccount"]]["emptyDir"]
    assert environment(gateway) == {"PRIVACY_GATEWAY__SERVICE": "spiffe://cluster.local/ns/video/sa/editor"}
    assert not any(container.get("volumeMounts") for container in spec["containers"])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}),
        ({"NO_PROXY": "10.0.0.0/8"}, {"NO_PROXY": "10.0.0.0/8,127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}),
        ({"NO_PROXY": ""}, {"NO_PROXY": "127.0.0.1,localhost"}),
        ({"NO_PROXY": "127.0.0.1"}, {"NO_PROXY": "127.0.0.1"}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://own"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://own"}),
    ],
)
def test_what_a_container_says_itself_is_kept_and_the_rest_fits_it(
    given: dict[str, str], wanted: dict[str, str]
) -> None:
    env = [{"name": name, "value": value} for name, value in given.items()]
    (app,) = pod({"containers": [{"name": "app", "image": "a", "env": env}]})["spec"]["containers"]
    assert environment(app).items() >= {**given, **wanted}.items()


def test_a_variable_that_is_there_twice_is_extended_once() -> None:
    env = [{"name": "NO_PROXY", "value": value} for value in ("127.0.0.1", "10.0.0.0/8")]
    (app,) = pod({"containers": [{"name": "app", "image": "a", "env": env}]})["spec"]["containers"]
    values = [one["value"] for one in app["env"] if one["name"] == "NO_PROXY"]
    assert values == ["127.0.0.1", "10.0.0.0/8,127.0.0.1,localhost"]


@pytest.mark.parametrize(
    ("said", "is_one"),
    [
        *((text, True) for text in "1 0.5 .5 5. 100m 128Mi 1e3 1E 2E-3 12k 3Ei +1 -1 5n 7u".split()),
        *((text, False) for text in ("", "m", "1 Gi", "1.2.3", "1e", "1kB", "1mi", "1K", "e3", "٣")),
    ],
)
def test_a_quantity_is_one_of_kubernetes_s(said: str, is_one: bool) -> None:
    document = manifest("Pod", POD, annotations={"privacy.kannelle.com/cpu-request": said})
    assert run("-", text=yaml.safe_dump(document)).exit_code == int(not is_one)


def test_an_annotation_says_what_the_gateway_may_use() -> None:
    annotations = {"privacy.kannelle.com/cpu-request": "200m", "privacy.kannelle.com/memory-limit": "1Gi"}
    (gateway,) = pod(POD, annotations=annotations)["spec"]["initContainers"]
    assert gateway["resources"] == {
        "requests": {"cpu": "200m", "memory": "192Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }


container = st.fixed_dictionaries(
    {"name": st.sampled_from("abc"), "image": st.just("a")},
    optional={
        "env": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(
                        ["NO_PROXY", "no_proxy", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_ENDPOINT", "X"]
                    )
                },
                optional={"value": st.sampled_from(["", "a", "http/json", "127.0.0.1", "a,127.0.0.1"])},
            ),
            unique_by=lambda one: one["name"],
        )
    },
)
specs = st.fixed_dictionaries(
    {"containers": st.lists(container, min_size=1, max_size=2)},
    optional={
        "initContainers": st.lists(container, max_size=2),
        "volumes": st.just([{"name": "v", "emptyDir": {}}]),
        "serviceAccountName": st.sampled_from(["editor", "default"]),
    },
)


@settings(max_examples=30)
@given(specs)
def test_a_pod_that_has_it_comes_out_the_same(spec: dict[str, Any]) -> None:
    once = pod(spec)
    assert injected(once) == [once]


@settings(max_examples=30)
@given(specs)
def test_nothing_that_was_there_is_lost(spec: dict[str, Any]) -> None:
    found = pod(spec)["spec"]
    assert names(found["containers"]) == names(spec["containers"])
    assert names(found["initContainers"]) == ["privacy-gateway", *names(spec.get("initContainers", []))]
    assert found["volumes"][: len(spec.get("volumes", []))] == spec.get("volumes", [])
    for before, after in zip(spec["containers"], found["containers"], strict=True):
        known = environment(after)
        for name, value in environment(before).items():
            assert known[name].startswith(value)


def test_another_container_that_was_put_before_it_goes_behind() -> None:
    once = pod(POD)
    once["spec"]["initContainers"].insert(0, {"name": "mesh", "image": "m"})
    (found,) = injected(once)
    assert names(found["spec"]["initContainers"]) == ["privacy-gateway", "mesh"]


def test_an_exempt_service_goes_without() -> None:
    spec = {**POD, "serviceAccountName": "batch"}
    assert pod(spec, annotations={"privacy.kannelle.com/inject": "disabled"})["spec"] == spec
