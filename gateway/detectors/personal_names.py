"""Names that say a person's name, address or number: the words are in `data/personal.json`.

Below a wildcard they are nobody's decision, so that what they hold doesn't pass as operational. A key listed by itself
is the controller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.detectors.data import table
from gateway.detectors.phrases import Phrases, words
from gateway.detectors.prohibited import Language


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`harmless` phrases hold one of `phrases` and say nothing of a person."""

    phrases: Mapping[Language, tuple[str, ...]]
    harmless: tuple[str, ...]


TABLE: Final = table("personal", _Table)
_PHRASES: Final = Phrases([phrase for phrases in TABLE.phrases.values() for phrase in phrases], TABLE.harmless)


def is_personal_name(name: str, prefix: str = "") -> bool:
    """Return whether a name says something personal behind `prefix`, which it starts with and which ends a word."""
    return _PHRASES.first(words(name), len(words(prefix))) is not None
