"""Patterns of `re` that are compiled when they are first used: in few texts what they tell apart is looked for at all.

`re` compiles in Python, and all of the detectors' patterns together take as long as all else that a start imports.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import AnyStr, Generic


class LazyPattern(Generic[AnyStr]):
    """A pattern, with as much of `re.Pattern` as the detectors use. Two threads that come together compile it twice.

    From the first use on, the compiled pattern's methods stand in the place of these: they are as quick as its own.
    """

    def __init__(self, pattern: AnyStr, flags: re.RegexFlag = re.NOFLAG) -> None:
        self._pattern: AnyStr = pattern
        self._flags = flags

    def _compiled(self) -> re.Pattern[AnyStr]:
        compiled = re.compile(self._pattern, self._flags)
        vars(self).update(
            search=compiled.search,
            match=compiled.match,
            fullmatch=compiled.fullmatch,
            finditer=compiled.finditer,
            sub=compiled.sub,
        )
        return compiled

    def search(self, string: AnyStr, pos: int = 0, endpos: int = sys.maxsize) -> re.Match[AnyStr] | None:
        """As `re.Pattern` has it."""
        return self._compiled().search(string, pos, endpos)

    def match(self, string: AnyStr, pos: int = 0, endpos: int = sys.maxsize) -> re.Match[AnyStr] | None:
        """As `re.Pattern` has it."""
        return self._compiled().match(string, pos, endpos)

    def fullmatch(self, string: AnyStr, pos: int = 0, endpos: int = sys.maxsize) -> re.Match[AnyStr] | None:
        """As `re.Pattern` has it."""
        return self._compiled().fullmatch(string, pos, endpos)

    def finditer(self, string: AnyStr, pos: int = 0, endpos: int = sys.maxsize) -> Iterator[re.Match[AnyStr]]:
        """As `re.Pattern` has it."""
        return self._compiled().finditer(string, pos, endpos)

    def sub(self, repl: AnyStr | Callable[[re.Match[AnyStr]], AnyStr], string: AnyStr, count: int = 0) -> AnyStr:
        """As `re.Pattern` has it."""
        return self._compiled().sub(repl, string, count)
