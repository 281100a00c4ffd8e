"""Unfolding: everything that a text says once what it is encoded in is undone, decoding by decoding, and where in the text it says so."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, chain
from typing import Final, Protocol

from gateway.detectors.bounds import DEPTH, Budget, TooMuch, decoded_chars, decoded_texts
from gateway.detectors.compact import Compact, unwrapped
from gateway.detectors.digits import Rows
from gateway.detectors.effort import spend
from gateway.detectors.encoded_runs import Piece, pieces
from gateway.detectors.escapes import Edit, Way, edits
from gateway.detectors.fold import ends, fold
from gateway.detectors.technical import technical, undecodable, without

Span = tuple[int, int]
"""From where to where, in characters."""

_DIGITS: Final = b"0123456789"
_SAME: Final = -1
"""The end of the origin of a piece that is no escape."""

_WAYS: Final = tuple(Way)
_BETWEEN: Final = "\n\n"

# What an escape stands for is read with what is around it, at least so many characters of it, and on to the next blank
# if there is one within the longest address. The rest of a text is read as it is: undoing one escape of a long text
# isn't as much work as the text.
_NEAR_CHARS: Final = 256
_FAR_CHARS: Final = 1400
_BLANKS: Final = " \t\n\r"


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

    @property
    def digits(self) -> int:
        """How many digits the text has."""
        encoded = self.text.encode("ascii", "replace")
        return len(encoded) - len(encoded.translate(None, _DIGITS))

    @cached_property
    def bare(self) -> str:
        """The text, as long as it is, without technical identifiers, dates and times."""
        return without(self.text, self._technical)

    @cached_property
    def compacts(self) -> Sequence[Compact]:
        """The bare text without separators; once more without line ends if it has any."""
        joined = unwrapped(self.bare)
        return (Compact(self.bare),) if joined == self.bare else (Compact(self.bare), Compact(joined))

    @cached_property
    def rows(self) -> Rows:
        """The rows of digits in the bare text."""
        return Rows(self.bare)

    @property
    def _decodable(self) -> str:
        return without(self.text, undecodable(self.text, self._technical))

    @cached_property
    def _technical(self) -> Sequence[Span]:
        return technical(self.text)

    def place(self, start: int, end: int) -> Span:
        """Where in the original text a span of this decoding comes from."""
        for step in self._steps:
            start, end = step.back(start, end)
        return start, end

    def below(self) -> Iterator[Decoding]:
        """What this decoding says once its escapes, and its runs, are undone."""
        for way in _WAYS:
            escapes = edits(self.text, way)
            if (first := next(escapes, None)) is not None:
                step = _Unescaped(self.text, first, escapes)
                yield _decoding(step.plain, step, *self._steps, loose=self.loose)
        if found := list(pieces(self._decodable)):
            joined = _BETWEEN.join(text for text, _, _ in found)
            yield _decoding(joined, _Pieced(found), *self._steps, loose=True)


def _decoding(text: str, *steps: Step, loose: bool) -> Decoding:
    spend(len(text))
    folded = _Folded(text)
    return Decoding(folded.plain, (folded, *steps), loose=loose)


def decodings(text: str) -> Iterator[Decoding]:
    """The text and what it encodes, outermost first.

    Raises TooMuch when they are too deep, too many or too large together.
    """
    budget, many = decoded_chars(text), decoded_texts(text)
    root = _decoding(text, loose=False)
    budget.spend(len(root.text) - len(text))
    yield root
    seen, level = {root.text}, [root]
    for depth in range(DEPTH + 1):
        level = [lower for decoding in level for lower in _unseen(decoding, seen, many)]
        if not level:
            return
        if depth == DEPTH:
            raise TooMuch
        budget.spend(sum(len(decoding.text) for decoding in level))
        yield from level


def _unseen(decoding: Decoding, seen: set[str], many: Budget) -> Iterator[Decoding]:
    """What a decoding says below itself that nothing has said yet. Raises TooMuch."""
    for lower in decoding.below():
        if lower.text not in seen:
            many.spend(1)
            seen.add(lower.text)
            yield lower


class _Folded:
    """A text folded: `plain`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.plain = fold(text)

    @cached_property
    def _ends(self) -> list[int] | None:
        # What ASCII folding does at all is to leave characters out.
        same = self._text.isascii() and len(self._text) == len(self.plain)
        return None if same else ends(self._text)

    def back(self, start: int, end: int) -> Span:
        found = self._ends
        return (start, end) if found is None else (bisect_right(found, start), bisect_right(found, end - 1) + 1)


class _Unescaped:
    """A text of which escapes are undone, as far as it stands near one: `plain`.

    It is made of pieces, which may be as many as characters. Of each it is kept, in arrays, where it starts, where its
    origin starts, and where its origin ends if an escape.
    """

    def __init__(self, text: str, first: Edit, others: Iterable[Edit]) -> None:
        self._starts, self._origins, self._ends = array("l"), array("l"), array("l")
        self._parts: list[str] = []
        self._size = 0
        done = _before(text, first[0], 0)
        for start, end, plain in chain((first,), others):
            if start - done > _FAR_CHARS and (before := _before(text, start, done)) > (
                after := _after(text, done, start)
            ):
                self._add(text[done:after], done)
                self._add(_BETWEEN, after, before)
                done = before
            self._add(text[done:start], done)
            self._add(plain, start, end)
            done = end
        self._add(text[done : _after(text, done, len(text))], done)
        self.plain = "".join(self._parts)
        self._parts.clear()

    def _add(self, part: str, start: int, end: int = _SAME) -> None:
        if part:
            self._starts.append(self._size)
            self._origins.append(start)
            self._ends.append(end)
            self._parts.append(part)
            self._size += len(part)

    def back(self, start: int, end: int) -> Span:
        return self._origin(start)[0], self._origin(end - 1)[1]

    def _origin(self, index: int) -> Span:
        piece = bisect_right(self._starts, index) - 1
        start, end = self._origins[piece], self._ends[piece]
        same = start + index - self._starts[piece]
        return (same, same + 1) if end == _SAME else (start, end)


def _before(text: str, at: int, least: int) -> int:
    """Where in a text that begins which stands near before an index, not below `least`."""
    near, far = max(least, at - _NEAR_CHARS), max(least, at - _FAR_CHARS)
    blank = max(text.rfind(char, far, near) for char in _BLANKS)
    return far if blank < 0 else blank


def _after(text: str, at: int, most: int) -> int:
    """Where in a text that ends which stands near after an index, not above `most`."""
    near, far = min(most, at + _NEAR_CHARS), min(most, at + _FAR_CHARS)
    return min((found for char in _BLANKS if (found := text.find(char, near, far)) >= 0), default=far)


class _Pieced:
    def __init__(self, found: list[Piece]) -> None:
        self._found = found

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((len(text) + len(_BETWEEN) for text, _, _ in self._found), initial=0))

    def back(self, start: int, end: int) -> Span:
        touched = self._found[bisect_right(self._starts, start) - 1 : bisect_right(self._starts, end - 1)]
        return min(start for _, start, _ in touched), max(end for _, _, end in touched)
