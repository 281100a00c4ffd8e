"""SIGHUP with files that can't be put in force.

The gateway serves on by what was, and says why in its log, `/readyz` and a metric.
"""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trustme

from tests.e2e.special_files import replace_with_device, replace_with_loop, replace_with_pipe
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.contracts import POLICY
from tests.support.gateway_process import GatewayProcess
from tests.support.proxy_process import fetch_page, metric_value, reload_count, wait_until

AUTHORITY: Final = trustme.CA()
ISSUED: Final = AUTHORITY.issue_cert("gateway.example")
OTHER: Final = AUTHORITY.issue_cert("gateway.example")
EXPIRED: Final = AUTHORITY.issue_cert("gateway.example", not_after=datetime(2020, 1, 1, tzinfo=UTC))

SOUND: Final[Mapping[str, bytes]] = {
    "policy.yaml": f"{POLICY}flows: {{otlp/logs: [eu-log]}}\napprovals: approvals.lock\n".encode(),
    "approvals.lock": b"version: 2\napproved: {}\n",
    "crt": ISSUED.cert_chain_pems[0].bytes(),
    "key": ISSUED.private_key_pem.bytes(),
    "ca": AUTHORITY.cert_pem.bytes(),
}


class Row(msgspec.Struct, frozen=True):
    """A fault: what is done to which file, what can't be reloaded then, and what is said of it."""

    make: Callable[[Path], object]
    file: str
    subject: str
    words: str


FAULTS: Final[Mapping[str, Row]] = {
    "no YAML": Row(lambda path: path.write_text("a: ["), "policy.yaml", "policy", "policy.yaml:1: is not YAML"),
    "an unknown key": Row(
        lambda path: path.write_bytes(SOUND["policy.yaml"] + b"planted: 1\n"),
        "policy.yaml",
        "policy",
        "planted: is not a key here",
    ),
    "no policy": Row(Path.unlink, "policy.yaml", "policy", "policy.yaml: can't be read: No such file or directory"),
    "a policy that is a pipe": Row(
        replace_with_pipe, "policy.yaml", "policy", "policy.yaml: is a named pipe; it must be a regular file"
    ),
    "no approvals": Row(Path.unlink, "approvals.lock", "policy", "approvals.lock: is not there yet"),
    "approvals that are a pipe": Row(
        replace_with_pipe, "approvals.lock", "policy", "approvals.lock: is a named pipe; it must be a regular file"
    ),
    "approvals that are a device": Row(
        replace_with_device, "approvals.lock", "policy", "approvals.lock: is a device; it must be a regular file"
    ),
    "another's key": Row(
        lambda path: path.write_bytes(OTHER.private_key_pem.bytes()),
        "key",
        "tls",
        "tls.key: key: doesn't fit the certificate",
    ),
    "no key": Row(Path.unlink, "key", "tls", "tls.key: key: can't be read: No such file or directory"),
    "a key that is a pipe": Row(
        replace_with_pipe, "key", "tls", "tls.key: key: is a named pipe; it must be a regular file"
    ),
    "a certificate that is a pipe": Row(
        replace_with_pipe, "crt", "tls", "tls.certificate: crt: is a named pipe; it must be a regular file"
    ),
    "a certificate that is a device": Row(
        replace_with_device, "crt", "tls", "tls.certificate: crt: is a device; it must be a regular file"
    ),
    "a CA that is a pipe": Row(
        replace_with_pipe, "ca", "tls", "tls.ca: ca: is a named pipe; it must be a regular file"
    ),
    "a CA that is a link to itself": Row(
        replace_with_loop, "ca", "tls", "tls.ca: ca: can't be read: Too many levels of symbolic links"
    ),
}


def put(folder: Path, **changed: bytes) -> None:
    """Write all files as they should be, but for those that are given."""
    for name, content in {**SOUND, **changed}.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, Path]]:
    """A gateway that looks at its files on SIGHUP only, and its folder."""
    folder = tmp_path_factory.mktemp("gateway")
    put(folder)
    given = {
        "POLICY": "policy.yaml",
        "RELOAD__EVERY": "0",
        "TLS": "{certificate: crt, key: key, ca: ca}",
        "LISTENERS__HTTP__ADDRESS": "127.0.0.1:0",
    }
    with GatewayProcess(
        folder, environ={f"PRIVACY_GATEWAY__{name}": value for name, value in given.items()}
    ) as process:
        process.listener_address("http")
        yield process, folder


