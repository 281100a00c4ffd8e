"""The image, built from its Dockerfile as buildah builds it, without an engine and without a registry.

What stands for the two images that it builds on is unpacked from Debian's packages: one with a shell, one with as
good as nothing but Python, and without compiled files, as the images of Python come.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
DOCKERFILE: Final = ROOT / "helm/Dockerfile"
VERSION: Final = "0.0.0-test"

BASE_PACKAGES: Final = ("python3", "python3-venv", "libstdc++6", "dash")
SHELLS: Final = ("bin/sh", "bin/dash")
PIP_OPTIONS: Final = {"cert", "extra-index-url", "index-url", "proxy", "timeout", "trusted-host"}

COPY_ALL: Final = "FROM scratch\nCOPY . /\n"


class ImageConfig(msgspec.Struct, frozen=True, rename="pascal"):
    """What an image says of how to run it: the image specification's `config`."""

    user: str
    env: list[str]
    entrypoint: list[str]
    cmd: list[str]
    labels: dict[str, str]
    working_dir: str = "/"
    exposed_ports: dict[str, Any] = {}
    volumes: dict[str, Any] = {}


class Image(msgspec.Struct, frozen=True):
    """An image: its file system, unpacked, and its configuration."""

    root: Path
    config: ImageConfig


class Buildah:
    """Builds images into a folder."""

    def __init__(self, folder: Path) -> None:
        stores = ("--root", str(folder / "images"), "--runroot", str(folder / "run"))
        self._command = ("buildah", *stores, "--storage-driver", "vfs")
        self._environ = {**os.environ, "TMPDIR": str(folder)}

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            (*self._command, *arguments), capture_output=True, text=True, check=False, env=self._environ
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def build(self, tag: str, dockerfile: Path, context: Path, *arguments: str) -> None:
        """Build an image. Nothing is pulled."""
        fixed = ("--isolation", "chroot", "--pull-never", "--file", str(dockerfile), "--tag", tag)
        self._run("bud", *fixed, *arguments, str(context))

    def unpacked(self, tag: str) -> Path:
        """Return the file system of an image."""
        return Path(self._run("mount", self._run("from", "--pull-never", tag).strip()).strip())

    def config(self, tag: str) -> ImageConfig:
        """Return the configuration of an image."""
        told = json.loads(self._run("inspect", "--type", "image", tag))["OCIv1"]["config"]
        return msgspec.convert(told, ImageConfig)


def build(folder: Path) -> Image:
    """Build the gateway's image in an empty folder."""
    buildah = Buildah(folder)
    _build_bases(buildah, folder)
    names = {"BASE": "localhost/base", "BUILD_BASE": "localhost/build-base", "VERSION": VERSION, "REVISION": "cafe"}
    given = [argument for name, value in names.items() for argument in ("--build-arg", f"{name}={value}")]
    buildah.build("gateway", DOCKERFILE, ROOT, *given, *_pip_arguments(folder / "pip.conf"))
    return Image(buildah.unpacked("gateway"), buildah.config("gateway"))


def context_files(folder: Path) -> set[str]:
    """Return the files that a build of the image is sent, by their path in the repository."""
    buildah = Buildah(folder)
    (folder / "Dockerfile").write_text(COPY_ALL)
    buildah.build("context", folder / "Dockerfile", ROOT)
    root = buildah.unpacked("context")
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def _build_bases(buildah: Buildah, folder: Path) -> None:
    root, dockerfile = folder / "base", folder / "Dockerfile"
    dockerfile.write_text(COPY_ALL)
    unpack_debian(root, BASE_PACKAGES)
    buildah.build("build-base", dockerfile, root)
    for shell in SHELLS:
        (root / shell).unlink()
    buildah.build("base", dockerfile, root)
    shutil.rmtree(root)


def unpack_debian(root: Path, packages: Sequence[str]) -> None:
    """Make a file system of Debian's packages and what they need, none of them configured."""
    quietly = ("--quiet", "--variant=extract", "--format=directory")
    command = ("mmdebstrap", *quietly, f"--include={','.join(packages)}", debian_suite(), str(root))
    subprocess.run(command, check=True)


def debian_suite() -> str:
    """The release that this machine is of: apt has its keys here."""
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


def _pip_arguments(path: Path) -> Iterator[str]:
    """Where pip asks on this machine, for the build alone."""
    told = subprocess.run((sys.executable, "-m", "pip", "config", "list"), capture_output=True, text=True, check=True)
    options = dict(re.findall(r"(?m)^(?:global|:env:)\.(?:default-)?([\w-]+)='(.*)'$", told.stdout))
    lines = [f"{name} = {value}\n" for name, value in options.items() if name in PIP_OPTIONS]
    path.write_text("".join(["[global]\n", *lines]))
    yield from ("--secret", f"id=pip,src={path}")
    if "cert" in options:
        yield from ("--volume", f"{options['cert']}:{options['cert']}:ro")
