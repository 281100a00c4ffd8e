"""Tables as they are printed, and README's: exactly the rows that the bench prints."""

from __future__ import annotations

import re

import pytest

from tests.bench import event_in_process, handover, hop, long_queue, otlp, outbox, shapes, start, track_events
from tests.bench.__main__ import PARTS, layouts, main
from tests.bench.instructions import callgrind_total, perf_total
from tests.bench.measure import Key, Sample
from tests.bench.readme import README, outside, tables, with_tables
from tests.bench.table import Case, Layout, Measured, first_columns, markdown, number, rows
from tests.bench.values import FRESH, NONE, SEEN

BASE, OURS, THEIRS = "the base", "ours", "theirs"
LAYOUT = Layout(
    "trial",
    "what is tried",
    "a try",
    (
        *(Case(BASE, values) for values in (SEEN, FRESH)),
        Case(OURS, SEEN, BASE, aim=1.5),
        Case(OURS, FRESH, BASE),
        Case(THEIRS, NONE, BASE),
        Case("ours, to theirs", SEEN, THEIRS, of=OURS),
    ),
    no_aim="nobody knows",
)
SAMPLES = {
    (BASE, SEEN): [Sample(1e-6, 2e-6), Sample(2e-6, 2e-6), Sample(1e-6, 4e-6)],
    (BASE, FRESH): [Sample(1e-6, 1e-6)] * 3,
    (BASE, NONE): [Sample(1e-6, 1e-6)] * 3,
    (OURS, SEEN): [Sample(2e-6, 2e-6), Sample(2e-6, 2e-6), Sample(3e-6, 2e-6)],
    (OURS, FRESH): [Sample(2e-3, 2e-3)] * 3,
    (THEIRS, NONE): [Sample(4e-6, 1e-6)] * 3,
}
COUNTS = {(OURS, SEEN): 123_456.4, (BASE, SEEN): 12.0}


def test_a_table_is_printed_so() -> None:
    printed = markdown(LAYOUT, Measured(SAMPLES, COUNTS, counter="perf")).splitlines()
    assert printed == [
        "| what is tried | values | ratio | CPU µs | wall µs | instructions | aim |",
        "|---|---|---|---|---|---|---|",
        "| the base | seen | 1 | 1.00 (1.00–2.00) | 2.00 (2.00–4.00) | 12.0 |  |",
        "| the base | fresh | 1 | 1.00 (1.00–1.00) | 1.00 (1.00–1.00) | not counted |  |",
        "| ours | seen | 2.00 (1.00–3.00) | 2.00 (2.00–3.00) | 2.00 (2.00–2.00) | 123,456 | ≤ 1.50, missed |",
        "| ours | fresh | 2,000 (2,000–2,000) | 2,000 (2,000–2,000) | 2,000 (2,000–2,000) | not counted | none |",
        "| theirs | – | 4.00 (4.00–4.00) | 4.00 (4.00–4.00) | 1.00 (1.00–1.00) | not counted | none |",
        "| ours, to theirs | seen | 0.50 (0.50–0.75) |  |  |  | none |",
        "",
        (
            "For a try, median (least–most) of all rounds. Ratio to: the base; theirs. Instructions by perf. No aim: "
            "nobody knows."
        ),
    ]


def test_what_could_not_be_measured_is_a_row_that_says_why() -> None:
    kept = {key: samples for key, samples in SAMPLES.items() if key[0] != THEIRS}
    printed = markdown(LAYOUT, Measured(kept, skipped={THEIRS: "Go isn't here"}))
    assert first_columns(printed) == [(case.name, case.values) for case in LAYOUT.cases]
    assert [line for line in printed.splitlines() if "Go isn't here" in line] == [
        "| theirs | – | not measured: Go isn't here |  |  |  | none |",
        "| ours, to theirs | seen | not measured: Go isn't here |  |  |  | none |",
    ]
    assert "Instructions aren't counted on this machine." in printed


def test_a_case_that_was_forgotten_is_an_error() -> None:
    with pytest.raises(KeyError):
        rows(LAYOUT, Measured({key: samples for key, samples in SAMPLES.items() if key[0] != OURS}))


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (0.0, "0"),
        (0.0123, "0.012"),
        (0.5, "0.50"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (99.94, "99.9"),
        (99.96, "100"),
        (1234.5, "1,234"),
        (1e6, "1,000,000"),
    ],
)
def test_a_figure_has_about_three_digits(figure: float, expected: str) -> None:
    assert number(figure) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("12345,,instructions:u,1000,100.00,,\n", 12345),
        ("# started on\n\n7,,instructions:u,1,50.00,1.2,insn per cycle\n", 7),
        ("<not supported>,,instructions:u,0,100.00,,\n", None),
        ("", None),
    ],
)
def test_what_perf_says_is_read(said: str, expected: int | None) -> None:
    if expected is None:
        with pytest.raises(RuntimeError):
            perf_total(said)
    else:
        assert perf_total(said) == expected


