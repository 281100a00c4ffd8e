"""How much work detectors may do before it has to go on elsewhere: many short texts cost more than their bytes say."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import Final

DECODING_COST_CHARS: Final = 256
"""What a decoding costs beside its own characters, in characters: a microsecond is about two of them."""


class WorkLimitExceeded(BaseException):
    """Work that takes more than it may where it was begun.

    Nobody but who set the limit deals with it: the work has said nothing.
    """


class WorkLimit:
    """Raises WorkLimitExceeded in the work within once it has looked at more characters; never without a limit.

    Each decision has one: a class, for a generator would cost more than all else around a short decision.
    """

    __slots__ = ("_token", "remaining_chars")

    def __init__(self, max_chars: int | None) -> None:
        self.remaining_chars = sys.maxsize if max_chars is None else max_chars

    def __enter__(self) -> None:
        self._token = _LIMIT.set(self)

    def __exit__(self, *_: object) -> None:
        _LIMIT.reset(self._token)


_LIMIT: Final[ContextVar[WorkLimit | None]] = ContextVar("_LIMIT", default=None)


def spend_work(chars: int) -> None:
    """Note that a text of so many characters is looked at.

    Raises WorkLimitExceeded where that is more than the work under way may do here.
    """
    limit = _LIMIT.get()
    if limit is not None:
        limit.remaining_chars -= DECODING_COST_CHARS + chars
        if limit.remaining_chars < 0:
            raise WorkLimitExceeded
