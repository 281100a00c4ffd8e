"""The OpenTelemetry Collector with its redaction processor, built by its own builder where Go is; `collector/` says of what.

https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/redactionprocessor
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.bench.envoy import listening
from tests.bench.process import Server
from tests.conformance.ports import reserved

VERSION: Final = "v0.165.0"
BUILDER: Final = "go.opentelemetry.io/collector/cmd/builder"
ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "build" / f"collector-{VERSION}"
"""In the build folder, which git ignores and `make clean` removes. The builder's own file names it too."""

SOURCES: Final = Path(__file__).with_name("collector")
SECONDS: Final = 1200


def binary() -> Path | None:
    """Where the Collector is: built, which takes minutes, unless it is there. Where it can't be, None, and the reason is printed."""
    built = FOLDER / "collector"
    if not built.exists():
        print(f"\nBuilding the Collector {VERSION} …")
        begun = time.monotonic()
        trouble = _build()
        print(f"  skipped: {trouble}" if trouble else f"  took {time.monotonic() - begun:.0f} s")
    return built if built.exists() else None


def _build() -> str:
    """What stands in the way; empty if it is built."""
    go = shutil.which("go")
    if go is None:
        return "Go isn't here to build it"
    for command in ((go, "install", f"{BUILDER}@{VERSION}"), (FOLDER / "builder", "--config", SOURCES / "builder.yaml")):
        try:
            subprocess.run(command, cwd=ROOT, env={**os.environ, "GOBIN": str(FOLDER)}, check=True, capture_output=True, timeout=SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            return f"its build failed ({type(error).__name__})"
    return ""


@contextmanager
def collector(program: Path, folder: Path, sink: str, keys: Iterable[str]) -> Iterator[Server]:
    """The Collector, which lets attributes with these keys through to `sink`."""
    with reserved() as port:
        address = f"127.0.0.1:{port}"
        filled = (SOURCES / "config.yaml").read_text()
        for name, text in {"RECEIVE": address, "SINK": sink, "KEYS": json.dumps(sorted(keys))}.items():
            filled = filled.replace(f"@{name}@", text)
        file = folder / "collector.yaml"
        file.write_text(filled)
        # What it says where it fails is the only clue there is.
        with subprocess.Popen((program, "--config", file), stdin=subprocess.DEVNULL) as process:
            try:
                listening(address, process)
                yield Server(address, process.pid)
            finally:
                process.kill()
