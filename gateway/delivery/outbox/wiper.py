"""When a gateway wipes what is gone from its outbox, and what it does while it can't. See `wipe.py` for how."""

from __future__ import annotations

import logging
import time
from typing import Final

from gateway.delivery.outbox import wipe
from gateway.delivery.outbox.file import OutboxFile
from gateway.delivery.outbox.store import Store

log = logging.getLogger(__name__)

WIPE_SECONDS: Final = 5.0
"""How often what was delivered is wiped from the volume, in seconds; what is deleted otherwise is wiped at once."""

BLOCKED_TRIES: Final = 30
"""How often in a row, once a second, another program has kept the log from being emptied when that is logged."""


class Wiper:
    """Wipes one outbox, in the thread of its commits."""

    def __init__(self, file: OutboxFile) -> None:
        self._file = file
        self._wiped_at = -WIPE_SECONDS
        self._wiped: tuple[Store | None, int] = (None, 0)
        """Of which store how much was gone when nothing of it was left."""
        self._blocked = 0

    def is_time(self, store: Store) -> bool:
        """Return whether to wipe: something is gone, and the last time is long ago or another program read."""
        waited = time.monotonic() - self._wiped_at >= WIPE_SECONDS
        return self._wiped != (store, store.gone) and (waited or self._blocked > 0)

    def wipe(self, store: Store, *, erased: bool) -> bool:
        """Leave nothing of what is gone, as far as that can be now. Return whether another program has written.

        Nobody can tell what a damaged file holds: it stays only while nothing has gone, nor anybody was `erased`.
        Raises OSError and sqlite3.Error.
        """
        gone, self._wiped_at = store.gone, time.monotonic()
        foreign = store.queues.foreign
        # While another program reads, what is rewritten only makes the log longer.
        free = not self._blocked or wipe.truncate(store.connection)
        rewritten = free and self._rewritten(store)
        truncated = free and wipe.truncate(store.connection)
        if rewritten and truncated:
            self._wiped = (store, gone)
        self._blocked = 0 if truncated else self._blocked + 1
        if self._blocked == BLOCKED_TRIES:
            log.warning(
                "%s: another program has been reading it for long; what is gone stays in its log until that ends",
                self._file.path,
            )
        if gone or erased:
            self._file.discard_quarantined()
        return store.queues.foreign != foreign

    def _rewritten(self, store: Store) -> bool:
        size = wipe.file_bytes(store)
        if size > wipe.MAX_REWRITTEN_BYTES or not self._file.has_room(size):
            return False
        try:
            store.begin()
            wipe.rewrite(store)
            store.commit()
        except BaseException:
            store.rollback()
            raise
        return True
