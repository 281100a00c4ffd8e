"""`inject` reads manifests as Kubernetes does: what each document is, what lists hold, and what YAML and JSON say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.cli.test_inject import POD, injected, manifest, pod, run, template


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("batch.volcano.sh/v1alpha1", "Job"),
        ("serving.knative.dev/v1", "Deployment"),
        ("example.com/v1", "Pod"),
        ("apps/v1", "Job"),
        ("batch/v1beta1", "CronJob"),
        ("apps/v1", "Pod"),
        ("v1", "pod"),
    ],
)
@pytest.mark.parametrize("spec", [{"tasks": []}, POD, template("template")])
def test_what_only_has_the_name_of_a_kind_of_ours_passes_as_it_is(api_version: str, kind: str, spec: Any) -> None:
    document = manifest(kind, spec, api_version)
    assert injected(document) == [document]


def test_documents_and_lists_keep_their_order_and_what_has_no_pod_passes() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "annotations": {"day": "2026-01-01"}}}
    items = {"apiVersion": "v1", "kind": "List", "items": [service, manifest("Pod", POD)]}
    found = injected(service, items, manifest("Pod", POD))
    assert [document["kind"] for document in found] == ["Service", "List", "Pod"]
    assert (found[0], found[1]["items"][0]) == (service, service)
    assert found[1]["items"][1] == found[2]


def test_json_s_own_texts_and_numbers_are_read_as_it_has_them() -> None:
    document = {"kind": "ConfigMap", "data": {"a": "\U0001f600", "b": 1e30, "c": "\u2028"}}
    assert yaml.safe_load(run("-", text=json.dumps(document)).stdout) == document


POD_TYPE: Final = {"apiVersion": "v1", "kind": "Pod"}
DEPLOYMENT_TYPE: Final = {"apiVersion": "apps/v1", "kind": "Deployment"}


@pytest.mark.parametrize(
    ("listed", "item", "taken_for"),
    [
        ({"apiVersion": "v1", "kind": "PodList"}, {}, POD_TYPE),
        ({"apiVersion": "v1", "kind": "PodList"}, {"apiVersion": "", "kind": None}, POD_TYPE),
        ({"apiVersion": "v1", "kind": "PodList"}, {"kind": "Pod"}, POD_TYPE),
        ({"apiVersion": "v1", "kind": "PodList"}, {"apiVersion": "v1"}, POD_TYPE),
        ({"apiVersion": "apps/v1", "kind": "DeploymentList"}, {}, DEPLOYMENT_TYPE),
        ({"apiVersion": "v1", "kind": "List"}, DEPLOYMENT_TYPE, DEPLOYMENT_TYPE),
        ({"apiVersion": "v1", "kind": "PodList"}, DEPLOYMENT_TYPE, DEPLOYMENT_TYPE),
        ({"apiVersion": "v1", "kind": "List"}, {}, None),
        ({"apiVersion": "apps/v1", "kind": "PodList"}, {}, None),
        ({"apiVersion": "v1", "kind": "PodList"}, {"apiVersion": "example.com/v1", "kind": "Pod"}, None),
        ({"apiVersion": "example.com/v1", "kind": "PodList"}, {}, None),
        ({"kind": "PodList"}, {}, None),
    ],
)
def test_an_item_that_does_not_say_what_it_is_is_what_its_list_is_of(
    listed: dict[str, str], item: dict[str, Any], taken_for: dict[str, str] | None
) -> None:
    content = {"metadata": {"name": "one", "namespace": "video"}, "spec": {**POD, **template("template")}}
    (found,) = injected({**listed, "items": [{**item, **content}]})
    wanted = content if taken_for is None else injected({**taken_for, **content})[0]
    assert found == {**listed, "items": [{**item, **{key: wanted[key] for key in content}}]}


def test_an_item_without_a_kind_is_told_by_the_one_it_has() -> None:
    done = run("-", text=json.dumps({"apiVersion": "v1", "kind": "PodList", "items": [{"spec": POD}]}))
    assert done.stderr == "-: Pod without a name: names no namespace: --namespace says which\n"


def test_json_is_taken_as_kubectl_prints_it(tmp_path: Path) -> None:
    (tmp_path / "pod.json").write_text(json.dumps(manifest("Pod", POD)))
    assert yaml.safe_load(run(str(tmp_path / "pod.json")).stdout) == pod(POD)


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        *((text, text) for text in "2026-01-01 = 22:22 1:30:45 20:30.15 1.2.3 1e 0x 0b_ tRUE nUll . _1 a=b".split()),
        *((text, True) for text in "y Y yes on TRUE".split()),
        *((text, False) for text in "n N No OFF false".split()),
        *((text, None) for text in "~ null Null".split()),
        *((text, 0) for text in "0 -0 00".split()),
        *((text, 7) for text in "7 +7 07 0_7 0o7 0x7 0b111".split()),
        *((text, 1500) for text in "1_500 1.5e3 1.5E+3 15.e2 .15e4".split()),
        *((text, -0.5) for text in "-.5 -0.5 -5e-1".split()),
        ("0777", 511),
        ("08", 8),
    ],
)
def test_a_plain_scalar_is_what_kubernetes_takes_it_for(plain: str, value: object) -> None:
    # as sigs.k8s.io/yaml 1.6 answers
    done = run("-", text=f"kind: ConfigMap\ndata: {{a: {plain}, c: [ {plain} ]}}\n")
    assert yaml.safe_load(done.stdout) == {"kind": "ConfigMap", "data": {"a": value, "c": [value]}}


def test_an_equals_sign_may_be_a_key() -> None:
    assert yaml.safe_load(run("-", text="data: {=: b}\n").stdout) == {"data": {"=": "b"}}


def test_a_merged_key_is_written_out_as_kubernetes_reads_it() -> None:
    done = run("-", text="a: &a {b: c, d: e}\nf: {<<: *a, d: g}\n")
    assert yaml.safe_load(done.stdout)["f"] == {"b": "c", "d": "g"}


@pytest.mark.parametrize("text", ["y", "N", "12e5", "1e3", "0o17", "on", "null", "1", "", "a: b", "é\n", "2026-01-01"])
def test_a_text_that_other_readers_take_for_something_else_is_quoted(text: str) -> None:
    done = run("-", text=json.dumps({"kind": "ConfigMap", "data": {"a": text}}))
    assert yaml.safe_load(done.stdout)["data"] == {"a": text}
    assert 'a: "' in done.stdout
