"""Which plans an agent's releases may have been made by: those in force, and those that were until a while ago."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

log = logging.getLogger(__name__)

EARLIER: Final = 24 * 3600.0
"""How long a plan is taken after it was last in force, in seconds: an agent may have stored what it hands over now."""

OFTEN: Final = 3600.0
"""How often it is written, in seconds, that plans are still in force: a hub that is killed can't say when they ended."""


class Plans:
    """Digests of plans, each with the time when it was last in force, kept in a file over restarts. Times are in seconds since 1970."""

    def __init__(self, path: Path) -> None:
        """What the file holds is known. One that can't be read holds nothing: agents send again once they have the policy in force."""
        self._path = path
        self._until: Mapping[str, float] = _read(path)
        self._now: frozenset[str] = frozenset()
        self._written = 0.0

    def put_in_force(self, digests: Iterable[str], now: float) -> None:
        """These are in force from now on; those that were until now are earlier ones."""
        ended = dict.fromkeys(self._now, now)
        self._now = frozenset(digests)
        self._until = {digest: at for digest, at in {**self._until, **ended}.items() if now - at <= EARLIER}
        self._write(now)

    def known(self, digest: str, now: float) -> bool:
        """Whether a plan is in force, or an earlier one that is still taken."""
        if now - self._written >= OFTEN:
            self._write(now)
        return digest in self._now or now - self._until.get(digest, 0.0) <= EARLIER

    def _write(self, now: float) -> None:
        self._written = now
        until = {**self._until, **dict.fromkeys(self._now, now)}
        scratch = self._path.with_name(f"{self._path.name}.new")
        try:
            scratch.write_bytes(msgspec.json.encode(until))
            scratch.replace(self._path)
        except OSError as error:
            log.warning("%s: earlier plans could not be kept: %s", self._path, error.strerror)


def _read(path: Path) -> Mapping[str, float]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, float])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError):
        log.warning("%s: could not be read; earlier plans are forgotten", path)
        return {}
