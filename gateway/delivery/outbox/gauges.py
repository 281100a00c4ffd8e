"""What an outbox tells of itself: depths, resources, and what operators did. The outbox's thread writes it."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.delivery.outbox.file import OutboxFile
from gateway.delivery.outbox.store import ENTRY_OVERHEAD_BYTES, Store
from gateway.model import QueueDepth
from gateway.telemetry import ResourceUsage


class Gauges:
    """Figures of one outbox. Any thread may read them: each is replaced as a whole, and never changed."""

    def __init__(self, file: OutboxFile, store: Store) -> None:
        self.depths: Mapping[str, QueueDepth] = {}
        self.uses: Mapping[str, ResourceUsage] = {}
        self.removed_by_operator: Mapping[tuple[str, str], int] = {}
        """What operators have dead-lettered and purged since the start, by destination and reason."""
        self._file = file
        self._total_before = store.queues.removed_by_operator()

    def update(self, store: Store) -> None:
        """Tell what is kept now. Raises sqlite3.Error."""
        self.depths = {
            queue.destination: queue.depth(ENTRY_OVERHEAD_BYTES, store.oldest(queue.destination))
            for queue in store.queues.known.values()
        }
        self.uses = {"outbox": store.use, "request_ids": store.keys, **self._volume()}

    def count_operations(self, store: Store) -> None:
        """Count what operators have done since the last look. Raises sqlite3.Error.

        A file that took a damaged one's place begins with nothing: totals of 5, 7, 0 and 1 count as 2, then as 3.
        """
        before, self._total_before = self._total_before, store.queues.removed_by_operator()
        more = {key: max(0, count - before.get(key, 0)) for key, count in self._total_before.items()}
        if any(more.values()):
            self.removed_by_operator = {
                key: self.removed_by_operator.get(key, 0) + more.get(key, 0)
                for key in self.removed_by_operator.keys() | more.keys()
            }

    def _volume(self) -> Mapping[str, ResourceUsage]:
        """Return the volume's use, as it was if that can't be told."""
        try:
            return {"volume": self._file.volume()}
        except OSError:
            return {name: use for name, use in self.uses.items() if name == "volume"}
