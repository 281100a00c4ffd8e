"""Keyed hashes: all that derives from a caller leaves as one of these, and only who has the secret can make them."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b, shake_128
from itertools import count
from typing import Final

from gateway.entry_batch import KEY_BYTES
from gateway.model import Category, Identifier
from gateway.telemetry import ResourceUsage

SECRET_BYTES: Final = 32
"""The shortest secret, and what is made where there is none."""

MAX_SECRET_BYTES: Final = 64
"""The longest: what BLAKE2b takes as a key (RFC 7693, section 2.1)."""

MAX_SUBJECT_HASHES: Final = 16_384
"""Hashes that are kept in memory."""

_LENGTH_BYTES: Final = 8

_INDEX_BYTES: Final = 8

_INDEX_LENGTH: Final = _INDEX_BYTES.to_bytes(_LENGTH_BYTES, "big")
"""What stands before an index, as before any part of a hash."""

_NAMES: Final = {category: category.name.encode() for category in Category}


class Keys:
    """Makes the hashes of one gateway.

    Each use has a personalisation of its own: RFC 7693, section 2.5 and BLAKE2's parameter block.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = blake2b(digest_size=16, key=secret, person=b"request")
        self._subject = blake2b(digest_size=16, key=secret, person=b"subject")
        self._fingerprint = blake2b(digest_size=8, key=secret, person=b"item")
        self._fresh = shake_128(secrets.token_bytes(SECRET_BYTES))
        self._count = count()
        self.subject: Final = lru_cache(MAX_SUBJECT_HASHES)(self._hashed_subject)
        """16 bytes for an identifier or an address, by its category. The same people come again and again."""

    def use(self) -> ResourceUsage:
        """Return how many hashes of identifiers and addresses are remembered, of how many."""
        found = self.subject.cache_info()
        return ResourceUsage(found.currsize, found.maxsize)

    def request_keys(self, caller: str, request_id: str, indices: Iterable[int], destination: str) -> bytes:
        """Return 16 bytes for each release of items of a request, by their indices in it.

        They are the same each time that the request is sent.
        """
        start = self._key.copy()
        start.update(_parts(caller.encode(), request_id.encode()) + _INDEX_LENGTH)
        end, keys = _parts(destination.encode()), list[bytes]()
        for index in indices:
            state = start.copy()
            state.update(index.to_bytes(_INDEX_BYTES, "big") + end)
            keys.append(state.digest())
        return b"".join(keys)

    @staticmethod
    def keys_of_agent(agent: str, keys: bytes) -> bytes:
        """Return 16 bytes for each key that an agent made, one behind the other: agents can't meet each other's.

        The agent's keys are secret enough, and so all replicas of a hub make the same of one, whichever the agent turns
        to, and in whatever company it comes.
        """
        start = blake2b(digest_size=KEY_BYTES, person=b"agent")
        start.update(_parts(agent.encode()) + KEY_BYTES.to_bytes(_LENGTH_BYTES, "big"))
        made: list[bytes] = []
        for at in range(0, len(keys), KEY_BYTES):
            state = start.copy()
            state.update(keys[at : at + KEY_BYTES])
            made.append(state.digest())
        return b"".join(made)

    def fingerprints(self, items: Iterable[bytes]) -> bytes:
        """Return 8 bytes for each item that tell it from another."""
        start, fingerprints = self._fingerprint, list[bytes]()
        for item in items:
            state = start.copy()
            state.update(len(item).to_bytes(_LENGTH_BYTES, "big") + item)
            fingerprints.append(state.digest())
        return b"".join(fingerprints)

    def subjects(self, values: Sequence[Collection[Identifier]]) -> Sequence[bytes]:
        """Return for each collection the hashes of what is in it, one behind the other; nothing if all are empty."""
        if not any(values):
            return ()
        hashes = self.subject
        return [b"".join([hashes(*value) for value in one]) if one else b"" for one in values]

    def _hashed_subject(self, category: Category, value: str) -> bytes:
        return _hash(self._subject, _NAMES[category], value.encode("utf-8", "surrogatepass"))

    def fresh(self, count: int) -> bytes:
        """Return so many keys of 16 bytes that nothing else has: for what can't be sent again as the same.

        They are one extendable output of a count, under a secret of this moment (FIPS 202, section 6.2): the system's
        own random numbers have Python wait for its turn each time.
        """
        state = self._fresh.copy()
        state.update(next(self._count).to_bytes(_LENGTH_BYTES, "big"))
        return state.digest(count * KEY_BYTES)


def _hash(start: blake2b, *parts: bytes) -> bytes:
    """Return the hash of parts."""
    state = start.copy()
    state.update(_parts(*parts))
    return state.digest()


def _parts(*parts: bytes) -> bytes:
    """Return parts, each with its length before it, so that no two lists of parts are one."""
    return b"".join([len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in parts])
