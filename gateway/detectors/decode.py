"""Decodings: everything that a text says once its encodings are undone, one by one, and where in it that stands."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, chain
from typing import Final, Protocol

from gateway.detectors.budget import MAX_DECODING_DEPTH, Budget, BudgetExceeded, char_budget, decoding_budget
from gateway.detectors.compact import Compact, unwrapped
from gateway.detectors.digits import Rows
from gateway.detectors.encoded_runs import DecodedRun, decoded_runs
from gateway.detectors.escapes import EscapePass, Replacement, replacements
from gateway.detectors.fold import fold, fold_ends
from gateway.detectors.spans import Span, blank
from gateway.detectors.technical import technical_spans, undecodable
from gateway.detectors.work_limit import spend_work

_DIGITS: Final = b"0123456789"
_UNESCAPED: Final = -1
"""The end of the origin of a piece that is no escape."""

_PASSES: Final = tuple(EscapePass)
_BETWEEN: Final = "\n\n"

# What an escape stands for is read with what is around it, at least so many characters of it, and on to the next blank
# if there is one within the longest address. The rest of a text is read as it is: undoing one escape of a long text
# isn't as much work as the text.
_MIN_CONTEXT_CHARS: Final = 256
_MAX_CONTEXT_CHARS: Final = 1400
_BLANKS: Final = " \t\n\r"


class SourceMap(Protocol):
    """Leads back from a text to the one that it was made from."""

    def origin(self, start: int, end: int) -> Span:
        """Where in the older text a span of the newer one comes from."""


class Decoding:
    """What a text says, in folded characters.

    `loose` if it was decoded from within a run: what stands around a finding may then be noise.
    """

    def __init__(self, text: str, maps: Sequence[SourceMap], *, loose: bool) -> None:
        self.text = text
        self.loose = loose
        self._maps = maps

    @property
    def digit_count(self) -> int:
        """How many digits the text has."""
        encoded = self.text.encode("ascii", "replace")
        return len(encoded) - len(encoded.translate(None, _DIGITS))

    @cached_property
    def nontechnical(self) -> str:
        """The text, as long as it is, without technical identifiers, dates and times."""
        return blank(self.text, self._technical)

    @cached_property
    def compacts(self) -> Sequence[Compact]:
        """The nontechnical text without separators; once more without line ends if it has any."""
        joined = unwrapped(self.nontechnical)
        return (
            (Compact(self.nontechnical),)
            if joined == self.nontechnical
            else (Compact(self.nontechnical), Compact(joined))
        )

    @cached_property
    def rows(self) -> Rows:
        """The rows of digits in the nontechnical text."""
        return Rows(self.nontechnical)

    @property
    def _decodable(self) -> str:
        return blank(self.text, undecodable(self.text, self._technical))

    @cached_property
    def _technical(self) -> Sequence[Span]:
        return technical_spans(self.text)

    def origin(self, start: int, end: int) -> Span:
        """Where in the original text a span of this decoding comes from."""
        for source_map in self._maps:
            start, end = source_map.origin(start, end)
        return start, end

    def inner(self) -> Iterator[Decoding]:
        """What this decoding says once its escapes, and its runs, are undone."""
        for way in _PASSES:
            escapes = replacements(self.text, way)
            if (first := next(escapes, None)) is not None:
                step = _Unescaped(self.text, first, escapes)
                yield _decoding(step.plain, step, *self._maps, loose=self.loose)
        if found := list(decoded_runs(self._decodable)):
            joined = _BETWEEN.join(text for text, _, _ in found)
            yield _decoding(joined, _DecodedRuns(found), *self._maps, loose=True)


def _decoding(text: str, *maps: SourceMap, loose: bool) -> Decoding:
    spend_work(len(text))
    folded = _Folded(text)
    return Decoding(folded.plain, (folded, *maps), loose=loose)


def decodings(text: str) -> Iterator[Decoding]:
    """The text and what it encodes, outermost first.

    Raises BudgetExceeded when they are too deep, too many or too large together.
    """
    chars, count_budget = char_budget(text), decoding_budget(text)
    root = _decoding(text, loose=False)
    chars.spend(len(root.text) - len(text))
    yield root
    seen, level = {root.text}, [root]
    for depth in range(MAX_DECODING_DEPTH + 1):
        level = [lower for decoding in level for lower in _unseen(decoding, seen, count_budget)]
        if not level:
            return
        if depth == MAX_DECODING_DEPTH:
            raise BudgetExceeded
        chars.spend(sum(len(decoding.text) for decoding in level))
        yield from level


def _unseen(decoding: Decoding, seen: set[str], budget: Budget) -> Iterator[Decoding]:
    """What a decoding says below itself that nothing has said yet. Raises BudgetExceeded."""
    for lower in decoding.inner():
        if lower.text not in seen:
            budget.spend(1)
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
        return None if same else fold_ends(self._text)

    def origin(self, start: int, end: int) -> Span:
        found = self._ends
        return (start, end) if found is None else (bisect_right(found, start), bisect_right(found, end - 1) + 1)


class _Unescaped:
    """A text of which escapes are undone, as far as it stands near one: `plain`.

    It is made of pieces, which may be as many as characters. Of each it is kept, in arrays, where it starts, where its
    origin starts, and where its origin ends if an escape.
    """

    def __init__(self, text: str, first: Replacement, others: Iterable[Replacement]) -> None:
        self._starts, self._origins, self._ends = array("l"), array("l"), array("l")
        self._parts: list[str] = []
        self._size = 0
        done = _context_start(text, first[0], 0)
        for start, end, plain in chain((first,), others):
            if start - done > _MAX_CONTEXT_CHARS and (before := _context_start(text, start, done)) > (
                after := _context_end(text, done, start)
            ):
                self._add(text[done:after], done)
                self._add(_BETWEEN, after, before)
                done = before
            self._add(text[done:start], done)
            self._add(plain, start, end)
            done = end
        self._add(text[done : _context_end(text, done, len(text))], done)
        self.plain = "".join(self._parts)
        self._parts.clear()

    def _add(self, part: str, start: int, end: int = _UNESCAPED) -> None:
        if part:
            self._starts.append(self._size)
            self._origins.append(start)
            self._ends.append(end)
            self._parts.append(part)
            self._size += len(part)

    def origin(self, start: int, end: int) -> Span:
        return self._origin_of(start)[0], self._origin_of(end - 1)[1]

    def _origin_of(self, index: int) -> Span:
        piece = bisect_right(self._starts, index) - 1
        start, end = self._origins[piece], self._ends[piece]
        same = start + index - self._starts[piece]
        return (same, same + 1) if end == _UNESCAPED else (start, end)


def _context_start(text: str, at: int, min_start: int) -> int:
    """Where in a text that begins which stands near before an index, not below `min_start`."""
    near, far = max(min_start, at - _MIN_CONTEXT_CHARS), max(min_start, at - _MAX_CONTEXT_CHARS)
    blank = max(text.rfind(char, far, near) for char in _BLANKS)
    return far if blank < 0 else blank


def _context_end(text: str, at: int, max_end: int) -> int:
    """Where in a text that ends which stands near after an index, not above `max_end`."""
    near, far = min(max_end, at + _MIN_CONTEXT_CHARS), min(max_end, at + _MAX_CONTEXT_CHARS)
    return min((found for char in _BLANKS if (found := text.find(char, near, far)) >= 0), default=far)


class _DecodedRuns:
    def __init__(self, found: list[DecodedRun]) -> None:
        self._runs = found

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((len(text) + len(_BETWEEN) for text, _, _ in self._runs), initial=0))

    def origin(self, start: int, end: int) -> Span:
        touched = self._runs[bisect_right(self._starts, start) - 1 : bisect_right(self._starts, end - 1)]
        return min(start for _, start, _ in touched), max(end for _, _, end in touched)
