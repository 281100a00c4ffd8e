"""JSON as loggers print it: what JSON or a record cannot hold is left out, and costs its line nothing else."""

from __future__ import annotations

import math
from json import JSONDecoder
from typing import Final

import msgspec

from gateway.json_types import JsonObject, JsonValue

MAX_INTEGER_DIGITS: Final = 20
"""The digits, sign included, of the longest integer that a record may hold."""

_BLANKS: Final = " \t\r\n"

OMITTED: Final = math.nan
"""What stands for a value that is left out: no record holds it."""

_OMITTED_KEY: Final = "\ufffd"
"""What stands for a key that is left out, with its value."""


def parse_object(text: str) -> JsonObject:
    """Return the object that a text is. Raises ValueError, RecursionError."""
    try:
        return msgspec.json.decode(text, type=dict)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # ValueError: digits beyond counting
        text = text.strip(_BLANKS)
        value, end = parse_prefix(text)
    if not isinstance(value, dict) or end != len(text):
        raise ValueError("no object")
    return value


def parse_prefix(text: str) -> tuple[JsonValue, int]:
    """Return the value that a text begins with, and where it ends. Raises ValueError, RecursionError."""
    value, end = _DECODER.raw_decode(text)
    return _holdable(value), end


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_INTEGER_DIGITS else OMITTED


def _holdable(value: JsonValue) -> JsonValue:
    """Return a value without texts and keys that no text can hold: those with half a surrogate."""
    match value:
        case str():
            return value if _is_text(value) else OMITTED
        case list():
            return [_holdable(one) for one in value]
        case dict():
            return {
                key if _is_text(key) else _OMITTED_KEY: _holdable(one) if _is_text(key) else OMITTED
                for key, one in value.items()
            }
    return value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


_DECODER: Final = JSONDecoder(parse_int=_integer)
