"""Who is in releases, looked up once somebody asks: what its recipient takes at once needs none of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import overload

from gateway.delivery.keys import Keys
from gateway.model import Identifier


class LaterSubjects(Sequence[bytes]):
    """The column `subjects` of an `EntryBatch` whose entries may never be stored; only what is stored can be erased.

    It is made when it is first read, as if it had been there: entries can't be stored without it.
    """

    def __init__(
        self, keys: Keys, identifiers_in: Callable[[bytes], frozenset[Identifier]], payloads: Sequence[bytes]
    ) -> None:
        """`identifiers_in` returns the identifiers and addresses in a payload."""
        self._keys = keys
        self._identifiers_in = identifiers_in
        self._payloads = payloads

    @cached_property
    def _hashes(self) -> Sequence[bytes]:
        return self._keys.subjects(list(map(self._identifiers_in, self._payloads)))

    def __repr__(self) -> str:
        return "LaterSubjects(…)"

    def __len__(self) -> int:
        return len(self._hashes)

    @overload
    def __getitem__(self, place: int) -> bytes: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[bytes]: ...

    def __getitem__(self, place: int | slice) -> bytes | Sequence[bytes]:
        return self._hashes[place]
