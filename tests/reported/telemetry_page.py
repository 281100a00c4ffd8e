"""The part of `docs/telemetry.md` that lists what SDKs report, and what becomes of it.

    python -m tests.reported.telemetry_page

writes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.reported.delivered_items import Reported, outcome
from tests.reported.recordings import documented, recorded

PAGE: Final = Path(__file__).parents[2] / "docs" / "telemetry.md"
START: Final = "<!-- written by python -m tests.reported.telemetry_page -->\n"
END: Final = "<!-- as far as here -->\n"

MAX_EXAMPLES: Final = 3
MAX_EXAMPLE_CHARS: Final = 72
TITLES: Final[Mapping[str, str]] = {
    "aws": "AWS", "azure": "Azure", "dotnet": ".NET", "gcp": "GCP",
    "go": "Go", "java": "Java", "node": "Node", "python": "Python", "rust": "Rust",
}  # fmt: skip

Rows = Mapping[str, Mapping[str, list[str]]]
"""By key, then by source: values."""


def rendered() -> str:
    """The part, between its two marks."""
    return START + "\n".join((*_arrives(), "", *_stripped(), "", *_sources())) + "\n" + END


def _arrives() -> Iterator[str]:
    rows: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for source in sources():
        for one in sorted(outcome(source).arrived):
            rows[one.key][source].append(one.value)
    yield "| arrives | of | such as |\n|---|---|---|"
    for key in sorted(rows):
        yield f"| {_code(key)} | {_titles(rows[key])} | {_examples(rows[key])} |"


def _stripped() -> Iterator[str]:
    rows: defaultdict[tuple[str, str], defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for source in sources():
        for one, reason in outcome(source).stripped.items():
            rows[one.key, reason][source].append(one.value)
    yield "| stripped | of | why |\n|---|---|---|"
    for (key, reason), found in sorted(rows.items()):
        some = f" {_examples(found)}" if _partly(key) else ""
        yield f"| {_code(key)}{some} | {_titles(found)} | {_why(reason)} |"


def _arrived() -> frozenset[Reported]:
    return frozenset(one for source in sources() for one in outcome(source).arrived)


def _partly(key: str) -> bool:
    """Whether other values of a key arrive."""
    return any(one.key == key for one in _arrived())


def _why(reason: str) -> str:
    return f"`{reason}`" if reason.isupper() else reason


def _sources() -> Iterator[str]:
    yield "Documentation of what wasn't recorded:\n"
    for name, said in documented().items():
        yield f"- {TITLES[name]}:"
        yield from (f"  - <{source}>: {told}" for source, told in said.sources.items())


def sources() -> tuple[str, ...]:
    """Return all, those that were recorded first."""
    return (*recorded(), *documented())


def _titles(found: Mapping[str, object]) -> str:
    return ", ".join(TITLES[source] for source in found)


def _examples(found: Mapping[str, list[str]]) -> str:
    """Values of several sources, in turn, up to `MAX_EXAMPLES`."""
    turns = max(map(len, found.values()))
    values = [values[turn] for turn in range(turns) for values in found.values() if turn < len(values)]
    short = [value for value in dict.fromkeys(values) if len(value) <= MAX_EXAMPLE_CHARS] or [
        values[0][:MAX_EXAMPLE_CHARS] + "…"
    ]
    return ", ".join(map(_code, short[:MAX_EXAMPLES]))


def _code(text: str) -> str:
    """A text as code in a table's cell."""
    fence = "``" if "`" in text else "`"
    inner = text.strip('"').replace("|", "\\|") or '""'
    return f"{fence} {inner} {fence}" if "`" in text else f"{fence}{inner}{fence}"


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    PAGE.write_text(before + rendered() + rest.partition(END)[2], encoding="utf-8")
