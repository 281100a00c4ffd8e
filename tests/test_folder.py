"""What an earlier version left in the state folder goes, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway.folder import LEGACY_PLANS_FILE, remove_legacy_plans
from tests.support.running_gateway import run_gateway


@pytest.mark.parametrize(
    ("content", "stays"),
    [
        (b"{}", False),
        (b'{"0a": 1700000000.5, "0b": 1}', False),
        (b'{"user": "usr_1"}\n', True),
        (b"{}\n{}\n", True),
        (b"", True),
        (b"\xff", True),
    ],
    ids=repr,
)
def test_a_file_of_plans_is_removed_and_what_only_has_its_name_is_not(
    content: bytes, stays: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway")
    (path := tmp_path / LEGACY_PLANS_FILE).write_bytes(content)
    remove_legacy_plans(tmp_path)
    remove_legacy_plans(tmp_path)
    assert path.exists() is stays
    assert len(caplog.records) == (not stays)


async def test_a_gateway_starts_on_the_state_of_an_earlier_version(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (path := tmp_path / "state" / LEGACY_PLANS_FILE).write_bytes(b'{"0a": 1700000000.0}')
    async with run_gateway(tmp_path):
        assert not path.exists()
