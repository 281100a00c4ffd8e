"""Builds the control plane that the tests run against, by Go: `python -m tests.cluster.build INTO`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("controlplane")
NEEDED: Final = r"(?m)^go (\d+\.\d+)"
KUBERNETES: Final = r"(?m)^\tk8s\.io/kubernetes (v\S+)$"
VERSION: Final = "k8s.io/component-base/version.gitVersion"


def version() -> str:
    """The version of Kubernetes that is built."""
    return _required(KUBERNETES)


def build(into: Path) -> None:
    """Write the program into a folder, or end with what is missing. A first build takes ten minutes of a processor."""
    if (go := shutil.which("go")) is None:
        sys.exit(f"Needs Go {_required(NEEDED)} or newer, and finds none: https://go.dev/dl/")
    # Go itself compares its version with go.mod's, or fetches the one that is asked for.
    if (asked := _go(go, "version", check=False)).returncode:
        sys.exit(f"Needs Go {_required(NEEDED)} or newer: {asked.stderr.strip()}")
    flags = f"-s -w -X {VERSION}={version()}"
    _go(go, "build", "-p", "2", "-trimpath", "-ldflags", flags, "-o", str(into.absolute() / "controlplane"), ".")


def _required(pattern: str) -> str:
    found = re.search(pattern, (SOURCE / "go.mod").read_text(encoding="utf-8"))
    assert found is not None, "go.mod names what is needed"
    return found[1]


def _go(go: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Go where the program's source is; what it says is shown unless it may fail."""
    output = None if check else subprocess.PIPE
    environ = {**os.environ, "CGO_ENABLED": "0"}
    command = (go, *arguments)
    return subprocess.run(command, cwd=SOURCE, env=environ, check=check, text=True, stdout=output, stderr=output)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
