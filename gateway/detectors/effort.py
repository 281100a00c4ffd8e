"""How much work detectors may do before it has to go on elsewhere: many short texts cost more than their bytes say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

DECODING_CHARS: Final = 256
"""What a decoding costs beside its own characters, in characters: a microsecond is about two of them."""


class Laborious(BaseException):
    """Work that takes more than it may where it was begun.

    Nobody but who set the limit deals with it: the work has said nothing.
    """


class _Effort:
    """What is left of a limit, in characters."""

    def __init__(self, most: int) -> None:
        self.left = most


_EFFORT: Final[ContextVar[_Effort | None]] = ContextVar("_EFFORT", default=None)


@contextmanager
def limited(most: int | None) -> Iterator[None]:
    """Let work within raise Laborious once it has looked at so many characters; never without a limit."""
    token = _EFFORT.set(None if most is None else _Effort(most))
    try:
        yield
    finally:
        _EFFORT.reset(token)


def spend(chars: int) -> None:
    """Note that a text of so many characters is looked at.

    Raises Laborious where that is more than the work under way may do here.
    """
    effort = _EFFORT.get()
    if effort is not None:
        effort.left -= DECODING_CHARS + chars
        if effort.left < 0:
            raise Laborious
