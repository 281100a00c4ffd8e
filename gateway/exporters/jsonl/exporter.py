"""One JSON object a line, into a rotating file or to standard output.

What a line looks like: see `json_line.py`; how lines are written, `line_writer.py`; how a file is kept,
`rotating_file.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from gateway.entry_batch import EntryBatch
from gateway.errors import BadConfig, Rejected, Retryable
from gateway.exporters.base import BatchLimits, MessageClass, Outcome
from gateway.exporters.jsonl.json_line import LineRenderer
from gateway.exporters.jsonl.line_writer import STDOUT, LineWriter
from gateway.exporters.jsonl.rotating_file import RotatingFile, RotationSettings

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_BACKUPS: Final = 5

MAX_BATCH_ITEMS: Final = 1000
MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
MAX_BATCHES_IN_FLIGHT: Final = 2
"""Batches under way: while one is flushed to the volume, the next one waits here."""


class JsonlExporter:
    """Writes an entry as a line of JSON.

    An item of an OTLP signal as OTLP JSON, all else as `{"type", "plan", "key", "message"}`.

    Guarantee: what is `delivered` stands in the file, whole and flushed to the volume (fdatasync), before its outcome
    is known; it survives a killed process, and a power cut as well as the volume does. With `-` it was handed to
    standard output, no more. At least once: what couldn't be flushed is cut off again and retried, but on a failing
    volume may still be found in the file. A line that comes again has the `key` that it had, the entry's in
    hexadecimal, so that a reader can tell; OTLP JSON has no place for one.
    """

    def __init__(self, lines: LineWriter, message_class: MessageClass) -> None:
        """Write to `lines`, which is held already, and let go of by `close`."""
        self.limits = BatchLimits(
            max_items=MAX_BATCH_ITEMS, max_bytes=MAX_BATCH_BYTES, max_in_flight=MAX_BATCHES_IN_FLIGHT
        )
        self._lines = LineRenderer(message_class)
        self._writer = lines
        self._released: Future[None] | None = None

    @classmethod
    def open(
        cls,
        path: str,
        message_class: MessageClass,
        *,
        max_bytes: int = MAX_FILE_BYTES,
        backups: int | None = MAX_BACKUPS,
        retention: timedelta | None = None,
    ) -> Self:
        """Open `path`; `-` is standard output, of which nothing is kept here. For the others see `RotatingFile`.

        Raises BadConfig, naming the path, if it can't be written, or if another destination or process already does.
        """
        lines = LineWriter(STDOUT if path == "-" else RotatingFile(Path(path), max_bytes, backups, retention))
        lines.acquire()
        return cls(lines, message_class)

    @property
    def writer(self) -> LineWriter:
        """Where it writes."""
        return self._writer

    def set_rotation(self, rotation: RotationSettings) -> None:
        """Keep the file like that from now on."""
        self._writer.sink.rotation = rotation

    @property
    def syncs(self) -> int:
        """How often lines were flushed to the volume."""
        return self._writer.sink.syncs

    @property
    def repaired_lines(self) -> int:
        """How many lines were found unfinished, after a crash or a failure, and ended."""
        return self._writer.sink.repaired_lines

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        """Write lines: delivered once on the volume, retryable while it is full, rejected what has no JSON form."""
        if self._released is not None:
            raise Retryable
        return await self._writer.write(batches, self._render)

    async def sweep(self, now: float) -> int:
        """Remove the files that are older than the retention at `now`, in seconds since 1970, and return their number.

        Once closed, none do.
        """
        return 0 if self._released is not None else await self._writer.sweep(now)

    def release(self) -> Future[None]:
        """Send no more; done when what waits is written and, if nobody else writes to it, the file is closed.

        For any thread.
        """
        if self._released is None:
            self._released = self._writer.release()
        return self._released

    async def close(self) -> None:
        """Write what waits, then close the file unless another exporter writes to it."""
        await asyncio.shield(asyncio.wrap_future(self.release()))

    def _render(self, batch: EntryBatch) -> Sequence[bytes | Rejected]:
        releases, render = batch.releases, self._lines.render
        return [
            render(releases.type, releases.plan, payload, batch.key(place))
            for place, payload in enumerate(releases.payloads)
        ]


class OpenFiles:
    """The files that destinations write to, each opened once and handed from one exporter to the next.

    For one thread at a time.
    """

    def __init__(self) -> None:
        self._open: dict[Path, LineWriter] = {}

    def acquire(self, path: Path, rotation: RotationSettings, key: str = "") -> LineWriter:
        """The lines of a file, held.

        One that is open stays as it is kept until `JsonlExporter.set_rotation`. Raises BadConfig, naming key and path.
        """
        place = Path(os.path.realpath(path.parent)) / path.name  # resolve() raises on loops
        self._open = {at: lines for at, lines in self._open.items() if not lines.closed}
        lines = self._open.get(place)
        if lines is None or not lines.acquire():
            try:
                file = RotatingFile(path, rotation.max_bytes, rotation.backups, rotation.retention)
            except BadConfig as error:
                raise BadConfig(f"{key}{error}") from None
            lines = self._open[place] = LineWriter(file)
            lines.acquire()
        return lines
