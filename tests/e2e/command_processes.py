"""Commands run as processes, many for one start of Python.

Each in a child of one process that has everything loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

NOBODY_UID: Final = 65534

UNREADABLE_EXIT_CODE: Final = 77
"""The exit code of a child whose user can't read the gateway's own files."""

DRIVER: Final = f"""
import codecs, json, os, signal, sys
from gateway import app, preflight
from gateway.cli import config, main, serve
from gateway.demo import run as demo
from gateway.policy.load import default_path

# What is imported when it is first used can't be by a user who may not read it.
from gateway import tls
from gateway.receivers import caller, http
from gateway.receivers.hub import receiver
from gateway.telemetry import exposition, tracer
for name in ("utf-8-sig", "idna", "ascii", "latin-1"):
    codecs.lookup(name)

def child(job):
    os.chdir(job["folder"])
    if job["user"] is not None:
        os.setgroups([]); os.setgid(job["user"]); os.setuid(job["user"])
        if not os.access(default_path(), os.R_OK):
            os._exit({UNREADABLE_EXIT_CODE})
    os.environ.update(job["environ"])
    for fd, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(job["log"] + "." + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), fd)
    signal.alarm(15)
    main(job["arguments"], prog_name="privacy-gateway")

codes = []
for job in json.load(sys.stdin):
    for name in ("out", "err"):
        open(job["log"] + "." + name, "w").close()
        os.chmod(job["log"] + "." + name, 0o666)
    pid = os.fork()
    if not pid:
        try:
            child(job)
        except SystemExit as end:
            sys.stdout.flush(); sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 0)
        finally:
            os._exit(99)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(json.dumps(codes))
"""


class Command(msgspec.Struct, frozen=True):
    """A command, where it runs, as whom, and with what in its environment."""

    arguments: tuple[str, ...]
    folder: Path
    user: int | None = None
    environ: Mapping[str, str] = {}


class CommandResult(msgspec.Struct, frozen=True):
    """How it ended, and what it said."""

    code: int
    out: str
    err: str


def run_all(jobs: Sequence[Command], logs: Path) -> list[CommandResult]:
    """Run commands one after the other; `logs` is a folder that any user can enter."""
    told = [
        {
            "arguments": job.arguments,
            "folder": str(job.folder),
            "user": job.user,
            "environ": dict(job.environ),
            "log": str(logs / str(at)),
        }
        for at, job in enumerate(jobs)
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PRIVACY_GATEWAY__")}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(told),
        capture_output=True,
        check=True,
        text=True,
        timeout=600,
        env=kept,
    )
    codes = json.loads(done.stdout.splitlines()[-1])
    return [
        CommandResult(code, *((logs / f"{at}.{name}").read_text() for name in ("out", "err")))
        for at, code in enumerate(codes)
    ]
