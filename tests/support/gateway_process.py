"""A gateway that runs in a process of its own, as users start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from tests.support.channels import TIMEOUT_SECONDS

SERVE_COMMAND: Final = (sys.executable, "-m", "gateway", "serve")

SERVE_AT_LOG_LEVEL: Final = """
import logging, os, sys
from gateway import app
from gateway.config import load
logging.basicConfig(level=os.environ.get("LEVEL", "INFO"))
sys.exit(app.serve(load(None, os.environ)))
"""
"""`serve` with what nobody can set: LEVEL, how much everything in the process logs."""


class ProcessorTime(NamedTuple):
    """What a process's main thread had of a processor: proc(5), schedstat."""

    run_seconds: float
    waited_seconds: float

    def is_starved_since(self, earlier: ProcessorTime) -> bool:
        """Return whether it has waited for a processor for longer than it ran: others had the machine."""
        return self.waited_seconds - earlier.waited_seconds > self.run_seconds - earlier.run_seconds


class WatchedProcess:
    """A gateway's process. `output` is what it wrote to standard output and standard error so far."""

    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.output = b""
        self._output_grew = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def address(self) -> str:
        """Where it listens, once it does."""
        return self.listener_address("local")

    def listener_address(self, name: str) -> str:
        """Where one of its listeners is, once it is."""
        return self.wait_for_output(rb'\b%s listening on ([^\s"]+)' % name.encode())[1].decode()

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def rss(self) -> int:
        """Bytes of memory that it uses now: proc(5)."""
        return _status(self.pid, "VmRSS")

    @property
    def peak(self) -> int:
        """The most that it has used."""
        return _status(self.pid, "VmHWM")

    def reset_peak(self) -> None:
        """From now on `peak` counts anew: proc(5), clear_refs."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def processor_time(self) -> ProcessorTime:
        run, waited, _ = map(int, Path(f"/proc/{self.pid}/schedstat").read_text().split())
        return ProcessorTime(run / 1e9, waited / 1e9)

    def wait_for_output(self, pattern: bytes) -> re.Match[bytes]:
        """Wait until it has said something that matches."""
        found: list[re.Match[bytes]] = []

        def heard() -> bool:
            found.extend(re.finditer(pattern, self.output))
            return bool(found) or not self._reader.is_alive()

        with self._output_grew:
            assert self._output_grew.wait_for(heard, TIMEOUT_SECONDS), f"never said {pattern!r}"
        assert found, f"ended without saying {pattern!r}: {self.output!r}"
        return found[0]

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        code = self._process.wait(TIMEOUT_SECONDS)
        self._reader.join(TIMEOUT_SECONDS)
        return code

    def stop(self) -> int:
        """End it as Kubernetes would."""
        self.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._output_grew:
                self.output += line
                self._output_grew.notify_all()
        with self._output_grew:
            self._output_grew.notify_all()


class GatewayProcess(WatchedProcess):
    """A gateway in a process of its own."""

    def __init__(self, folder: Path, *, environ: Mapping[str, str] | None = None, address: str = "127.0.0.1:0") -> None:
        """Start it in `folder`, which is its working folder: its state is in `.privacy-gateway` there."""
        http = {"PRIVACY_GATEWAY__LISTENERS__LOCAL_HTTP__ADDRESS": "127.0.0.1:0"}
        given = {"PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS": address, **http, **(environ or {})}
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PRIVACY_GATEWAY__", "GRPC_", "PYTHONASYNCIO"))
        }
        command = (sys.executable, "-c", SERVE_AT_LOG_LEVEL) if "LEVEL" in given else SERVE_COMMAND
        super().__init__(command, folder, {**kept, **given})
        self.state = folder / ".privacy-gateway"


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
