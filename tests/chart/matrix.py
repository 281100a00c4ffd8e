"""The matrix: each file of values, for which clusters it is rendered, and where its golden rendering is.

`python -m tests.chart.matrix --write` writes the golden renderings anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from tests.chart import helm

GOLDEN_VERSION: Final = "1.37"

VERSIONS: Final = ("1.29", "1.33", GOLDEN_VERSION)
"""Clusters that renderings are checked for: the oldest with native sidecars, one in between, one that injects."""


def cases() -> list[Path]:
    """The files of values."""
    return sorted(helm.VALUES.glob("*.yaml"))


def flags(version: str) -> tuple[str, ...]:
    """What helm is told of a cluster of a version."""
    return ("--kube-version", version)


def versions(case: Path) -> tuple[str, ...]:
    """The clusters that know what the values of a case need."""
    return VERSIONS


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
