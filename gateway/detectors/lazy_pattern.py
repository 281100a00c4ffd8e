"""Patterns of `re` that are compiled when they are first used: in few texts what they tell apart is looked for at all.

`re` compiles in Python, and all of the detectors' patterns together take as long as all else that a start imports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, AnyStr, Generic


class LazyPattern(Generic[AnyStr]):
    """A pattern, with as much of `re.Pattern` as the detectors use. Two threads that come together compile it twice.

    search = pattern.search    compiles; `search` and the others are attributes from then on, as quick as the pattern's
    """

    search: Callable[..., re.Match[AnyStr] | None]
    match: Callable[..., re.Match[AnyStr] | None]
    fullmatch: Callable[..., re.Match[AnyStr] | None]
    finditer: Callable[..., Iterator[re.Match[AnyStr]]]
    sub: Callable[..., AnyStr]

    def __init__(self, pattern: AnyStr, flags: re.RegexFlag = re.NOFLAG) -> None:
        self._pattern: AnyStr = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name not in ("search", "match", "fullmatch", "finditer", "sub"):
            raise AttributeError(name)
        compiled = re.compile(self._pattern, self._flags)
        self.search, self.match = compiled.search, compiled.match
        self.fullmatch, self.finditer, self.sub = compiled.fullmatch, compiled.finditer, compiled.sub
        return getattr(compiled, name)
