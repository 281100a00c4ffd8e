"""Nodes to structs, by type; and where each key came from."""

from __future__ import annotations

import difflib
import math
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from gateway.errors import BadSetup
from gateway.yamlfile import durations
from gateway.yamlfile.nodes import Node

T = TypeVar("T")
Key = str | int
Keys = tuple[Key, ...]

_INT64: Final = range(-(2**63), 2**63)

# What YAML has for numbers, those among them that aren't read as numbers here.
_NUMBER: Final = re.compile(r"[-+]?(?:\.(?:inf|nan)|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?)", re.ASCII | re.IGNORECASE)


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
        return ": ".join(filter(None, (_nearest(self.root, keys).place, path)))

    def fail(self, keys: Sequence[Key], text: str) -> BadSetup:
        """The error to raise for what stands at `keys`. `text` holds no value, unless it is a name."""
        return self.error(f"{self.at(*keys)}: {text}")


NOWHERE: Final = Origin(Node("", None), BadSetup)
"""Of what no document says: keys without a file or a line."""


def _nearest(node: Node, keys: Sequence[Key]) -> Node:
    """The node at `keys`, or the last one on the way there that there is."""
    if not keys:
        return node
    match node.value, keys[0]:
        case list(items), int(index) if index < len(items):
            return _nearest(items[index], keys[1:])
        case list(items), str(key):
            return next((item for item in items if item.text == key), node)
        case dict(entries), str(key) if key in entries:
            return _nearest(entries[key], keys[1:])
    return node


def build(root: Node, type: type[T], error: type[BadSetup]) -> tuple[T, Origin]:
    """The struct that `root` holds.

    Types: structs, also tagged ones; mappings, tuples, frozen sets; text, numbers, truth values, paths, all with msgspec's `Meta`;
    literals; enums by value, an IntEnum by name; timedelta, and a float with `SECONDS`, as a duration; `Any`, a tree of mappings,
    tuples, text, numbers and truth values.
    Raises `error`.
    """
    origin = Origin(root, error)
    value: T = _read(type, root, (), origin)
    return value, origin


def _read(type_: Any, node: Node, keys: Keys, origin: Origin) -> Any:
    if type_ is Any:
        return _tree(node, keys, origin)
    form = get_origin(type_)
    if form is Annotated:
        base, *metas = get_args(type_)
        value = _seconds(node, keys, origin) if durations.SECONDS in metas else _read(base, node, keys, origin)
        return _bounded(value, metas, keys, origin)
    if form in (Union, types.UnionType):
        return _read_union(get_args(type_), node, keys, origin)
    if form is Literal:
        return _named({str(name): name for name in get_args(type_)}, node, keys, origin)
    if form is not None:
        return _read_collection(form, get_args(type_), node, keys, origin)
    return _read_class(type_, node, keys, origin)


def _read_class(type_: Any, node: Node, keys: Keys, origin: Origin) -> Any:
    if issubclass(type_, msgspec.Struct):
        return _read_struct(type_, node, keys, origin)
    if issubclass(type_, Enum):
        members = type_.__members__ if issubclass(type_, IntEnum) else {member.value: member for member in type_}
        return _named(members, node, keys, origin)
    if type_ is timedelta:
        return _timedelta(node, keys, origin)
    return _LEAVES[type_](node.value, keys, origin)


def _read_struct(type_: Any, node: Node, keys: Keys, origin: Origin) -> Any:
    entries = _mapping(node, keys, origin)
    fields = {info.encode_name: info for info in msgspec.structs.fields(type_)}
    known = [*filter(None, [type_.__struct_config__.tag_field]), *fields]
    for key in entries:
        if key not in known:
            raise origin.fail((*keys, key), f"is not a key here; known: {', '.join(known) or 'none'}{_guess(key, known)}")
    for key, info in fields.items():
        if info.required and key not in entries:
            raise origin.fail((*keys, key), "is required")
    return type_(**{info.name: _read(info.type, entries[key], (*keys, key), origin) for key, info in fields.items() if key in entries})


def _read_union(options: tuple[Any, ...], node: Node, keys: Keys, origin: Origin) -> Any:
    """None by null; one of several structs by its tag; one struct for a mapping; a tuple for a list; what is neither for all else."""
    if node.value is None and types.NoneType in options:
        return None
    structs = [option for option in options if isinstance(option, type) and issubclass(option, msgspec.Struct)]
    others = [option for option in options if option not in (*structs, types.NoneType)]
    if len(structs) > 1:
        return _read(_tagged(structs, node, keys, origin), node, keys, origin)
    lists = [option for option in others if get_origin(option) is tuple]
    plain = [option for option in others if option not in lists]
    wanted = structs if isinstance(node.value, dict) else lists if isinstance(node.value, list) else plain
    return _read((wanted or structs or plain or lists)[0], node, keys, origin)


def _tagged(structs: list[type[msgspec.Struct]], node: Node, keys: Keys, origin: Origin) -> Any:
    tag_field = str(structs[0].__struct_config__.tag_field)
    tag = _mapping(node, keys, origin).get(tag_field)
    if tag is None:
        raise origin.fail((*keys, tag_field), "is required")
    return _named({str(option.__struct_config__.tag): option for option in structs}, tag, (*keys, tag_field), origin)


