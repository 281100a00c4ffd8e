"""The files that a log has left behind, numbered as they came: `path.1` is older than `path.2`.

What is in them is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


class Backups:
    """The backups of one file.

    They are looked up each time, since others may take them away, and none is ever renamed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def next_path(self) -> Path:
        """The name for the next one. Raises OSError."""
        return self._path_of(max(self._numbers(), default=0) + 1)

    def prune(self, max_count: int) -> None:
        """Remove all but the newest. Raises OSError."""
        for number in sorted(self._numbers(), reverse=True)[max_count:]:
            self._path_of(number).unlink(missing_ok=True)

    def remove_older(self, modified_before: float) -> int:
        """Remove those last written to before `than`, in seconds since 1970, and return their number.

        Raises OSError.
        """
        return sum(self._remove_older(self._path_of(number), modified_before) for number in sorted(self._numbers()))

    def _remove_older(self, path: Path, modified_before: float) -> bool:
        try:
            if path.lstat().st_mtime >= modified_before:
                return False
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def _numbers(self) -> Iterator[int]:
        prefix = f"{self._path.name}."
        suffixes = (
            found.name.removeprefix(prefix) for found in self._path.parent.iterdir() if found.name.startswith(prefix)
        )
        return (int(tail) for tail in suffixes if _NUMBER.fullmatch(tail))

    def _path_of(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
