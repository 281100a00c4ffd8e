"""The interop client and server of grpc-go, built from their module at a pinned version.

See https://pkg.go.dev/google.golang.org/grpc/interop.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc

from tests.support.channels import TIMEOUT_SECONDS, blocking_channel
from tests.support.ports import reserved

VERSION: Final = "v1.76.0"
MODULE: Final = "google.golang.org/grpc/interop"
CACHE: Final = Path(__file__).parents[2] / "build" / f"grpc-go-interop-{VERSION}"
"""In the build folder, which git ignores and `make clean` removes."""

MISSING: Final = shutil.which("go") is None


def binaries() -> Path:
    """The folder with `client` and `server`, installed unless they are there."""
    wanted = [f"{MODULE}/{name}@{VERSION}" for name in ("client", "server") if not (CACHE / name).exists()]
    if wanted:
        _run(("go", "install", *wanted), 600, GOBIN=str(CACHE))
    return CACHE


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Run the server; the port. It takes no address, and listens on all."""
    with reserved() as port, subprocess.Popen((folder / "server", f"-port={port}"), env=_environ()) as process:
        try:
            with blocking_channel(f"127.0.0.1:{port}") as channel:
                grpc.channel_ready_future(channel).result(TIMEOUT_SECONDS)
            yield port
        finally:
            process.kill()


def play(folder: Path, case: str, address: str) -> None:
    """Play a case. The authority that the client sends is the address that it dials."""
    host, _, port = address.rpartition(":")
    flags = (f"-server_host={host}", f"-server_port={port}", f"-test_case={case}")
    _run((folder / "client", *flags), TIMEOUT_SECONDS)


def _run(command: Sequence[str | Path], seconds: float, **more: str) -> None:
    done = subprocess.run(command, env=_environ(**more), check=False, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr


def _environ(**more: str) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    return {**kept, **more}
