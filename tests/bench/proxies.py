"""The processes of the unary hop that are Python's: the upstream, the bare pass-through, the gateway."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.bench.directory import CALLER, PROTOS, policy
from tests.bench.process import Server
from tests.conformance.ports import reserved
from tests.running import Process


def upstream(folder: Path, answer: bytes) -> AbstractContextManager[Server]:
    """A server that always answers the same."""
    file = folder / "answer"
    file.write_bytes(answer)
    return _program("upstream", str(file))


def sink() -> AbstractContextManager[Server]:
    """What takes OTLP and counts it."""
    return _program("sink")


def bare(upstream: str) -> AbstractContextManager[Server]:
    """A pass-through that decides nothing."""
    return _program("relay", upstream)


@contextmanager
def _program(*arguments: str) -> Iterator[Server]:
    command = (sys.executable, "-m", "tests.bench.bare", *arguments)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(process.stdout.readline().strip(), process.pid)
        finally:
            process.kill()


@contextmanager
def gateway(folder: Path, upstream: str, exporter: str) -> Iterator[Server]:
    """The gateway's `outbound` listener, its access log going to an exporter of this kind."""
    folder.mkdir()
    (folder / "policy.yaml").write_text(policy(upstream, exporter))
    with reserved() as port:
        environ = {
            "POLICY": "policy.yaml",
            "CONTRACTS": f"[{PROTOS}]",
            "SERVICE": CALLER,
            "LISTENERS__OUTBOUND__ADDRESS": f"127.0.0.1:{port}",
        }
        with Process(folder, environ={f"PRIVACY_GATEWAY__{name}": value for name, value in environ.items()}) as process:
            process.until(rb"outbound listening on \S+")
            yield Server(f"127.0.0.1:{port}", process.pid)