@pytest.mark.parametrize(
    ("dump", "expected"),
    [
        ("events: Ir\nfn=(1)\n1 5\n\ntotals: 85275784\n", 85275784),
        ("totals: 1\npart: 2\ntotals: 2\n", 3),
        ("events: Ir\n", None),
        ("totals: 0\n", None),
    ],
)
def test_what_callgrind_writes_is_read(dump: str, expected: int | None) -> None:
    if expected is None:
        with pytest.raises(RuntimeError):
            callgrind_total(dump)
    else:
        assert callgrind_total(dump) == expected


def test_only_what_was_printed_is_replaced_in_a_page() -> None:
    page = "a\n<!-- bench:one -->\n\n| x | values |\n\n<!-- /bench -->\nb\n<!-- bench:two -->\n<!-- /bench -->\nc\n"
    written = with_tables(page, {"two": "| y | values |\n", "three": "| z |\n"})
    assert tables(written) == {"one": "| x | values |\n", "two": "| y | values |\n"}
    assert with_tables(written, {"two": "| y | values |\n"}) == written
    assert re.sub(r"(?s)<!-- bench.*?/bench -->", "", written) == "a\n\nb\n\nc\n"


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ("2.00 (1.90–2.10)", "2.05 (1.99–2.20)", []),
        ("2.00 (1.90–2.10)", "2.00 (2.00–2.00)", []),
        ("2.00 (1.90–2.10)", "2.20 (2.01–2.40)", ["ours, seen, ratio: 2.00, now 2.20 (2.01–2.40)"]),
        ("1,234 (1,000–2,000)", "900 (800–1,100)", ["ours, seen, ratio: 1,234, now 900 (800–1,100)"]),
        ("not measured: no", "2.20 (2.01–2.40)", []),
        ("1", "1", []),
    ],
)
def test_a_figure_outside_another_runs_spread_is_told(then: str, now: str, expected: list[str]) -> None:
    head = "| what is tried | values | ratio | instructions |\n|---|---|---|---|\n"
    assert outside(f"{head}| ours | seen | {then} | 7 |\n", f"{head}| ours | seen | {now} | 8 |\n") == expected


@pytest.mark.parametrize("name", tables(README.read_text(encoding="utf-8")))
def test_the_tables_of_readme_have_the_rows_that_the_bench_prints(name: str) -> None:
    assert first_columns(tables(README.read_text(encoding="utf-8"))[name]) == [
        (case.name, case.values) for case in layouts()[name].cases
    ]


def test_readme_has_no_other_figures_of_speed() -> None:
    section = README.read_text(encoding="utf-8").partition("\n## Speed\n")[2].partition("\n## ")[0]
    outside = re.sub(r"(?s)<!-- bench.*?/bench -->", "", section)
    assert re.findall(r"\d[\d.,]* ?(?:ms|µs|s|%|×|times|MB|MiB)\b", outside) == []
    assert "\n|" not in outside


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_each_reference_is_a_row_of_its_own_table(part: object) -> None:
    for layout in getattr(part, "LAYOUTS"):  # noqa: B009 parts are modules
        named: set[Key] = {case.key for case in layout.cases}
        for case in layout.cases:
            assert not case.reference or {(case.reference, case.values), (case.reference, NONE)} & named, case


def test_every_table_has_a_name_of_its_own() -> None:
    every = [
        layout.name
        for part in (event_in_process, handover, hop, long_queue, otlp, outbox, shapes, start, track_events)
        for layout in part.LAYOUTS
    ]
    assert sorted(every) == sorted(layouts())


@pytest.mark.parametrize("arguments", [["quick", "--write"], ["hop", "quick", "--write"]])
def test_the_figures_of_a_quick_run_are_not_written(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = README.read_bytes()
    assert main(arguments) == 2
    assert "mean nothing" in capsys.readouterr().err
    assert README.read_bytes() == before


@pytest.mark.parametrize("arguments", [["nothing"], ["--no-such"]])
def test_a_part_that_isnt_there_is_an_error_of_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: make bench" in capsys.readouterr().err
