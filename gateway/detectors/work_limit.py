"""How much work detectors may do before it has to go on elsewhere: many short texts cost more than their bytes say."""

from __future__ import annotations

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

    __slots__ = ("remaining_chars",)

    def __init__(self, max_chars: int) -> None:
        self.remaining_chars = max_chars


_ALLOWANCE: Final[ContextVar[_WorkAllowance | None]] = ContextVar("_ALLOWANCE", default=None)


class WorkLimit:
    """Raises WorkLimitExceeded in the work within once it has looked at more characters; never without a limit.

    Each decision has one: a class, for a generator would cost more than all else around a short decision.
    """

    __slots__ = ("_max_chars", "_token")

    def __init__(self, max_chars: int | None) -> None:
        self._max_chars = max_chars

    def __enter__(self) -> None:
        self._token = _ALLOWANCE.set(None if self._max_chars is None else _WorkAllowance(self._max_chars))

    def __exit__(self, *_: object) -> None:
        _ALLOWANCE.reset(self._token)


def spend_work(chars: int) -> None:
    """Note that a text of so many characters is looked at.

    Raises WorkLimitExceeded where that is more than the work under way may do here.
    """
    allowance = _ALLOWANCE.get()
    if allowance is not None:
        allowance.remaining_chars -= DECODING_COST_CHARS + chars
        if allowance.remaining_chars < 0:
            raise WorkLimitExceeded