def _read_collection(form: Any, arguments: tuple[Any, ...], node: Node, keys: Keys, origin: Origin) -> Any:
    if issubclass(form, Mapping):
        entries = _mapping(node, keys, origin)
        for key in entries:
            _read(arguments[0], Node("", key), (*keys, key), origin)
        return {key: _read(arguments[1], entry, (*keys, key), origin) for key, entry in entries.items()}
    if not isinstance(node.value, list):
        raise origin.fail(keys, "must be a list")
    items = [_read(arguments[0], item, (*keys, index), origin) for index, item in enumerate(node.value)]
    if form is frozenset and len(set(items)) < len(items):
        first = {item: index for index, item in reversed([*enumerate(items)])}
        twice = next(index for index, item in enumerate(items) if first[item] < index)
        raise origin.fail((*keys, twice), "is in the list twice")
    return form(items)


def _tree(node: Node, keys: Keys, origin: Origin) -> Any:
    match node.value:
        case dict(entries):
            return {key: _tree(entry, (*keys, key), origin) for key, entry in entries.items()}
        case list(items):
            return tuple(_tree(item, (*keys, index), origin) for index, item in enumerate(items))
        case None:
            raise origin.fail(keys, "must not be empty")
        case str() if node.plain and _NUMBER.fullmatch(node.text):
            raise origin.fail(keys, "must be a number that JSON can hold; to say a text, write it in quotes")
        case str() | bool():
            return node.value
    return _LEAVES[type(node.value)](node.value, keys, origin)


def _mapping(node: Node, keys: Keys, origin: Origin) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise origin.fail(keys, "must be a mapping of keys to values")
    return node.value


def _named(known: Mapping[str, Any], node: Node, keys: Keys, origin: Origin) -> Any:
    if node.text not in known:
        raise origin.fail(keys, unlisted(node.text, known))
    return known[node.text]


def unlisted(name: str, known: Iterable[str]) -> str:
    """The text of an error: `name`, which it doesn't repeat, is none of the `known` names."""
    names = list(known)
    if len(names) == 1:
        return f"must be {names[0]}"
    guess = _guess(name, names)
    return f"must be one of {f'{len(names)} known names' if guess and len(names) > 25 else ', '.join(names)}{guess}"


def _guess(name: str, known: Sequence[str]) -> str:
    folded = {option.casefold().replace("-", "_"): option for option in known}
    close = difflib.get_close_matches(name.casefold().replace("-", "_"), folded, n=1)
    return f"; did you mean {folded[close[0]]}?" if close else ""


def _bounded(value: Any, metas: Iterable[Any], keys: Keys, origin: Origin) -> Any:
    shown = durations.written if durations.SECONDS in metas else str
    for meta in metas:
        wanted = _broken(value, meta, shown) if isinstance(meta, msgspec.Meta) else ""
        if wanted:
            raise origin.fail(keys, f"must be {meta.description or wanted}")
    return value


def _broken(value: Any, meta: msgspec.Meta, shown: Callable[[Any], str]) -> str:
    """What `value` must be and isn't, or nothing. `shown` writes a bound."""
    if meta.pattern is not None and not re.fullmatch(str(meta.pattern), str(value), re.ASCII):
        return f"of the form {meta.pattern}"
    if meta.gt is not None and value <= meta.gt:
        return "positive" if meta.gt == 0 else f"more than {shown(meta.gt)}"
    if meta.ge is not None and value < meta.ge:
        return "positive" if meta.ge == 1 else f"{shown(meta.ge)} or more"
    if meta.le is not None and value > meta.le:
        return f"{shown(meta.le)} or less"
    return _broken_length(value, meta)


def _broken_length(value: Any, meta: msgspec.Meta) -> str:
    if meta.min_length is not None and len(value) < meta.min_length:
        return f"of {meta.min_length} or more characters"
    if meta.max_length is not None and len(value) > meta.max_length:
        return f"of {meta.max_length} or fewer characters"
    return ""


def _str(value: object, keys: Keys, origin: Origin) -> str:
    if isinstance(value, str):
        return value
    raise origin.fail(keys, "must be text; write it in quotes" if isinstance(value, int | float) else "must be text")


def _bool(value: object, keys: Keys, origin: Origin) -> bool:
    if isinstance(value, bool):
        return value
    raise origin.fail(keys, "must be true or false")


def _int(value: object, keys: Keys, origin: Origin) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value in _INT64:
        return value
    raise origin.fail(keys, "must be a whole number")


def _float(value: object, keys: Keys, origin: Origin) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise origin.fail(keys, "must be a number")


def _seconds(node: Node, keys: Keys, origin: Origin) -> float:
    try:
        return float(durations.read(node.value, node.text, "s"))
    except ValueError as fault:
        raise origin.fail(keys, f"must be {fault}") from None


def _timedelta(node: Node, keys: Keys, origin: Origin) -> timedelta:
    try:
        return durations.read_timedelta(node.value, node.text)
    except ValueError as fault:
        raise origin.fail(keys, f"must be {fault}") from None


_LEAVES: Final[Mapping[type, Callable[[object, Keys, Origin], Any]]] = {
    str: _str,
    bool: _bool,
    int: _int,
    float: _float,
    Path: lambda value, keys, origin: Path(_str(value, keys, origin)),
}
