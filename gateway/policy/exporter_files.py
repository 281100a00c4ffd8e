"""Which files exporters write.

Their names end in `.jsonl`, which no file that the gateway keeps for itself or reads does.

So no name that a policy gives can meet the gateway's secret, its outbox, a certificate, or another destination's file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.policy.document import JsonlSettings, OtlpSettings, Policy
from gateway.policy.http_exporters import HttpSettings, Secret
from gateway.yamlfile import Problem

STDOUT_PATH: Final = "-"
SUFFIX: Final = ".jsonl"

MAX_FILE_NAME_BYTES: Final = 220
"""Of a file's 255 bytes, with room for what its backups and its lock have behind the name."""

_WRITTEN: Final = re.compile(r"\.jsonl(\.lock|\.[0-9]+)?\Z", re.IGNORECASE)

PATH_FORM: Final = (
    f"must be -, a file's name that ends in {SUFFIX}, for a file in the state folder, or an absolute path that does"
)
RESERVED_SUFFIX: Final = (
    f"must not end in {SUFFIX}, as the files of exporters do, nor in what their backups and locks have behind it"
)


def is_exporter_file(path: str) -> bool:
    """Whether a file may be one that an exporter writes, locks or removes, by its name."""
    return _WRITTEN.search(path) is not None


def is_valid_path(path: str) -> bool:
    """Whether an exporter can be given this path."""
    names = path.removeprefix("/").split("/")
    fits = all(
        name not in ("", ".", "..") and name.isprintable() and len(name.encode()) <= MAX_FILE_NAME_BYTES
        for name in names
    )
    stated = path.startswith("/") or len(names) == 1
    return path == STDOUT_PATH or (fits and stated and names[-1].endswith(SUFFIX) and names[-1] != SUFFIX)


def path_of(name: str, exporter: JsonlSettings) -> str:
    """The path that the exporter of a destination has.

    Its own, or one by the destination's name, in the state folder.
    """
    return f"{name}{SUFFIX}" if exporter.path is None else exporter.path


def problems(policy: Policy) -> Iterator[Problem]:
    """What in `policy` would be written to and can't be, or is read and may not be called as what is written."""
    yield from _path_problems(policy)
    if policy.approvals is not None and is_exporter_file(policy.approvals):
        yield ("approvals",), RESERVED_SUFFIX
    for name, destination in policy.destinations.items():
        if isinstance(destination.exporter, OtlpSettings | HttpSettings):
            for key, path in _files_read(destination.exporter):
                if is_exporter_file(path):
                    yield ("destinations", name, "exporter", *key), RESERVED_SUFFIX


def _path_problems(policy: Policy) -> Iterator[Problem]:
    exporters = {
        name: held.exporter for name, held in policy.destinations.items() if isinstance(held.exporter, JsonlSettings)
    }
    # A name by default is its destination's before any that is given. Some file systems don't tell capitals.
    taken = {path_of(name, exporter): name for name, exporter in exporters.items() if exporter.path is None}
    for name, exporter in exporters.items():
        if exporter.path is None or exporter.path == STDOUT_PATH:
            continue
        keys = ("destinations", name, "exporter", "path")
        other = taken.setdefault(exporter.path.casefold(), name)
        if not is_valid_path(exporter.path):
            yield keys, PATH_FORM
        elif other != name:
            yield keys, f"is the file of destinations.{other}"


def _files_read(exporter: OtlpSettings | HttpSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """The files that an exporter reads, by their keys."""
    for name in exporter.__struct_fields__:
        given = getattr(exporter, name)
        if isinstance(given, Secret) and given.file is not None:
            yield (name, "file"), given.file
    if exporter.ca is not None:
        yield ("ca",), exporter.ca
