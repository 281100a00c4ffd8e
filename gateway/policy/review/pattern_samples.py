"""Samples of what a pattern matches, for whoever asks what its values look like. They tell, they don't prove."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

from gateway.patterns import compile_pattern
from gateway.policy.pattern_pieces import PatternPiece, pattern_branches

_Choice = TypeVar("_Choice")


class _SeededChooser:
    """Chooses as if by chance, and the same for the same seed: a linear congruential generator (Knuth's MMIX)."""

    def __init__(self, seed: str) -> None:
        self._state = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])

    def below(self, count: int) -> int:
        """Return a whole number from 0 to one less than `count`."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self._state >> 33) % count

    def choice(self, among: Sequence[_Choice]) -> _Choice:
        """Return one of several."""
        return among[self.below(len(among))]


def samples(pattern: str, count: int) -> Iterator[str]:
    """Yield up to `most` texts that a pattern that compiles matches: the same ones each time."""
    chance = _SeededChooser(pattern)
    compiled, branches = compile_pattern(pattern), pattern_branches(pattern)
    made = (_sample(branches, chance) for _ in range(count))
    yield from (text for text in made if compiled.fullmatch(text))


def _sample(branches: list[list[PatternPiece]], chance: _SeededChooser) -> str:
    return "".join(_repeated(piece, chance) for piece in chance.choice(branches))


def _repeated(piece: PatternPiece, chance: _SeededChooser) -> str:
    times = range(piece.low + chance.below(piece.high - piece.low + 1))
    if piece.branches:
        return "".join(_sample(piece.branches, chance) for _ in times)
    return "".join(chance.choice(piece.chars) for _ in times) if piece.chars else ""
