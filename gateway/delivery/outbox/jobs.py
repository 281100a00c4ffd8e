"""What is done on an outbox, and who waits for it. See `operations.py` and `retention.py` for the operations."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Generic, Protocol, TypeVar

from gateway.delivery.outbox.store import Store
from gateway.errors import CallReason, Refused, Retryable

R_co = TypeVar("R_co", covariant=True)


class Operation(Protocol[R_co]):
    """Work on the store, within a transaction or outside of one."""

    def apply(self, store: Store, /) -> R_co:
        """Do it and return what comes of it. Raises Refused, Retryable, and sqlite3.Error."""
        ...


class Job(Generic[R_co]):
    """An operation that changes something, and who waits for its result.

    It has the result of `apply` once it is concluded, after the commit; without that it is UNAVAILABLE.
    """

    __slots__ = ("_applied", "_operation", "_result", "ended_ids", "future", "stored_bytes")

    def __init__(self, operation: Operation[R_co], stored_bytes: int = 0) -> None:
        """Make one whose `future` belongs to the running loop; it stores `stored_bytes`."""
        self.future: asyncio.Future[R_co] = asyncio.get_running_loop().create_future()
        self.stored_bytes = stored_bytes
        self.ended_ids: Collection[int] = ()
        """The leases that end with it."""
        self._operation = operation
        self._applied: R_co | Exception = Retryable(CallReason.UNAVAILABLE)
        self._result: R_co | Exception = self._applied

    def apply(self, store: Store) -> None:
        """Do its operation; that it is refused is a result too. Raises everything else."""
        try:
            self._applied = self._operation.apply(store)
        except (Refused, Retryable) as error:
            self._applied = error

    def fail(self, error: Exception) -> None:
        """Have an error come of it instead of doing it."""
        self._applied = error

    def conclude(self) -> None:
        """Take what came of it as its result."""
        self._result = self._applied

    def report(self) -> None:
        """Give its result to who waits, in that loop."""
        if self.future.done():
            return
        if isinstance(self._result, Exception):
            self.future.set_exception(self._result)
        else:
            self.future.set_result(self._result)


class ReadJob(Job[R_co]):
    """An operation that changes nothing in the tables: it needs no transaction of the group's."""

    __slots__ = ()


class LeaseEnd(Job[None]):
    """An operation that ends leases. If it can't be done now, it is owed: done as soon as it can be.

    What becomes of a group of an accept and an ack:
      the volume can be written -> both are in one commit
      it is full                -> the accept is FULL, the ack is committed without it
      it can't be written       -> the accept is UNAVAILABLE; the ack is owed: reported as done, its leases held
      it can be written again   -> the ack is in the next group's commit, and its leases end
    """

    __slots__ = ("nacked",)

    def __init__(self, operation: Operation[None], ids: Collection[int], *, nacked: bool = False) -> None:
        """End the leases of `ids`; `nacked` entries may be leased again at once."""
        super().__init__(operation)
        self.ended_ids = ids
        self.nacked = nacked

    def owe(self) -> None:
        """Succeed for who waits, though it is done later only."""
        self._result = None
