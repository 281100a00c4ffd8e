"""README's tables, each between `<!-- bench:NAME -->` and `<!-- /bench -->`: what the bench printed last."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

README: Final = Path(__file__).parents[2] / "README.md"
_FIGURE: Final = re.compile(r"([\d.,e-]+) \(([\d.,e-]+)–([\d.,e-]+)\)")
_TABLE: Final = re.compile(r"(?s)<!-- bench:(?P<name>[a-z0-9-]+) -->\n(?P<text>.*?)<!-- /bench -->")


def tables(page: str) -> dict[str, str]:
    """Return a page's tables by name."""
    return {found["name"]: found["text"].strip("\n") + "\n" for found in _TABLE.finditer(page)}


def with_tables(page: str, printed: Mapping[str, str]) -> str:
    """Return the page with those of its tables replaced that were printed."""

    def replaced(found: re.Match[str]) -> str:
        name = found["name"]
        text = printed[name] if name in printed else found["text"]
        return f"<!-- bench:{name} -->\n\n{text.strip(chr(10))}\n\n<!-- /bench -->"

    return _TABLE.sub(replaced, page)


def outside(table: str, printed: str) -> list[str]:
    """Return the figures of a page's table that lie outside the spread of another run's same cell, and where."""
    now, found = _cells(printed), []
    for place, old in _cells(table).items():
        before, after = _FIGURE.fullmatch(old), _FIGURE.fullmatch(now.get(place, ""))
        if before and after and not _number(after[2]) <= _number(before[1]) <= _number(after[3]):
            found.append(f"{place}: {before[1]}, now {after[0]}")
    return found


def _cells(table: str) -> dict[str, str]:
    """Each cell's text by its row and column."""
    lines = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("| ")
    ]
    return {
        f"{row[0]}, {row[1]}, {column}": cell for row in lines[1:] for column, cell in zip(lines[0], row, strict=True)
    }


def _number(text: str) -> float:
    return float(text.replace(",", ""))
