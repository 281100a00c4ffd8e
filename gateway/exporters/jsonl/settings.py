"""What the policy says of a file of JSON lines, and which names such files have.

They end in `.jsonl`, which no file that the gateway keeps for itself or reads does. So no name that a policy gives can
meet the gateway's secret, its outbox, a certificate, or another destination's file.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from msgspec import Meta

from gateway.exporters.settings import SettingsBase
from gateway.yamlfile.bounded import Positive, Text

STDOUT_PATH: Final = "-"
FILE_SUFFIX: Final = ".jsonl"

MAX_FILE_NAME_BYTES: Final = 220
"""Of a file's 255 bytes, with room for what its backups and its lock have behind the name."""

_WRITTEN: Final = re.compile(r"\.jsonl(\.lock|\.[0-9]+)?\Z", re.IGNORECASE)

PATH_FORM: Final = f"must be -, a file's name that ends in {FILE_SUFFIX}, for a file in the state folder, or an absolute path that does"
RESERVED_SUFFIX: Final = (
    f"must not end in {FILE_SUFFIX}, as the files of exporters do, nor in what their backups and locks have behind it"
)


class JsonlSettings(SettingsBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="jsonl"):
    """One JSON object a line, into a file that is turned over each day, and when it is full.

    Old files go when their lines are older than the destination's retention.
    """

    path: Text | None = None
    """A file's name, for one in the state folder, or an absolute path outside it; both end in `.jsonl`.

    `-` is standard output.

    Without it, or with null, `<destination>.jsonl` in the state folder.
    """

    max_bytes: Positive = 64 * 1024 * 1024
    """Bytes at which the file is turned over."""

    backups: Annotated[int, Meta(ge=0, le=1000)] | None = None
    """How many old files are kept at most, whatever the retention asks.

    Without it, or with null, as many as there are.
    """

    def path_of(self, destination: str) -> str:
        """The path that the exporter of a destination has: its own, or one by the destination's name."""
        return f"{destination}{FILE_SUFFIX}" if self.path is None else self.path


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
    return path == STDOUT_PATH or (fits and stated and names[-1].endswith(FILE_SUFFIX) and names[-1] != FILE_SUFFIX)
