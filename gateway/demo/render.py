"""How the demo's report looks on a terminal, or in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as Grid
from rich.text import Text

from gateway.demo.expectations import COUNTRIES
from gateway.demo.item import ItemOutcome
from gateway.demo.report import BetweenServices, Report, Row, Section, Summary, Table, ValueOutcome
from gateway.demo.service import CallAnswer
from gateway.demo.verify import Finding

MAX_COLUMNS: Final = 100

INTRODUCTION: Final = """\
A service says all it knows; this is what leaves the gateway beside it, under Kannelle's own policy.

Logs come from the unmodified OpenTelemetry SDK, all else from generated clients. What is accepted is stored in an \
outbox; workers carry it on. The log backend and the vendors, Segment and Zendesk, are strict stand-ins in this \
process; the exporters are the real ones. In the end the service calls another one, which has a gateway of its own."""

NEXT_STEPS: Final = (
    ("README.md", "what the gateway is, and how to put it beside a service"),
    (".venv/bin/privacy-gateway explain kannelle.crm.v1.Contact", "each field: where it is kept or stripped, and why"),
    (".venv/bin/privacy-gateway lint", "where contracts and policy don't agree"),
    ("gateway/policy/kannelle.yaml", "the policy that decided all this"),
)

_HEADER: Final = (
    Text("value", "dim"),
    Text("the service sent", "dim"),
    Text(""),
    Text("what arrived, or why not", "dim"),
)

_WORDS: Final = {"USER_ID": "user ID", "WORK_EMAIL": "work e-mail address"}
_MARKS: Final[Mapping[ValueOutcome, tuple[str, str]]] = {
    ValueOutcome.KEPT: ("✓", "green"),
    ValueOutcome.NORMALISED: ("✓", "green"),
    ValueOutcome.MASKED: ("~", "yellow"),
    ValueOutcome.STRIPPED: ("✗", "red"),
    ValueOutcome.ADDED: ("!", "bold red"),
}


def print_report(console: Console, report: Report) -> None:
    """Print a report."""
    width = min(console.width, MAX_COLUMNS)
    for part in _parts(report, width):
        console.print(part, width=width, highlight=False, soft_wrap=False)


def _parts(report: Report, width: int) -> Iterator[RenderableType]:
    yield Text("\nKannelle privacy gateway: a demo\n", style="bold")
    yield Text(INTRODUCTION)
    for table in report.tables:
        yield from _table(table, width)
    yield from _between(report.between, width)
    yield Rule("", style="dim")
    yield from _answers(report.answers)
    yield _summary(report.summary)
    yield from _next(report) if report.ok else _findings(report.findings)


def _table(table: Table, width: int) -> Iterator[RenderableType]:
    country = COUNTRIES.get(table.region, "region")
    title = f"{table.destination} · {table.recipient} · {country} ({table.region})"
    yield ""
    yield Rule(Text(title, style="bold"), align="left", characters="━")
    yield Text(f"{table.purpose}\n→ {table.exporter}", style="dim")
    yield ""
    yield _grid([_HEADER], width)
    for section in table.sections:
        yield Text(f"\n{section.title}", style="bold")
        yield _grid(map(_row, section.rows), width) if section.outcome == ItemOutcome.RELEASED else _withheld(section)
    yield Text(f"\n{_totals(table)}", style="bold")


def _between(call: BetweenServices, width: int) -> Iterator[RenderableType]:
    yield ""
    yield Rule(Text("From service to service, through two gateways", style="bold"), align="left", characters="━")
    yield Text(
        f"{call.caller}\ncalls {call.method}\nof {call.callee}\n"
        "caller → its gateway → mutual TLS → the other's gateway → service called; the answer comes back the same way",
        style="dim",
    )
    yield from _table(call.request, width)
    yield Text(f"Metadata: {', '.join(call.sent_metadata)} sent · {', '.join(call.metadata)} arrived", "bold")
    yield from _table(call.answer, width)
    yield Text("\nIn the access log, by the gateway of the one and of the other", "bold")
    for line in call.access_log:
        yield Padding(Text(line), (0, 0, 0, 2))


def _grid(rows: Iterable[Iterable[Text]], width: int) -> Padding:
    """Value, sent, mark, arrived."""
    value = 30 if width < MAX_COLUMNS else 33
    sent = (width - value - 9) // 2
    grid = Grid(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    for column in (value, sent, 1, width - value - sent - 6):
        grid.add_column(width=column)
    for row in rows:
        grid.add_row(*row)
    return Padding(grid, (0, 0, 0, 2))


def _path(path: str) -> str:
    """Attributes go by their keys."""
    for start in ("attributes[", "resource.attributes["):
        if path.startswith(start):
            return path.removeprefix(start).removesuffix("]")
    return path


def _row(row: Row) -> Iterator[Text]:
    mark, colour = _MARKS[row.verdict]
    style = "dim" if row.arrived is None else ""
    yield _cell(_path(row.path), style)
    yield _cell(row.sent or "", style, clip=True)
    yield _cell(mark, colour)
    # Where the two differ, all of what arrived is worth reading.
    yield _cell(
        row.reason or "missing" if row.arrived is None else row.arrived, colour, clip=row.verdict is ValueOutcome.KEPT
    )


def _cell(text: str, style: str, clip: bool = False) -> Text:
    return Text(" ".join(text.split()), style, no_wrap=clip, overflow="ellipsis" if clip else "fold")


def _withheld(section: Section) -> Text:
    return Text(
        f"  ✗ {section.outcome}, the whole item with {_plural(len(section.rows), 'value')}: {section.reason}", "red"
    )


def _totals(table: Table) -> str:
    totals = table.totals
    items = [
        _plural(totals.items, "item"),
        *(f"{count} {what}" for what in ItemOutcome if (count := getattr(totals, what))),
    ]
    values = [f"{_plural(totals.sent, 'value')} sent", f"{totals.arrived} arrived", f"{totals.stripped} stripped"]
    values += [f"{totals.masked} masked"] if totals.masked else []
    return f"{' · '.join(items)}\n{' · '.join(values)}"


def _answers(answers: Mapping[str, CallAnswer]) -> Iterator[Text]:
    """What callers learn of items that didn't get through: not why one was withheld."""
    for name, answer in answers.items():
        told = [f"item {index} rejected, {reason}" for index, reason in answer.rejected]
        told += [f"item {index} withheld" for index in answer.withheld]
        if told:
            yield Text(f"{name} was answered: {answer.accepted} accepted; {'; '.join(told)}.")


