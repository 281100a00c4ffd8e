"""The secret of keyed hashes: made once or configured, of bounded length, and never another one by accident."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from gateway.config import Config, HashSecret, Hub, Tls
from gateway.delivery.hash_secret import FINGERPRINT_FILE, KEY_FILE, fingerprint_of, open_secret, secret_problems
from gateway.errors import BadConfig

VARIABLE: Final = "HASHES_BY"
SECRET: Final = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"
OTHER: Final = bytes(range(32))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def own(state: Path) -> Config:
    return Config(state=state)


def from_file(state: Path, content: bytes) -> Config:
    (path := state.parent / "secret").write_bytes(content)
    return Config(state=state, hash_secret=HashSecret(file=path))


def with_own(state: Path, secret: bytes) -> None:
    state.mkdir(exist_ok=True)
    (state / KEY_FILE).write_bytes(secret)


def fault(config: Config) -> str:
    """What is wrong; a start says the same, and neither changes anything."""
    before = [*contents(config.state)]
    ((keys, text),) = secret_problems(config)
    with pytest.raises(BadConfig) as caught:
        open_secret(config)
    assert str(caught.value) == f"{'.'.join(map(str, keys))}: {text}"
    assert [*contents(config.state)] == before
    return str(caught.value)


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    yield from ((path.name, path.read_bytes()) for path in sorted(folder.glob("*")) if path.is_file())


def test_without_one_a_secret_is_made_once_and_for_its_owner_only(state: Path) -> None:
    assert [*secret_problems(own(state))] == []
    assert not state.exists()
    secret = open_secret(own(state))
    assert open_secret(own(state)) == secret
    assert {path.name: path.stat().st_mode & 0o777 for path in state.iterdir()} == {
        KEY_FILE: 0o600,
        FINGERPRINT_FILE: 0o600,
    }
    assert (state / KEY_FILE).read_bytes() == secret
    assert len(secret) == 32


def test_processes_that_start_at_once_have_the_same_secret(state: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(open_secret, [own(state)] * 8, chunksize=1))) == 1


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (SECRET, SECRET),
        (SECRET + b"\n", SECRET),
        (b" \t" + SECRET + b"\r\n", SECRET),
        (bytes(32), bytes(32)),
        (b"\n" + OTHER + b"\n", b"\n" + OTHER + b"\n"),
        (b"a" * 64, b"a" * 64),
    ],
)
def test_a_configured_secret_is_never_kept_in_the_state_folder(content: bytes, secret: bytes, state: Path) -> None:
    config = from_file(state, content)
    assert open_secret(config) == open_secret(config) == secret
    assert [*contents(state)] == [(FINGERPRINT_FILE, f"{fingerprint_of(secret)}\n".encode())]


def test_a_variable_and_a_file_with_one_text_are_one_secret(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET.decode())
    assert open_secret(from_file(state, SECRET + b"\n")) == SECRET
    assert open_secret(Config(state=state, hash_secret=HashSecret(env=VARIABLE))) == SECRET


@pytest.mark.parametrize(
    ("content", "size"), [(b"", 0), (b"short", 5), (b"a" * 31 + b"\n", 31), (b"a" * 65, 65), (bytes(1000), 1000)]
)
def test_a_secret_is_32_to_64_bytes_long(content: bytes, size: int, state: Path) -> None:
    told = fault(from_file(state, content))
    assert told.startswith(f"hash_secret.file: must hold 32 to 64 bytes, and holds {size}: ")


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_secret_of_the_state_folder_that_is_too_short_is_not_used(content: bytes, state: Path) -> None:
    with_own(state, content)
    assert fault(own(state)) == f"state: {state / KEY_FILE}: must hold 32 bytes or more"


def test_a_secret_that_is_nowhere_is_named_by_its_place(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    nowhere = state.parent / "nowhere"
    assert fault(Config(state=state, hash_secret=HashSecret(env=VARIABLE))) == (
        f"hash_secret.env: the environment has no {VARIABLE}"
    )
    assert fault(Config(state=state, hash_secret=HashSecret(file=nowhere))) == (
        f"hash_secret.file: {nowhere}: can't be read: No such file or directory"
    )
    assert fault(Config(state=state, hash_secret=HashSecret(file=state.parent))).endswith("must be a regular file")


def test_a_folder_of_an_earlier_version_keeps_its_secret_and_learns_its_fingerprint(state: Path) -> None:
    with_own(state, OTHER + bytes(40))
    assert open_secret(own(state)) == (OTHER + bytes(32))
    assert (state / FINGERPRINT_FILE).read_text() == f"{fingerprint_of(OTHER + bytes(32))}\n"


def test_the_state_folders_own_secret_can_be_configured_from_then_on(state: Path) -> None:
    secret = open_secret(own(state))
    assert open_secret(from_file(state, secret)) == secret
    (state / KEY_FILE).unlink()
    assert open_secret(from_file(state, secret)) == secret
    assert not (state / KEY_FILE).exists()


def first_own(state: Path) -> Config:
    open_secret(own(state))
    return from_file(state, SECRET)


def earlier_version(state: Path) -> Config:
    with_own(state, OTHER)
    return from_file(state, SECRET)


def first_configured(state: Path) -> Config:
    open_secret(from_file(state, OTHER))
    return from_file(state, SECRET)


def configured_no_more(state: Path) -> Config:
    open_secret(from_file(state, SECRET))
    return own(state)


def own_replaced(state: Path) -> Config:
    open_secret(own(state))
    with_own(state, OTHER)
    return own(state)


def damaged_fingerprint(state: Path) -> Config:
    open_secret(from_file(state, SECRET))
    (state / FINGERPRINT_FILE).write_bytes(b"\xff")
    return from_file(state, SECRET)


@pytest.mark.parametrize(
    ("make", "begins", "remedy"),
    [
        (first_own, "hash_secret: is another secret than {state} was hashed by", "Name the former one."),
        (
            earlier_version,
            "hash_secret: is another secret than {state} was hashed by",
            "Name {state}/keys as its file, where the former one is.",
        ),
        (first_configured, "hash_secret: is another secret than {state} was hashed by", "Name the former one."),
        (
            configured_no_more,
            "state: {state}/keys: is not there, nor is `hash_secret`, and keys.fingerprint says that there was",
            "Name it in `hash_secret`.",
        ),
        (own_replaced, "state: {state}/keys: is another secret than this folder was", "Put the former one back."),
        (damaged_fingerprint, "hash_secret: is another secret than {state} was hashed by", "Name the former one."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_another_secret_than_before_is_refused_with_what_it_would_break(
    make: Callable[[Path], Config], begins: str, remedy: str, state: Path
) -> None:
    told = fault(make(state))
    assert told.startswith(begins.format(state=state))
    assert "a request that comes again would be delivered twice" in told
    assert "what is stored of a person not be found to be erased" in told
    assert remedy.format(state=state) in told
    assert f"delete keys and keys.fingerprint in {state}" in told
    assert not [secret for secret in (SECRET, OTHER) if secret.decode("latin-1") in told or secret.hex() in told]


def test_once_both_files_are_deleted_another_secret_is_taken(state: Path) -> None:
    config = first_own(state)
    for name in (KEY_FILE, FINGERPRINT_FILE):
        (state / name).unlink()
    assert open_secret(config) == SECRET


def test_a_fingerprint_is_not_of_the_secrets_bytes_alone() -> None:
    assert fingerprint_of(SECRET) != fingerprint_of(OTHER)
    assert len(fingerprint_of(SECRET)) == 32


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert str(tmp_path / "file" / "keys") in fault(own(tmp_path / "file"))


def stateless(state: Path, key: bytes, secret: HashSecret | None = None) -> Config:
    """An agent without an outbox."""
    (path := state.parent / "tls.key").write_bytes(key)
    tls = Tls(certificate=path, key=path, ca=path)
    return Config(role="agent", hub=Hub(address="hub:14007"), outbox=None, state=state, tls=tls, hash_secret=secret)


def test_an_agent_without_an_outbox_has_the_secret_of_its_private_key_and_keeps_nothing(state: Path) -> None:
    one, same, other = (open_secret(stateless(state, key)) for key in (b"a key", b"a key", b"another key"))
    assert one == same != other
    assert len(one) == 64
    assert b"a key" not in one
    assert not state.exists()


def test_an_agent_without_an_outbox_takes_a_configured_secret(state: Path) -> None:
    secret = from_file(state, SECRET).hash_secret
    config = stateless(state, b"a key", secret)
    assert ([*secret_problems(config)], open_secret(config)) == ([], SECRET)
    assert not state.exists()
    (state.parent / "secret").write_bytes(b"short")
    assert fault(config).startswith("hash_secret.file: must hold 32 to 64 bytes, and holds 5: ")
