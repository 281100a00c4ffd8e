"""The fields of a line, key by key.

Those with a meaning of their own go into the record's own fields, the rest are attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from gateway.pipe import ids
from gateway.pipe.ansi import plain
from gateway.pipe.attributes import Attributes
from gateway.pipe.form import Form, Spelling, Syntax
from gateway.pipe.keys import Keys, places
from gateway.pipe.levels import Level, level
from gateway.pipe.times import near

T = TypeVar("T")

_GELF: Final = "short_message"
"""A key that GELF alone has: https://go2docs.graylog.org/current/getting_in_log_data/gelf.html."""


class Fields:
    """The fields of one line, which are taken out one by one. What is taken goes into `record`."""

    def __init__(self, fields: dict[str, Any], record: LogRecord, keys: Keys) -> None:
        self._left = fields
        self._record = record
        self._keys = keys

    def known(self, syntax: Syntax) -> Form:
        """Take text, level, time and IDs; return how they are spelt."""
        gelf = _GELF in self._left
        body = self._body()
        found = self._first(self._keys.fields.severity_text, lambda value, key: level(value, key, gelf=gelf))
        shown = set_level(self._record, found[0]) if found else ""
        when = self._first(
            self._keys.fields.timestamp, lambda value, _: near(value, self._record.observed_time_unix_nano)
        )
        if when:
            self._record.time_unix_nano = when[0][0]
        trace, span = self.ids()
        time, unit = (when[1], when[0][1]) if when else ((), "")
        return Form(syntax, body, found[1] if found else (), shown, time, unit, trace, span)

    def ids(self) -> tuple[Spelling, Spelling]:
        """Take the IDs; return how they are spelt."""
        trace = self._first(self._keys.fields.trace_id, lambda value, _: ids.trace_id(value) or None)
        span = self._first(self._keys.fields.span_id, lambda value, _: ids.span_id(value) or None)
        self._record.trace_id = trace[0] if trace else self._record.trace_id
        self._record.span_id = span[0] if span else self._record.span_id
        return trace[1] if trace else (), span[1] if span else ()

    def rest(self) -> bool:
        """Take all that is left as attributes; return whether something was lost."""
        attributes = Attributes()
        self._record.attributes.extend(attributes.pairs(self._left))
        return attributes.lost

    def _body(self) -> Spelling:
        """Take the text: the first that is listed, else the first."""
        texts = [
            (owner, key, spelt)
            for owner, key, spelt in self._places(self._keys.fields.body)
            if isinstance(owner[key], str)
        ]
        listed = (place for place in texts if text_of(place[0][place[1]]) in self._keys.templates)
        if not (place := next(listed, texts[0] if texts else None)):
            return ()
        owner, key, spelt = place
        self._record.body.string_value = text_of(owner.pop(key))
        return spelt

    def _first(self, paths: tuple[str, ...], read: Callable[[Any, str], T | None]) -> tuple[T, Spelling] | None:
        """Take the first value that can be read; return what it reads as, and its spelling."""
        for owner, key, spelt in self._places(paths):
            found = read(owner[key], spelt[-1])
            if found is not None:
                del owner[key]
                return found, spelt
        return None

    def _places(self, paths: tuple[str, ...]) -> Iterator[tuple[dict[str, Any], str, Spelling]]:
        for path in paths:
            yield from places(self._left, path)


def text_of(value: str) -> str:
    """Return a text without what terminals read, and without the line ends that some loggers leave at its end."""
    return plain(value).rstrip("\r\n")


def set_level(record: LogRecord, found: Level) -> str:
    """Give a record its severity; return the scale of its number."""
    record.severity_number = found.number  # type: ignore[assignment]  # types-protobuf: enums as ints
    record.severity_text = found.text
    return found.scale
