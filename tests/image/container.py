"""A container of the image, run by runc as Kubernetes runs a restricted one.

It has the image's own user, no capabilities, and a root that is read-only, its devices too; the working folder is the
only mount that can be written to. The network is the machine's, so that its ports can be called.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from tests.image.builder import Image
from tests.support.gateway_process import WatchedProcess
from tests.support.proxy_process import fetch_page, wait_until

CONFIGURATION: Final = "/etc/privacy-gateway"
ADDRESSES: Final = {
    f"PRIVACY_GATEWAY__LISTENERS__{name}__ADDRESS": "127.0.0.1:0" for name in ("LOCAL", "LOCAL_HTTP", "HTTP")
}
NAMESPACES: Final = ("pid", "ipc", "uts", "mount")
RUNC: Final = ("runc", "--root", "/run/privacy-gateway-tests")


def _mount(target: str, kind: str, *options: str, source: str = "") -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source or kind, "options": ["nosuid", *options]}


class Container(WatchedProcess):
    """A container. In `folder`, `work` is its working folder, and `config` is mounted read-only if it is there."""

    def __init__(self, image: Image, folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        self._name = uuid.uuid4().hex
        bundle = folder / self._name
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(_runtime_config(image, folder, arguments, environ or {})))
        super().__init__((*RUNC, "run", "--bundle", str(bundle), self._name), folder, os.environ)

    @property
    def pid(self) -> int:
        """The gateway's own process."""
        return int(self._state()["pid"])

    @property
    def is_running(self) -> bool:
        """Whether the gateway's process is there."""
        return self._state().get("status") == "running"

    def _state(self) -> dict[str, Any]:
        """What runc says of it; nothing before it is made."""
        told = subprocess.run((*RUNC, "state", self._name), capture_output=True, text=True, check=False)
        state: dict[str, Any] = json.loads(told.stdout or "{}")
        return state

    def wait_until_ready(self) -> float:
        """Return the seconds from its process's beginning until it said that it takes calls."""
        self.listener_address("http")
        wait_until(lambda: fetch_page(self, "/readyz")[0] == HTTPStatus.OK, every=0.005)
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self._started_at

    @property
    def _started_at(self) -> float:
        """When its process began, by the clock that counts from the machine's start: proc(5), stat."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")

    def wait_for_exit(self) -> tuple[int, str]:
        """Return how it ended, and all that it wrote."""
        return self.wait(), self.output.decode()

    def kill(self) -> None:
        """End it at once, and leave nothing of it."""
        subprocess.run((*RUNC, "delete", "--force", self._name), capture_output=True, check=False)
        super().kill()


def _runtime_config(
    image: Image, folder: Path, arguments: tuple[str, ...], environ: Mapping[str, str]
) -> Mapping[str, Any]:
    """The runtime specification's `config.json`."""
    said, (user, _, group) = image.config, image.config.user.partition(":")
    work = folder / "work"
    if not work.exists():
        work.mkdir()
        os.chown(work, int(user), int(group))
    mounts = [_mount("/proc", "proc"), _mount("/dev", "tmpfs", "ro", "mode=755")]
    mounts += [_mount(said.working_dir, "bind", "rbind", "rw", source=str(work))]
    if (folder / "config").exists():
        mounts += [_mount(CONFIGURATION, "bind", "rbind", "ro", source=str(folder / "config"))]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": int(user), "gid": int(group)},
            "args": [*said.entrypoint, *(arguments or said.cmd)],
            "env": [*said.env, *(f"{name}={value}" for name, value in (ADDRESSES | dict(environ)).items())],
            "cwd": said.working_dir,
            "capabilities": {},
            "noNewPrivileges": True,
        },
        "root": {"path": str(image.root), "readonly": True},
        "mounts": mounts,
        "linux": {"namespaces": [{"type": kind} for kind in NAMESPACES]},
    }
