"""Keyed hashes: the same for the same, never the same for anything else, and useless without the secret."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.delivery.keys import Keys
from gateway.errors import BadConfig
from gateway.model import Category

KEYS = Keys(bytes(range(32)))
OTHER = Keys(bytes(32))
KEY = bytes(16)

EACH: list[tuple[Callable[[Keys], bytes], int]] = [
    (lambda keys: keys.key("spiffe://example.org/video", "r1", 0, "crm"), 16),
    (lambda keys: keys.fingerprint(b"item"), 8),
    (lambda keys: keys.subject(Category.USER_ID, "usr_1"), 16),
]


@pytest.mark.parametrize(("make", "size"), EACH, ids=["key", "mark", "subject"])
def test_a_hash_is_the_same_each_time_and_of_its_size(make: Callable[[Keys], bytes], size: int) -> None:
    assert make(KEYS) == make(Keys(bytes(range(32)))) != make(OTHER)
    assert len(make(KEYS)) == size


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc", 0, "crm"), ("ab", "c", 0, "crm")),
        (("a", "b", 0, "crm"), ("a", "b", 1, "crm")),
        (("a", "b", 0, "crm"), ("a", "b", 0, "log")),
        (("a", "", 0, "crm"), ("", "a", 0, "crm")),
    ],
)
def test_no_two_requests_share_a_key(one: tuple[str, str, int, str], other: tuple[str, str, int, str]) -> None:
    assert KEYS.key(*one) != KEYS.key(*other)


def test_no_two_agents_share_a_key_and_all_replicas_of_a_hub_make_the_same() -> None:
    assert KEYS.key_of_agent("one", KEY) == OTHER.key_of_agent("one", KEY)
    assert len(KEYS.key_of_agent("one", KEY)) == 16
    assert KEYS.key_of_agent("one", KEY) != KEYS.key_of_agent("other", KEY) != KEY


def test_a_value_is_another_subject_under_another_category() -> None:
    assert KEYS.subject(Category.USER_ID, "a@b.example") != KEYS.subject(Category.WORK_EMAIL, "a@b.example")


def test_the_same_bytes_hash_otherwise_for_another_use() -> None:
    assert KEYS.key_of_agent("", b"")[:8] != KEYS.fingerprint(b"")


def test_what_is_fresh_is_never_the_same() -> None:
    assert len({KEYS.fresh() for _ in range(100)}) == 100


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    assert Keys.read(path).fingerprint(b"x") == Keys.read(path).fingerprint(b"x")
    assert (path.stat().st_mode & 0o777, len(path.read_bytes()), list(path.parent.iterdir())) == (0o600, 32, [path])


def test_processes_that_start_at_once_have_the_same_secret(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(_marked, [tmp_path / "key"] * 8, chunksize=1))) == 1


def _marked(path: Path) -> bytes:
    return Keys.read(path).fingerprint(b"x")


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_secret_that_is_too_short_is_not_used(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(BadConfig, match=str(path)):
        Keys.read(path)


def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=str(tmp_path)):
        Keys.read(tmp_path)


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BadConfig, match="file/key"):
        Keys.read(tmp_path / "file" / "key")
