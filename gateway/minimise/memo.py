"""Judging raw sub-messages once: what a rule made of some bytes is what it makes of the same bytes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from gateway.errors import Reason
from gateway.minimise.rules import LONGEST, REMEMBERED
from gateway.minimise.run import Run, levels
from gateway.model import Notes, Trail

Rewrite = Callable[[bytes, Run], bytes | Reason]
"""Minimises a raw sub-message: what is left of it, or the reason why nothing is."""

Dismiss = Callable[[bytes], Reason | None]
"""The reason why a raw sub-message is stripped, if a look at it is enough to tell."""


class Noted(msgspec.Struct, frozen=True):
    """What became of a raw sub-message in which something was stripped or masked."""

    kept: bytes | Reason
    notes: Notes

    def __repr__(self) -> str:
        return "Noted(…)"


Fate = bytes | Reason | Noted
"""What became of a raw sub-message.

The bytes that are left of it, the reason why none are, or either with what was stripped inside.
"""

LARGE: Final = 4096
"""The length of the longest message that is remembered where whole messages come again: a user, a resource."""


class Memo:
    """Remembers fates that depend on the bytes alone, apart for runs with a directory and without one."""

    def __init__(self, rewrite: Rewrite, longest: int = LONGEST, dismiss: Dismiss | None = None) -> None:
        """`dismiss` tells what is stripped whatever it holds, cheaply: that isn't remembered."""
        self._rewrite = rewrite
        self._longest = longest
        self._dismiss = dismiss
        self._known: tuple[dict[bytes, Fate], dict[bytes, Fate]] = ({}, {})

    def known(self, run: Run) -> dict[bytes, Fate]:
        """What is remembered, for runs with facts like these; nothing inside an `Any`, where the depth matters too."""
        return {} if run.depth else self._known[run.facts.directory]

    def judge(self, raw: bytes, run: Run, at: Trail) -> Fate:
        """Judge what isn't remembered, at a place. Raises Refused, PersonalAccount."""
        if self._dismiss is not None and (reason := self._dismiss(raw)) is not None:
            return reason
        below = Run(run.facts, run.depth and run.depth + levels(at), run.left)
        kept = self._rewrite(raw, below)
        run.left = below.left
        fate: Fate = Noted(kept, below.notes) if below.notes else kept
        if below.lasting and len(raw) <= self._longest:
            self._remember(self.known(run), raw, fate)
        run.lasting &= below.lasting
        return fate

    def _remember(self, known: dict[bytes, Fate], raw: bytes, fate: Fate) -> None:
        if len(known) >= REMEMBERED:
            known.clear()
        known[raw] = fate


class Sound:
    """Remembers messages in which every value passed.

    Projected already, so that nothing is kept in memory that may not leave.
    """

    def __init__(self) -> None:
        self._known: tuple[set[bytes], set[bytes]] = (set(), set())

    def known(self, run: Run) -> set[bytes]:
        """Those remembered, for runs with facts like these."""
        return self._known[run.facts.directory]

    def add(self, message: bytes, run: Run) -> None:
        """Remember one more."""
        known = self.known(run)
        if len(known) >= REMEMBERED:
            known.clear()
        if len(message) <= LARGE:
            known.add(message)
