"""What masking leaves of a text in which something was found: no half of it, and one word for what overlaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from gateway.detectors.fold import is_obscure, is_readable

_REPLACEMENT_CHARACTER: Final = "\ufffd"


class Mark(NamedTuple):
    """From where to where in a text something stands, how telling it is (0 the most), and what replaces it."""

    start: int
    end: int
    rank: int
    label: str


def masked(text: str, marks: Iterable[Mark]) -> str:
    """Return `text` with labels in place of what is marked, and U+FFFD in place of unreadable characters."""
    parts, done = [], 0
    for start, end, label in _merged(text, marks):
        parts += [_legible(text[done:start]), label]
        done = end
    return "".join((*parts, _legible(text[done:])))


def _merged(text: str, marks: Iterable[Mark]) -> Iterator[tuple[int, int, str]]:
    """Yield from where to where what overlaps stands, in order, and its label."""
    together: list[Mark] = []
    start = end = 0
    for mark in sorted(marks):
        if together and mark.start >= end:
            yield start, end, _label(together, start, end)
            together = []
        if not together:
            start = _first_digit(text, mark.start, end)
        together.append(mark)
        end = max(end, mark.end if mark.end <= end else _behind_digits(text, mark.end))
    if together:
        yield start, end, _label(together, start, end)


def _label(marks: Sequence[Mark], start: int, end: int) -> str:
    """Return the label of the most telling mark that covers everything, or else of the most telling one."""
    covering = [mark for mark in marks if mark.start <= start and mark.end >= end]
    return min(covering or marks, key=lambda mark: mark.rank).label


def _first_digit(text: str, start: int, min_start: int) -> int:
    """Return where the run of digits begins in which something starts: what is left of it would be half a number."""
    while start > min_start and text[start].isdigit() and text[start - 1].isdigit():
        start -= 1
    return start


def _behind_digits(text: str, end: int) -> int:
    """Return where the run of digits ends in which something ends."""
    while end < len(text) and text[end - 1].isdigit() and text[end].isdigit():
        end += 1
    return end


def _legible(text: str) -> str:
    return text if is_readable(text) else "".join(_REPLACEMENT_CHARACTER if is_obscure(char) else char for char in text)
