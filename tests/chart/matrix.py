"""The matrix: each file of values, for which clusters it is rendered, and where its golden rendering is.

`python -m tests.chart.matrix --write` writes the golden renderings anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from tests.chart import helm

ADMISSION: Final = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
INJECTION: Final = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
"""What a cluster must know for `admission.enabled`, and for `injection.mode: policy`."""

MONITORING: Final = ("monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule")
"""What Prometheus's operator brings to any of them."""

APIS: Final = {"1.29": (), "1.33": (ADMISSION,), "1.37": (ADMISSION, INJECTION)}
"""Clusters that renderings are checked for: the oldest with native sidecars, one in between, one that injects."""

GOLDEN_VERSION: Final = "1.37"


def cases() -> list[Path]:
    """The files of values."""
    return sorted(helm.VALUES.glob("*.yaml"))


def flags(version: str) -> tuple[str, ...]:
    """What helm is told of a cluster of a version."""
    return (
        "--kube-version",
        version,
        *(flag for api in (*APIS[version], *MONITORING) for flag in ("--api-versions", api)),
    )


def versions(case: Path) -> tuple[str, ...]:
    """The clusters that know what the values of a case need."""
    values = helm.values_of(case)
    needed = {
        ADMISSION: values.get("admission", {}).get("enabled", True),
        INJECTION: values.get("injection", {}).get("mode", "policy") == "policy",
    }
    return tuple(
        version
        for version, known in APIS.items()
        if all(api in known for api, is_needed in needed.items() if is_needed)
    )


def golden(case: Path) -> Path:
    """Where the golden rendering of a case is."""
    return helm.GOLDEN / case.name


def rendering(case: Path) -> str:
    """What a case leads to in a cluster of the newest version."""
    return helm.run(*helm.command("--values", str(case), *flags(GOLDEN_VERSION)))


def main() -> None:
    """Write all golden renderings."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    known = {golden(case) for case in cases()}
    for path in helm.GOLDEN.glob("*.yaml"):
        if path not in known:
            path.unlink()
    for case in cases():
        golden(case).write_text(rendering(case), encoding="utf-8")


if __name__ == "__main__":
    main()
