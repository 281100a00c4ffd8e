"""Credentials: where they are read, when again, and that nothing repeats them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import BadConfig
from gateway.exporters.credentials import MAX_CREDENTIAL_FILE_BYTES, Credential, basic_auth
from gateway.exporters.settings import Secret


def test_a_credential_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "hunter2")
    credential = Credential(Secret(env="KEY"), "k")
    assert credential.value() == "hunter2"
    assert repr(credential) == "Credential(…)"


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first\n")
    credential = Credential(Secret(file=str(path)), "k")
    assert credential.value() == "first"
    path.write_text("second\n")
    os.utime(path, (1, 1))
    assert credential.value() == "second"


@pytest.mark.parametrize("content", [None, b"", b"two words", b"\xff", b"a\r\nX-Header: b"])
def test_a_file_that_says_nothing_any_more_leaves_what_it_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    path.write_text("first")
    credential = Credential(Secret(file=str(path)), "k")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
        os.utime(path, (1, 1))
    assert credential.value() == "first"


@pytest.mark.parametrize("value", ["", "hunter2 hunter2", "hunter2\n", "hunter2é", "hunter2" * 1000])
def test_what_can_be_no_credential_is_not_repeated(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("KEY", value)
    with pytest.raises(BadConfig) as caught:
        Credential(Secret(env="KEY"), "destinations.crm.exporter.token")
    assert (
        str(caught.value)
        == "destinations.crm.exporter.token: must be 1 to 4096 characters of printable ASCII, without spaces"
    )


def test_one_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"^k: the environment has no NO_SUCH_KEY$"):
        Credential(Secret(env="NO_SUCH_KEY"), "k")
    with pytest.raises(BadConfig, match=r"^k: .*/none: can't be read: No such file or directory$"):
        Credential(Secret(file=str(tmp_path / "none")), "k")


def test_a_file_of_bytes_is_no_credential(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(BadConfig, match=r"^k: .*/key: holds no text of printable ASCII$"):
        Credential(Secret(file=str(tmp_path / "key")), "k")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (os.mkfifo, "is a named pipe; it must be a regular file"),
        (Path.mkdir, "is a folder; it must be a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device; it must be a regular file"),
        (lambda path: path.symlink_to(path.name), "can't be read: Too many levels of symbolic links"),
        (
            lambda path: path.write_bytes(b" " * (MAX_CREDENTIAL_FILE_BYTES + 1)),
            f"is larger than {MAX_CREDENTIAL_FILE_BYTES} bytes",
        ),
    ],
    ids=["a named pipe", "a folder", "a device", "a link to itself", "a large file"],
)
def test_what_is_no_file_is_told_at_the_start_and_leaves_what_was_said_later(
    make: Callable[[Path], object], expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text("first")
    credential = Credential(Secret(file=str(path)), "k")
    path.unlink()
    make(path)
    assert credential.value() == "first"
    with pytest.raises(BadConfig) as caught:
        Credential(Secret(file=str(path)), "k")
    assert str(caught.value) == f"k: {path}: {expected}"


def test_user_and_password_are_one_header() -> None:
    assert basic_auth("abc123", "") == "Basic YWJjMTIzOg=="
