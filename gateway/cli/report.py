"""`report`: the privacy statement as a table, checked against policy and contracts as they are now."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from gateway.cli.options import example, found_sources
from gateway.cli.output import print_json
from gateway.cli.sources import load_compiler
from gateway.evidence.statement.html import html_page
from gateway.evidence.statement.markdown import markdown_page
from gateway.evidence.statement.table import Statement, check_statement

PAGES: Final[Mapping[str, Callable[[Statement], str]]] = {"html": html_page, "md": markdown_page}

DEFAULT_POLICY_NAME: Final = "Kannelle's policy"


@click.command(epilog=example("report --statement --format html > statement.html"))
@click.option("--statement", is_flag=True, help="The privacy statement, promise by promise. The only report there is.")
@found_sources
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "json"]),
    default="md",
    show_default=True,
    help="A page in HTML, one in Markdown, or JSON with every check.",
)
def report(statement: bool, contracts: tuple[Path, ...], policy: Path | None, form: str) -> int:
    """Check each promise of the privacy statement now, and print what was tried and what came out.

    Messages with invented personal values are decided on as any item is; nothing is sent. Exits with 1 if a promise has
    no rule or a rule fails: the page says which, with file, line and key. A policy that doesn't load exits with 2.
    """
    if not statement:
        raise click.UsageError("Say which report: --statement is the one there is.")
    made, file = load_compiler(contracts, policy)
    table = check_statement(made, file.origin, str(policy or DEFAULT_POLICY_NAME), time.time_ns())
    if form == "json":
        print_json(table)
    else:
        click.echo(PAGES[form](table), nl=False)
    return int(not table.passed)
