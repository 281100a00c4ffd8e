"""Files that are made to run, hang or explode, given to each command.

One line that names the file, the right exit code, nothing left.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from gateway.cli import main
from tests.support import oversized_contracts
from tests.support.contracts import POLICY, contract, proto

GOOD = f"{POLICY}flows: {{t.M0: [eu-store]}}\napprovals: approvals.lock\n"
SECONDS = 90
"""How long a command may take, on a busy machine too."""

Make = Callable[[Path], object]


def written(name: str, text: str) -> Make:
    def make(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    return make


def shaped(make: oversized_contracts.MakeProto, size: int) -> Make:
    return lambda folder: (folder / "x.proto").write_text(oversized_contracts.proto_text(make, size), encoding="utf-8")


def described(*files: FileDescriptorProto) -> Make:
    return lambda folder: (folder / "x.binpb").write_bytes(FileDescriptorSet(file=files).SerializeToString())


def pipe(name: str) -> Make:
    return lambda folder: os.mkfifo(folder / name)


def linked(name: str, target: str) -> Make:
    return lambda folder: (folder / name).symlink_to(target)


def bound(name: str) -> Make:
    def make(folder: Path) -> None:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(folder / name))

    return make


def empty(name: str, size: int) -> Make:
    def make(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.truncate(size)

    return make


def within(depth: int) -> FileDescriptorProto:
    """Types within one another, so many of them."""
    inner = DescriptorProto(name="M0")
    for _ in range(depth):
        inner = DescriptorProto(name="M0", nested_type=[inner])
    return FileDescriptorProto(name="deep.proto", package="t", message_type=[inner])


def imports(*ways: tuple[str, str]) -> list[FileDescriptorProto]:
    return [FileDescriptorProto(name=name, dependency=[imported]) for name, imported in ways]


def raw(name: bytes) -> Make:
    """A descriptor set with one file of a name that is not UTF-8."""
    return lambda folder: (folder / "x.binpb").write_bytes(
        b"\x0a" + bytes([len(name) + 2]) + b"\x0a" + bytes([len(name)]) + name
    )


FIELDS = "".join(f"int32 f{i}={i};" for i in range(20_000, 80_000))

CONTRACTS: dict[str, tuple[Make, str]] = {
    "an option": (written("--plugin=protoc-gen-evil=tools/evil.proto", "#!/bin/sh\ntouch ran"), "rename it"),
    "an option's value": (written("--evil_out=.proto", proto("message M0 {}")), "rename it"),
    "a name of two lines": (written("a\nb.proto", proto("message M0 {}")), "rename it"),
    "a pipe": (pipe("x.proto"), "x.proto: is a named pipe"),
    "a socket": (bound("x.proto"), "x.proto: is a socket"),
    "a device": (linked("x.proto", "/dev/zero"), "x.proto: leads outside"),
    "a link": (linked("x.proto", "/etc/passwd"), "x.proto: leads outside"),
    "a large file": (empty("x.proto", 100_000_000), "x.proto: is larger than"),
    "an import from outside": (written("x.proto", 'syntax = "proto3"; import "../../x.proto";'), "../../x.proto"),
    "values": (
        shaped(oversized_contracts.enum, 100_000),
        "x.proto: with it the contract has more than 50000 enum values",
    ),
    "fields": (
        shaped(oversized_contracts.mesh, 300 * 300),
        "x.proto: with it the contract has more than 50000 fields and extensions",
    ),
    "types": (
        shaped(oversized_contracts.many, 20_001),
        "x.proto: with it the contract has more than 20000 message types",
    ),
    "fields of one type": (
        written("x.proto", proto(f"message M0 {{ {FIELDS} }}")),
        "x.proto: with it the contract has more than 50000 fields and extensions",
    ),
    "a descriptor set's pipe": (pipe("x.binpb"), "x.binpb: is a named pipe"),
    "a descriptor set's socket": (bound("x.binpb"), "x.binpb: is a socket"),
    "a descriptor set's device": (linked("x.binpb", "/dev/zero"), "x.binpb: is a device"),
    "a large descriptor set": (empty("x.binpb", 1_000_000_000), "x.binpb: is larger than"),
    "types within one another": (described(within(95)), "deep.proto: has message types within one another"),
    "a loop of imports": (
        described(*imports(("a.proto", "b.proto"), ("b.proto", "a.proto"))),
        "a.proto: imports itself by way of b.proto",
    ),
    "an import of itself": (
        described(*imports(("a.proto", "a.proto"))),
        "a.proto: imports itself by way of nothing else",
    ),
    "a chain of imports": (
        described(*imports(*((f"{i}.proto", f"{i + 1}.proto") for i in range(3000)))),
        "imports 3000.proto, which no contract holds",
    ),
    "a file's name of two lines": (described(FileDescriptorProto(name="a\nb.proto")), r"'a\nb.proto': is no name"),
    "a file's name that is not UTF-8": (raw(b"\xff.proto"), "x.binpb"),
}
"""Each with what its error says."""

LARGE = ("values", "fields", "types", "fields of one type")
"""Those that take seconds to compile. All commands load them alike."""

SOUND: dict[str, Make] = {
    "chain": shaped(oversized_contracts.chain, 1500),
    "rings": shaped(oversized_contracts.rings, 1500),
    "doubling": shaped(oversized_contracts.doubling, 1500),
    "nested": shaped(oversized_contracts.nested, 1500),
}
"""Odd, but no more than can be compiled."""

POLICIES: dict[str, tuple[Make, str]] = {
    "a pipe": (pipe("policy.yaml"), "policy.yaml: is a named pipe"),
    "a socket": (bound("policy.yaml"), "policy.yaml: is a socket"),
    "a device": (linked("policy.yaml", "/dev/zero"), "policy.yaml: is a device"),
    "a large file": (empty("policy.yaml", 100_000_000), "policy.yaml: is larger than 1000000 bytes"),
    "laughs": (
        written("policy.yaml", f"{GOOD}a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"),
        "anchors and aliases are not allowed; write it out",
    ),
    "depth": (written("policy.yaml", "[" * 900_000), "policy.yaml:1: nests deeper than 32 levels"),
    "a key twice": (written("policy.yaml", f"{GOOD}version: 1\n"), "version: is here twice"),
    "a tag": (
        written("policy.yaml", f"{GOOD}x: !!python/object/apply:os.system [touch ran]\n"),
        "tags are not allowed",
    ),
    "a user ID that may be a name": (
        written("policy.yaml", GOOD.replace("usr_[A-Za-z0-9]{1,32}", "[A-Za-z ]{1,64}")),
        "user_id.pattern: ",
    ),
    "an approvals file that is a pipe": (
        lambda folder: (written("policy.yaml", GOOD)(folder), pipe("approvals.lock")(folder)),
        "approvals.lock: is a named pipe",
    ),
}

COMMANDS = ("lint", "explain", "diff", "approve", "minimise", "config")


def arguments(command: str, contracts: Path, policy: Path) -> list[str]:
    sources = ["--contracts", str(contracts), "--policy", str(policy)]
    match command:
        case "explain":
            return ["explain", "t.M0", *sources]
        case "diff":
            return ["diff", str(policy), str(policy), "--contracts", str(contracts)]
        case "minimise":
            return ["minimise", *sources, "--type", "t.M0", "--destination", "eu-store"]
        case "approve":
            return ["approve", "--yes", *sources]
        case "config":
            config = policy.parent / "config.yaml"
            config.write_text(
                f"policy: {policy}\ncontracts: [{contracts}]\nstate: {policy.parent}/state\n", encoding="utf-8"
            )
            return ["config", "check", "--config", str(config)]
    return [command, *sources]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a contract and a policy that fit each other."""
    folder = tmp_path_factory.mktemp("sound")
    files = contract(oversized_contracts.proto_text(oversized_contracts.many, 2)).files.values()
    (folder / "contract.binpb").write_bytes(FileDescriptorSet(file=files).SerializeToString())
    (folder / "policy.yaml").write_text(GOOD.replace("approvals: approvals.lock\n", ""), encoding="utf-8")
    return folder


