"""Generate what the repository keeps of `protos/`: the Python stubs and the gateway's own contracts.

`python protos/generate.py` writes; with `--check` it only compares, and exits with 1 when something is out of step.
Needs the extra `dev` and no network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT: Final = Path(__file__).resolve().parent.parent
PROTOS: Final = ROOT / "protos"
INCLUDES: Final = (PROTOS, Path(grpc_tools.__file__).parent / "_proto")
SCRIPTS: Final = Path(sysconfig.get_path("scripts"))

PUBLIC: Final = "kannelle/privacy/v1"
"""The package that becomes the client."""

CONTRACTS: Final = "gateway/contracts/kannelle.binpb"
STUBS: Final = f"clients/python/src/{PUBLIC}"
HAND_WRITTEN: Final = frozenset({"py.typed"})


def sources() -> list[str]:
    """Every proto, relative to `protos/`."""
    return sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))


def protoc(*arguments: str) -> None:
    """Run the compiler of grpcio-tools, the one that the gateway itself compiles contracts with."""
    includes = (f"-I{path}" for path in INCLUDES)
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *includes, *arguments], check=True)


def generate(target: Path) -> None:
    """Write everything below `target`, laid out as in the repository."""
    contracts, stubs = target / CONTRACTS, target / STUBS
    contracts.parent.mkdir(parents=True)
    stubs.mkdir(parents=True)
    public = [name for name in sources() if name.startswith(PUBLIC)]
    protoc("--include_imports", f"--descriptor_set_out={contracts}", *sources())
    write_stubs(stubs.parents[2], public, with_services(contracts))
    for name in public:
        shutil.copyfile(PROTOS / name, stubs / Path(name).name)


def with_services(contracts: Path) -> set[str]:
    """The files that declare a service."""
    return {file.name for file in FileDescriptorSet.FromString(contracts.read_bytes()).file if file.service}


def write_stubs(out: Path, public: list[str], services: set[str]) -> None:
    """Messages for all of `public`, stubs and servicers for those that declare a service, each with its types."""
    protoc(plugin("mypy"), f"--python_out={out}", f"--mypy_out=quiet:{out}", *public)
    protoc(
        plugin("mypy_grpc"),
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out=quiet:{out}",
        *sorted(services.intersection(public)),
    )


def plugin(name: str) -> str:
    """Where protoc finds a plugin of mypy-protobuf: protoc's own types know neither extensions nor stubs."""
    return f"--plugin=protoc-gen-{name}={SCRIPTS / f'protoc-gen-{name}'}"


def kept(root: Path) -> dict[str, bytes]:
    """What `generate` is answerable for below `root`, by path."""
    files = [root / CONTRACTS, *(root / STUBS).glob("*")]
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in files
        if path.is_file() and path.name not in HAND_WRITTEN
    }


def differing(old: dict[str, bytes], new: dict[str, bytes]) -> Iterator[str]:
    """One line for each file that would be added, changed or removed."""
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            yield f"{'stale' if path not in new else 'missing' if path not in old else 'differs'}: {path}"


def install(old: dict[str, bytes], new: dict[str, bytes]) -> None:
    """Make the repository hold `new`, touching only what differs."""
    for path in old.keys() - new.keys():
        (ROOT / path).unlink()
    for path, content in new.items():
        if old.get(path) != content:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_bytes(content)


def main(arguments: list[str]) -> int:
    """Generate and compare; write unless asked only to check."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        old, new = kept(ROOT), kept(Path(folder))
    changes = list(differing(old, new))
    if arguments != ["--check"]:
        install(old, new)
    elif changes:
        print(*changes, "run `make protos`", sep="\n", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
