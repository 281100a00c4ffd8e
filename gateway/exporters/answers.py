"""What an HTTP answer means for what was sent: RFC 9110 and RFC 6585, as far as vendors agree."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final, TypeVar

import msgspec

from gateway.errors import DeliveryReason, ItemReason
from gateway.exporters.base import Retry
from gateway.exporters.web import Answer

log = logging.getLogger(__name__)

T = TypeVar("T")

Wall = Callable[[], float]
"""The wall clock, in seconds since 1970."""

LONGEST: Final = 3600.0
"""How long a vendor may send us away, in seconds."""

BUSY: Final = frozenset({408, 425, 429, 460})
"""Statuses that pass by themselves, beside those from 500 on. 460 is Segment's: the client has gone."""

MALFORMED: Final = {400: DeliveryReason.REJECTED, 413: ItemReason.TOO_LARGE, 422: DeliveryReason.REJECTED}
"""Statuses that blame what was sent."""


UNREACHED: Final = 0
"""In the place of a status: there was no answer."""


class Sense(Enum):
    """What an answer says."""

    TAKEN = "taken"
    REFUSED = "refused"
    NOT_NOW = "not now"
    ODD = "odd"
    """Credentials, a path or a redirect: the operator can mend it, so that nothing is lost."""


def sense(status: int) -> Sense:
    """What a status says."""
    if 200 <= status < 300:
        return Sense.TAKEN
    if status in MALFORMED:
        return Sense.REFUSED
    return Sense.NOT_NOW if status in BUSY or status >= 500 else Sense.ODD


def pause(answer: Answer, now: float) -> Retry:
    """When to try again, by `Retry-After`, in seconds or as a date; 0 to an hour. `now` is in seconds since 1970."""
    given = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"-?[0-9]{1,20}", given, re.ASCII):
        return Retry(_bounded(float(given)))
    try:
        date = parsedate_to_datetime(given)
        return Retry(_bounded((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now))
    except (ValueError, OverflowError):
        return Retry()


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST)


def read(answer: Answer, type: type[T]) -> T | None:
    """The JSON of an answer; None if it isn't of that type."""
    try:
        return msgspec.json.decode(answer.body or b"", type=type)
    except (msgspec.MsgspecError, RecursionError):
        return None


class Temper:
    """Tells the log when an operator may have something to mend, once each time, and when it is mended.

    It quotes no answer.
    """

    def __init__(self, name: str) -> None:
        """`name` is where the policy speaks of the exporter."""
        self._name = name
        self._last = 200

    def note(self, status: int) -> None:
        """A vendor answered with this status, or couldn't be reached."""
        said = sense(status)
        if said is Sense.ODD and status != self._last:
            what = f"answers {status}" if status else "can't be reached, or only at an address that is not public"
            log.warning("%s: %s; what is for it waits", self._name, what)
            self._last = status
        elif said is Sense.TAKEN and self._last != 200:
            log.info("%s: answers %d again", self._name, status)
            self._last = 200
