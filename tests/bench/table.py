"""The one form of what the bench prints: tables of rows in Markdown, as README has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.bench.measure import Clock, Key, Sample, Samples, Spread, ratios, spread
from tests.bench.values import NONE

NO_AIM: Final = "none"
"""What stands where a row can't carry an aim; `Layout.no_aim` says why."""


@dataclass(frozen=True, slots=True)
class Case:
    """A row before it is measured.

    `reference` names the case that it is a ratio to, with values of the same kind or with none; empty: it is one
    itself. `of` names the case whose samples these are, where that isn't the row's own name. `aim` is the most that the
    ratio is to be.
    """

    name: str
    values: str = NONE
    reference: str = ""
    aim: float | None = None
    of: str = ""

    @property
    def key(self) -> Key:
        return self.of or self.name, self.values


@dataclass(frozen=True, slots=True)
class Layout:
    """A table before it is measured.

    `name` is its marker in README, `title` says what is measured, a figure is for one `unit`.

    `counted`: instructions are counted where the machine can. `memory`: MiB are told. `no_aim`: why rows have none.
    """

    name: str
    title: str
    unit: str
    cases: tuple[Case, ...]
    clock: Clock = "cpu"
    counted: bool = True
    memory: bool = False
    no_aim: str = ""

    @property
    def has_aims(self) -> bool:
        return any(case.aim is not None for case in self.cases)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a table's cases, and why a case could not be."""

    samples: Samples = field(default_factory=dict)
    instructions: Mapping[Key, float] = field(default_factory=dict)
    memory: Mapping[Key, float] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    counter: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what was measured, with which values, its ratio to the reference and its figures for one unit."""

    name: str
    values: str
    reference: str
    of: str = ""
    ratio: Spread | None = None
    cpu_us: Spread | None = None
    wall_us: Spread | None = None
    instructions: float | None = None
    memory_mib: float | None = None
    aim: float | None = None
    skipped: str = ""


def rows(layout: Layout, measured: Measured) -> list[Row]:
    """Return a row for each case. Raises KeyError if one was neither measured nor skipped."""
    return [_row(case, layout, measured) for case in layout.cases]


def _row(case: Case, layout: Layout, measured: Measured) -> Row:
    missing = measured.skipped.get(case.key[0]) or measured.skipped.get(case.reference)
    if missing:
        return Row(case.name, case.values, case.reference, aim=case.aim, skipped=missing)
    samples = measured.samples[case.key]
    return Row(
        case.name,
        case.values,
        case.reference,
        case.of,
        ratio=_ratio(case, samples, measured.samples, layout.clock),
        cpu_us=spread(sample.cpu * 1e6 for sample in samples),
        wall_us=spread(sample.wall * 1e6 for sample in samples),
        instructions=measured.instructions.get(case.key),
        memory_mib=measured.memory.get(case.key),
        aim=case.aim,
    )


def _ratio(case: Case, samples: Sequence[Sample], all_samples: Samples, clock: Clock) -> Spread | None:
    if not case.reference:
        return None
    same = (case.reference, case.values)
    reference = all_samples[same] if same in all_samples else all_samples[case.reference, NONE]
    return spread(ratios(samples, reference, clock))


def markdown(layout: Layout, measured: Measured) -> str:
    """Return the table, and below it what is to be known of it."""
    return "\n".join(_lines(layout, rows(layout, measured), measured.counter)) + "\n"


def first_columns(text: str) -> list[Key]:
    """Return what the rows of a printed table are of: names and values."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    return [(line[0], line[1]) for line in cells[1:]]


def _lines(layout: Layout, lines: Sequence[Row], counter: str) -> Iterator[str]:
    columns = list(_columns(layout))
    yield f"| {' | '.join((layout.title, *columns))} |"
    yield "|" + "---|" * (len(columns) + 1)
    for row in lines:
        yield f"| {row.name} | {' | '.join(_cells(row, layout))} |"
    yield ""
    yield " ".join(_notes(layout, counter))


def _columns(layout: Layout) -> Iterator[str]:
    yield "values"
    yield "ratio" if layout.clock == "cpu" else "ratio, wall time"
    yield "CPU µs"
    yield "wall µs"
    if layout.counted:
        yield "instructions"
    if layout.memory:
        yield "MiB"
    if layout.has_aims:
        yield "aim"


def _cells(row: Row, layout: Layout) -> Iterator[str]:
    yield row.values
    if row.skipped:
        yield f"not measured: {row.skipped}"
        yield from [""] * (2 + layout.counted + layout.memory)
    else:
        yield ranged(row.ratio) if row.reference else "1"
        if row.of:
            # Its figures stand in the row of their own.
            yield from [""] * (2 + layout.counted + layout.memory)
        else:
            yield from _figures(row, layout)
    if layout.has_aims:
        yield _aim(row)


def _figures(row: Row, layout: Layout) -> Iterator[str]:
    yield ranged(row.cpu_us)
    yield ranged(row.wall_us)
    if layout.counted:
        yield "not counted" if row.instructions is None else number(row.instructions)
    if layout.memory:
        yield "" if row.memory_mib is None else number(row.memory_mib)


def _aim(row: Row) -> str:
    if not row.reference:
        return ""
    if row.aim is None:
        return NO_AIM
    verdict = "" if row.ratio is None else ", met" if row.ratio.median <= row.aim else ", missed"
    return f"≤ {number(row.aim)}{verdict}"


def _notes(layout: Layout, counter: str) -> Iterator[str]:
    references = dict.fromkeys(case.reference for case in layout.cases if case.reference)
    of_what = f" Ratio to: {'; '.join(references)}." if references else ""
    yield f"For {layout.unit}, median (least–most) of all rounds.{of_what}"
    if layout.counted:
        yield f"Instructions by {counter}." if counter else "Instructions aren't counted on this machine."
    if layout.has_aims and layout.no_aim:
        yield f"No aim: {layout.no_aim}."


def ranged(figures: Spread | None) -> str:
    """Return a median, and the least and the most in brackets."""
    if figures is None:
        return ""
    return f"{number(figures.median)} ({number(figures.low)}–{number(figures.high)})"


def number(figure: float) -> str:
    """Return about three significant digits, whole ones from 100 on."""
    size = abs(figure)
    if size >= 99.95:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if size >= 9.995 else f"{figure:.2f}" if size >= 0.0995 else f"{figure:.2g}"
