"""How a line spells what it says.

Kept beside its record, in words of the tables and the policy, and nothing else of the line.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

Spelling = tuple[str, ...]
"""The keys that lead to a value, from the outermost in.

A dotted path as the line spells it, in one key or in several.
"""


class Syntax(StrEnum):
    """What a line is made of."""

    TEXT = "text"
    JSON = "json"
    LOGFMT = "logfmt"


class Form(msgspec.Struct, frozen=True):
    """The spelling of a line.

    A field's keys are empty where the line hasn't got it; a text's fields have their own names for keys.

    `scale` is the level's, if that is a number; `unit` the time's: one of `UNITS`, or `text`.
    """

    syntax: Syntax = Syntax.TEXT
    body: Spelling = ()
    level: Spelling = ()
    scale: str = ""
    time: Spelling = ()
    unit: str = ""
    trace_id: Spelling = ()
    span_id: Spelling = ()

    @property
    def is_words_alone(self) -> bool:
        """Whether a line is a text without a level or a time."""
        return self.syntax is Syntax.TEXT and not self.level and not self.time
