"""What is found about a state folder that is there, and what becomes of it."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import BadConfig
from gateway.folder import fix_problems, folder_problems
from gateway.preflight import is_state_file
from tests.support.gateway_process import GatewayProcess

OTHER = 12345
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def _file(mode: int, name: str = "keys") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).write_bytes(bytes(32))
        (folder / name).chmod(mode)

    return make


def _folder(mode: int) -> Callable[[Path], None]:
    return lambda folder: folder.chmod(mode)


def _killed_start(folder: Path) -> None:
    _file(0o600)(folder)
    (folder / ".keys.0a").hardlink_to(folder / "keys")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_folder(0o777), "state: is open to others, by its mode 0777"),
        (_folder(0o770), "mode 0770"),
        (_folder(0o750), "mode 0750"),
        (_folder(0o701), "mode 0701"),
        (_folder(0o1777), "mode 1777"),
        (_file(0o666), "keys: is open to others, by its mode 0666"),
        (_file(0o640), "mode 0640"),
        (_file(0o604, "outbox.db"), "outbox.db: is open"),
        (_file(0o660, "outbox.db-wal"), "outbox.db-wal: is open"),
        (_file(0o660, "outbox.db-shm"), "outbox.db-shm: is open"),
        (_file(0o666, "outbox.db.lock"), "outbox.db.lock: is open"),
        (_file(0o666, "outbox.db.leased"), "outbox.db.leased: is open"),
        (_file(0o666, "outbox.db.damaged-20260101T000000.000000Z"), "is open"),
        (_file(0o644, "crm.jsonl"), "crm.jsonl: is open"),
        (_file(0o644, "crm.jsonl.3"), "crm.jsonl.3: is open"),
        (_killed_start, ".keys.0a: was left by a start that was cut off"),
    ],
    ids=range(16),
)
def test_what_is_open_to_others_is_closed_and_said(
    make: Callable[[Path], None], words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (state := tmp_path / "state").mkdir(mode=0o700)
    make(state)
    found = list(folder_problems(state, is_state_file))
    assert [words in f"{flaw.path}: {flaw.text}" for flaw in found] == [True]
    assert list(folder_problems(state, is_state_file)) != []
    with caplog.at_level(logging.WARNING, "gateway"):
        fix_problems(found)
    assert list(folder_problems(state, is_state_file)) == []
    assert [words in record.getMessage() for record in caplog.records] == [True]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (state, *state.iterdir())} <= {0o700, 0o600}


@pytest.mark.parametrize(
    "make", [_file(0o666, "README"), _file(0o666, "keys.old"), _file(0o600), _file(0o400), _folder(0o700)], ids=range(5)
)
def test_what_is_right_or_not_the_gateways_stays_as_it_is(make: Callable[[Path], None], tmp_path: Path) -> None:
    (state := tmp_path / "state").mkdir(mode=0o700)
    make(state)
    assert list(folder_problems(state, is_state_file)) == []


@root_only
@pytest.mark.parametrize("name", ["", "keys", "outbox.db", "outbox.db.lock", "crm.jsonl"])
def test_what_belongs_to_another_is_refused(name: str, tmp_path: Path) -> None:
    (state := tmp_path / "state").mkdir(mode=0o700)
    if name:
        (state / name).write_bytes(b"")
    os.chown(state / name, OTHER, OTHER)
    (flaw,) = folder_problems(state, is_state_file)
    assert f"belongs to user {OTHER}" in flaw.text
    with pytest.raises(BadConfig, match=f"belongs to user {OTHER}"):
        fix_problems([flaw])


def test_a_running_gateway_has_closed_what_was_open_and_starts_again_on_it(tmp_path: Path) -> None:
    (state := tmp_path / ".privacy-gateway").mkdir()
    state.chmod(0o777)
    for said in (rb"WARNING .*privacy-gateway: is open to others, by its mode 0777: changed", rb"local listening on"):
        with GatewayProcess(tmp_path) as process:
            process.wait_for_output(said)
            process.wait_for_output(rb"local listening on")
            assert stat.S_IMODE(state.stat().st_mode) == 0o700
            assert {stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {0o600}
            assert process.stop() == 0
        (state / "outbox.db").chmod(0o600)
