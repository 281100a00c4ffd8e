"""What a text line begins with: time, level, and names of threads, processes and loggers, before the text itself.

Loggers' layouts differ in order and signs; their parts don't. A line is read part by part, until what is left is a
listed text, or no part.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.json_types import JsonObject
from gateway.pipe import ids
from gateway.pipe.levels import Level, parse_word
from gateway.pipe.times import DATE_TIME, MAX_CLOCK_DISTANCE_NS, match_to_ns
from gateway.pipe.trailing_fields import Tail, tails

MAX_PARTS: Final = 12
"""How many parts may stand before the text."""

_SEPARATOR: Final = re.compile(r"[ \t]*(?:-{1,3}(?=[ \t])|[|>,](?=[ \t])|:)?[ \t]*")
_CLOCK: Final = re.compile(
    r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:[AP]M)?(?![0-9:])|[DIWEFAU](?=, \[)", re.ASCII
)
"""A time without a day, and the letter that Ruby's Logger begins with: the word comes later."""
_KLOG: Final = re.compile(
    r"(?P<level>[IWEF])(?P<month>[0-9]{2})(?P<day>[0-9]{2}) (?P<time>[0-9:]{8}\.[0-9]{6}) +[0-9]{1,10} "
    r"[^\s:\]]{1,128}:[0-9]{1,6}\]",
    re.ASCII,
)
_WORD: Final = re.compile(r"([A-Za-z]{3,13}(?:[+-][0-9]{1,2})?)(?=[\]\[():,|/ \t]|$)")
_BRACKETED: Final = re.compile(r"\[([^\[\]]{0,200})\]|\(([^()]{0,100})\)|[\w:]{1,100}\{[^{}]{0,400}\}(?=:)")
_NAME: Final = re.compile(
    r"([\w.$/<>#@*~%+-]{1,200}(?::[\w.$/<>#@*~%+-]{1,200}){0,6})(?=:|[ \t]+(?:-{1,3}|[|:>])[ \t])"
)
_BARE_NAME: Final = re.compile(
    r"[\w.$/<>#@*~%+:-]{1,200}(?:\[[0-9]{1,6}\])?(?=[ \t])"
)  # .NET's category has its event's number
_CORRELATION: Final = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")  # Spring Boot's
_KLOG_LEVELS: Final = {"I": "INFO", "W": "WARNING", "E": "ERROR", "F": "FATAL"}


class Layout(msgspec.Struct):
    """What a text line says, part by part: `body` is what remains, `fields` come after it.

    `lossy`: there were names that no record has.
    """

    body: str = ""
    level: Level | None = None
    time_ns: int = 0
    trace_id: bytes = b""
    span_id: bytes = b""
    fields: JsonObject = {}
    lossy: bool = False


def parse_layout(text: str, received_ns: int, templates: frozenset[str]) -> Layout | None:
    """Return what a text says beside its words, None where it is words alone.

    Without a time or a level at its start.
    """
    scan = _LayoutScanner(text, received_ns, Layout())
    ends = None
    for _ in range(MAX_PARTS):
        scan.skip_separator()
        if scan.meaning_end and scan.take_listed(ends := ends or [*tails(text)], templates):
            return scan.layout
        if not scan.take_part():
            break
    if not scan.meaning_end:
        return None
    return scan.take_rest((ends or [*tails(text)])[-1])


