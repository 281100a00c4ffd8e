"""Lines of `key=value` pairs: https://brandur.org/logfmt, as Go's slog and logrus write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from gateway.json_types import JsonObject, JsonValue

_PAIR: Final = re.compile(r"""([A-Za-z_@][\w.@/-]{0,127})=("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"']*)(?:[ \t]+|$)""", re.ASCII)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?", re.ASCII)
_BARE: Final = re.compile(r"[^\s\"'=]+")
_WORDS: Final[Mapping[str, bool]] = {"true": True, "false": False}


def parse(text: str) -> JsonObject | None:
    """Return the pairs that a text is made of, None if it isn't made of pairs alone.

    Of a key that is there twice, the last.
    """
    fields: JsonObject = {}
    position = 0
    while match := _PAIR.match(text, position):
        fields[match[1]] = _value(match[2])
        position = match.end()
    return fields if fields and position == len(text) else None


def render(fields: JsonObject) -> str:
    """Return fields as pairs; of nested ones the path is the key."""
    return " ".join(f"{key}={_quoted(value)}" for key, value in _flat(fields, ""))


def _value(text: str) -> JsonValue:
    if text[:1] == '"':
        try:
            return msgspec.json.decode(text.encode(), type=str)
        except msgspec.MsgspecError:  # Go quotes with escapes that JSON doesn't have
            return text[1:-1]
    if text[:1] == "'":
        return text[1:-1]
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return _WORDS.get(text, text)


def _flat(fields: JsonObject, above: str) -> Iterator[tuple[str, JsonValue]]:
    for key, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _quoted(value: JsonValue) -> str:
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) else msgspec.json.encode(value).decode()
    return msgspec.json.encode(value).decode()
