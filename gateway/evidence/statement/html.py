"""The statement as one HTML file that needs no other, runs no script and asks no network for anything."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from gateway.evidence.statement.sections import Section, sections, summary
from gateway.evidence.statement.table import Statement

_TITLE: Final = "The privacy statement, promise by promise"
_NO_LOADING: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """\
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #ccc; padding: .4rem .6rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { background: #f3f3f3; }
.failed { color: #a00000; font-weight: bold; }
@media print { body { font-size: 11px; } }
"""


def html_page(statement: Statement) -> str:
    """The whole file."""
    return "\n".join(_lines(statement)) + "\n"


def _lines(statement: Statement) -> Iterator[str]:
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield f'<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{escape(_NO_LOADING)}">'
    yield f"<title>{_TITLE}</title>"
    yield f"<style>\n{_STYLE}</style></head>"
    yield f"<body><h1>{_TITLE}</h1>"
    marked = "" if statement.passed else ' class="failed"'
    yield f"<p{marked}>Of {escape(statement.controller)} {escape(summary(statement))}</p>"
    for section in sections(statement):
        yield from _section(section)
    yield "</body></html>"


def _section(section: Section) -> Iterator[str]:
    yield f"<h2>{escape(section.title)}</h2><p>{escape(section.text)}</p>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in section.head)
    yield f"<table><thead><tr>{head}</tr></thead><tbody>"
    for row in section.rows:
        yield f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>"
    yield "</tbody></table>"
