"""Both distributions build from the tree and from their source distribution, and ask for no more than is needed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PROJECTS: Final = {"kannelle_privacy_gateway": ROOT, "kannelle_privacy": ROOT / "clients/python"}

DATA: Final = {
    "kannelle_privacy_gateway": (
        "gateway/policy/kannelle.approvals.lock",
        "gateway/policy/kannelle.yaml",
        "gateway/contracts/kannelle.binpb",
        "gateway/py.typed",
    ),
    "kannelle_privacy": (
        "kannelle/privacy/v1/annotations.proto",
        "kannelle/privacy/v1/annotations_pb2.py",
        "kannelle_privacy/py.typed",
    ),
}


def _built(project: Path, kind: str, into: Path) -> Path:
    """A distribution of a project, built by the backend that pip would call."""
    known = set(into.glob("*"))
    command = (sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(into))
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=120)
    (made,) = set(into.glob("*")) - known
    return made


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as held:
        (name,) = [name for name in held.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(held.read(name))


@pytest.mark.parametrize("name", PROJECTS)
def test_a_source_distribution_builds_the_wheel_that_the_tree_does(name: str, tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    source = _built(PROJECTS[name], "sdist", tmp_path / "dist")
    with tarfile.open(source) as held:
        held.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    for into in ("tree", "source"):
        (tmp_path / into).mkdir()
    tree, again = _built(PROJECTS[name], "wheel", tmp_path / "tree"), _built(unpacked, "wheel", tmp_path / "source")
    with zipfile.ZipFile(tree) as one, zipfile.ZipFile(again) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())
        assert set(DATA[name]) <= set(one.namelist())
    assert _metadata(tree)["License-Expression"] == "LicenseRef-Proprietary"


def test_the_compiler_is_asked_for_by_an_extra_alone(tmp_path: Path) -> None:
    asked = _metadata(_built(ROOT, "wheel", tmp_path)).get_all("Requires-Dist", [])
    assert [one for one in asked if one.startswith("grpcio-tools") and "extra ==" not in one] == []
    assert [one for one in asked if re.match(r"grpcio-tools\b.*extra == 'protos'", one)]


MISSING: Final = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} or name.startswith({module!r} + "."):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from gateway.cli import main
main({arguments!r}, prog_name="privacy-gateway")
"""


def test_the_demo_without_its_extra_says_what_to_install(tmp_path: Path) -> None:
    code = MISSING.format(module="opentelemetry.exporter.otlp.proto.grpc", arguments=["demo"])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        r"needs opentelemetry\.exporter\.\S+, which is not installed: pip install '[a-z-]+\[demo\]' brings it\n",
        done.stderr,
    )


def test_a_folder_of_protos_without_the_compiler_says_what_to_install(tmp_path: Path) -> None:
    """The compiler's process asks for it by name: one of that name that can't be imported stands for none."""
    (tmp_path / "protos").mkdir()
    (tmp_path / "protos/a.proto").write_text('syntax = "proto3";\n')
    (tmp_path / "without/grpc_tools").mkdir(parents=True)
    (tmp_path / "without/grpc_tools/__init__.py").write_text("raise ImportError\n")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "lint", "--contracts", "protos"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(tmp_path / "without")},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        "protos: needs grpcio-tools, which is not installed: pip install 'kannelle-privacy-gateway[protos]' brings it"
        in done.stderr
    )
