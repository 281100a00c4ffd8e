"""The image's Dockerfile, as hadolint reads it."""

from __future__ import annotations

import subprocess

import pytest

from tests.chart.helm import CHART, program

pytestmark = pytest.mark.chart


def test_the_dockerfile_has_no_findings() -> None:
    command = (program("hadolint"), CHART.parent / "Dockerfile")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
