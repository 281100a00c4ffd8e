"""What a vendor reads in a text beside the text itself, and how a value is written there so that it says none of it.

Zendesk expands placeholders and Liquid: https://support.zendesk.com/hc/en-us/articles/4408886858138 and
https://shopify.github.io/liquid/basics/introduction/. Of a comment, `body` is Markdown and `html_body` HTML:
https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/. In which order it reads them it doesn't
say, so a value holds no delimiter of Liquid in whatever form: it isn't escaped, it is another character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from html import escape
from typing import Final
from urllib.parse import quote


class Markup(StrEnum):
    """What is read in a text.

    `IDENTITY` is read as `LIQUID` is, but can't be altered: one that holds Liquid is left out.
    """

    NONE = "none"
    LIQUID = "liquid"
    MARKDOWN = "markdown"
    HTML = "html"
    URL = "url"
    """Within an attribute of HTML, behind a host that the template gives."""
    TAG = "tag"
    IDENTITY = "identity"


Escape = Callable[[str], str]
"""A value's text, as it is written into a template's."""

_BRACES: Final = str.maketrans({"{": "\uff5b", "}": "\uff5d"})
_PERCENT: Final = "\uff05"

_MARKDOWN: Final = re.compile(r"[\\`*\[\]<>#|~!&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What makes emphasis, code, links, tags and entities. An underscore between letters or digits stays: it makes none."""

_BLOCK_START: Final = re.compile(
    r"(?:\A|(?<=[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]))([ \t]*)(?:([-+=:])|([0-9]*)([.)])(?=\s|\Z))?"
)
"""What begins a block where a line begins, and isn't escaped everywhere.

An indent, a bullet, a rule, an underline, a list's number.
"""

_NO_BREAK_SPACE: Final = "\u00a0"
_NO_TAG: Final = re.compile(r"[^\w:/.@+-]")


def escape_liquid(text: str) -> str:
    """A text of which no part is a delimiter of Liquid's, whatever stands on either side: `{{`, `}}`, `{%`, `%}`."""
    text = text.translate(_BRACES)
    text = _PERCENT + text[1:] if text.startswith("%") else text
    return text[:-1] + _PERCENT if text.endswith("%") else text


def holds_liquid(text: str) -> bool:
    """Whether something in a text would be expanded."""
    return "{{" in text or "{%" in text


def _escape_markdown(text: str) -> str:
    # https://spec.commonmark.org/0.31.2/#backslash-escapes. A value may begin or end a line.
    return _BLOCK_START.sub(_escape_block_start, _MARKDOWN.sub(r"\\\g<0>", escape_liquid(text)))


def _escape_block_start(found: re.Match[str]) -> str:
    """A line's beginning that begins no block. An indent stays as wide, and is none."""
    indent, sign, number, behind = found.groups(default="")
    return _NO_BREAK_SPACE * len(indent) + (f"\\{sign}" if sign else number) + (f"\\{behind}" if behind else "")


def _escape_html(text: str) -> str:
    return escape(escape_liquid(text), quote=True)


def _escape_url(text: str) -> str:
    return quote(text, safe="")


def _escape_tag(text: str) -> str:
    return _NO_TAG.sub("_", text)


ESCAPES: Final[Mapping[Markup, Escape]] = {
    Markup.NONE: str,
    Markup.LIQUID: escape_liquid,
    Markup.MARKDOWN: _escape_markdown,
    Markup.HTML: _escape_html,
    Markup.URL: _escape_url,
    Markup.TAG: _escape_tag,
    Markup.IDENTITY: str,
}
"""How a value is written where that is read."""
