"""What is generated from `protos/` is in step with it, and a break of what others build on is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT: Final = Path(__file__).resolve().parent.parent
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="compares with what git remembers")
IDENTITY: Final = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run to the end; without the variables by which a hook of git names another repository."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=env)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository of its own with what is generated and what it is generated from."""
    for name in ("protos", "clients", "gateway/contracts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "buf.yaml", tmp_path / "buf.yaml")
    return tmp_path


def change(tree: Path, old: str, new: str) -> None:
    """Edit the emit service's proto."""
    proto = tree / "protos/kannelle/privacy/v1/emit.proto"
    text = proto.read_text()
    assert old in text
    proto.write_text(text.replace(old, new, 1))


def commit(tree: Path) -> None:
    for arguments in (("init", "--quiet"), ("add", "protos", "buf.yaml"), ("commit", "--quiet", "--message", "state")):
        assert run("git", "-C", tree, *IDENTITY, *arguments).returncode == 0


def test_nothing_generated_is_out_of_step() -> None:
    done = run(sys.executable, ROOT / "protos/generate.py", "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_proto_that_changed_is_found_and_mended(tree: Path) -> None:
    generate, stubs = tree / "protos/generate.py", tree / "clients/python/src/kannelle/privacy/v1"
    change(tree, "string request_id = 1;", "string retry_id = 1;")
    (stubs / "gone_pb2.py").touch()
    done = run(sys.executable, generate, "--check")
    assert done.returncode == 1
    assert "differs: clients/python/src/kannelle/privacy/v1/emit_pb2.pyi" in done.stderr
    assert "stale: clients/python/src/kannelle/privacy/v1/gone_pb2.py" in done.stderr
    assert run(sys.executable, generate).returncode == 0
    assert run(sys.executable, generate, "--check").returncode == 0
    assert "retry_id" in (stubs / "emit_pb2.pyi").read_text()
    assert (stubs / "py.typed").exists()


def test_the_contracts_hold_every_proto_and_what_it_imports() -> None:
    files = FileDescriptorSet.FromString((ROOT / "gateway/contracts/kannelle.binpb").read_bytes()).file
    names = [file.name for file in files]
    assert {path.relative_to(ROOT / "protos").as_posix() for path in (ROOT / "protos").rglob("*.proto")} <= set(names)
    assert all(set(file.dependency) <= set(names[:index]) for index, file in enumerate(files))
    assert not any(file.HasField("source_code_info") for file in files)


@needs_git
@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("string request_id = 1;", "string retry_id = 1;", 100),
        ("string request_id = 1;", "bytes request_id = 1;", 100),
        ("rpc Emit(EmitRequest) returns (EmitResponse);", "", 100),
        ("string request_id = 1;", "string request_id = 1;\n  string origin = 9;", 0),
        ("// Partial success", "// In part", 0),
    ],
    ids=["renamed", "retyped", "removed", "added", "comment"],
)
def test_a_break_is_found_whether_committed_or_not(tree: Path, old: str, new: str, code: int) -> None:
    commit(tree)
    change(tree, old, new)
    assert run(sys.executable, tree / "protos/breaking.py").returncode == code
    commit(tree)
    assert run(sys.executable, tree / "protos/breaking.py").returncode == code


@needs_git
def test_a_release_is_what_counts_once_there_is_one(tree: Path) -> None:
    commit(tree)
    change(tree, "string request_id = 1;", "string retry_id = 1;")
    commit(tree)
    assert run("git", "-C", tree, "tag", "v1").returncode == 0
    assert run(sys.executable, tree / "protos/breaking.py").returncode == 0


def test_without_an_earlier_state_there_is_nothing_to_break(tree: Path) -> None:
    done = run(sys.executable, tree / "protos/breaking.py")
    assert (done.returncode, done.stdout) == (0, "protos: none that differ to compare with\n")
