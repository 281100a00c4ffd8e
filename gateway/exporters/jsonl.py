"""One JSON object a line, into a rotating file or to standard output.

What a line looks like is `render.py`'s, how lines are written `lines.py`'s, how a file is kept `file.py`'s.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from gateway.errors import BadConfig, CallReason, Retryable
from gateway.exporters.base import Bounds, MessageClass, Outcome, Rejected
from gateway.exporters.file import Keeping, RotatingFile
from gateway.exporters.lines import STDOUT, Lines
from gateway.exporters.render import line
from gateway.model import OutboxEntry

MAX_BYTES: Final = 64 * 1024 * 1024
BACKUPS: Final = 5

BATCH_ITEMS: Final = 1000
BATCH_BYTES: Final = 4 * 1024 * 1024
AT_ONCE: Final = 2
"""Batches under way: while one is flushed to the volume, the next one waits here."""


class Jsonl:
    """Writes an entry as a line of JSON.

    An item of an OTLP signal as OTLP JSON, all else as `{"type", "plan", "key", "message"}`.

    Guarantee: what is `delivered` stands in the file, whole and flushed to the volume (fdatasync), before its outcome
    is known; it survives a killed process, and a power cut as well as the volume does. With `-` it was handed to
    standard output, no more. At least once: what couldn't be flushed is cut off again and Retry, but on a failing
    volume may still be found in the file. A line that comes again has the `key` that it had, the entry's in
    hexadecimal, so that a reader can tell; OTLP JSON has no place for one.
    """

    def __init__(self, lines: Lines, message_class: MessageClass) -> None:
        """Write to `lines`, which is held already, and let go of by `close`."""
        self.bounds = Bounds(items=BATCH_ITEMS, bytes=BATCH_BYTES, at_once=AT_ONCE)
        self._message_class = message_class
        self._lines = lines
        self._released: Future[None] | None = None

    @classmethod
    def open(
        cls,
        path: str,
        message_class: MessageClass,
        *,
        max_bytes: int = MAX_BYTES,
        backups: int | None = BACKUPS,
        retention: timedelta | None = None,
    ) -> Self:
        """Open `path`; `-` is standard output, of which nothing is kept here. For the others see `RotatingFile`.

        Raises BadConfig, naming the path, if it can't be written, or if another destination or process already does.
        """
        lines = Lines(STDOUT if path == "-" else RotatingFile(Path(path), max_bytes, backups, retention))
        lines.hold()
        return cls(lines, message_class)

    @property
    def lines(self) -> Lines:
        """Where it writes."""
        return self._lines

    def keep(self, keeping: Keeping) -> None:
        """Keep the file like that from now on."""
        self._lines.sink.keeping = keeping

    @property
    def syncs(self) -> int:
        """How often lines were flushed to the volume."""
        return self._lines.sink.syncs

    @property
    def mended(self) -> int:
        """How many lines were found unfinished, after a crash or a failure, and ended."""
        return self._lines.sink.mended

    async def send(self, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        """Delivered once on the volume; Retry when the volume is full or failing; Rejected what has no JSON form."""
        if self._released is not None:
            raise Retryable(CallReason.UNAVAILABLE)
        return await self._lines.write(batch, self._draw)

    async def sweep(self, now: float) -> int:
        """Remove the files that are older than the retention at `now`, in seconds since 1970; how many went.

        Once closed, none do.
        """
        return 0 if self._released is not None else await self._lines.sweep(now)

    def let_go(self) -> Future[None]:
        """Send no more; done when what waits is written and, if nobody else writes to it, the file is closed.

        For any thread.
        """
        if self._released is None:
            self._released = self._lines.release()
        return self._released

    async def close(self) -> None:
        """Write what waits, then close the file unless another exporter writes to it."""
        await asyncio.shield(asyncio.wrap_future(self.let_go()))

    def _draw(self, entry: OutboxEntry) -> bytes | Rejected:
        return line(entry, self._message_class)


class Files:
    """The files that destinations write to, each opened once and handed from one exporter to the next.

    For one thread at a time.
    """

    def __init__(self) -> None:
        self._open: dict[Path, Lines] = {}

    def held(self, path: Path, keeping: Keeping, key: str = "") -> Lines:
        """The lines of a file, held.

        One that is open stays as it is kept until `Jsonl.keep`. Raises BadConfig, naming key and path.
        """
        place = Path(os.path.realpath(path.parent)) / path.name  # resolve() raises on loops
        self._open = {at: lines for at, lines in self._open.items() if not lines.closed}
        lines = self._open.get(place)
        if lines is None or not lines.hold():
            try:
                file = RotatingFile(path, keeping.max_bytes, keeping.backups, keeping.retention)
            except BadConfig as error:
                raise BadConfig(f"{key}{error}") from None
            lines = self._open[place] = Lines(file)
            lines.hold()
        return lines
