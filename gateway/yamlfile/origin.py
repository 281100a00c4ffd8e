"""Where each key of a document stands, and errors that say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import BadSetup
from gateway.yamlfile.nodes import Node

Key = str | int
Keys = tuple[Key, ...]
Problem = tuple[Keys, str]
"""A place in the document, and what is wrong there. The text holds no value, unless it is a name."""

MAX_REPORTED_PROBLEMS: Final = 50
"""Problems told of one document, at most; the others are counted."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where each key of a document stands."""

    root: Node = field(repr=False)
    error: type[BadSetup]

    def at(self, *keys: Key) -> str:
        """`file:line: a.b[0].c`, with the line of the nearest key above where the document doesn't have this one.

        A key finds a list's item by its index, or by its text where the order means nothing: `allow.NAME`.
        """
        path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
        return ": ".join(filter(None, (_nearest_node(self.root, keys).place, path)))

    def error_at(self, keys: Sequence[Key], text: str) -> BadSetup:
        """The error to raise for what stands at `keys`. `text` holds no value, unless it is a name."""
        return self.error(f"{self.at(*keys)}: {text}")

    def check(self, problems: Iterable[Problem]) -> None:
        """Raise one error that tells all `problems`, if there are any, in the order of their lines."""
        found = sorted(problems, key=lambda fault: self._line(fault[0]))
        if found:
            raise self.error_of(found[:MAX_REPORTED_PROBLEMS], len(found) - MAX_REPORTED_PROBLEMS)

    def error_of(self, problems: Sequence[Problem], more: int) -> BadSetup:
        """The error that tells `problems`, a line each, and that there are so many `more`."""
        lines = [f"{self.at(*keys)}: {text}" for keys, text in problems]
        return self.error("\n".join([*lines, f"and {more} more"] if more > 0 else lines))

    def _line(self, keys: Keys) -> int:
        """The line at `keys`; 0 for what isn't in a file."""
        line = _nearest_node(self.root, keys).place.rpartition(":")[2]
        return int(line) if line.isdecimal() else 0


NO_ORIGIN: Final = Origin(Node("", None), BadSetup)
"""Of what no document says: keys without a file or a line."""


def _nearest_node(node: Node, keys: Sequence[Key]) -> Node:
    """The node at `keys`, or the last one on the way there that there is."""
    if not keys:
        return node
    match node.value, keys[0]:
        case list(items), int(index) if index < len(items):
            return _nearest_node(items[index], keys[1:])
        case list(items), str(key):
            return next((item for item in items if item.text == key), node)
        case dict(entries), str(key) if key in entries:
            return _nearest_node(entries[key], keys[1:])
    return node
