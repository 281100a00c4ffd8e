"""The state folder of a running gateway: its own files and those of exporters are told apart by their names."""

from __future__ import annotations

from pathlib import Path

from gateway.exporters.jsonl.settings import is_exporter_file
from gateway.policy.load import default_path, load
from tests.support.running_gateway import run_gateway


async def test_no_file_of_the_gateways_own_is_called_as_an_exporters(tmp_path: Path) -> None:
    policy = load(default_path()).policy
    fed = {name for names in policy.flows.values() for name in names}
    async with run_gateway(tmp_path):
        names = {path.name for path in (tmp_path / "state").iterdir()}
    assert {name for name in names if is_exporter_file(name)} == {
        f"{name}.jsonl{tail}" for name in fed for tail in ("", ".lock")
    }
    assert names >= {"keys", "keys.fingerprint", "outbox.db", "outbox.db.lock", "outbox.db.leased"}
