"""README's tables: each stands between `<!-- bench:NAME -->` and `<!-- /bench -->`, and is what the bench printed last."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

README: Final = Path(__file__).parents[2] / "README.md"
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
