"""What a text line ends with: fields after the text, as JSON or as pairs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.json_types import JsonObject
from gateway.pipe import lenient_json as objects
from gateway.pipe import logfmt

# One blank each: with more of them a line of blanks would be searched again from each.
_JSON: Final = re.compile(r'[ \t](?=\{["}]|\[\])')
_PAIRS: Final = re.compile(r"[ \t](?=[A-Za-z_][\w.@/-]{0,127}=)", re.ASCII)

Tail = tuple[int, JsonObject]
"""Where the text ends, and the fields that come after it."""


def tails(text: str) -> Iterator[Tail]:
    """Yield where a text may end: at its end, and before the fields that reach from there to the line's end."""
    yield len(text), {}
    for found, parse in ((_JSON.search(text), _objects), (_PAIRS.search(text), logfmt.parse)):
        if found and (fields := parse(text[found.end() :])) is not None:
            yield found.start(), fields
            return


def _objects(text: str) -> JsonObject | None:
    """Return the fields of the JSON objects that a text is made of, None if it isn't.

    Monolog writes empty lists for empty objects.
    """
    fields: JsonObject = {}
    rest = text.strip()
    while rest:
        try:
            value, end = objects.parse_prefix(rest)
        except (ValueError, RecursionError):
            return None
        if isinstance(value, dict):
            fields.update(value)
        rest = rest[end:].lstrip()
    return fields
