"""How much work detectors may do before it has to go on elsewhere: many short texts cost more than their bytes say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

DECODING_COST_CHARS: Final = 256
"""What a decoding costs beside its own characters, in characters: a microsecond is about two of them."""


class WorkLimitExceeded(BaseException):
    """Work that takes more than it may where it was begun.

    Nobody but who set the limit deals with it: the work has said nothing.
    """


class _WorkAllowance:
    """What is left of a limit, in characters."""

    def __init__(self, max_chars: int) -> None:
        self.remaining_chars = max_chars


_ALLOWANCE: Final[ContextVar[_WorkAllowance | None]] = ContextVar("_ALLOWANCE", default=None)


@contextmanager
def work_limit(max_chars: int | None) -> Iterator[None]:
    """Raise WorkLimitExceeded in the work within once it has looked at more characters; never without a limit."""
    token = _ALLOWANCE.set(None if max_chars is None else _WorkAllowance(max_chars))
    try:
        yield
    finally:
        _ALLOWANCE.reset(token)


def spend_work(chars: int) -> None:
    """Note that a text of so many characters is looked at.

    Raises WorkLimitExceeded where that is more than the work under way may do here.
    """
    allowance = _ALLOWANCE.get()
    if allowance is not None:
        allowance.remaining_chars -= DECODING_COST_CHARS + chars
        if allowance.remaining_chars < 0:
            raise WorkLimitExceeded
