"""Bounds on what mypy can't see through in `gateway/`: lines with `Any`, and ignored or cast types."""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[2]

MAX_ANY_PER_1000_LINES: Final = 1.0
"""`Any` is right where a library hands it out: imports and comments don't count."""

MAX_ESCAPES: Final = 11
"""Comments `type: ignore` and calls of `cast` together."""

_ESCAPE: Final = re.compile(r"#\s*type:\s*ignore|\bcast\(")


class Figures(msgspec.Struct, frozen=True):
    """What was counted; `any_lines` are lines of code that use the word, imports apart."""

    lines: int
    any_lines: int
    escapes: int

    @property
    def any_per_1000(self) -> float:
        """Lines with `Any` in 1,000."""
        return 1000 * self.any_lines / self.lines if self.lines else 0.0


def count(sources: Iterator[str]) -> Figures:
    """Count in the text of modules."""
    lines = any_lines = escapes = 0
    for source in sources:
        lines += source.count("\n")
        any_lines += len(set(_any_lines(source)))
        escapes += len(_ESCAPE.findall(source))
    return Figures(lines, any_lines, escapes)


def _any_lines(source: str) -> Iterator[int]:
    importing = False
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if (
            token.type == tokenize.NAME
            and token.string in ("import", "from")
            and not token.line[: token.start[1]].strip()
        ):
            importing = True
        elif token.type == tokenize.NEWLINE:
            importing = False
        elif token.type == tokenize.NAME and token.string == "Any" and not importing:
            yield token.start[0]


def faults(figures: Figures) -> Iterator[str]:
    """Yield each bound that is exceeded."""
    if figures.any_per_1000 > MAX_ANY_PER_1000_LINES:
        yield f"{figures.any_per_1000:.1f} lines in 1,000 have the word Any: at most {MAX_ANY_PER_1000_LINES} may"
    if figures.escapes > MAX_ESCAPES:
        yield f"{figures.escapes} types are ignored or cast: at most {MAX_ESCAPES} may be"


def main() -> int:
    """Print what exceeds its bound; with `--figures`, what there is."""
    figures = count(path.read_text(encoding="utf-8") for path in sorted((ROOT / "gateway").rglob("*.py")))
    if "--figures" in sys.argv:
        print(f"{figures.any_per_1000:.1f} lines with Any in 1,000, {figures.escapes} types ignored or cast")
    found = list(faults(figures))
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
