"""Measures what README's tables say, and prints them: `python -m tests.bench [quick] [--write] [PART …]`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Final

from tests.bench import event_in_process, handover, hop, long_queue, otlp, outbox, shapes, start, track_events
from tests.bench.instructions import Counter, counter
from tests.bench.measure import FULL, QUICK, Size
from tests.bench.readme import README, outside, tables, with_tables
from tests.bench.table import Layout, Measured, markdown

PARTS: Final[Mapping[str, ModuleType]] = {
    "alone": event_in_process,
    "shapes": shapes,
    "track": track_events,
    "hop": hop,
    "otlp": otlp,
    "handover": handover,
    "outbox": outbox,
    "queue": long_queue,
    "start": start,
}

QUICKLY: Final = "quick"

Run = Callable[[Size, Counter | None], Iterator[tuple[Layout, Measured]]]


def layouts() -> dict[str, Layout]:
    """Return all tables by name, before they are measured."""
    return {layout.name: layout for part in PARTS.values() for layout in part.LAYOUTS}


def main(arguments: Sequence[str]) -> int:
    """Measure the parts named, or all, and print their tables."""
    given = _parser().parse_args(arguments)
    quick = QUICKLY in given.parts
    if quick and given.write:
        print("A quick run's figures mean nothing: they aren't written.", file=sys.stderr)
        return 2
    if quick:
        print("Every row with a fraction of its work: that it can be measured is seen, its figures mean nothing.\n")
    begun = time.monotonic()
    printed = dict(_printed([part for part in given.parts if part != QUICKLY] or list(PARTS), QUICK if quick else FULL))
    if not quick:
        _compare(printed)
    if given.write:
        README.write_text(with_tables(README.read_text(encoding="utf-8"), printed), encoding="utf-8")
    print(f"Took {time.monotonic() - begun:.0f} s")
    return 0


def _compare(printed: Mapping[str, str]) -> None:
    """Print which of README's figures this run's spread doesn't hold."""
    before = tables(README.read_text(encoding="utf-8"))
    for name in sorted(before.keys() & printed.keys()):
        for line in outside(before[name], printed[name]):
            print(f"README's {name} is outside this run's spread: {line}")


def _printed(parts: Sequence[str], size: Size) -> Iterator[tuple[str, str]]:
    with counter() as counts:
        for part in parts:
            run: Run = PARTS[part].run
            begun = time.monotonic()
            for layout, measured in run(size, counts):
                text = markdown(layout, measured)
                print(f"{layout.name}\n\n{text}", flush=True)
                yield layout.name, text
            print(f"{part} took {time.monotonic() - begun:.0f} s\n", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[[], QUICKLY, *PARTS], metavar="PART", help=f"of {', '.join(PARTS)}, or {QUICKLY}"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into README")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
