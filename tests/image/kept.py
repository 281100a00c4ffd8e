"""Images that were built before: kept in the build folder, which git ignores, for as long as their content is the same.

What the content doesn't say, such as which versions pip chose, may be a day old.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from tests.image import builder
from tests.image.builder import DOCKERFILE, ROOT, Image, ImageConfig

BUILD: Final = ROOT / "build"
MAX_AGE_SECONDS: Final = 24 * 3600
MEMORY: Final = Path("/dev/shm")
"""Half a gigabyte of small files: on a disk they take as long to delete as to build."""

SOURCES: Final = ("pyproject.toml", "README.md", "gateway", "clients/python")
"""What a build is sent: .dockerignore."""

GENERATED: Final = ("__pycache__", ".egg-info")


@contextmanager
def image_folder() -> Iterator[Path]:
    """A folder to unpack images in, for as long as the context lasts."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def gateway_image(folder: Path) -> Image:
    """The gateway's image, unpacked in `folder`."""
    return kept("image", _digest(_sources()), folder, builder.build)


def kept(name: str, digest: str, folder: Path, build: Callable[[Path], Image]) -> Image:
    """The image that `build` makes in an empty folder, or the one of the same name and digest that it made before."""
    made = BUILD / f"{name}-{digest}.tar"
    if not made.exists() or time.time() - made.stat().st_mtime > MAX_AGE_SECONDS:
        for old in BUILD.glob(f"{name}-*"):
            old.unlink()
        (folder / f"build-{name}").mkdir()
        _keep(build(folder / f"build-{name}"), made)
    return _unpacked(made, folder / name)


def _keep(image: Image, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    subprocess.run(
        ("tar", "--create", "--numeric-owner", "--file", partial, "--directory", image.root, "."), check=True
    )
    path.with_suffix(".json").write_bytes(msgspec.json.encode(image.config))
    partial.rename(path)


def _unpacked(path: Path, root: Path) -> Image:
    root.mkdir()
    options = ("--numeric-owner", "--same-owner", "--same-permissions")
    subprocess.run(("tar", "--extract", *options, "--file", path, "--directory", root), check=True)
    return Image(root, msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=ImageConfig))


def _sources() -> Iterator[Path]:
    yield from (DOCKERFILE, ROOT / ".dockerignore", Path(builder.__file__))
    for source in SOURCES:
        path = ROOT / source
        yield from (path,) if path.is_file() else sorted(file for file in path.rglob("*") if _is_source(file))


def _is_source(path: Path) -> bool:
    return path.is_file() and not any(part.endswith(GENERATED) for part in path.parts)


def _digest(paths: Iterator[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        found.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return found.hexdigest()[:16]
