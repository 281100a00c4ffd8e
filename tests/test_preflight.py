"""What a start needs of the volume, and that looking changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.config import Config, Hub
from gateway.errors import BadConfig
from gateway.loading import compile_all, load_sources
from gateway.preflight import MIN_FREE_BYTES, preflight
from gateway.yamlfile import NO_ORIGIN
from tests.delivery.outboxes import on_a_volume
from tests.support.proxy_certificates import certificate_for, dns, write_tls


def _checked(state: Path) -> None:
    _checked_config(Config(state=state))


def _checked_config(config: Config) -> None:
    preflight(config, NO_ORIGIN, lambda: compile_all(config, *load_sources(config)))


def test_a_full_volume_is_a_fault_only_where_nothing_has_begun(tmp_path: Path) -> None:
    on_a_volume(_full, tmp_path / "volume", "-t", "tmpfs", "-o", "size=512k", "none")


def _full(folder: Path) -> None:
    state = folder / "state"
    with pytest.raises(
        BadConfig,
        match=rf"^state: {state}: has [0-9]+ bytes free on its volume, and {MIN_FREE_BYTES} are needed to begin$",
    ):
        _checked(state)
    state.mkdir(mode=0o700)
    for name in ("keys", "outbox.db"):
        (state / name).write_bytes(bytes(32))
        (state / name).chmod(0o600)
    _checked(state)


def test_an_agent_without_an_outbox_leaves_none_that_holds_something(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (outbox := state / "outbox.db").write_bytes(b"")
    outbox.chmod(0o600)
    tls = write_tls(tmp_path, certificate_for(dns("localhost")))
    agent = Config(role="agent", hub=Hub(address="hub:14007"), tls=tls, state=state)
    _checked_config(agent)
    with pytest.raises(BadConfig, match=rf"^outbox: {outbox}: an agent without an outbox would never hand over"):
        _checked_config(msgspec.structs.replace(agent, outbox=None))


def _tree(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    for path in sorted((folder, *folder.rglob("*"))):
        found = path.lstat()
        yield str(path), found.st_mode, found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.parametrize("mode", [None, 0o700, 0o777])
def test_looking_changes_nothing(tmp_path: Path, mode: int | None) -> None:
    state = tmp_path / "state"
    if mode is not None:
        state.mkdir()
        state.chmod(mode)
        for name in ("keys", "outbox.db", "crm.jsonl"):
            (state / name).write_bytes(bytes(32))
            (state / name).chmod(0o666)
    before = [*_tree(tmp_path)]
    _checked(state)
    assert [*_tree(tmp_path)] == before
