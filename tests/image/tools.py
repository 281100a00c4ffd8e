"""The programs that build and run the image without an engine: packages of Debian, installed where they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Final

PACKAGES: Final = {"buildah": "buildah", "ip": "iproute2", "mmdebstrap": "mmdebstrap", "runc": "runc"}
"""By their programs."""


def install() -> None:
    """Install what is missing, or end with what it is."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if os.geteuid():
        sys.exit("Needs root: containers are built and run without an engine")
    if missing and shutil.which("apt-get") is None:
        sys.exit(f"Needs {', '.join(missing)}, and finds no apt-get to install them with")
    if missing:
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (("update",), ("install", "--yes", "--no-install-recommends", *missing)):
            subprocess.run(("apt-get", "-qq", *arguments), check=True, env=environ, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    install()