class _LayoutScanner:
    """One text, from its start on. `meaning_end` is where its last part with a meaning ends."""

    def __init__(self, text: str, received_ns: int, found: Layout) -> None:
        self.layout = found
        self.meaning_end = 0
        self._text = text
        self._received_ns = received_ns
        self._position = 0
        self._has_bare_name = False

    def skip_separator(self) -> None:
        """Go past one sign between parts."""
        if match := _SEPARATOR.match(self._text, self._position):
            self._position = match.end()

    def take_part(self) -> bool:
        """Go past one part, and keep what it says; whether there was one."""
        return self._klog() or self._time() or self._bracketed() or self._level() or self._name()

    def take_listed(self, ends: list[Tail], templates: frozenset[str]) -> bool:
        """Whether what is left is a listed text, by itself, in quotes, or before fields; if so it is kept."""
        for end, fields in ends:
            body = self._text[self._position : end].strip()
            for text in (body, body.removeprefix('"').removesuffix('"')):
                if text in templates:
                    self.layout.body, self.layout.fields = text, fields
                    return True
        return False

    def take_rest(self, tail: Tail) -> Layout:
        """Keep what is left after the last part with a meaning, and the fields at its end."""
        end, self.layout.fields = tail
        self._position = self.meaning_end
        self.skip_separator()
        self.layout.body = self._text[self._position : end].strip()
        return self.layout

    def take_bracketed(self) -> bool:
        """Read the start of what stands in brackets: a time, a level, Spring Boot's IDs. Whether there was one."""
        if match := _CORRELATION.fullmatch(self._text):
            self.layout.trace_id, self.layout.span_id = ids.trace_id(match[1]), ids.span_id(match[2])
        while self._time() or self._level(bracketed=True):
            self.skip_separator()
        return bool(self.meaning_end)

    def _time(self) -> bool:
        if match := DATE_TIME.match(self._text, self._position):
            when = None if self.layout.time_ns else match_to_ns(match)
            if when is None or abs(when - self._received_ns) > MAX_CLOCK_DISTANCE_NS:
                return False
            self.layout.time_ns = when
            return self._advance(match, tells=True)
        return (match := _CLOCK.match(self._text, self._position)) is not None and self._advance(match)

    def _klog(self) -> bool:
        match = None if self._position else _KLOG.match(self._text)
        when = match and _in_year(match, self._received_ns)
        if not match or not when:
            return False
        self.layout.time_ns, self.layout.level, self.layout.lossy = when, parse_word(_KLOG_LEVELS[match["level"]]), True
        return self._advance(match, tells=True)

    def _bracketed(self) -> bool:
        match = _BRACKETED.match(self._text, self._position)
        if not match:
            return False
        tells = _LayoutScanner((match[1] or match[2] or "").strip(), self._received_ns, self.layout).take_bracketed()
        self.layout.lossy = self.layout.lossy or not tells
        return self._advance(match, tells=tells)

    def _level(self, *, bracketed: bool = False) -> bool:
        match = None if self.layout.level else _WORD.match(self._text, self._position)
        level = match and parse_word(match[1])
        if not match or not level or not (bracketed or self._stands_out(match)):
            return False
        self.layout.level = level
        return self._advance(match, tells=True)

    def _stands_out(self, match: re.Match[str]) -> bool:
        """Whether a word is a level and not the beginning of a sentence.

        After a time, in capitals, or before a colon.
        """
        return bool(self.layout.time_ns) or match[0].isupper() or self._text[match.end() : match.end() + 1] == ":"

    def _name(self) -> bool:
        if not self.meaning_end:
            return False
        match = _NAME.match(self._text, self._position)
        if not match and not self._has_bare_name:
            match = _BARE_NAME.match(self._text, self._position)
            self._has_bare_name = True
        if not match:
            return False
        level = None if self.layout.level else parse_word(match[0].rpartition(".")[2])  # Monolog's `app.INFO`
        self.layout.level, self.layout.lossy = self.layout.level or level, True
        return self._advance(match, tells=level is not None)

    def _advance(self, match: re.Match[str], *, tells: bool = False) -> bool:
        self._position = match.end()
        if tells:
            self.meaning_end = self._position
        return True


def _in_year(match: re.Match[str], received_ns: int) -> int | None:
    """Return the time of a klog line, which has no year: of the years around receipt, the nearest.

    It is in this process's zone.
    """
    year = datetime.fromtimestamp(received_ns // 10**9, UTC).year
    dates = (
        DATE_TIME.fullmatch(f"{one}-{match['month']}-{match['day']} {match['time']}")
        for one in (year - 1, year, year + 1)
    )
    times = [when for date in dates if date and (when := match_to_ns(date)) is not None]
    return min(times, key=lambda when: abs(when - received_ns), default=None)
