"""Which entries a gateway has on a lease, for operators' commands beside it: ranges of IDs, in a file of their own.

After a kill the file stays as it was: what was on a lease then was delivered or not.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from gateway.delivery.outbox.id_ranges import IdSet

SUFFIX: Final = ".leased"
_LENGTH_BYTES: Final = 8


class LeasedIds:
    """The list. Who uses it has it locked: nothing is leased while a command deletes, nor the other way round."""

    def __init__(self, path: Path) -> None:
        """The list of the outbox at `path`. Raises OSError."""
        self._handle = os.open(path.with_name(path.name + SUFFIX), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    @contextmanager
    def alone(self, *, wait: bool) -> Iterator[bool]:
        """Lock the list within; false if another program has it and isn't waited for. Raises OSError."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def write(self, ids: IdSet) -> None:
        """Write that these are on a lease, and no others. Where that fails, no command can delete anything either."""
        encoded = msgspec.msgpack.encode([(one.start, one.stop) for one in ids.ranges])
        with suppress(OSError):
            os.pwrite(self._handle, len(encoded).to_bytes(_LENGTH_BYTES, "big") + encoded, 0)

    def read(self) -> IdSet:
        """Return the IDs that are on a lease. Raises OSError."""
        length = int.from_bytes(os.pread(self._handle, _LENGTH_BYTES, 0), "big")
        encoded = os.pread(self._handle, length, _LENGTH_BYTES)
        try:
            return IdSet(range(*pair) for pair in msgspec.msgpack.decode(encoded, type=list[tuple[int, int]]))
        except msgspec.MsgspecError:
            # Nothing was written yet, or it was cut off by a kill, before anything was sent.
            return IdSet()

    def close(self) -> None:
        """Close it."""
        os.close(self._handle)
