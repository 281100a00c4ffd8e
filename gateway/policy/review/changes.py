"""The nouns of a difference: what changed, where, and which way."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Effect(StrEnum):
    """Which way a change goes: more leaves, less leaves, or neither and worth knowing."""

    RELEASED = "released"
    WITHHELD = "withheld"
    NOTED = "noted"


class Change(msgspec.Struct, frozen=True):
    """One thing that changed.

    `field` is a full name, or a key of the policy; without `destination` or `type` it isn't of one alone.
    """

    effect: Effect
    field: str
    text: str
    destination: str = ""
    type: str = ""


class Difference(msgspec.Struct, frozen=True):
    """All that changed: what is released first, then what is withheld, then the rest."""

    changes: tuple[Change, ...]

    def with_effect(self, effect: Effect) -> tuple[Change, ...]:
        """The changes that go one way."""
        return tuple(change for change in self.changes if change.effect is effect)

    @property
    def releases_more(self) -> bool:
        """Whether anything leaves that didn't."""
        return bool(self.with_effect(Effect.RELEASED))
