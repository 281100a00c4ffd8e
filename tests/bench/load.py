"""Load on one unary method by h2load (Debian's nghttp2-client), which is light beside any server: many requests at once, or one by one."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

H2LOAD: Final = shutil.which("h2load")

HEADERS: Final = (
    "content-type: application/grpc",
    "te: trailers",
    "grpc-timeout: 20S",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)


@dataclass(frozen=True, slots=True)
class Load:
    """Calls of `path` (`/pkg.Service/Method`) on `authority`. `folder` keeps the request and h2load's log."""

    folder: Path
    path: str
    authority: str

    def prepare(self, message: bytes) -> None:
        """Write the request: an uncompressed message, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md."""
        self._body.write_bytes(struct.pack(">BI", 0, len(message)) + message)

    def flood(self, address: str, count: int, at_once: int) -> None:
        """So many calls, `at_once` at a time on one connection. Raises RuntimeError if one isn't answered."""
        self._run(address, count, at_once)

    def latencies(self, address: str, count: int) -> Sequence[float]:
        """Seconds of so many calls, one by one on one connection. Raises RuntimeError if one isn't answered."""
        log = self.folder / "latencies"
        log.unlink(missing_ok=True)
        self._run(address, count, 1, f"--log-file={log}")
        return [int(line.split("\t")[2]) / 1e6 for line in log.read_text().splitlines()]

    @property
    def _body(self) -> Path:
        return self.folder / "request"

    def _run(self, address: str, count: int, at_once: int, *more: str) -> None:
        headers = (f"--header={header}" for header in (*HEADERS, f":authority: {self.authority}"))
        sized = (f"--requests={count}", f"--max-concurrent-streams={at_once}", "--clients=1", f"--data={self._body}")
        command = (H2LOAD or "h2load", *sized, *headers, *more, f"http://{address}{self.path}")
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        if f"status codes: {count} 2xx," not in done.stdout:
            raise RuntimeError(f"{address}: not all {count} calls were answered")
