"""Print how many values of each kind pass, glued each way, in per cent.

python -m tests.accuracy.measure [--count N] [--kind WORD] [--field operational|free_text] [--good] [--name N]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.accuracy.error_rates import MAX_MISS_RATE, ErrorRate, Measure, altered_values, missed_texts, missed_tokens
from tests.accuracy.glue import TEXT_GLUES, glues_of, text_glues_of
from tests.support.samples import harmless as good
from tests.support.samples.personal import KINDS, values
from tests.support.samples.value import PersonalValue

MEASURES: Final[Mapping[str, tuple[Measure, Callable[[PersonalValue], Sequence[str]]]]] = {
    "operational": (missed_tokens, glues_of),
    "free_text": (missed_texts, text_glues_of),
}


def measured(field: str, kinds: Sequence[str], count: int) -> dict[str, dict[str, ErrorRate]]:
    """What passes of each kind, by how it is glued."""
    measure, ways = MEASURES[field]
    return {kind: {way: measure(kind, way, count) for way in ways(next(values(kind, 1)))} for kind in kinds}


def table(results: Mapping[str, Mapping[str, ErrorRate]]) -> Table:
    """A line for each kind, a column for each way of gluing; what is above the limit is marked."""
    made = Table("kind", *TEXT_GLUES, box=None, pad_edge=False)
    for kind, ways in results.items():
        made.add_row(kind, *(_cell(ways.get(way)) for way in TEXT_GLUES))
    return made


def _cell(passing: ErrorRate | None) -> str:
    if passing is None:
        return ""
    mark = "!" if passing.share > MAX_MISS_RATE else ""
    return f"{100 * passing.share:.2f}{mark}"


def _good(console: Console, count: int, word: str, named: int) -> None:
    for kind in (kind for kind in good.KINDS if word in kind):
        passing = altered_values(kind, count)
        console.print(f"{kind:28} {100 * passing.share:7.2f}  {list(passing.errors[:named]) if passing.errors else ''}")


def _bad(console: Console, field: str, count: int, word: str, named: int) -> None:
    results = measured(field, [kind for kind in KINDS if word in kind], count)
    console.print(table(results))
    for kind, ways in results.items():
        for way, passing in ways.items():
            if named and passing.errors:
                console.print(f"{kind}, {way}: {list(passing.errors[:named])}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Print how many values of each kind pass, glued each way, in per cent."
    )
    parser.add_argument("--count", type=int, default=1000, help="values of each kind for each way of gluing")
    parser.add_argument("--kind", default="", help="only kinds with this in their name")
    parser.add_argument("--field", choices=MEASURES, default="operational")
    parser.add_argument("--name", type=int, default=0, help="how many of those that pass to name, a kind and way")
    parser.add_argument("--good", action="store_true", help="good values that don't stay, instead")
    given = parser.parse_args()
    console = Console(width=200, highlight=False, markup=False)
    if given.good:
        _good(console, given.count, given.kind, given.name)
    else:
        _bad(console, given.field, given.count, given.kind, given.name)


if __name__ == "__main__":
    main()
