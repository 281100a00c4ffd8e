"""`approve` records nothing in the gateway's own files, and says where to begin instead."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.policy.load import default_path
from tests.support.contracts import POLICY, proto

LOCK: Final = default_path().with_name("kannelle.approvals.lock")


@pytest.fixture(params=["built in", "named", "linked", "named by another"])
def arguments(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """Ways to Kannelle's approvals: by default, by name, by a link to the policy's folder, by a policy of one's own."""
    (tmp_path / "protos").mkdir()
    (tmp_path / "protos/a.proto").write_text(proto("message A { string id = 1 @USER_ID; }"))
    (tmp_path / "linked").symlink_to(default_path().parent)
    (tmp_path / "policy.yaml").write_text(f"{POLICY}flows: {{}}\napprovals: {LOCK}\n")
    policies: dict[str, list[str]] = {
        "built in": [],
        "named": ["--policy", str(default_path())],
        "linked": ["--policy", str(tmp_path / "linked" / default_path().name)],
        "named by another": ["--policy", str(tmp_path / "policy.yaml")],
    }
    return ["--contracts", str(tmp_path / "protos"), *policies[request.param]]


@pytest.mark.parametrize("more", [["--yes"], ["--yes", "--format", "json"], []], ids=["text", "json", "asked"])
def test_nothing_is_written_into_the_package(
    arguments: list[str], more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "protos")
    before = LOCK.read_bytes()
    result = CliRunner().invoke(main, ["approve", *arguments, *more], prog_name="privacy-gateway", input="y\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "approvals: is a file of the gateway's own, in which nothing is recorded" in result.stderr
    assert "`privacy-gateway init` writes a policy of your own" in result.stderr
    assert LOCK.read_bytes() == before