def reload(process: GatewayProcess, subject: str, outcome: str) -> None:
    """Have everything loaded, and wait for one outcome."""
    before = loads(process, subject, outcome)
    os.kill(process.pid, signal.SIGHUP)
    wait_until(lambda: loads(process, subject, outcome) > before)


def loads(process: GatewayProcess, subject: str, outcome: str) -> float:
    """How often something ended so; it isn't counted before it has."""
    counted = f'outcome="{outcome}",subject="{subject}"' in fetch_page(process, "/metrics")[1]
    return reload_count(process, subject, outcome) if counted else 0.0


def serves(process: GatewayProcess) -> bool:
    """Whether telemetry is taken."""
    url = f"http://{process.listener_address('local_http')}/v1/logs"
    asked = urllib.request.Request(url, b'{"resourceLogs": []}', {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS) as answer:
        return bool(answer.status == 200)


@pytest.mark.parametrize("name", FAULTS)
def test_what_can_not_be_put_in_force_is_told_and_what_was_stays(
    name: str, running: tuple[GatewayProcess, Path]
) -> None:
    process, folder = running
    row = FAULTS[name]
    failed = f'privacy_gateway_reload_failed{{subject="{row.subject}"}}'
    row.make(folder / row.file)
    heard = len(process.output)
    reload(process, row.subject, "failed")
    status, ready = fetch_page(process, "/readyz?verbose&exclude=nothing")
    assert (status, metric_value(process, failed), serves(process)) == (200, 1, True)
    (told,) = (line for line in ready.splitlines() if line.startswith(f"[-]{row.subject} NOT_RELOADED"))
    assert row.words in told
    assert f"{row.subject}: not reloaded, what was in force stays: " in (log := process.output[heard:].decode())
    assert row.words in log
    put(folder)
    reload(process, row.subject, "ok")
    assert (metric_value(process, failed), f"[+]{row.subject} ok" in fetch_page(process, "/readyz?verbose")[1]) == (
        0,
        True,
    )


def test_an_expired_certificate_is_put_in_force_and_told(running: tuple[GatewayProcess, Path]) -> None:
    """Who renews it late must not find an older one in use; what needs no certificate goes on."""
    process, folder = running
    put(folder, crt=EXPIRED.cert_chain_pems[0].bytes(), key=EXPIRED.private_key_pem.bytes())
    reload(process, "tls", "ok")
    process.wait_for_output(rb"tls\.certificate: crt: expired, at 2020-01-01T00:00:00Z")
    status, ready = fetch_page(process, "/readyz?verbose")
    assert (status, serves(process)) == (200, True)
    assert "[-]certificate-own EXPIRED since 2020-01-01T00:00:00Z" in ready
    at = metric_value(process, 'privacy_gateway_certificate_not_after_timestamp_seconds{certificate="own"}')
    assert at == datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    put(folder)
    reload(process, "tls", "ok")
    assert "[+]certificate-own ok" in fetch_page(process, "/readyz?verbose")[1]


def test_a_gateway_with_pipes_for_files_still_ends(tmp_path: Path) -> None:
    put(tmp_path)
    given = {
        "RELOAD__EVERY": "0.05s",
        "TLS": "{certificate: crt, key: key, ca: ca}",
        "LISTENERS__HTTP__ADDRESS": "127.0.0.1:0",
    }
    with GatewayProcess(
        tmp_path, environ={f"PRIVACY_GATEWAY__{name}": value for name, value in given.items()}
    ) as process:
        process.listener_address("http")
        replace_with_pipe(tmp_path / "key")
        process.wait_for_output(rb"tls: not reloaded")
        os.kill(process.pid, signal.SIGTERM)
        wait_until(lambda: not process.alive)
