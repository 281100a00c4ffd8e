"""Text to nodes that know their line.

Less of YAML than there is: one document, no anchors, aliases or tags, keys are text, and so is a plain `NO`, `on`,
`1_000` or `2026-01-01`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from gateway.errors import BadSetup
from gateway.files import Unreadable, read_error_text, read_regular

MAX_DOCUMENT_BYTES: Final = 1_000_000
MAX_NESTED_LEVELS: Final = 32
_TAG: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the document, and its place: `file:line` of its key, or of itself where it has none.

    `text` is a scalar as written, `plain` one that isn't in quotes.
    """

    place: str
    value: str | int | float | bool | list[Node] | dict[str, Node] | None = field(repr=False)
    text: str = field(default="", repr=False)
    plain: bool = field(default=False, repr=False)


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


class _Loader(yaml.SafeLoader):
    """PyYAML's composer, for plain documents of bounded depth."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 declared so by the base class
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _UnsupportedYaml("anchors and aliases are not allowed; write it out", event.start_mark.line)
        if getattr(event, "tag", None) is not None:
            raise _UnsupportedYaml("tags are not allowed", event.start_mark.line)
        if self.depth >= MAX_NESTED_LEVELS:
            raise _UnsupportedYaml(f"nests deeper than {MAX_NESTED_LEVELS} levels", event.start_mark.line)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _UnsupportedYaml(Exception):
    """What YAML has and this reader hasn't, on a line that is counted from 0."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


for _kind, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?(0|[1-9][0-9]{0,18})", list("-+0123456789")),
    ("float", r"[-+]?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18}|(\.[0-9]{1,18})?[eE][-+]?[0-9]{1,2})", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), _first)

_SCALAR_CONSTRUCTORS: Final[Mapping[str, Callable[[str], str | int | float | bool | None]]] = {
    _TAG + "null": lambda _: None,
    _TAG + "bool": lambda text: text == "true",
    _TAG + "int": int,
    _TAG + "float": float,
    _TAG + "str": str,
}


def compose(text: str, name: str, error: type[BadSetup]) -> Node:
    """The document in `text`, not yet held against a type; an empty one is a null.

    `name` stands for the file. Raises `error`.
    """
    if len(text) > MAX_DOCUMENT_BYTES:
        raise error(f"{name}: is larger than {MAX_DOCUMENT_BYTES} bytes")
    try:
        root = _Loader(text).get_single_node()
    except _UnsupportedYaml as failure:
        raise error(f"{name}:{failure.line + 1}: {failure.problem}") from None
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        raise error(f"{name}:{mark.line + 1 if mark else 1}: {_problem_text(failure)}") from None
    except yaml.reader.ReaderError as failure:
        line = text.count("\n", 0, int(failure.position)) + 1
        raise error(f"{name}:{line}: holds a character that YAML does not allow") from None
    except (ValueError, OverflowError):  # PyYAML's own, from numbers in directives and escapes
        raise error(f"{name}: is not YAML") from None
    return Node(f"{name}:1", None) if root is None else _node(root, name, f"{name}:1", error)


def _problem_text(failure: yaml.MarkedYAMLError) -> str:
    """What is wrong, in PyYAML's words without what they quote of the document.

    Only its token names and punctuation stay.
    """
    if isinstance(failure, yaml.composer.ComposerError):
        return "is a second document; there may be only one"
    quotes = re.compile(r" ?(\"[^\"]*\"|'(<[^'>]*>|[^\w\s])'|'[^']*')")
    return "is not YAML: " + quotes.sub(lambda match: match[0] if match[2] else "", str(failure.problem))


def _node(node: yaml.Node, name: str, place: str, error: type[BadSetup]) -> Node:
    match node:
        case yaml.MappingNode():
            return Node(place, _entries(node, name, error))
        case yaml.SequenceNode():
            return Node(place, [_node(item, name, _place(name, item), error) for item in node.value])
    value = _SCALAR_CONSTRUCTORS[node.tag](node.value)
    if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        raise error(f"{place}: holds half a surrogate pair")
    return Node(place, value, node.value, isinstance(node, yaml.ScalarNode) and node.style is None)


def _entries(node: yaml.MappingNode, name: str, error: type[BadSetup]) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    for key, value in node.value:
        place = _place(name, key)
        text = _node(key, name, place, error).value
        if not isinstance(text, str):
            raise error(f"{place}: a key must be text; write it in quotes")
        if not 0 < len(text) <= 500 or not text.isprintable():
            raise error(f"{place}: a key must be printable text of 1 to 500 characters")
        if text in entries:
            raise error(f"{place}: {text}: is here twice, first at {entries[text].place}")
        entries[text] = _node(value, name, place, error)
    return entries


def _place(name: str, node: yaml.Node) -> str:
    return f"{name}:{node.start_mark.line + 1}"
