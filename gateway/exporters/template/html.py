"""Where in a template of HTML a placeholder stands.

It may be text, or a part of a quoted attribute that holds text or a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from html.parser import HTMLParser
from typing import Final

from gateway.exporters.template.markup import Markup
from gateway.exporters.template.placeholders import TemplatePart

TEXT_ATTRIBUTES: Final = frozenset({"alt", "aria-label", "title"})
LINK_ATTRIBUTES: Final = frozenset({"cite", "href", "src"})
"""Attributes that may hold a value; of the others, some are code, and some say where to."""

NOT_IN_TEXT: Final = (
    f"must stand in HTML's text, or in quotes, in one of {', '.join(sorted(TEXT_ATTRIBUTES | LINK_ATTRIBUTES))}"
)
BEHIND_BRACE: Final = "must not stand behind a brace in a link, where its value may begin with %"
NO_HOST: Final = "must stand behind https:// and a host with a slash, which a value may not choose"

_MARK: Final = re.compile("\ue000([0-9]+)\ue001")
_QUOTED: Final = re.compile(r"""=\s*("[^"]*"|'[^']*')""")
_HOST: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?/", re.ASCII)
_UNFINISHED: Final = re.compile(r"(<[/!?]?|&[#\w]*)\Z")
"""What a value would go on with: a tag, or a character reference."""

_END_TAG: Final = "x-end"
"""A tag that is put behind a template: where it isn't found, the template ends within a tag, a comment or a script."""


def html_markups(parts: Sequence[TemplatePart]) -> tuple[Markup, ...]:
    """What is read at each placeholder of a template, in order.

    Raises ValueError, with a fixed text, for one where no value may stand.
    """
    if any("\ue000" in part or "\ue001" in part for part in parts if isinstance(part, str)):
        raise ValueError("must not hold characters for private use")
    if any(_UNFINISHED.search("".join(before)) for before in _before(parts)):
        raise ValueError(NOT_IN_TEXT)
    number = iter(range(len(parts)))
    text = "".join(part if isinstance(part, str) else f"\ue000{next(number)}\ue001" for part in parts)
    count = sum(1 for part in parts if not isinstance(part, str))
    reader = _Reader()
    reader.feed(f"{text}<{_END_TAG}>")
    reader.close()
    if reader.problem or sorted(reader.markups) != list(range(count)) or reader.lasttag != _END_TAG:
        raise ValueError(reader.problem or NOT_IN_TEXT)
    return tuple(reader.markups[index] for index in range(count))


def _before(parts: Sequence[TemplatePart]) -> Iterator[Iterator[str]]:
    """What the template itself says before each placeholder."""
    for index, part in enumerate(parts):
        if not isinstance(part, str):
            yield (before for before in parts[:index] if isinstance(before, str))


class _Reader(HTMLParser):
    """Finds marks where values may stand. One that is anywhere else is not found, and that is the problem."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.markups: dict[int, Markup] = {}
        self.problem = ""

    def handle_data(self, data: str) -> None:
        if self.cdata_elem is None:
            self._find(data, Markup.HTML)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - HTMLParser's
        quoted = {unescape(match[1][1:-1]) for match in _QUOTED.finditer(self.get_starttag_text() or "")}
        for name, value in attrs:
            if value is None or value not in quoted:
                continue
            if name in TEXT_ATTRIBUTES:
                self._find(value, Markup.HTML)
            elif name in LINK_ATTRIBUTES and _MARK.search(value):
                self.problem = self.problem or _problem_of_link(value)
                self._find(value, Markup.URL)

    def _find(self, text: str, markup: Markup) -> None:
        self.markups.update(dict.fromkeys(_marks(text), markup))


def _problem_of_link(link: str) -> str:
    if not _HOST.match(_MARK.split(link)[0]):
        return NO_HOST
    return BEHIND_BRACE if "{\ue000" in link else ""


def _marks(text: str) -> Iterator[int]:
    return (int(found[1]) for found in _MARK.finditer(text))
