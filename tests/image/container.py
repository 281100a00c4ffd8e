"""A container of the image, run by runc as Kubernetes runs a restricted one.

It has the image's own user, no capabilities, and a root that is read-only, its devices too; the working folder is the
only mount that can be written to. The network is the machine's, so that its ports can be called.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from tests.image.builder import Image
from tests.image.runc import VERSION, RuncContainer, RuntimeConfig, bind, mount, process
from tests.support.proxy_process import fetch_page, wait_until

CONFIGURATION: Final = "/etc/privacy-gateway"
ADDRESSES: Final = {
    f"PRIVACY_GATEWAY__LISTENERS__{name}__ADDRESS": "127.0.0.1:0" for name in ("LOCAL", "LOCAL_HTTP", "HTTP")
}
NAMESPACES: Final = ("pid", "ipc", "uts", "mount")


class Container(RuncContainer):
    """A container. In `folder`, `work` is its working folder, and `config` is mounted read-only if it is there."""

    def __init__(self, image: Image, folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(_runtime_config(image, folder, arguments, environ or {}), folder)

    def wait_until_ready(self) -> float:
        """Return the seconds from its process's beginning until it said that it takes calls."""
        self.listener_address("http")
        wait_until(lambda: fetch_page(self, "/readyz")[0] == HTTPStatus.OK, every=0.005)
        return self.age

    def wait_for_exit(self) -> tuple[int, str]:
        """Return how it ended, and all that it wrote."""
        return self.wait(), self.output.decode()


def _runtime_config(
    image: Image, folder: Path, arguments: tuple[str, ...], environ: Mapping[str, str]
) -> RuntimeConfig:
    said, (user, _, group) = image.config, image.config.user.partition(":")
    work = folder / "work"
    if not work.exists():
        work.mkdir()
        os.chown(work, int(user), int(group))
    mounts = [mount("/proc", "proc"), mount("/dev", "tmpfs", "ro", "mode=755")]
    mounts += [bind(work, said.working_dir, read_only=False)]
    if (folder / "config").exists():
        mounts += [bind(folder / "config", CONFIGURATION, read_only=True)]
    variables = [*said.env, *(f"{name}={value}" for name, value in (ADDRESSES | dict(environ)).items())]
    command = [*said.entrypoint, *(arguments or said.cmd)]
    return {
        "ociVersion": VERSION,
        "process": process(int(user), int(group), command, variables, said.working_dir),
        "root": {"path": str(image.root), "readonly": True},
        "mounts": mounts,
        "linux": {"namespaces": [{"type": kind} for kind in NAMESPACES]},
    }
