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
from gateway.exporters.http_client import HttpResponse

log = logging.getLogger(__name__)

T = TypeVar("T")

WallClock = Callable[[], float]
"""The wall clock, in seconds since 1970."""

MAX_RETRY_AFTER_SECONDS: Final = 3600.0
"""How long a vendor may send us away, in seconds."""

TRANSIENT_STATUSES: Final = frozenset({408, 425, 429, 460})
"""Statuses that pass by themselves, beside those from 500 on. 460 is Segment's: the client has gone."""

REJECTION_REASONS: Final = {400: DeliveryReason.REJECTED, 413: ItemReason.TOO_LARGE, 422: DeliveryReason.REJECTED}
"""Statuses that blame what was sent."""


NO_RESPONSE: Final = 0
"""In the place of a status: there was no answer."""


class ResponseClass(Enum):
    """What an answer says."""

    ACCEPTED = "taken"
    REJECTED = "refused"
    TRANSIENT = "not now"
    MISCONFIGURED = "odd"
    """Credentials, a path or a redirect: the operator can mend it, so that nothing is lost."""


def classify_status(status: int) -> ResponseClass:
    """What a status says."""
    if 200 <= status < 300:
        return ResponseClass.ACCEPTED
    if status in REJECTION_REASONS:
        return ResponseClass.REJECTED
    return ResponseClass.TRANSIENT if status in TRANSIENT_STATUSES or status >= 500 else ResponseClass.MISCONFIGURED


def retry_after(answer: HttpResponse, now: float) -> Retry:
    """When to try again, by `Retry-After`, in seconds or as a date; 0 to an hour. `now` is in seconds since 1970."""
    value = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"-?[0-9]{1,20}", value, re.ASCII):
        return Retry(_clamped(float(value)))
    try:
        date = parsedate_to_datetime(value)
        return Retry(_clamped((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now))
    except (ValueError, OverflowError):
        return Retry()


def _clamped(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def decode_body(answer: HttpResponse, type: type[T]) -> T | None:
    """The JSON of an answer; None if it isn't of that type."""
    try:
        return msgspec.json.decode(answer.body or b"", type=type)
    except (msgspec.MsgspecError, RecursionError):
        return None


class StatusLog:
    """Tells the log when an operator may have something to mend, once each time, and when it is mended.

    It quotes no answer.
    """

    def __init__(self, name: str) -> None:
        """`name` is where the policy speaks of the exporter."""
        self._name = name
        self._last = 200

    def record(self, status: int) -> None:
        """A vendor answered with this status, or couldn't be reached."""
        response_class = classify_status(status)
        if response_class is ResponseClass.MISCONFIGURED and status != self._last:
            what = f"answers {status}" if status else "can't be reached, or only at an address that is not public"
            log.warning("%s: %s; what is for it waits", self._name, what)
            self._last = status
        elif response_class is ResponseClass.ACCEPTED and self._last != 200:
            log.info("%s: answers %d again", self._name, status)
            self._last = 200
