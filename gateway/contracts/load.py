"""Reads contracts from descriptor sets and from folders of `.proto` files, any number of each, into one `Contract`."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from gateway.contracts.bounds import check_bounds
from gateway.contracts.builtin import WELL_KNOWN_FILES, builtin_files
from gateway.contracts.compatibility import combined, incompatibility
from gateway.contracts.contract import Contract
from gateway.contracts.options import Options
from gateway.contracts.proto_folder import MAX_SET_BYTES, compile_folder, read_protos
from gateway.errors import BadContract
from gateway.files import Unreadable, is_folder, read_regular

BUILT_IN: Final = "the one in the gateway itself"

RUNTIME_FILES: Final = frozenset(module.DESCRIPTOR.name for module in WELL_KNOWN_FILES)
"""Files that the protobuf runtime brings; every compiler embeds its own version of them."""


def default_path() -> Path:
    """Where the descriptor set of Kannelle's own contracts is."""
    return Path(str(importlib.resources.files("gateway.contracts"))) / "kannelle.binpb"


@cache
def default_types() -> frozenset[str]:
    """The full names of the message types of Kannelle's own contracts and of what they import."""
    return frozenset(
        name for file in _parse(default_path()) for name in _type_names(f"{file.package}.", file.message_type)
    )


def _type_names(prefix: str, types: Iterable[DescriptorProto]) -> Iterator[str]:
    for one in types:
        yield f"{prefix}{one.name}"
        yield from _type_names(f"{prefix}{one.name}.", one.nested_type)


def load(paths: Iterable[Path]) -> Contract:
    """Load all of `paths`, each a file with a FileDescriptorSet or a folder of `.proto` files.

    Raises BadContract if one can't be read or compiled, or if two files of one name differ. Of a file of the gateway's
    own a contract may have an older or a newer version: it must not contradict ours.
    """
    merged = {file.name: (file, BUILT_IN) for file in builtin_files()}
    options = Options()
    for path, files in read(paths):
        for file in files:
            options.add(file)
            _merge(merged, file, str(path))
    return Contract((file for file, _ in merged.values()), options)


def read(paths: Iterable[Path]) -> Iterator[tuple[Path, Sequence[FileDescriptorProto]]]:
    """Yield the files of each source, without those that the runtime brings.

    A folder may import from the others. Raises BadContract.
    """
    given = tuple(paths)
    folders = {path: read_protos(path) for path in given if is_folder(path)}
    sets = {path: _parse(path) for path in given if path not in folders}
    known = {file.name: file for files in sets.values() for file in files}
    for path in given:
        beside = {name: text for other, files in folders.items() if other != path for name, text in files.items()}
        files = compile_folder(path, folders[path], beside, known) if path in folders else sets[path]
        yield path, [file for file in files if file.name not in RUNTIME_FILES]


def _merge(merged: dict[str, tuple[FileDescriptorProto, str]], file: FileDescriptorProto, source: str) -> None:
    known, origin = merged.setdefault(file.name, (file, source))
    if origin is BUILT_IN:
        if wrong := incompatibility(known, file):
            raise BadContract(
                f"{file.name}: the file in {source} contradicts {BUILT_IN}: {wrong}; take one that fits this version"
            )
        merged[file.name] = (combined(known, file), BUILT_IN)
    elif _normalized(known) != _normalized(file):
        raise BadContract(f"{file.name}: the file in {source} differs from the one in {origin}")


def _normalized(file: FileDescriptorProto) -> bytes:
    """The file without comments, derived JSON names, or a compiler's own additions (buf's are unknown fields)."""
    known = {field.name: value for field, value in file.ListFields() if field.name != "source_code_info"}
    if known.get("syntax") == "proto2":
        del known["syntax"]
    try:
        copy = FileDescriptorProto(**known)
    except UnicodeDecodeError:
        raise BadContract(f"{file.name}: holds text that is not UTF-8") from None
    for one in _fields(copy):
        if one.json_name == _json_name(one.name):
            one.ClearField("json_name")
    return copy.SerializeToString(deterministic=True)


def _fields(file: FileDescriptorProto) -> Iterator[FieldDescriptorProto]:
    yield from file.extension
    for message in file.message_type:
        yield from _fields_below(message)


def _fields_below(message: DescriptorProto) -> Iterator[FieldDescriptorProto]:
    yield from message.field
    yield from message.extension
    for nested in message.nested_type:
        yield from _fields_below(nested)


def _json_name(name: str) -> str:
    """Protobuf's default: https://protobuf.dev/programming-guides/json/."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _parse(path: Path) -> Sequence[FileDescriptorProto]:
    try:
        files = FileDescriptorSet.FromString(read_regular(path, MAX_SET_BYTES))
    except OSError as error:
        raise BadContract(f"{path}: {error.strerror}") from error
    except Unreadable as error:
        raise BadContract(f"{path}: {error}") from None
    except DecodeError:
        files = FileDescriptorSet()
    # What is not a descriptor set may still parse, as unknown fields alone or as files without a name.
    if not files.file or not all(file.name for file in files.file):
        raise BadContract(
            f"{path}: not a FileDescriptorSet; `buf build -o` or `protoc --descriptor_set_out` writes one"
        )
    try:
        check_bounds(files.file)
    except BadContract as error:
        raise BadContract(f"{path}: {error}") from None
    return files.file
