"""Which files the exporters of a policy write: each its own, and none that is read."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.exporters.jsonl.settings import (
    PATH_FORM,
    RESERVED_SUFFIX,
    STDOUT_PATH,
    JsonlSettings,
    is_exporter_file,
    is_valid_path,
)
from gateway.exporters.settings import EndpointSettings
from gateway.policy.document import Policy
from gateway.yamlfile import Problem


def problems(policy: Policy) -> Iterator[Problem]:
    """What in `policy` would be written to and can't be, or is read and may not be called as what is written."""
    yield from _path_problems(policy)
    if policy.approvals is not None and is_exporter_file(policy.approvals):
        yield ("approvals",), RESERVED_SUFFIX
    for name, destination in policy.destinations.items():
        if isinstance(destination.exporter, EndpointSettings):
            for key, path in destination.exporter.files:
                if is_exporter_file(path):
                    yield ("destinations", name, "exporter", *key), RESERVED_SUFFIX


def _path_problems(policy: Policy) -> Iterator[Problem]:
    exporters = {
        name: held.exporter for name, held in policy.destinations.items() if isinstance(held.exporter, JsonlSettings)
    }
    # A name by default is its destination's before any that is given. Some file systems don't tell capitals.
    taken = {exporter.path_of(name): name for name, exporter in exporters.items() if exporter.path is None}
    for name, exporter in exporters.items():
        if exporter.path is None or exporter.path == STDOUT_PATH:
            continue
        keys = ("destinations", name, "exporter", "path")
        other = taken.setdefault(exporter.path.casefold(), name)
        if not is_valid_path(exporter.path):
            yield keys, PATH_FORM
        elif other != name:
            yield keys, f"is the file of destinations.{other}"
