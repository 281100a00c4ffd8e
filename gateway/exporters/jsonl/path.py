"""Where a jsonl exporter's file is.

How its path may be spelt, see `settings.py`; here is what only the file system tells.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gateway.errors import BadConfig
from gateway.exporters.jsonl.settings import PATH_FORM, STDOUT_PATH, JsonlSettings, is_valid_path
from gateway.files import is_folder, is_link, kind_of
from gateway.folder import creation_obstacle, write_obstacle


def resolve_path(state: Path, name: str, exporter: JsonlSettings, key: str) -> str:
    """The path of the file of a destination's exporter, or `-`. `key` is where the policy speaks of the exporter.

    Raises BadConfig, naming the key, for one that leads through a link, or below the state folder, where the gateway
    makes folders itself.
    """
    target = exporter.path_of(name)
    if not is_valid_path(target):
        raise BadConfig(f"{key}.path: {PATH_FORM}")
    if target == STDOUT_PATH:
        return target
    path = state / target
    for written in (path, Path(f"{path}.lock")):
        if is_link(written):
            raise BadConfig(f"{key}.path: {written}: is a symbolic link")
    if Path(os.path.realpath(state)) in Path(os.path.realpath(path.parent)).parents:  # resolve() raises on loops
        raise BadConfig(f"{key}.path: {path}: must be in the state folder itself, or outside it")
    return str(path)


def check_writable(path: Path, state: Path, key: str) -> None:
    """Raise BadConfig, naming key and path, where a file and its lock can't be opened. Changes nothing.

    What the state folder itself is like, `gateway.preflight` tells.
    """
    for written in (path, Path(f"{path}.lock")):
        try:
            mode = written.lstat().st_mode
        except OSError:
            continue
        if not stat.S_ISREG(mode):
            raise BadConfig(f"{key}: {written}: is {kind_of(mode)}; it must be a regular file")
        if not os.access(written, os.R_OK | os.W_OK, effective_ids=True):
            raise BadConfig(f"{key}: {written}: can't be written to by user {os.geteuid()}")
    if path.parent == state:
        return
    if text := write_obstacle(path.parent) if is_folder(path.parent) else creation_obstacle(path.parent):
        raise BadConfig(f"{key}: {path}: {path.parent} {text}")
