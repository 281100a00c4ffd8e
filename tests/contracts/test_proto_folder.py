"""Folders of others' `.proto` files.

No name is an option, nothing outside is read, nothing hangs, nothing is left behind.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.contracts import proto_folder as sources
from gateway.contracts.load import load
from gateway.contracts.proto_folder import MAX_PROTO_BYTES, MAX_PROTO_FILES, MAX_SET_BYTES
from gateway.errors import BadContract

TEXT = 'syntax = "proto3"; package t; message A {}'
SCRIPT = "#!/bin/sh\ntouch {}\n"


def fault(folder: Path) -> str:
    with pytest.raises(BadContract) as caught:
        load([folder])
    return str(caught.value)


def put(folder: Path, name: str, text: str = TEXT) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "name",
    [
        *(
            "-Ievil.proto",
            "--help.proto",
            "-Ia/evil.proto",
            "@evil.proto",
            "@/etc/passwd.proto",
            "a b.proto",
            " .proto",
            "./.proto",
            "-.proto",
        ),
        *(
            "$(touch x).proto",
            "`x`.proto",
            "*.proto",
            "'.proto",
            ";x.proto",
            "\u00e9.proto",
            "all.proto",
            "~/a.proto",
            "-/--/a.proto",
        ),
    ],
)
def test_a_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    assert "t.A" in load([tmp_path]).messages


@pytest.mark.parametrize("name", ["all.proto", "_all.proto"])
def test_any_name_may_be_imported(tmp_path: Path, name: str) -> None:
    put(tmp_path, "all.proto", 'syntax = "proto3"; package all;')
    put(tmp_path, name)
    put(tmp_path, "@b.proto", f'syntax = "proto3"; package b; import "{name}"; message B {{ t.A a = 1; }}')
    assert {"t.A", "b.B"} <= set(load([tmp_path]).messages)


@pytest.mark.parametrize(
    "name",
    [
        *("--evil_out=.proto", "--descriptor_set_in=x.proto", "-I=x.proto", "a:b.proto", 'a"b.proto', "a\\b.proto"),
        *(
            "a\nb.proto",
            "a\x1b[2Jb.proto",
            "a\u202eb.proto",
            "\udcff.proto",
            "/".join(letter * 200 for letter in "abc") + ".proto",
        ),
    ],
)
def test_a_name_that_the_compiler_would_take_apart_is_an_error_of_one_line_that_says_so(
    tmp_path: Path, name: str
) -> None:
    put(tmp_path, name)
    text = fault(tmp_path)
    assert text.startswith(f"{tmp_path}: ")
    assert text.isprintable()
    assert text.endswith("is needed: rename it")


def test_a_plugin_that_is_named_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the command runs, the path that the name gives leads to a program."""
    monkeypatch.chdir(tmp_path)
    ran = tmp_path / "ran"
    tools = tmp_path / "protos" / "--plugin=protoc-gen-evil=tools"
    put(tools, "evil.proto", SCRIPT.format(ran)).chmod(0o755)
    put(tmp_path / "tools", "evil.proto", SCRIPT.format(ran)).chmod(0o755)
    put(tmp_path / "protos", "x.proto")
    (tmp_path / "protos" / "--evil_out=.proto").touch()
    (tmp_path / ".proto").mkdir()
    with suppress(BadContract):
        load([tmp_path / "protos"])
    assert not ran.exists()
    assert "rename it" in fault(tmp_path / "protos")


def test_the_working_folder_brings_no_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    for module in ("grpc_tools", "google", "msgspec", "gateway"):
        put(tmp_path / "work" / module, "__init__.py", f"open({str(ran)!r}, 'w')")
    put(tmp_path / "work" / "protos", "a.proto")
    monkeypatch.chdir(tmp_path / "work")
    assert "t.A" in load([Path("protos")]).messages
    assert not ran.exists()


@pytest.mark.parametrize("held", ["../outside/x.proto", "/etc/hostname", "/dev/zero", "/proc/self/environ"])
def test_a_link_that_leads_outside_is_an_error(tmp_path: Path, held: str) -> None:
    put(tmp_path / "outside", "x.proto")
    put(tmp_path / "in", "a.proto", 'syntax = "proto3";')
    (tmp_path / "in" / "link.proto").symlink_to(held)
    assert fault(tmp_path / "in").startswith(f"{tmp_path / 'in'}/link.proto: leads outside ")


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    """As Kubernetes mounts a ConfigMap: each file a link into a hidden folder, which is itself left out."""
    put(tmp_path / "in" / "..2026", "a.proto")
    (tmp_path / "in" / "..data").symlink_to("..2026")
    (tmp_path / "in" / "a.proto").symlink_to("..data/a.proto")
    assert "t.A" in load([tmp_path / "in"]).messages


