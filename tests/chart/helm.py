"""Renders the chart by helm, with the values of a file or of a test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "helm" / "privacy-gateway"
VALUES: Final = Path(__file__).with_name("values")
GOLDEN: Final = Path(__file__).with_name("golden")

NEWEST: Final = tuple(
    f"--api-versions={api}"
    for api in (
        "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",
        "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy",
        "monitoring.coreos.com/v1/PodMonitor",
        "monitoring.coreos.com/v1/PrometheusRule",
    )
)
"""What helm is told of a cluster that knows all that the chart can ask for."""

Manifest = Mapping[str, Any]


class NotRendered(Exception):
    """What helm said when it refused."""


def program(name: str) -> str:
    """Where a program is that the environment of the chart's or the cluster's tests brings."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found is not None, f"make test-chart or make test-cluster installs {name}"
    return found


def run(*arguments: str, given: Mapping[str, Any] | None = None) -> str:
    """What helm prints. Raises NotRendered. `given`: values, which helm reads from its standard input."""
    values = () if given is None else ("--values", "-")
    done = subprocess.run(
        (program("helm"), *arguments, *values),
        input=None if given is None else yaml.safe_dump(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise NotRendered(done.stderr)
    return done.stdout


def render(given: Mapping[str, Any], *flags: str) -> list[Manifest]:
    """The manifests that values lead to, in a cluster that knows every API unless `flags` say otherwise."""
    return manifests(run(*command(*(flags or NEWEST)), given=given))


def command(*flags: str) -> tuple[str, ...]:
    """The arguments that render the chart, as `helm install` does it."""
    return ("template", "privacy-gateway", str(CHART), "--namespace", "privacy-gateway", *flags)


def manifests(text: str) -> list[Manifest]:
    """The documents of a rendering, without empty ones."""
    return [document for document in yaml.safe_load_all(text) if document]


def values_of(path: Path) -> dict[str, Any]:
    """The values of a file."""
    read: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return read


def find(documents: list[Manifest], kind: str, name: str, namespace: str | None = None) -> Manifest:
    """The one manifest of this kind and name."""
    (found,) = (
        one
        for one in documents
        if (one["kind"], one["metadata"]["name"]) == (kind, name)
        and namespace in {None, one["metadata"].get("namespace")}
    )
    return found
