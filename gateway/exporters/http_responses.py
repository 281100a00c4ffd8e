"""What an HTTP response means for what was sent: RFC 9110 and RFC 6585, as far as vendors agree."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final, TypeVar

import msgspec

from gateway.errors import DeliveryReason, EndReason, ItemReason
from gateway.exporters.http_client import HttpResponse

log = logging.getLogger(__name__)

T = TypeVar("T")

WallClock = Callable[[], float]
"""Returns seconds since 1970."""

MAX_RETRY_AFTER_SECONDS: Final = 3600.0
"""The longest `Retry-After` that is honoured."""

TRANSIENT_STATUSES: Final = frozenset({408, 425, 429, 460})
"""Statuses that pass by themselves, beside those from 500 on. 460 is Segment's: the client has gone."""

REJECTION_REASONS: Final[Mapping[int, EndReason]] = {
    400: DeliveryReason.REJECTED,
    413: ItemReason.TOO_LARGE,
    422: DeliveryReason.REJECTED,
}
"""Statuses that blame what was sent."""

NO_RESPONSE: Final = 0
"""Stands for a status where there was no response."""


class ResponseClass(Enum):
    """What a status says."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TRANSIENT = "transient"
    MISCONFIGURED = "misconfigured"
    """Credentials, a path or a redirect: the operator can fix it, so nothing is dropped."""


def classify_status(status: int) -> ResponseClass:
    """Return what a status says."""
    if 200 <= status < 300:
        return ResponseClass.ACCEPTED
    if status in REJECTION_REASONS:
        return ResponseClass.REJECTED
    transient = status in TRANSIENT_STATUSES or status >= 500
    return ResponseClass.TRANSIENT if transient else ResponseClass.MISCONFIGURED


def retry_after(response: HttpResponse, now: float) -> float | None:
    """Return the seconds that `Retry-After` asks for, given in seconds or as a date: 0 to an hour; None without one.

    `now` is in seconds since 1970.
    """
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"-?[0-9]{1,20}", value, re.ASCII):
        return _clamped(float(value))
    try:
        date = parsedate_to_datetime(value)
        return _clamped((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _clamped(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def decode_body(response: HttpResponse, type: type[T]) -> T | None:
    """Return the JSON of a response; None if it isn't of that type."""
    try:
        return msgspec.json.decode(response.body or b"", type=type)
    except (msgspec.MsgspecError, RecursionError):
        return None


class StatusLog:
    """Logs when an operator may have something to fix, once each time, and when it is fixed.

    It quotes no response.
    """

    def __init__(self, name: str) -> None:
        """`name` is the exporter's key in the policy."""
        self._name = name
        self._last = 200

    def record(self, status: int) -> None:
        """Note that a vendor answered with this status, or with NO_RESPONSE couldn't be reached."""
        response_class = classify_status(status)
        if response_class is ResponseClass.MISCONFIGURED and status != self._last:
            what = f"answers {status}" if status else "can't be reached, or only at an address that is not public"
            log.warning("%s: %s; what is for it waits", self._name, what)
            self._last = status
        elif response_class is ResponseClass.ACCEPTED and self._last != 200:
            log.info("%s: answers %d again", self._name, status)
            self._last = 200
