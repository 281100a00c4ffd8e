"""The OpenTelemetry Collector with its redaction processor, built by its own builder where Go is.

`collector/` says of what.

https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/redactionprocessor
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench.process import Server, started
from tests.support.ports import reserved

VERSION: Final = "v0.165.0"
BUILDER: Final = "go.opentelemetry.io/collector/cmd/builder"
ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "build" / f"collector-{VERSION}"
"""In the build folder, which git ignores and `make clean` removes. The builder's own file names it too."""

SOURCES: Final = Path(__file__).with_name("collector")
BUILD_SECONDS: Final = 1200


def binary() -> tuple[Path | None, str]:
    """Where the Collector is, built unless it is there, which takes minutes; or None, and why."""
    program, stamp, wanted = FOLDER / "collector", FOLDER / "built.yaml", (SOURCES / "builder.yaml").read_text()
    if program.exists() and stamp.exists() and stamp.read_text() == wanted:
        return program, ""
    print(f"Building the Collector {VERSION} …", flush=True)
    begun = time.monotonic()
    if trouble := _build():
        return None, trouble
    stamp.write_text(wanted)
    print(f"Built in {time.monotonic() - begun:.0f} s\n", flush=True)
    return program, ""


def _build() -> str:
    """What stands in the way; empty if it is built."""
    go = shutil.which("go")
    if go is None:
        return "Go isn't here to build it"
    for command in (
        (go, "install", f"{BUILDER}@{VERSION}"),
        (FOLDER / "builder", "--config", SOURCES / "builder.yaml"),
    ):
        try:
            subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, "GOBIN": str(FOLDER)},
                check=True,
                capture_output=True,
                timeout=BUILD_SECONDS,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            return f"its build failed ({type(error).__name__})"
    return ""


@contextmanager
def collector(program: Path, folder: Path, sink: str, keys: Iterable[str], *, stored: bool) -> Iterator[Server]:
    """The Collector, which lets attributes with these keys through to `sink`.

    It answers when the sink has answered; or, `stored`, when a request lies in a queue on the volume, which is flushed.
    """
    folder.mkdir(parents=True)
    with reserved() as port:
        address = f"127.0.0.1:{port}"
        filled = (SOURCES / "config.yaml").read_text()
        for name, value in (_stored(folder) if stored else _direct()).items():
            filled = filled.replace(f"@{name}@", json.dumps(value))
        for name, text in {"RECEIVE": address, "SINK": sink, "KEYS": json.dumps(sorted(keys))}.items():
            filled = filled.replace(f"@{name}@", text)
        (folder / "collector.yaml").write_text(filled)
        with started((program, "--config", "collector.yaml"), address, folder=folder) as server:
            yield server


def _direct() -> Mapping[str, Any]:
    return {"QUEUE": {"enabled": False}, "RETRY": False, "EXTENSIONS": {}, "NAMES": []}


def _stored(folder: Path) -> Mapping[str, Any]:
    """https://github.com/open-telemetry/opentelemetry-collector/blob/main/exporter/exporterhelper/README.md#persistent-queue"""
    queue = {"enabled": True, "storage": "file_storage", "block_on_overflow": True}
    return {
        "QUEUE": queue,
        "RETRY": True,
        "EXTENSIONS": {"file_storage": {"directory": str(folder), "fsync": True}},
        "NAMES": ["file_storage"],
    }
