"""Unfolding: everything that a text says once what it is encoded in is undone, decoding by decoding, and where in the text it says so."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Final, Protocol

from gateway.detectors.bounds import DEPTH, TooMuch, decoded_chars
from gateway.detectors.compact import Compact
from gateway.detectors.encoded_runs import Piece, pieces
from gateway.detectors.escapes import Way, edits, unescape
from gateway.detectors.fold import fold, offsets
from gateway.detectors.technical import blanked

Span = tuple[int, int]
"""From where to where, in characters."""

_BETWEEN: Final = "\n\n"


class Step(Protocol):
    """Leads back from a text to the one that it was made from."""

    def back(self, start: int, end: int) -> Span:
        """Where in the older text a span of the newer one comes from."""


class Decoding:
    """What a text says, in folded characters.

    `loose` if it was decoded from within a run: what stands around a finding may then be noise.
    """

    def __init__(self, text: str, steps: Sequence[Step], *, loose: bool) -> None:
        self.text = text
        self.loose = loose
        self._steps = steps

    @cached_property
    def bare(self) -> str:
        """The text, as long as it is, without technical identifiers, dates and times."""
        return blanked(self.text)

    @cached_property
    def compact(self) -> Compact:
        """The bare text without separators."""
        return Compact(self.bare)

    def place(self, start: int, end: int) -> Span:
        """Where in the original text a span of this decoding comes from."""
        for step in self._steps:
            start, end = step.back(start, end)
        return start, end

    def below(self) -> Iterator[Decoding]:
        """What this decoding says once its escapes, and its runs, are undone."""
        for way in Way:
            plain = unescape(self.text, way)
            if plain != self.text:
                yield Decoding(fold(plain), (_Folded(plain), _Escaped(self.text, way), *self._steps), loose=self.loose)
        if found := list(pieces(self.text)):
            joined = _BETWEEN.join(text for text, _, _ in found)
            yield Decoding(fold(joined), (_Folded(joined), _Pieced(found), *self._steps), loose=True)


def decodings(text: str) -> Iterator[Decoding]:
    """The text and what it encodes, outermost first. Raises TooMuch when they are too deep or too large together."""
    root = Decoding(fold(text), (_Folded(text),), loose=False)
    yield root
    level = list(root.below())
    if not level:
        return
    budget, seen = decoded_chars(text), {root.text}
    for _ in range(DEPTH):
        seen.update(decoding.text for decoding in level)
        budget.spend(sum(len(decoding.text) for decoding in level))
        yield from level
        level = [lower for decoding in level for lower in decoding.below() if lower.text not in seen]
    if level:
        raise TooMuch


class _Folded:
    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _offsets(self) -> list[int] | None:
        return None if self._text.isascii() and self._text.isprintable() else offsets(self._text)

    def back(self, start: int, end: int) -> Span:
        found = self._offsets
        return (start, end) if found is None else (found[start], found[end - 1] + 1)


class _Escaped:
    """Keeps, of each piece of the newer text in turn, where it starts, where its origin starts, and where its origin ends if an escape."""

    def __init__(self, text: str, way: Way) -> None:
        self._text = text
        self._way = way

    @cached_property
    def _pieces(self) -> tuple[list[int], list[tuple[int, int | None]]]:
        starts: list[int] = [0]
        origins: list[tuple[int, int | None]] = [(0, None)]
        shift = 0
        for start, end, plain in edits(self._text, self._way):
            starts += [start + shift, start + shift + len(plain)]
            origins += [(start, end), (end, None)]
            shift += len(plain) - (end - start)
        return starts, origins

    def back(self, start: int, end: int) -> Span:
        return self._origin(start)[0], self._origin(end - 1)[1]

    def _origin(self, index: int) -> Span:
        starts, origins = self._pieces
        piece = bisect_right(starts, index) - 1
        start, end = origins[piece]
        same = start + index - starts[piece]
        return (same, same + 1) if end is None else (start, end)


class _Pieced:
    def __init__(self, found: list[Piece]) -> None:
        self._found = found

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((len(text) + len(_BETWEEN) for text, _, _ in self._found), initial=0))

    def back(self, start: int, end: int) -> Span:
        touched = self._found[bisect_right(self._starts, start) - 1 : bisect_right(self._starts, end - 1)]
        return min(start for _, start, _ in touched), max(end for _, _, end in touched)
