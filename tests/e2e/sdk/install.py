"""What the services need, installed once into the build folder, which git ignores and `make clean` removes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
BUILD: Final = HERE.parents[2] / "build"
NO_NODE: Final = shutil.which("npm") is None or shutil.which("node") is None

SECONDS: Final = 600


def python() -> Path:
    """The folder with the executables of an environment that has what `python/requirements.txt` lists."""
    wanted = HERE / "python" / "requirements.txt"
    return _installed(wanted, "otel-python", lambda folder: _pip(folder, wanted)) / "bin"


def node() -> Path:
    """The folder with the modules that `node/package-lock.json` lists."""
    return _installed(HERE / "node" / "package-lock.json", "otel-node", _npm) / "node_modules"


def _installed(wanted: Path, name: str, install: Callable[[Path], None]) -> Path:
    """A folder for just what `wanted` says, filled unless it is."""
    folder = BUILD / f"{name}-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]}"
    done = folder / ".done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(folder)
        done.touch()
    return folder


def _pip(folder: Path, wanted: Path) -> None:
    _run([sys.executable, "-m", "venv", folder])
    quietly = ("--quiet", "--disable-pip-version-check", "--no-input")
    _run([folder / "bin" / "python", "-m", "pip", "install", *quietly, "--requirement", wanted])


def _npm(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "node" / name, folder)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder])


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
