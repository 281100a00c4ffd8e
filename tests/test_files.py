"""Every file that a user can name is read in one place, which opens regular ones only.

And what that place says of the others.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

import gateway
from gateway.files import Unreadable, is_folder, is_link, is_missing, is_there, read_error_text, read_regular

GATEWAY: Final = Path(gateway.__file__).parent

READERS: Final = frozenset({"read_bytes", "read_text", "load_cert_chain", "load_file", "loadtxt"})
"""Methods that open a file by its name and read it."""

OPENERS: Final = frozenset({"open", "fdopen", "FileIO", "memory_map", "mmap"})

DIRECT: Final[Mapping[str, str]] = {
    "files.py": "the reader itself",
    "folder.py": "opens folders, and closes what is open to others",
    "cli/init.py": "makes a file that isn't there",
    "cli/config.py": "the gateway's own schemas",
    "contracts/protoc.py": "files in memory",
    "delivery/outbox/file.py": "the outbox and its locks, which the preflight looked at",
    "delivery/outbox/leased_ids.py": "a lock of the outbox",
    "detectors/data/__init__.py": "the gateway's own data",
    "exporters/jsonl/rotating_file.py": "an exporter's file, opened without waiting",
    "policy/person_probes.py": "the gateway's own data",
}
"""What opens files by itself, and which. The demonstration has its own."""


def opened(path: Path) -> Iterator[int]:
    """Yield the lines of a module that open a file by a name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            owner = called.value.id if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) else ""
            name = (
                called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
            )
            method = isinstance(called, ast.Attribute)
            plain = name in OPENERS and (not method or owner in {"os", "io", "path", "file", "mmap"})
            if name in READERS or plain or any(one.arg in {"cafile", "capath", "certfile"} for one in node.keywords):
                yield node.lineno


def test_nothing_reads_a_file_that_a_user_names_but_the_reader() -> None:
    found = {str(path.relative_to(GATEWAY)): [*opened(path)] for path in sorted(GATEWAY.rglob("*.py"))}
    direct = {name for name, lines in found.items() if lines and not name.startswith("demo/")}
    assert direct == set(DIRECT)


def said_of(path: Path) -> str:
    try:
        return str(read_regular(path, 8))
    except (OSError, Unreadable) as failure:
        return read_error_text(failure)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (os.mkfifo, "is a named pipe; it must be a regular file"),
        (Path.mkdir, "is a folder; it must be a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device; it must be a regular file"),
        (lambda path: path.write_bytes(bytes(9)), "is larger than 8 bytes"),
        (lambda path: path.symlink_to(path.name), "can't be read: Too many levels of symbolic links"),
        (lambda path: path.symlink_to("a" * 300), "can't be read: File name too long"),
        (lambda path: path.symlink_to("gone"), "can't be read: No such file or directory"),
    ],
    ids=["a named pipe", "a folder", "a device", "a large file", "a link to itself", "a long name", "nothing"],
)
def test_what_is_no_regular_file_of_bounded_size_is_told(
    make: Callable[[Path], None], expected: str, tmp_path: Path
) -> None:
    make(tmp_path / "file")
    assert said_of(tmp_path / "file") == expected


def test_what_no_file_can_be_called_is_told() -> None:
    with pytest.raises(Unreadable, match=r"^must not hold a NUL$"):
        read_regular(Path("a\0b"), 8)


@pytest.mark.parametrize("name", ["a\0b", "a" * 300, "gone", "loop", "file/below", "folder", "file"])
def test_what_a_path_leads_to_can_always_be_asked(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    path = tmp_path / name
    asked = (is_folder(path), is_link(path), is_there(path), is_missing(path))
    assert asked == (name == "folder", name == "loop", name in {"folder", "file"}, name == "gone")
