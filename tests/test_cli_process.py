"""The command line as a process of its own: start, pipes, terminals, signals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

GATEWAY: Final = (sys.executable, "-m", "gateway")
CONTACT: Final = "kannelle.crm.v1.Contact"
PLAIN: Final = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PRIVACY_GATEWAY__", "NO_COLOR", "FORCE_COLOR"))
}


def call(*arguments: str, input: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*GATEWAY, *arguments], input=input, capture_output=True, env=PLAIN, cwd=cwd, check=False, timeout=60
    )


def test_a_message_goes_through_a_pipe() -> None:
    done = call("minimise", "--type", CONTACT, "--destination", "crm", input=b"\x0a\x05usr_1\x4a\x0810.1.2.3")
    assert (done.returncode, done.stdout) == (0, b"\x0a\x05usr_1")
    assert b"10.1.2.3" not in done.stderr


def test_the_program_is_called_by_its_name() -> None:
    done = call("lnt")
    assert done.returncode == 2
    assert done.stderr.startswith(b"Usage: privacy-gateway [OPTIONS] COMMAND")


def test_a_reader_that_leaves_early_is_no_error_to_tell_of() -> None:
    with subprocess.Popen(
        [*GATEWAY, "explain", "otlp/logs"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=PLAIN
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize(
    "arguments", [("explain", "otlp/logs"), ("lint", "--format", "json"), ("version",), ("config", "check")]
)
def test_an_output_that_takes_no_more_is_told_and_no_internal_error(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*GATEWAY, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            env=PLAIN,
            cwd=tmp_path,
            check=False,
            timeout=60,
        )
    said = b"the output could not be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_a_message_that_nobody_reads_does_not_exit_with_0() -> None:
    arguments = [*GATEWAY, "minimise", "--type", CONTACT, "--destination", "crm"]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=PLAIN
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write(b"\x0a\x05usr_1")
        process.stdin.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(60) != 0


def on_terminal(*arguments: str, environment: dict[str, str]) -> bytes:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            [*GATEWAY, *arguments], stdout=theirs, stdin=subprocess.DEVNULL, env={**PLAIN, **environment}
        )
        os.close(theirs)
        written = b""
        try:
            while part := terminal.read(65536):
                written += part
        except OSError:  # how Linux says that the other end is closed
            pass
        assert process.wait(60) == 0
    return written


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(environment: dict[str, str], coloured: bool) -> None:
    assert (b"\x1b[3" in on_terminal("explain", CONTACT, environment=environment)) is coloured
    assert b"\x1b" not in on_terminal("explain", CONTACT, "--format", "json", environment=environment)


def test_a_pipe_gets_no_colours_and_whole_lines() -> None:
    done = call("explain", CONTACT)
    assert b"\x1b" not in done.stdout
    assert max(map(len, done.stdout.decode().splitlines())) > 80


def test_a_terminal_gets_no_messages_to_wait_for() -> None:
    ours, theirs = pty.openpty()
    try:
        arguments = [*GATEWAY, "minimise", "--type", CONTACT, "--destination", "crm"]
        done = subprocess.run(arguments, stdin=theirs, capture_output=True, env=PLAIN, check=False, timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert b"The message comes from standard input" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        ("version", "grpc uvloop yaml google.protobuf rich phonenumbers"),
        ("lint", "grpc uvloop asyncio"),
        (f"explain {CONTACT} --format json", "grpc uvloop asyncio rich"),
        ("config check", "uvloop rich phonenumbers"),
    ],
)
def test_a_command_loads_no_more_than_it_needs(arguments: str, absent: str, tmp_path: Path) -> None:
    code = f"""
import sys
from gateway.cli import main
try:
    main({arguments.split()!r})
except SystemExit as end:
    loaded = [name for name in {absent.split()!r} if name in sys.modules]
    sys.exit(f"code {{end.code}}, loaded {{loaded}}" if end.code or loaded else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, env=PLAIN, check=False, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_serve_says_what_it_runs_with_and_stops_when_told(tmp_path: Path) -> None:
    environment = {
        **PLAIN,
        **{f"PRIVACY_GATEWAY__LISTENERS__{name}__ADDRESS": "127.0.0.1:0" for name in ("LOCAL", "LOCAL_HTTP")},
    }
    with subprocess.Popen(
        [*GATEWAY, "serve"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stderr
        assert process.stdout
        first, *_, second = [process.stderr.readline() for _ in range(4)]
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert (process.wait(60), process.stdout.read()) == (0, "")
    assert (
        first == "No configuration file: role all on 127.0.0.1:0 and 127.0.0.1:0, Kannelle's policy, files under "
        ".privacy-gateway/\n"
    )
    assert "INFO gateway.app: local listening on 127.0.0.1:" in second
    assert "INFO gateway.app: stopping" in rest


def test_serve_does_not_start_with_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("policy: nowhere.yaml\n")
    done = call("serve", "--config", "gateway.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"nowhere.yaml: can't be read: No such file or directory\n"


COLLECTING: Final = """
import gc, logging, os, signal, sys

class StopWhenStarted(logging.Handler):
    def emit(self, record):
        if "listening on" in record.getMessage():
            os.kill(os.getpid(), signal.SIGTERM)

logging.getLogger("gateway.app").addHandler(StopWhenStarted())
from gateway.cli import main
sys.argv[1:] = ["serve"]
try:
    main(prog_name="privacy-gateway")
finally:
    print(gc.isenabled(), gc.get_freeze_count() > 0)
"""
"""Serves until it has started, then tells whether garbage is collected, apart from what a start made."""


def test_garbage_is_collected_once_the_gateway_has_started(tmp_path: Path) -> None:
    listeners = {
        f"PRIVACY_GATEWAY__LISTENERS__{name}__ADDRESS": "127.0.0.1:0"
        for name in ("LOCAL", "LOCAL_HTTP", "HEALTH", "HTTP")
    }
    done = subprocess.run(
        [sys.executable, "-c", COLLECTING],
        capture_output=True,
        env=PLAIN | listeners,
        cwd=tmp_path,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, b"True True\n"), done.stderr
