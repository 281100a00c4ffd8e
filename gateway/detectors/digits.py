"""Groups of digits in folded text, as phone and card numbers are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

_ZONE: Final = re.compile(r"[0-9](?:[ \t.\-/()+_]{0,3}[0-9]){8,}+")
_MOST_APART: Final = 19
_GROUP: Final = re.compile(r"[0-9]+")


class Group(NamedTuple):
    """Digits on end, and what is around them: separators, or at the ends of a zone up to 3 other characters.

    A number may start, or end, at a group that no letter touches there.
    """

    digits: str
    start: int
    end: int
    before: str
    after: str
    starts: bool = True
    ends: bool = True

    @property
    def is_decimals(self) -> bool:
        """Whether the digits come right after others and a point."""
        return self.before == "."


End = Callable[[Sequence[Group], int], int | None]
"""Says at which group a number ends that starts at the group with this index, if one does."""


def numbers(text: str, end: End, *, loose: bool) -> Iterator[Sequence[Group]]:
    """The groups of each number in folded text, from left to right; none is in two numbers. If `loose`, letters may touch them."""
    for groups in _zones(text, loose=loose):
        first = 0
        while first < len(groups):
            last = end(groups, first)
            if last is not None:
                yield groups[first : last + 1]
            first = (first if last is None else last) + 1


def join(groups: Iterable[Group]) -> str:
    """The digits of groups."""
    return "".join([group.digits for group in groups])


def _zones(text: str, *, loose: bool) -> Iterator[list[Group]]:
    """Stretches of at least 9 digits, in groups with at most 3 separators between two.

    Digits that all stand apart, as on a form, are one group; unless they are too many for that. If `loose`, letters don't matter.
    """
    if not _ZONE.search(text):
        return
    for zone in _ZONE.finditer(text):
        groups = _groups(zone, loose=loose)
        if len(groups[-1].digits) > 1 or any(len(group.digits) > 1 for group in groups):
            yield groups
        elif len(groups) <= _MOST_APART:
            yield [_joined(groups)]


def _groups(zone: re.Match[str], *, loose: bool) -> list[Group]:
    text, (first, last) = zone.string, zone.span()
    spans = [group.span() for group in _GROUP.finditer(text, first, last)]
    befores = [max(0, first - 3), *(end for _, end in spans)]
    afters = [*(start for start, _ in spans[1:]), last + 3]
    groups = [
        Group(text[start:end], start, end, text[before:start], text[end:after])
        for (start, end), before, after in zip(spans, befores, afters, strict=False)
    ]
    if not loose:
        groups[0] = groups[0]._replace(starts=not groups[0].before[-1:].isalnum())
        groups[-1] = groups[-1]._replace(ends=not groups[-1].after[:1].isalnum())
    return groups


def _joined(groups: list[Group]) -> Group:
    first, last = groups[0], groups[-1]
    return Group(join(groups), first.start, last.end, first.before, last.after, first.starts, last.ends)
