"""A container run by runc: a process that is watched, in a bundle of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.gateway_process import WatchedProcess

RUNC: Final = ("runc", "--root", "/run/privacy-gateway-tests")
VERSION: Final = "1.0.2"
"""Of the runtime specification."""

EXEC_SECONDS: Final = 60

RuntimeConfig = Mapping[str, Any]
"""The runtime specification's `config.json`."""


def mount(target: str, kind: str, *options: str) -> dict[str, Any]:
    """A mount of the runtime specification, without set-user-ID."""
    return {"destination": target, "type": kind, "source": kind, "options": ["nosuid", *options]}


def bind(source: Path, target: str, *, read_only: bool) -> dict[str, Any]:
    """A mount of a file or folder, as runtimes make it: what is set-user-ID there stays so."""
    options = ["rbind", "ro" if read_only else "rw"]
    return {"destination": target, "type": "bind", "source": str(source), "options": options}


class RuncContainer(WatchedProcess):
    """A container in `folder`, which keeps its bundle."""

    def __init__(self, config: RuntimeConfig, folder: Path) -> None:
        self._name = uuid.uuid4().hex
        bundle = folder / self._name
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(config))
        super().__init__((*RUNC, "run", "--bundle", str(bundle), self._name), folder, os.environ)

    @property
    def pid(self) -> int:
        """Its own process, not runc's."""
        return int(self._state()["pid"])

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._state().get("status") == "running"

    @property
    def age(self) -> float:
        """Seconds since its process began, by the clock that counts from the machine's start: proc(5), stat."""
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return now - int(fields[19]) / os.sysconf("SC_CLK_TCK")

    def execute(self, *command: str) -> str:
        """What a second process in it prints, run as its first one is."""
        done = subprocess.run(
            (*RUNC, "exec", self._name, *command), capture_output=True, text=True, check=False, timeout=EXEC_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill(self) -> None:
        """End it at once, and leave nothing of it."""
        subprocess.run((*RUNC, "delete", "--force", self._name), capture_output=True, check=False)
        super().kill()

    def _state(self) -> dict[str, Any]:
        """What runc says of it; nothing before it is made."""
        told = subprocess.run((*RUNC, "state", self._name), capture_output=True, text=True, check=False)
        state: dict[str, Any] = json.loads(told.stdout or "{}")
        return state


def process(user: int, group: int, arguments: Sequence[str], environ: Sequence[str], folder: str) -> dict[str, Any]:
    """A process without rights."""
    return {
        "user": {"uid": user, "gid": group},
        "args": list(arguments),
        "env": list(environ),
        "cwd": folder,
        "capabilities": {},
        "noNewPrivileges": True,
    }
