"""How many examples a property gets that makes a contract for each: they are dear, and every run makes others."""

from __future__ import annotations

from hypothesis import settings

_USUAL = 100
"""What Hypothesis makes by itself."""


def examples(count: int) -> int:
    """`count`, and ten times as many under `--hypothesis-profile=long`."""
    return count * settings().max_examples // _USUAL