def test_a_folder_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    put(tmp_path / "outside", "x.proto", "no proto at all")
    put(tmp_path / "in", "a.proto")
    (tmp_path / "in" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    assert "t.A" in load([tmp_path / "in"]).messages


@pytest.mark.parametrize(
    "imported",
    [
        "../outside/x.proto",
        "/etc/passwd",
        "etc/passwd",
        "./a.proto",
        "secret.txt",
        "sub//a.proto",
        "proc/self/environ",
        "a.pipe",
    ],
)
def test_an_import_reads_nothing_but_the_folders_protos(tmp_path: Path, imported: str) -> None:
    put(tmp_path / "outside", "x.proto", 'syntax = "proto3"; message Outside {}')
    put(tmp_path / "in", "secret.txt", "Ada Byron")
    os.mkfifo(tmp_path / "in" / "a.pipe")
    put(tmp_path / "in", "a.proto", f'syntax = "proto3"; import "{imported}"; message A {{}}')
    text = fault(tmp_path / "in")
    assert "a.proto:1:20" in text
    assert "Ada" not in text
    assert "/fd/" not in text


def test_an_absolute_import_of_a_file_that_is_there_is_not_found(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside", "x.proto")
    put(tmp_path / "in", "a.proto", f'syntax = "proto3"; import "{outside}"; message A {{}}')
    assert "not found" in fault(tmp_path / "in")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's name is short
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


def link_to_pipe(path: Path) -> None:
    pipe(path.parent / "pipe")
    path.symlink_to("pipe")


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (pipe, "is a named pipe; it must be a regular file"),
        (unix_socket, "is a socket; it must be a regular file"),
        (link_to_pipe, "is a named pipe; it must be a regular file"),
        (lambda path: path.symlink_to("nowhere"), "No such file or directory"),
        (lambda path: path.symlink_to("x.proto"), ""),
        (lambda path: path.symlink_to("."), "leads outside"),
        (lambda path: path.write_bytes(b"/" * (MAX_PROTO_BYTES + 1)), f"is larger than {MAX_PROTO_BYTES} bytes"),
    ],
    ids=["pipe", "socket", "link to a pipe", "dangling", "loop", "folder", "large"],
)
def test_what_is_no_regular_file_of_bounded_size_is_an_error_that_names_it(
    tmp_path: Path, make: Callable[[Path], None], wanted: str
) -> None:
    make(tmp_path / "x.proto")
    text = fault(tmp_path)
    assert text.startswith(f"{tmp_path / 'x.proto'}: ")
    assert wanted in text or wanted == "leads outside"


@pytest.mark.parametrize(
    "make", [pipe, unix_socket, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "socket", "device"]
)
def test_a_descriptor_set_is_a_regular_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x.binpb")
    assert fault(tmp_path / "x.binpb").endswith("it must be a regular file")


def test_a_descriptor_set_is_of_bounded_size(tmp_path: Path) -> None:
    path = tmp_path / "x.binpb"
    path.write_bytes(b"\x0a\x00" * MAX_SET_BYTES)
    assert fault(path) == f"{path}: is larger than {MAX_SET_BYTES} bytes"


def test_a_folder_has_so_many_files(tmp_path: Path) -> None:
    for index in range(MAX_PROTO_FILES + 1):
        (tmp_path / f"{index}.proto").touch()
    assert fault(tmp_path).startswith(f"{tmp_path}: has more than {MAX_PROTO_FILES} .proto files")


def test_a_folder_has_so_many_entries_whatever_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_FOLDER_ENTRIES", 40)
    for index in range(20):
        (tmp_path / f"{index}").mkdir()
        (tmp_path / f"{index}" / "readme").touch()
    put(tmp_path, "a.proto")
    assert (
        fault(tmp_path) == f"{tmp_path}: has more than 40 files and folders; name the folder that holds the contract's"
    )


def test_the_root_of_the_system_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_FOLDER_ENTRIES", 2000)
    assert fault(Path("/")).startswith("/: has more than 2000 files and folders")


WHOLE = 'syntax = "proto3";\nmessage A { string x = 1; }\n'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (WHOLE.encode("utf-16"), ["a.proto:1: is not UTF-8"]),
        (WHOLE.encode("utf-16-le"), ["a.proto:1: holds a NUL; it must be text in UTF-8"]),
        (WHOLE.encode() + b"\xff\xfe", ["a.proto:3: is not UTF-8"]),
        (bytes(range(256)) * 8, ["a.proto:2: is not UTF-8"]),
        (b"\n" + bytes(64), ["a.proto:2: holds a NUL; it must be text in UTF-8"]),
        (b"message {", ["a.proto:1:9: Expected message name."]),
        # Text in other letters is text, and the compiler says what it can't be.
        ("message Réunion {}".encode(), ["a.proto:1:10: Interpreting non ascii codepoint 195."]),
    ],
    ids=["UTF-16", "UTF-16 without a mark", "a tail", "binary", "zeros", "no syntax", "an odd name"],
)
def test_of_what_is_no_text_that_is_told_and_no_log_of_the_compilers(
    tmp_path: Path, content: bytes, told: list[str]
) -> None:
    (tmp_path / "a.proto").write_bytes(content)
    lines = fault(tmp_path).removeprefix(f"{tmp_path}: ").splitlines()
    assert lines[: len(told)] == told
    assert len(lines) == len(told) or not told[0].endswith("UTF-8")
    assert not [line for line in lines if "absl" in line or "parser.cc" in line]


