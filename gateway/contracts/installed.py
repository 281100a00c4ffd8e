"""What installed packages bring of files that protos import.

As `.proto` files, or in the modules that were generated from them.

Modules are read, never run: in each stands the file's descriptor, as bytes.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError
from kannelle.privacy.v1 import annotations_pb2

from gateway.files import Unreadable, read_regular

MAX_MODULE_BYTES: Final = 4 * 1024 * 1024
"""Bytes of one generated module."""

MAX_FOLLOWED_IMPORTS: Final = 10_000
"""Imports that are followed for one folder."""

MODULE_FOLDERS: Final = ("", "protovalidate/_gen")
"""Where in the folder of installed packages generated modules are."""

MODULE_SUFFIXES: Final = ("_pb2.py", "_pb.py")

PACKAGE_BY_FOLDER: Final[Mapping[str, str]] = {
    "google/api/": "googleapis-common-protos",
    "google/type/": "googleapis-common-protos",
    "google/rpc/": "googleapis-common-protos",
    "google/logging/": "googleapis-common-protos",
    "buf/validate/": "protovalidate",
    "protoc-gen-openapiv2/": "protoc-gen-openapiv2",
}
"""The packages that bring what is often imported, by the folder it is in: names of PyPI."""

_IMPORT: Final = re.compile(rb"""\bimport\s+(?:public\s+|weak\s+|option\s+)?["']([^"'\r\n]{1,500})["']\s*;""")
_NAME: Final = re.compile(r"([A-Za-z0-9_.-]+/)*[A-Za-z0-9_.-]+\.proto")


def proto_folders() -> tuple[str, ...]:
    """The folders of `.proto` files: the annotations', protobuf's own, and those of all packages."""
    found = find_spec("grpc_tools")
    brought = (
        []
        if found is None or not found.submodule_search_locations
        else [f"{found.submodule_search_locations[0]}/_proto"]
    )
    return (str(Path(annotations_pb2.__file__).parents[3]), *brought, *_site_packages())


def imported_files(
    files: Mapping[str, bytes], sets: Mapping[str, FileDescriptorProto], folders: Collection[str]
) -> Iterator[FileDescriptorProto]:
    """Yield the descriptors of what `files` import and neither they nor `folders` hold, and of what that imports.

    They are in `sets`, or in the modules of packages; what is in neither is left out.
    """
    waiting, seen = [name for text in files.values() for name in imports(text)], set[str]()
    while waiting and len(seen) < MAX_FOLLOWED_IMPORTS:
        name = waiting.pop()
        if name not in seen and name not in files and not _is_in(name, folders):
            file = sets.get(name) or _of_module(name)
            waiting += [] if file is None else file.dependency
            yield from () if file is None else (file,)
        seen.add(name)


def imports(text: bytes) -> Iterator[str]:
    """Yield what a `.proto` file imports, and maybe more that stands in a comment of it."""
    for match in _IMPORT.finditer(text):
        name = match[1].decode("utf-8", "replace")
        if _NAME.fullmatch(name) and ".." not in name.split("/"):
            yield name


def import_advice(name: str) -> str:
    """How to provide a file that isn't found."""
    package = next((package for folder, package in PACKAGE_BY_FOLDER.items() if name.startswith(folder)), "")
    install = f"install the package {package}, " if package else ""
    return (
        f"{install}name the folder that it is in among the contracts too, or give a descriptor set, which `buf build "
        "-o` writes"
    )


def _site_packages() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(dict.fromkeys((paths["purelib"], paths["platlib"])))


def _is_in(name: str, folders: Iterable[str]) -> bool:
    return any(Path(folder, name).is_file() for folder in folders)


def _of_module(name: str) -> FileDescriptorProto | None:
    """The descriptor in the module that was generated from a file.

    See https://protobuf.dev/reference/python/python-generated/#invocation.
    """
    module = name.removesuffix(".proto").replace("-", "_")
    for place in (
        Path(site, within, f"{module}{suffix}")
        for site in _site_packages()
        for within in MODULE_FOLDERS
        for suffix in MODULE_SUFFIXES
    ):
        try:
            tree = ast.parse(read_regular(place, MAX_MODULE_BYTES))
        except (OSError, Unreadable, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for raw in _bytes(tree):
            if (file := _parsed(raw)) is not None and file.name == name:
                return file
    return None


def _bytes(tree: ast.AST) -> Iterator[bytes]:
    """Yield the bytes that calls in a module are given."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            given = (*call.args, *(keyword.value for keyword in call.keywords))
            yield from (one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, bytes))


def _parsed(raw: bytes) -> FileDescriptorProto | None:
    try:
        return FileDescriptorProto.FromString(raw)
    except DecodeError:
        return None
