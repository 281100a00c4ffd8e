"""What a value of personal data is to the generators."""

from __future__ import annotations

from random import Random

import msgspec


class PersonalValue(msgspec.Struct, frozen=True):
    """A value as it is usually written without blanks, and the groups that separators come between.

    `regrouped`: whether any other groups would do, and dots or blanks between them. `spaced`: whether blanks may stand
    between its own in a text. `telling`: what of it tells something, if not all.
    """

    plain: str
    groups: tuple[str, ...]
    regrouped: bool = False
    spaced: bool = False
    revealing: str = ""


def random_chars(alphabet: str, size: int, random: Random) -> str:
    """That many characters of an alphabet."""
    return "".join(random.choices(alphabet, k=size))
