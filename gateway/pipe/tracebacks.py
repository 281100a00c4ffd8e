"""Lines of words alone that belong to what was said before: tracebacks, and texts of several lines."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

MIN_ERROR_SEVERITY: Final = 17
"""OpenTelemetry's first severity number of errors."""

_HEAD: Final = re.compile(
    r"""
    Traceback\ \(most\ recent\ call\ last\):           # Python
    | Exception\ in\ thread\ "                         # Java
    | (?:[\w$]+\.)+[\w$]*(?:Exception|Error|Throwable)(?::|$)   # Java, printStackTrace()
    | (?:Uncaught\ )?[A-Z][A-Za-z]*Error:\             # JavaScript
    | panic:\ | fatal\ error:\                         # Go
    | thread\ '[^']{0,100}'\ (?:\([0-9]{1,10}\)\ )?panicked\ at   # Rust
    | Unhandled\ exception[.:]                         # .NET
    | (?:PHP\ )?Fatal\ error:\                         # PHP
    """,
    re.VERBOSE | re.ASCII,
)
_PYTHON: Final = "Traceback ("
_MORE: Final = re.compile(
    r"""
    \s | $
    | Caused\ by:\  | Suppressed:\  | \.\.\.\ [0-9]+\ more        # Java
    | During\ handling\ of | The\ above\ exception              # Python
    | goroutine\ [0-9]+\  | created\ by\  | \[signal\            # Go
    | note:\ run\ with\ `RUST_ | [})\]]+$
    """,
    re.VERBOSE | re.ASCII,
)
_CHAINED: Final = ("During handling of", "The above exception")


class TextKind(Enum):
    """What a line of words is."""

    TRACEBACK = auto()
    """The first of a traceback that no record announced."""
    CONTINUATION = auto()
    """A further line of what was before."""
    OTHER = auto()


class TracebackTracker:
    """What came before, as far as a traceback after it may belong to it. One for each stream of lines."""

    def __init__(self) -> None:
        self._owned = False
        self._awaits_end = False

    def observe_record(self, severity_number: int) -> None:
        """Note a record: a traceback right behind an error is that error's."""
        self._owned = severity_number >= MIN_ERROR_SEVERITY
        self._awaits_end = False

    def classify(self, text: str) -> TextKind:
        """Say what a line of words is, and note it."""
        if _MORE.match(text):
            self._owned = self._owned or text.startswith(_CHAINED)
            return TextKind.CONTINUATION
        if self._awaits_end:  # Python's last line, which names the error, is neither indented nor marked
            self._awaits_end = self._owned = False
            return TextKind.CONTINUATION
        if not _HEAD.match(text):
            self._owned = False
            return TextKind.OTHER
        place = TextKind.CONTINUATION if self._owned else TextKind.TRACEBACK
        self._owned, self._awaits_end = False, text.startswith(_PYTHON)
        return place