def made(folder: Path, make: Make) -> Path:
    """What a command is given: the folder that was filled, or the descriptor set in it."""
    make(folder)
    image = folder / "x.binpb"
    return image if os.path.lexists(image) else folder


def run(given: list[str]) -> tuple[int, str]:
    """The exit code and what standard error says; no process is left."""
    before = children()
    signal.signal(signal.SIGALRM, took_too_long)
    signal.alarm(SECONDS)
    try:
        result = CliRunner().invoke(main, given, input=b"")
    finally:
        signal.alarm(0)
    assert children() == before
    return result.exit_code, result.stderr


def took_too_long(number: int, frame: object) -> NoReturn:
    raise AssertionError


def children() -> str:
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()


@pytest.mark.parametrize(
    ("command", "name"),
    [(command, name) for name in CONTRACTS for command in (COMMANDS[:1] if name in LARGE else COMMANDS)],
)
def test_a_hostile_contract_is_one_line_that_names_it(tmp_path: Path, sound: Path, command: str, name: str) -> None:
    make, wanted = CONTRACTS[name]
    (tmp_path / "protos").mkdir()
    shutil.copy(sound / "policy.yaml", tmp_path)
    code, text = run(arguments(command, made(tmp_path / "protos", make), tmp_path / "policy.yaml"))
    assert (code, "Internal error" in text) == (2, False)
    assert wanted in text
    assert len(text.splitlines()) <= (3 if "import" in name else 1)
    assert not [*tmp_path.rglob("ran")]


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_hostile_policy_is_one_line_that_names_it(tmp_path: Path, sound: Path, command: str, name: str) -> None:
    make, wanted = POLICIES[name]
    make(tmp_path)
    if command == "approve" or "approvals" not in name:
        code, text = run(arguments(command, sound / "contract.binpb", tmp_path / "policy.yaml"))
        assert (code, "Internal error" in text) == (2, False)
        assert wanted in text
        assert len(text.splitlines()) == 1
        assert str(tmp_path) in text


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("command", COMMANDS)
def test_an_odd_contract_is_a_contract(tmp_path: Path, sound: Path, command: str, name: str) -> None:
    (tmp_path / "protos").mkdir()
    (tmp_path / "policy.yaml").write_text(
        GOOD if command == "approve" else (sound / "policy.yaml").read_text(), encoding="utf-8"
    )
    code, text = run(arguments(command, made(tmp_path / "protos", SOUND[name]), tmp_path / "policy.yaml"))
    assert "Internal error" not in text
    assert code in (0, 1), text


@pytest.mark.parametrize("name", ["an option", "a pipe", "fields", "a descriptor set's pipe"])
def test_serve_does_not_start_with_one(tmp_path: Path, sound: Path, name: str) -> None:
    make, wanted = CONTRACTS[name]
    (tmp_path / "protos").mkdir()
    arguments("config", made(tmp_path / "protos", make), tmp_path / "policy.yaml")
    shutil.copy(sound / "policy.yaml", tmp_path)
    command = (sys.executable, "-m", "gateway", "serve", "--config", "config.yaml")
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True) as serving:
        _, text = serving.communicate(timeout=SECONDS)
        with pytest.raises(ProcessLookupError):
            os.killpg(serving.pid, signal.SIGKILL)  # nobody of its session is left
    assert serving.returncode == 2
    assert wanted in text.splitlines()[-1]
