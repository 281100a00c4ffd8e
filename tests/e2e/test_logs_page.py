"""The examples of docs/logs.md work as they are written."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.pipe.line_counts import DropReason
from tests.support.kannelle_policy import KANNELLE_POLICY

SECONDS: Final = 60
PAGE: Final = (Path(__file__).parents[2] / "docs/logs.md").read_text(encoding="utf-8")


def block(language: str, part: str) -> str:
    """The one code block that holds a part."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (found,) = [text for name, text in blocks if name == language and part in text]
    return str(found)


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, Any]:
    """A folder with the command in its path, and what processes there need."""
    program = tmp_path / "bin/privacy-gateway"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gateway "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    return {"cwd": tmp_path, "env": {**os.environ, "PATH": path, "TMPDIR": str(tmp_path)}}


def ran(command: list[str], shell: dict[str, Any], given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=given, capture_output=True, check=False, timeout=SECONDS, text=True, **shell)


@pytest.fixture
def entrypoint(shell: dict[str, Any]) -> list[str]:
    script = shell["cwd"] / "entrypoint.sh"
    script.write_text(block("sh", "mkfifo"))
    return ["sh", str(script)]


def test_the_entrypoint_filters_output_and_errors_and_keeps_the_exit_status(
    shell: dict[str, Any], entrypoint: list[str]
) -> None:
    done = ran([*entrypoint, "sh", "-c", "echo server started; echo Ada >&2; echo server stopped >&2; exit 7"], shell)
    assert (done.returncode, done.stdout) == (7, "server started\nserver stopped\n")
    assert "Ada" not in done.stderr
    assert sorted(path.name for path in shell["cwd"].iterdir()) == ["bin", "entrypoint.sh"]


@pytest.mark.parametrize("folder", ["/proc", "/nowhere", "/dev/null", ""])
def test_the_entrypoint_needs_no_temporary_folder_that_can_be_written_to(
    shell: dict[str, Any], entrypoint: list[str], folder: str
) -> None:
    shell["env"]["TMPDIR"] = folder
    done = ran([*entrypoint, "sh", "-c", "echo server started; exit 7"], shell)
    assert (done.returncode, done.stdout) == (7, "server started\n")


SERVICE: Final = "trap 'echo server stopped; exit 3' TERM; echo server started; while :; do sleep 0.1; done"


def test_the_entrypoint_passes_signals_on_and_loses_no_line(shell: dict[str, Any], entrypoint: list[str]) -> None:
    with subprocess.Popen(
        [*entrypoint, "sh", "-c", SERVICE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        **shell,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "server started\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (3, "server stopped\n")
    assert "2 lines read, 2 passed" in err


def test_the_pipeline_filters(shell: dict[str, Any]) -> None:
    service = shell["cwd"] / "bin/my-service"
    service.write_text("#!/bin/sh\necho server started\necho Ada >&2\n")
    service.chmod(0o755)
    assert ran(["sh", "-c", block("sh", "my-service")], shell).stdout == "server started\n"


def test_the_formatter_prints_lines_that_pass(shell: dict[str, Any]) -> None:
    done = ran([sys.executable, "-c", block("python", "class Lines") + 'logging.info("%s did it", "Ada")'], shell)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["message"] for line in lines] == ["video exported", "%s did it"]
    out = ran(["privacy-gateway", "pipe", "--destination", "application-log"], shell, done.stdout).stdout.splitlines()
    bare = {"level": "INFO", "time": lines[1]["time"]}  # of the text that isn't listed
    assert [json.loads(line) for line in out] == [lines[0], bare]


def test_the_lines_shown_are_what_comes_out(shell: dict[str, Any]) -> None:
    rows = [(row[:104].strip(), row[104:].strip()) for row in block("text", '"level":"info"').splitlines()]
    lines = ["".join(f"{text}\n" for text, way in rows if way.startswith(wanted)) for wanted in ("in", "out")]
    done = ran(["privacy-gateway", "pipe", "--destination", "application-log"], shell, lines[0])
    assert done.stdout == lines[1]


def test_the_map_of_keys_is_one_that_loads_and_reads(shell: dict[str, Any]) -> None:
    (shell["cwd"] / "policy.yaml").write_text(KANNELLE_POLICY + block("yaml", "keys:"))
    line = '{"lvl": "crit", "text": "video exported", "ids": {"trace": "5b8efff798038103d269b633813fc60c"}}'
    done = ran(["privacy-gateway", "pipe", "--policy", "policy.yaml", "--destination", "application-log"], shell, line)
    assert json.loads(done.stdout) == json.loads(line)


def test_the_templates_are_collected(shell: dict[str, Any]) -> None:
    (shell["cwd"] / "src").mkdir()
    (shell["cwd"] / "src/a.py").write_text(block("python", "never passes"))
    (shell["cwd"] / "policy.yaml").write_text(KANNELLE_POLICY.replace("    - video exported\n", ""))
    done = ran(["sh", "-c", block("sh", "templates src/")], shell)
    assert (done.returncode, done.stdout) == (0, "  log_templates:\n    - video exported  # src/a.py:2\n")
    assert done.stderr.startswith("src/a.py:1: an f-string is never a template")


def test_every_reason_is_explained() -> None:
    table = PAGE.split("| dropped | because |")[1].split("\n\n")[0]
    assert {
        word.strip() for row in re.findall(r"^\| ([a-z, ]+) \|", table, re.MULTILINE) for word in row.split(",")
    } == set(DropReason)
