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

    def next(self) -> Path:
        """The name for the next one. Raises OSError."""
        return self._named(max(self._numbers(), default=0) + 1)

    def keep(self, most: int) -> None:
        """Remove all but the newest. Raises OSError."""
        for number in sorted(self._numbers(), reverse=True)[most:]:
            self._named(number).unlink(missing_ok=True)

    def remove_older(self, than: float) -> int:
        """Remove those last written to before `than`, in seconds since 1970, by the file system's word; how many.

        Raises OSError.
        """
        return sum(self._remove_older(self._named(number), than) for number in sorted(self._numbers()))

    def _remove_older(self, path: Path, than: float) -> bool:
        try:
            if path.lstat().st_mtime >= than:
                return False
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def _numbers(self) -> Iterator[int]:
        head = f"{self._path.name}."
        tails = (found.name.removeprefix(head) for found in self._path.parent.iterdir() if found.name.startswith(head))
        return (int(tail) for tail in tails if _NUMBER.fullmatch(tail))

    def _named(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
