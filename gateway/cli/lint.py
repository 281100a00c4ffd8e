"""`lint`: what in contracts and policy deserves a second look."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import click
import msgspec

from gateway.cli.options import CONTRACTS, example, found_sources, output
from gateway.cli.output import COLOURS, console, plural, print_json
from gateway.cli.sources import load_compiler
from gateway.policy.load import PolicyFile
from gateway.policy.review.findings import Finding, Severity
from gateway.policy.review.lint import lint as findings_of

DEFAULT_SOURCE: Final = "Kannelle's"


@click.command(epilog=example("lint --contracts protos/ --policy policy.yaml"))
@found_sources
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings too.")
@output
def lint(contracts: tuple[Path, ...], policy: Path | None, strict: bool, form: str) -> int:
    """Say what to mend in contracts and policy.

    Exits with 1 if there are errors; notes are only for those who want to know.
    """
    made, file = load_compiler(contracts, policy)
    if form == "text":
        click.echo(_sources_line(contracts, policy), err=True)
    findings = findings_of(made)
    placed = [_with_position(finding, file) for finding in findings]
    if form == "json":
        print_json({"findings": placed})
    else:
        _print(placed)
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return int(any(finding.severity in failing for finding in findings))


def _sources_line(contracts: tuple[Path, ...], policy: Path | None) -> str:
    """The contracts and policy that were checked, so that nobody takes Kannelle's for their own."""
    theirs = (
        ", ".join(map(str, contracts))
        or f"{DEFAULT_SOURCE} (no {CONTRACTS}/ here; --contracts PATH says where yours are)"
    )
    return f"Contracts: {theirs}. Policy: {policy or DEFAULT_SOURCE}."


def _with_position(finding: Finding, file: PolicyFile) -> Finding:
    """A finding in the policy with its file and line."""
    return msgspec.structs.replace(finding, place=file.origin.at(*finding.keys), keys=()) if finding.keys else finding


def _print(findings: list[Finding]) -> None:
    from rich.text import Text  # noqa: PLC0415 JSON doesn't wait for it

    out = console()
    for finding in findings:
        severity = (finding.severity.value, COLOURS[finding.severity])
        out.print(Text.assemble(f"{finding.place}: ", severity, f": {finding.text} ", (f"[{finding.code}]", "dim")))
    totals = Counter(finding.severity for finding in findings)
    out.print(
        ", ".join(plural(totals[severity], severity.value) for severity in Severity if totals[severity])
        or "Nothing found."
    )
