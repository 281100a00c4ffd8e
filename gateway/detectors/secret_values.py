"""From where to where the value of a named secret stands, as a reader takes it.

Quoted, in brackets, a phrase, or up to the next blank.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.detectors.spans import Span

# Between a sign and the value: blanks, emphasis, one line end and the marks of a quoted mail behind it.
_GAP: Final = re.compile(r"[ \t]{0,8}(?:\r?\n[> \t]{0,8})?(?:[*_]{1,3}[ \t]{1,3})?")
_OPENED: Final = re.compile(
    r"(?P<escapes>\\{0,7})(?P<quote>[\"'`])|(?P<guillemet>[«\u2039„])[ \t]{0,3}|(?P<bracket>[\[{(<])"
)
_GUILLEMETS: Final = {"«": "»", "\u2039": "\u203a", "„": '"'}
_BRACKETS: Final = {"[": "]", "{": "}", "(": ")", "<": ">"}
_TOKEN: Final = re.compile(r"[^\s]+")
_QUERY_TOKEN: Final = re.compile(r"[^\s&\"'<>]+")
_NULL: Final = re.compile(r"(?:null|true|false|none)(?=[ \t]*[,}\]])", re.IGNORECASE)
_ELEMENT: Final = re.compile(r"[^<\n]*(?:<(?!/)[^<\n]*)*")
_PHRASE: Final = re.compile(r"[^\n.!?;\"<>|,]*(?:[.!?;,](?=[^\s])[^\n.!?;\"<>|,]*)*")
_AFTER: Final = frozenset(" \t\r\n,.;:)]}>\"'`&|/")
"""What may follow a closed value; anything else belongs to it."""

_TRAILING: Final = ",.;:)]}>?\"'`»\u203a*\\"
_MAX_BRACKET_CHARS: Final = 512
"""So far a bracket is looked for that closes another one."""


def value_span(text: str, start: int, *, phrase: bool = False, element: bool = False, query: bool = False) -> Span:
    """Return where a value stands that begins at `start`, blanks apart; empty if there is none.

    A `phrase` has many words, an `element` ends at its closing tag, and one of a `query` at the next parameter.
    """
    if element:
        return start, _end(_ELEMENT, text, start)
    start = _end(_GAP, text, start)
    opened = _OPENED.match(text, start)
    if opened:
        return _bracketed(text, start) if opened["bracket"] else _quoted(text, opened)
    if nothing := _NULL.match(text, start):
        return nothing.span()
    if phrase:
        end = _end(_PHRASE, text, start)
        return start, start + len(text[start:end].rstrip())
    return _bare(text, start, _QUERY_TOKEN if query else _TOKEN)


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _bare(text: str, start: int, token: re.Pattern[str] = _TOKEN) -> Span:
    """Return where a token stands without what closes a sentence or what it stands in."""
    end = _end(token, text, start)
    return start, start + len(text[start:end].rstrip(_TRAILING))


def _quoted(text: str, opened: re.Match[str]) -> Span:
    """Return what is between quotes; up to the end of the line without a second one, and further if more touches it."""
    start = opened.end()
    if opened["guillemet"]:
        close = re.escape(_GUILLEMETS[opened["guillemet"]])
    else:
        close = rf"(?<!\\){re.escape(opened['escapes'])}{opened['quote']}"
    closed = re.compile(close).search(text, start, _line_end(text, start))
    if not closed:
        return start, start + len(text[start : _line_end(text, start)].rstrip())
    if closed.end() == len(text) or text[closed.end()] in _AFTER or text[closed.end()] == "\\":
        return start, start + len(text[start : closed.start()].rstrip())
    return start, _bare(text, closed.end())[1]


def _bracketed(text: str, start: int) -> Span:
    """Return what brackets hold, and they themselves; a token if nothing closes them."""
    end = _closed(text, start)
    if end is None:
        return _bare(text, start)
    return start, end if end == len(text) or text[end] in _AFTER else _bare(text, end)[1]


def _closed(text: str, start: int) -> int | None:
    """Return behind which character the bracket closes that opens at `start`, None if it doesn't nearby."""
    opening = text[start]
    depth, quoted, escaped = 0, "", False
    for index in range(start, min(len(text), start + _MAX_BRACKET_CHARS)):
        char = text[index]
        if escaped or char == "\\":
            escaped = not escaped
        elif quoted:
            quoted = "" if char == quoted else quoted
        elif char == '"':
            quoted = char
        elif char in (opening, _BRACKETS[opening]):
            depth += 1 if char == opening else -1
            if not depth:
                return index + 1
    return None


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end
