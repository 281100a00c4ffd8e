"""Text to nodes that know their line.

Less of YAML than there is: one document, no anchors, aliases or tags, keys are text, and so is a plain `NO`, `on`,
`1_000` or `2026-01-01`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import yaml

from gateway.errors import BadSetup
from gateway.files import Unreadable, read_error_text, read_regular

MAX_DOCUMENT_BYTES: Final = 1_000_000
MAX_NESTED_LEVELS: Final = 32
MAX_KEY_CHARS: Final = 500
BYTE_ORDER_MARK: Final = "\ufeff"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_Parser: TypeAlias = type[yaml.CSafeLoader] | type[yaml.SafeLoader]
"""libyaml's, which PyYAML's wheels bring, or PyYAML's own.

What both read gives the same events. libyaml also reads some documents that PyYAML's own refuses: with `>-` before a
tab, `|2#`, a tab inside a plain scalar, or `a?b` in a list between brackets.
"""


class Node(msgspec.Struct, frozen=True):
    """A value of the document, and its place: `file:line` of its key, or of itself where it has none.

    `text` is a scalar as written, `plain` one that isn't in quotes.
    """

    place: str
    value: str | int | float | bool | list[Node] | dict[str, Node] | None
    text: str = ""
    plain: bool = False

    def __repr__(self) -> str:
        return f"Node(place={self.place!r})"


def load_text(path: Path, error: type[BadSetup]) -> str:
    """What the file at `path` says, if it is UTF-8 and of at most `MAX_DOCUMENT_BYTES`. Raises `error`."""
    return decode_utf8(load_bytes(path, error), path, error)


def load_bytes(path: Path, error: type[BadSetup]) -> bytes:
    """The bytes of the file at `path`, if they are at most `MAX_DOCUMENT_BYTES`. Raises `error`."""
    try:
        return read_regular(path, MAX_DOCUMENT_BYTES)
    except (OSError, Unreadable) as failure:
        raise error(f"{path}: {read_error_text(failure)}") from None


def decode_utf8(raw: bytes, path: Path, error: type[BadSetup]) -> str:
    """The text of a file's bytes, if they are UTF-8. Raises `error`."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = raw.count(b"\n", 0, failure.start) + 1
        raise error(f"{path}:{line}: is not UTF-8") from None


class _UnsupportedYaml(Exception):
    """What YAML has and this reader hasn't, on a line that is counted from 0."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


_CONSTANTS: Final[Mapping[str, bool | None]] = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18}|(\.[0-9]{1,18})?[eE][-+]?[0-9]{1,2})")


def compose(text: str, name: str, error: type[BadSetup]) -> Node:
    """The document in `text`, not yet held against a type; an empty one is a null.

    `name` stands for the file. Raises `error`.
    """
    if len(text) > MAX_DOCUMENT_BYTES:
        raise error(f"{name}: is larger than {MAX_DOCUMENT_BYTES} bytes")
    if BYTE_ORDER_MARK in text[1:]:  # at a line's beginning libyaml drops it
        return compose_slowly(text, name, error)
    try:
        return _document(yaml.CSafeLoader, text, name, error)
    except (yaml.YAMLError, ValueError):
        return compose_slowly(text, name, error)


def compose_slowly(text: str, name: str, error: type[BadSetup]) -> Node:
    """The same by PyYAML's own parser, which takes ten times as long, and says better than libyaml what is wrong."""
    try:
        return _document(yaml.SafeLoader, text, name, error)
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        raise error(f"{name}:{mark.line + 1 if mark else 1}: {_problem_text(failure)}") from None
    except yaml.reader.ReaderError as failure:
        line = text.count("\n", 0, int(failure.position)) + 1
        raise error(f"{name}:{line}: holds a character that YAML does not allow") from None
    except (ValueError, OverflowError):  # PyYAML's own, from numbers in directives and escapes
        raise error(f"{name}: is not YAML") from None


