"""What leads to something, whatever holds what: message types, or the projections of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def with_holders(start: Iterable[T], holders: Mapping[T, Iterable[T]]) -> frozenset[T]:
    """The `starts`, and all that holds one of them, by `holders`, or holds what does. Looks at each holder once."""
    found = {*start}
    waiting = list(found)
    while waiting:
        more = {one for one in holders.get(waiting.pop(), ()) if one not in found}
        found |= more
        waiting += more
    return frozenset(found)
