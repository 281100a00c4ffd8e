"""Keyed hashes: all that derives from a caller leaves as one of these, and only who has the secret can make them."""

from __future__ import annotations

import secrets
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from typing import Final

from gateway.model import Category
from gateway.telemetry import ResourceUsage

SECRET_BYTES: Final = 32
"""The shortest secret, and what is made where there is none."""

MAX_SECRET_BYTES: Final = 64
"""The longest: what BLAKE2b takes as a key (RFC 7693, section 2.1)."""

MAX_SUBJECT_HASHES: Final = 16_384
"""Hashes that are kept in memory."""

KEY_BYTES: Final = 16
"""Bytes of a release's key."""

_FRESH_KEYS: Final = 4
"""Keys in one hash, whose length is BLAKE2b's longest: 64 bytes."""

_LENGTH_BYTES: Final = 8

_NAMES: Final = {category: category.name.encode() for category in Category}


class Keys:
    """Makes the hashes of one gateway.

    Each use has a personalisation of its own: RFC 7693, section 2.5 and BLAKE2's parameter block.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = blake2b(digest_size=16, key=secret, person=b"request")
        self._subject = blake2b(digest_size=16, key=secret, person=b"subject")
        self._fingerprint = blake2b(digest_size=8, key=secret, person=b"item")
        self._fresh = blake2b(
            digest_size=_FRESH_KEYS * KEY_BYTES, key=secrets.token_bytes(SECRET_BYTES), person=b"once"
        )
        self._count = count()
        self.subject: Final = lru_cache(MAX_SUBJECT_HASHES)(self._hashed_subject)
        """16 bytes for an identifier or an address, by its category. The same people come again and again."""

    def use(self) -> ResourceUsage:
        """Return how many hashes of identifiers and addresses are remembered, of how many."""
        found = self.subject.cache_info()
        return ResourceUsage(found.currsize, found.maxsize)

    def key(self, caller: str, request_id: str, index: int, destination: str) -> bytes:
        """Return 16 bytes for the release of an item of a request, the same each time that the request is sent."""
        return _hash(
            self._key, caller.encode(), request_id.encode(), index.to_bytes(_LENGTH_BYTES, "big"), destination.encode()
        )

    @staticmethod
    def key_of_agent(agent: str, key: bytes) -> bytes:
        """Return 16 bytes for a key that an agent made: agents can't meet each other's.

        The agent's key is secret enough, and so all replicas of a hub make the same of it, whichever the agent turns
        to.
        """
        return _hash(blake2b(digest_size=16, person=b"agent"), agent.encode(), key)

    def fingerprint(self, item: bytes) -> bytes:
        """Return 8 bytes that tell one item from another."""
        return _hash(self._fingerprint, item)

    def _hashed_subject(self, category: Category, value: str) -> bytes:
        return _hash(self._subject, _NAMES[category], value.encode("utf-8", "surrogatepass"))

    def fresh(self, count: int) -> list[bytes]:
        """Return keys of 16 bytes that nothing else has: for what can't be sent again as the same.

        Hashes of a count, under a secret of this moment: the system's own random numbers have Python wait for its turn
        each time. Each hash is cut into several keys.
        """
        keys: list[bytes] = []
        while len(keys) < count:
            several = _hash(self._fresh, next(self._count).to_bytes(_LENGTH_BYTES, "big"))
            keys += [several[at : at + KEY_BYTES] for at in range(0, len(several), KEY_BYTES)]
        return keys[:count]


def _hash(start: blake2b, *parts: bytes) -> bytes:
    """Return the hash of parts, each with its length before it, so that no two lists of parts are one."""
    state = start.copy()
    state.update(b"".join([len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in parts]))
    return state.digest()
