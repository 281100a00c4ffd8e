"""Where a jsonl exporter's file is. How its path may be spelt, see `policy/targets.py`; here is what only the file system tells."""

from __future__ import annotations

from pathlib import Path

from gateway.errors import BadConfig
from gateway.policy.document import JsonlExporter
from gateway.policy.targets import FORM, STDOUT, is_target, target_of


def resolved_target(state: Path, name: str, exporter: JsonlExporter, key: str) -> str:
    """The path of the file of a destination's exporter, or `-`. `key` is where the policy speaks of the exporter.

    Raises BadConfig, naming the key, for one that leads through a link, or below the state folder, where the gateway makes folders itself.
    """
    given = target_of(name, exporter)
    if not is_target(given):
        raise BadConfig(f"{key}.path: {FORM}")
    if given == STDOUT:
        return given
    path = state / given
    for written in (path, Path(f"{path}.lock")):
        if written.is_symlink():
            raise BadConfig(f"{key}.path: {written}: is a symbolic link")
    if state.resolve() in path.parent.resolve().parents:
        raise BadConfig(f"{key}.path: {path}: must be in the state folder itself, or outside it")
    return str(path)