def test_remarks_in_another_encoding_compile(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_bytes(WHOLE.encode() + b"// caf\xe9\n")
    assert "A" in load([tmp_path]).messages


def test_a_folder_has_so_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_FOLDER_BYTES", 2 * len(TEXT) - 1)
    put(tmp_path, "a.proto")
    put(tmp_path, "b.proto")
    assert fault(tmp_path).startswith(f"{tmp_path}: has more than")


def test_folders_nest_as_deep_as_the_system_lets_them(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    put(tmp_path, "a.proto")
    try:
        assert "t.A" in load([tmp_path]).messages
    finally:
        subprocess.run(("rm", "-rf", str(tmp_path / "d")), check=True)


@pytest.mark.parametrize("temporary", ["temporary", "none"])
def test_it_needs_no_temporary_folder(tmp_path: Path, temporary: str) -> None:
    put(tmp_path / "in", "a.proto")
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / temporary), "HOME": str(tmp_path / "none")}
    program = f"import tempfile; tempfile.mkdtemp = tempfile.TemporaryFile = None; {PROGRAM}"
    subprocess.run((sys.executable, "-c", program, str(tmp_path / "in")), env=environment, check=True)
    assert not [*(tmp_path / "temporary").iterdir()]


@pytest.mark.parametrize(
    ("bound", "text", "wanted"),
    [
        (("MAX_COMPILE_MEMORY_BYTES", 60_000_000), "large", "takes more than 60000000 bytes of memory to compile"),
        (("MAX_SET_BYTES", 60_000), "fields", "the compiled contract: File too large"),
    ],
)
def test_compiling_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: tuple[str, int], text: str, wanted: str
) -> None:
    made = {
        "fields": f"message M {{ {' '.join(f'int32 f{i}={i};' for i in range(1000, 4000))} }}\n",
        "large": "".join(f"message M{i} {{ string some_name = 1; }}\n" for i in range(20_000)),
    }
    put(tmp_path, "a.proto", f'syntax = "proto3";\n{made[text]}')
    monkeypatch.setattr(sources, *bound)
    assert wanted in fault(tmp_path)


def test_errors_are_few(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.proto",
        'syntax = "proto3";\n' + "".join(f"message M{i} {{ None none = 1; }}\n" for i in range(5000)),
    )
    lines = fault(tmp_path).splitlines()
    assert lines[0].startswith(f"{tmp_path}: a.proto:2:14: ")
    assert len(lines) == 21
    assert lines[-1].startswith("and 4")


SLOW = "".join(f"message M{i} {{ {' '.join(f'M{j} f{j} = {j + 1};' for j in range(500))} }}\n" for i in range(400))
PROGRAM = "import sys; from pathlib import Path; from gateway.contracts.load import load; load([Path(sys.argv[1])])"


def put_slow(folder: Path) -> None:
    """What takes seconds to compile on any machine."""
    for index in range(6):
        put(folder, f"{index}.proto", f'syntax = "proto3"; package p{index};\n{SLOW}')


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("later", [0, 0.3])
def test_the_compiler_ends_with_whoever_asked_for_it(tmp_path: Path, end: signal.Signals, later: float) -> None:
    put_slow(tmp_path)
    with subprocess.Popen((sys.executable, "-c", PROGRAM, str(tmp_path)), stderr=subprocess.DEVNULL) as asking:
        child = os.pidfd_open(child_of(asking.pid))
        select.select([child], [], [], later)  # at different moments of its life
        asking.send_signal(end)
        asking.wait()
    ended, _, _ = select.select([child], [], [], 20)
    os.close(child)
    assert ended


def child_of(pid: int) -> int:
    """Wait for a process's first child."""
    path, end = Path(f"/proc/{pid}/task/{pid}/children"), time.monotonic() + 30
    while time.monotonic() < end:
        if children := path.read_text().split():
            return int(children[0])
        time.sleep(0.005)
    raise AssertionError


def test_no_process_is_left_after_one_that_took_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_slow(tmp_path)
    monkeypatch.setattr(sources, "MAX_COMPILE_SECONDS", 1)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = children.read_text()
    assert "takes more than 1 s" in fault(tmp_path)
    assert children.read_text() == before
