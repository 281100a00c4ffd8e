"""Where in a template a placeholder may stand: where its value is no part of the language that the vendor reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Final

from gateway.exporters.template import html
from gateway.exporters.template.markup import Markup
from gateway.exporters.template.placeholders import TemplatePart

IN_LIQUID: Final = "must stand outside of {{ … }} and {% … %}, within which its value would say what is expanded"
BEHIND_BACKSLASH: Final = "must not stand behind a backslash, which would undo the escape of its value"

_MARK: Final = "\ue000"
"""In the place of a value. It may be empty: what stands on either side may meet."""

_DELIMITED: Final = ((re.compile(rf"\{{{_MARK}*\{{"), "}}"), (re.compile(rf"\{{{_MARK}*%"), "%}"))
_SPLIT: Final = re.compile(rf"\{{{_MARK}+[{{%]|[}}%]{_MARK}+\}}")
_BACKSLASH: Final = re.compile(rf"\\{_MARK}+")


def placeholder_markups(parts: Sequence[TemplatePart], markup: Markup) -> tuple[Markup, ...]:
    """What is read at each placeholder of a text, in order.

    Raises ValueError, with a fixed text, for one where no value may stand.
    """
    count = sum(1 for part in parts if not isinstance(part, str))
    if markup is Markup.NONE:
        return (markup,) * count
    text = "".join(part.replace(_MARK, "x") if isinstance(part, str) else _MARK for part in parts)
    if any(map(_is_in_liquid, _readings(text))):
        raise ValueError(IN_LIQUID)
    if markup is Markup.MARKDOWN and _BACKSLASH.search(text):
        raise ValueError(BEHIND_BACKSLASH)
    return html.html_markups(parts) if markup is Markup.HTML else (markup,) * count


def _readings(text: str) -> Iterator[str]:
    """A text as it is, and as it is after HTML or Markdown was read: vendors don't say which comes first."""
    yield text
    yield unescape(text)
    yield unescape(text).replace("\\", "")


def _is_in_liquid(text: str) -> bool:
    if _SPLIT.search(text):
        return True
    befores = [text[: found.start()] for found in re.finditer(_MARK, text)]
    return any(_is_open(before, opening, closing) for before in befores for opening, closing in _DELIMITED)


def _is_open(before: str, opening: re.Pattern[str], closing: str) -> bool:
    """Whether the last opening delimiter isn't closed."""
    found = list(opening.finditer(before))
    return bool(found) and closing not in before[found[-1].end() :]
