"""What `inject` refuses: pods that can have no gateway, files that are no manifests, tables of another chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from gateway.cli import main
from gateway.cli.inject import MAX_MANIFEST_BYTES
from tests.cli.test_inject import POD, manifest, run


def annotated(value: str, name: str = "inject") -> dict[str, Any]:
    return {"annotations": {f"privacy.kannelle.com/{name}": value}}


@pytest.mark.parametrize(
    ("spec", "metadata", "said"),
    [
        (POD, annotated("no"), "says neither enabled nor disabled"),
        (POD, annotated("disabled"), "video/default may not go without the privacy gateway"),
        ({**POD, "serviceAccountName": "cook"}, {}, "video/cook isn't listed under namespaces in the chart's values"),
        (POD, {"namespace": "sales"}, "sales/default isn't listed"),
        (POD, {"namespace": None}, "names no namespace: --namespace says which"),
        (POD, annotated("much", "cpu-request"), "the annotation privacy.kannelle.com/cpu-request says no quantity"),
        (POD, annotated("", "memory-limit"), "the annotation privacy.kannelle.com/memory-limit says no quantity"),
        ({**POD, "hostNetwork": True}, {}, "a pod on the host's network has no privacy gateway of its own"),
        (
            {"containers": [{"name": "privacy-gateway", "image": "a"}]},
            {},
            "the container privacy-gateway differs from what is injected by that name: rename yours",
        ),
        (
            {**POD, "initContainers": [{"name": "privacy-gateway", "image": "a"}]},
            {},
            "the container privacy-gateway differs from what is injected by that name: rename yours",
        ),
        (
            {**POD, "volumes": [{"name": "privacy-gateway-tls", "emptyDir": {}}]},
            {},
            "the volume privacy-gateway-tls has the name or the certificate of one of the privacy gateway's",
        ),
        ({"containers": "a"}, {}, "containers: must be a list of objects"),
    ],
)
def test_a_pod_that_can_have_none_is_said_and_nothing_is_printed(
    spec: Any, metadata: dict[str, Any], said: str
) -> None:
    done = run("-", text=yaml.safe_dump_all([manifest("Pod", POD), manifest("Pod", spec, **metadata)]))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("-: Pod one: ")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#" * (MAX_MANIFEST_BYTES + 1), "-: is larger than 16777216 bytes"),
        ("a: [", "-:1: not YAML"),
        ("kind: Pod\n---\na: b: c\n", "-:3: not YAML: mapping values are not allowed"),
        ("kind: Pod\nspec: *a\n", "-:2: not YAML: found undefined alias"),
        ("a:\n  - [" + "[" * 20_000, "-:2: not YAML: exceeded maximum nesting depth"),
        ("- " * 20_000, "-:1: not YAML: exceeded maximum nesting depth"),
        ("&a {apiVersion: v1, kind: List, items: [*a]}", "-: nests too deep, or holds itself by an alias"),
        ("[" * 900 + "]" * 900, "-: nests too deep, or holds itself by an alias"),
        ("a: !!python/none b", "-:1: not YAML"),
        ("\x00", "-: not YAML"),
    ],
)
def test_what_is_no_manifest_is_refused(text: str, said: str) -> None:
    done = run("-", text=text)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: ConfigMap\n", "holds no ConfigMap with table.yaml"),
        ("data: {table.yaml: 'version: 2'}\n", "a chart of another version made it"),
    ],
)
def test_a_table_of_another_chart_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_text(text)
    done = CliRunner().invoke(main, ("inject", "--table", str(tmp_path / "table.yaml"), "-"), input="")
    assert done.exit_code == 2
    assert said in done.stderr
