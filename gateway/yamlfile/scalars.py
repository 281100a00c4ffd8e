"""What one value must be: its kind, its bounds, one of a list of names."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from gateway.yamlfile import durations
from gateway.yamlfile.nodes import Node
from gateway.yamlfile.origin import Keys

MAX_LISTED_NAMES: Final = 25
"""Of a longer list that stands elsewhere, only the nearest are named."""

MAX_NEAREST_NAMES: Final = 3

_INT64: Final = range(-(2**63), 2**63)


T = TypeVar("T")


class InvalidValue(Exception):
    """A value that isn't what it must be.

    `text` says what that is; `below` is its place from the value that was being read.
    """

    def __init__(self, text: str | Callable[[], str], below: Keys = ()) -> None:
        super().__init__()
        self._text = text
        self.below = below

    @property
    def text(self) -> str:
        """What it must be: made when it is asked for, since a document may have more problems than are told."""
        return self._text if isinstance(self._text, str) else self._text()


class DocLink(str):
    """Of a literal's annotation: where its names are listed."""

    __slots__ = ()


def value_of_name(known: Mapping[str, T], node: Node, below: Keys = (), where: str = "") -> T:
    """What stands for the name that `node` is. Raises InvalidValue."""
    if node.text not in known:
        raise InvalidValue(partial(unknown_name_text, node.text, known, where), below)
    return known[node.text]


def unknown_name_text(name: str, known: Iterable[str], where: str = "") -> str:
    """The text of an error: `name`, which it doesn't repeat, is none of the `known`, listed in `where` too."""
    names = list(known)
    if len(names) == 1:
        return f"must be {names[0]}"
    if where and len(names) > MAX_LISTED_NAMES:
        return (
            f"must be one of the {len(names)} names in {where}; the nearest are "
            f"{', '.join(_nearest(name, names, MAX_NEAREST_NAMES, 0.0))}"
        )
    return f"must be one of {', '.join(names)}{suggestion(name, names)}"


def suggestion(name: str, known: Sequence[str]) -> str:
    """The end of an error's text that proposes a known name; empty if none is near."""
    return "".join(f"; did you mean {near}?" for near in nearest(name, known))


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """The known name that was meant, if one was."""
    return _nearest(name, known, 1, 0.6)


def _nearest(name: str, known: Sequence[str], max_count: int, cutoff: float) -> list[str]:
    folded = {option.casefold().replace("-", "_"): option for option in known}
    return [
        folded[near] for near in difflib.get_close_matches(name.casefold().replace("-", "_"), folded, max_count, cutoff)
    ]


def check_bounds(value: T, metas: Iterable[object]) -> T:
    """`value`, if it keeps the bounds of an annotation. Raises InvalidValue."""
    shown = durations.format_seconds if durations.SECONDS in metas else str
    for meta in metas:
        if isinstance(meta, msgspec.Meta) and (wanted := _violated_bound(value, meta, shown)):
            raise InvalidValue(f"must be {meta.description or wanted}")
    return value


def _violated_bound(value: object, meta: msgspec.Meta, shown: Callable[[float], str]) -> str:
    """What `value` must be and isn't, or nothing. `shown` writes a bound."""
    if meta.pattern is not None and not re.fullmatch(str(meta.pattern), str(value), re.ASCII):
        return f"of the form {meta.pattern}"
    if isinstance(value, int | float):
        return _violated_limit(value, meta, shown)
    return _violated_length(value, meta) if isinstance(value, Sized) else ""


def _violated_limit(value: float, meta: msgspec.Meta, shown: Callable[[float], str]) -> str:
    if meta.gt is not None and value <= meta.gt:
        return "positive" if meta.gt == 0 else f"more than {shown(meta.gt)}"
    if meta.ge is not None and value < meta.ge:
        return "positive" if meta.ge == 1 else f"{shown(meta.ge)} or more"
    if meta.le is not None and value > meta.le:
        return f"{shown(meta.le)} or less"
    return ""


def _violated_length(value: Sized, meta: msgspec.Meta) -> str:
    if meta.min_length is not None and len(value) < meta.min_length:
        return f"of {meta.min_length} or more characters"
    if meta.max_length is not None and len(value) > meta.max_length:
        return f"of {meta.max_length} or fewer characters"
    return ""


def seconds(node: Node) -> float:
    """The seconds of a duration. Raises InvalidValue."""
    try:
        return float(durations.parse_seconds(node.value, node.text, "s"))
    except ValueError as fault:
        raise InvalidValue(f"must be {fault}") from None


def _timedelta(node: Node) -> timedelta:
    try:
        return durations.parse_timedelta(node.value, node.text)
    except ValueError as fault:
        raise InvalidValue(f"must be {fault}") from None


def _path(node: Node) -> Path:
    text = _str(node)
    if not text:
        raise InvalidValue("must not be empty; leave it out, or write null, for none")
    if "\0" in text:
        raise InvalidValue("must not hold a NUL")
    return Path(text)


def _str(node: Node) -> str:
    if isinstance(node.value, str):
        return node.value
    raise InvalidValue("must be text; write it in quotes" if isinstance(node.value, int | float) else "must be text")


def _bool(node: Node) -> bool:
    if isinstance(node.value, bool):
        return node.value
    raise InvalidValue("must be true or false")


def _int(node: Node) -> int:
    if isinstance(node.value, int) and not isinstance(node.value, bool) and node.value in _INT64:
        return node.value
    if node.plain and re.fullmatch("[-+]?[1-9][0-9]*", node.text, re.ASCII):
        raise InvalidValue(
            f"must be a whole number of at {f'least {_INT64[0]}' if node.text[0] == '-' else f'most {_INT64[-1]}'}"
        )
    raise InvalidValue("must be a whole number")


def _float(node: Node) -> float:
    if isinstance(node.value, int | float) and not isinstance(node.value, bool) and math.isfinite(node.value):
        return float(node.value)
    raise InvalidValue("must be a number")


SCALAR_READERS: Final[Mapping[type, Callable[[Node], object]]] = {
    str: _str,
    bool: _bool,
    int: _int,
    float: _float,
    timedelta: _timedelta,
    Path: _path,
}
"""Readers of what is no mapping, list or name. They raise InvalidValue."""