def _document(parser: _Parser, text: str, name: str, error: type[BadSetup]) -> Node:
    """The document as a parser reads it. Raises `error`, and what the parser raises."""
    try:
        return _Composer(yaml.parse(text, Loader=parser), name, error).document()
    except _UnsupportedYaml as failure:
        raise error(f"{name}:{failure.line + 1}: {failure.problem}") from None


def _problem_text(failure: yaml.MarkedYAMLError) -> str:
    """What is wrong, in PyYAML's words without what they quote of the document.

    Only its token names and punctuation stay.
    """
    quotes = re.compile(r" ?(\"[^\"]*\"|'(<[^'>]*>|[^\w\s])'|'[^']*')")
    return "is not YAML: " + quotes.sub(lambda match: match[0] if match[2] else "", str(failure.problem))


class _Composer:
    """Makes nodes of a parser's events."""

    def __init__(self, events: Iterator[yaml.Event], name: str, error: type[BadSetup]) -> None:
        self._events = events
        self._name = name
        self._error = error
        self._place_on_line: Callable[[int], str] = cache(lambda line: f"{name}:{line + 1}")

    def document(self) -> Node:
        """The only document. Raises `error` and _UnsupportedYaml."""
        place = f"{self._name}:1"
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return Node(place, None)
        root = self._node(next(self._events), place)
        next(self._events)  # the document's end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _UnsupportedYaml("is a second document; there may be only one", _line(after))
        return root

    def _node(self, event: yaml.Event, place: str, depth: int = 0) -> Node:
        """The node that begins with an event, `depth` levels below the document's root."""
        match _plain_event(event, depth):
            case yaml.ScalarEvent() as scalar:
                value = scalar.value if scalar.style else _plain_value(scalar.value)
                if isinstance(value, str) and _SURROGATE.search(value):
                    raise self._error(f"{place}: holds half a surrogate pair")
                return Node(place, value, scalar.value, not scalar.style)
            case yaml.MappingStartEvent():
                return Node(place, self._entries(depth + 1))
        return Node(place, self._items(depth + 1))

    def _items(self, depth: int) -> list[Node]:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, self._place(event), depth))
        return items

    def _entries(self, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            place = self._place(event)
            text = self._node(event, place, depth).value
            if not isinstance(text, str):
                raise self._error(f"{place}: a key must be text; write it in quotes")
            if not 0 < len(text) <= MAX_KEY_CHARS or not text.isprintable():
                raise self._error(f"{place}: a key must be printable text of 1 to {MAX_KEY_CHARS} characters")
            if text in entries:
                raise self._error(f"{place}: {text}: is here twice, first at {entries[text].place}")
            entries[text] = self._node(next(self._events), place, depth)
        return entries

    def _place(self, event: yaml.Event) -> str:
        return self._place_on_line(_line(event))


_PLAIN_EVENTS: Final = (yaml.ScalarEvent, yaml.CollectionStartEvent)


def _plain_event(event: yaml.Event, depth: int) -> yaml.ScalarEvent | yaml.CollectionStartEvent:
    """The beginning of a node that is no more than a text, a list or a mapping. Raises _UnsupportedYaml."""
    if not isinstance(event, _PLAIN_EVENTS) or event.anchor is not None:
        raise _UnsupportedYaml("anchors and aliases are not allowed; write it out", _line(event))
    if event.tag is not None:
        raise _UnsupportedYaml("tags are not allowed", _line(event))
    if depth >= MAX_NESTED_LEVELS:
        raise _UnsupportedYaml(f"nests deeper than {MAX_NESTED_LEVELS} levels", _line(event))
    return event


def _line(event: yaml.Event) -> int:
    """The line on which an event begins, counted from 0."""
    return 0 if event.start_mark is None else event.start_mark.line


def _plain_value(text: str) -> str | int | float | bool | None:
    """The value of a text that isn't in quotes."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