def _summary(summary: Summary) -> Text:
    crossed = [_plural(count, _WORDS.get(name, name)) for name, count in summary.outside.items()]
    only = "only " if crossed and summary.outside.keys() <= _WORDS.keys() else ""
    return Text(
        f"{summary.items} items, {summary.values} values sent, {summary.personal} of them personal. "
        f"{sum(summary.outside.values())} personal values arrived outside the EU: "
        f"{only}{' and '.join(crossed) or 'none'}.",
        "bold",
    )


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}{'es' if word.endswith('s') else 's'}"


def _next(report: Report) -> Iterator[Text]:
    yield Text(
        "✓ Verified in files and on the wire: nothing else left, nothing got lost. "
        f"{report.summary.planted} planted values were looked for in all that arrived, also in base64, hexadecimal "
        "and URLs.",
        "bold green",
    )
    yield Text("\nNext", "bold")
    for what, why in NEXT_STEPS:
        yield Text.assemble("  ", (what, "cyan"), f"\n    {why}")


def _findings(findings: Iterable[Finding]) -> Iterator[Text]:
    yield Text("\n✗ Not as it should be:", "bold red")
    for finding in findings:
        yield Text(f"  {', '.join(filter(None, (finding.destination, finding.where)))}: {finding.what}", "red")
