"""What `serve` logs of itself: how it started, by what policy, what a reload changed, why it stopped."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from gateway import __version__
from gateway.detectors.data import VERSION
from gateway.policy.load import default_path
from gateway.telemetry.log import LogFields
from tests.support.gateway_process import GatewayProcess
from tests.support.kannelle_policy import KANNELLE_POLICY

JSON: Final = {"PRIVACY_GATEWAY__TELEMETRY__LOG__FORMAT": "json"}
LINE: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR) gateway(\.[a-z_.]+)?: \S.*"
)


def records(process: GatewayProcess) -> Iterator[dict[str, Any]]:
    """All that it has said, each line of which is JSON."""
    return map(json.loads, process.output.decode().splitlines())


def named(process: GatewayProcess, message: str) -> list[dict[str, Any]]:
    return [one for one in records(process) if one["message"] == message]


def test_in_text_each_line_has_time_and_level(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, environ={"TZ": "Asia/Kolkata"}) as process:
        assert process.address
        assert process.stop() == 0
    greeting, *lines = process.output.decode().splitlines()
    assert greeting.startswith("No configuration file: ")
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert f"policy_sha256={hashlib.sha256(default_path().read_bytes()).hexdigest()}" in lines[0]
    assert f"started version={__version__} role=all" in lines[1]


def test_in_json_each_line_is_an_object_that_says_what_is_in_force(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, environ=JSON) as process:
        assert process.listener_address("local")
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    said = list(records(process))
    assert all({"time", "level", "logger", "message"} <= one.keys() for one in said)
    (start,), (in_force,), (stopping,), (stopped,) = (
        named(process, one) for one in ("started", "in force", "stopping", "stopped")
    )
    assert (start["version"], start["role"]) == (__version__, "all")
    assert in_force["policy_sha256"] == hashlib.sha256(default_path().read_bytes()).hexdigest()
    assert (in_force["policy_version"], in_force["detectors"]) == (1, VERSION)
    assert min(in_force["flows"], in_force["plans"], in_force["routes"] + 1) > 0
    assert all(re.fullmatch("[0-9a-f]{64}", in_force[name]) for name in ("plans_sha256", "contracts_sha256"))
    assert "changes" not in in_force
    assert stopping["signal"] == "SIGTERM"
    assert 0 <= stopped["seconds"] < 20


def test_a_reload_says_what_is_in_force_now_and_what_is_not_as_it_was(tmp_path: Path) -> None:
    path, before = tmp_path / "policy.yaml", KANNELLE_POLICY
    after = before + "# more\n"
    path.write_text(before)
    given = {**JSON, "PRIVACY_GATEWAY__POLICY": str(path), "PRIVACY_GATEWAY__RELOAD__EVERY": "0"}
    with GatewayProcess(tmp_path, environ=given) as process:
        assert process.address
        for text, said in ((after, rb"policy: reloaded"), ("version: 2\ncontroller: 3\n", rb"not reloaded")):
            path.write_text(text)
            process.send_signal(signal.SIGHUP)
            process.wait_for_output(said)
        assert process.stop() == 0
    first, second = named(process, "in force")
    assert second["changes"] == []
    assert second["plans_sha256"] == first["plans_sha256"]
    assert [one["policy_sha256"] for one in (first, second)] == [
        hashlib.sha256(text.encode()).hexdigest() for text in (before, after)
    ]
    assert [one["level"] for one in records(process) if "not reloaded" in one["message"]] == ["ERROR"]


@pytest.mark.parametrize(
    ("form", "starts"), [("text", "gateway.yaml:1: listeners.local.address: "), ("json", '{"time": ')]
)
def test_options_override_the_configuration(form: str, starts: str, tmp_path: Path) -> None:
    listeners = f"{{local: {{address: 'unix:{tmp_path}/no/where'}}, local_http: null}}"
    (tmp_path / "gateway.yaml").write_text(
        f"listeners: {listeners}\ntelemetry: {{log: {{format: text, level: debug}}}}\n"
    )
    command = (
        sys.executable,
        "-m",
        "gateway",
        "serve",
        "--config",
        "gateway.yaml",
        "--log-format",
        form,
        "--log-level",
        "error",
    )
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(starts)
    assert f"listeners.local.address: {tmp_path}/no/where: {tmp_path}/no is not there" in line


def test_the_lines_that_the_operators_page_shows_are_such_lines() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operator.md").read_text().partition("## The log")[2]
    (text,), (line,) = re.findall(r"(?s)```\n(\d.*?)\n```", page), re.findall(r"(?s)```json\n(.*?)\n```", page)
    assert [one for one in text.splitlines() if not LINE.fullmatch(one)] == []
    assert list(json.loads(line))[:4] == ["time", "level", "logger", "message"]
    rows = re.findall(r"(?m)^\| (`.*)$", page)
    assert {name for row in rows for name in re.findall(r"`([a-z_0-9]+)`", row)} >= LogFields.__annotations__.keys()


@pytest.mark.parametrize("option", ["--log-format=xml", "--log-level=loud"])
def test_what_is_no_format_or_level_is_refused(option: str, tmp_path: Path) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "gateway", "serve", option), cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2
