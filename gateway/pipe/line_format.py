"""How a line spells what it says.

Kept beside its record, in words of the tables and the policy, and nothing else of the line.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

KeyPath = tuple[str, ...]
"""The keys that lead to a value, from the outermost in.

A dotted path as the line spells it, in one key or in several.
"""


class Syntax(StrEnum):
    """What a line is made of."""

    TEXT = "text"
    JSON = "json"
    LOGFMT = "logfmt"


class LineFormat(msgspec.Struct, frozen=True):
    """The spelling of a line.

    A field's keys are empty where the line hasn't got it; a text's fields have their own names for keys.

    `scale` is the level's, if that is a number; `unit` the time's: one of `UNITS`, or `text`.
    """

    syntax: Syntax = Syntax.TEXT
    body: KeyPath = ()
    level: KeyPath = ()
    scale: str = ""
    time: KeyPath = ()
    unit: str = ""
    trace_id: KeyPath = ()
    span_id: KeyPath = ()

    @property
    def is_free_text(self) -> bool:
        """Whether a line is a text without a level or a time."""
        return self.syntax is Syntax.TEXT and not self.level and not self.time
