"""The statement as a page in Markdown. Every text is data: nothing in it is read as markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.evidence.statement.sections import Section, sections, summary
from gateway.evidence.statement.table import Statement

_MARKUP: Final = re.compile(r"[\\`*_{}\[\]<>#+!|~&]")


def markdown_page(statement: Statement) -> str:
    """The whole page."""
    return "\n".join(_lines(statement)) + "\n"


def _lines(statement: Statement) -> Iterator[str]:
    yield "# The privacy statement, promise by promise"
    yield ""
    yield f"Of {_escaped(statement.controller)} {_escaped(summary(statement))}"
    for section in sections(statement):
        yield ""
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.title}"
    yield ""
    yield section.text
    yield ""
    yield f"| {' | '.join(section.head)} |"
    yield f"|{'---|' * len(section.head)}"
    yield from (f"| {' | '.join(map(_escaped, row))} |" for row in section.rows)


def _escaped(text: str) -> str:
    """A text in a cell of a table."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
