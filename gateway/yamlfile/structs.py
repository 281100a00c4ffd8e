"""Nodes to structs, by type; all that doesn't fit is told at once."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping
from enum import Enum, IntEnum
from functools import cache, partial
from itertools import islice
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec

from gateway.errors import BadSetup
from gateway.yamlfile import durations
from gateway.yamlfile.nodes import Node
from gateway.yamlfile.origin import MAX_REPORTED_PROBLEMS, Keys, Origin, Problem
from gateway.yamlfile.scalars import (
    SCALAR_READERS,
    DocLink,
    InvalidValue,
    check_bounds,
    nearest,
    seconds,
    suggestion,
    value_of_name,
)

T = TypeVar("T")

TypeForm: TypeAlias = object
"""A type as an annotation has it: a class, or what `typing` makes of some."""

# What YAML has for numbers, those among them that aren't read as numbers here.
_NUMBER: Final = re.compile(
    r"[-+]?(?:\.(?:inf|nan)|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?)", re.ASCII | re.IGNORECASE
)

_INVALID: Final = object()
"""Stands for a value that doesn't fit, so that what holds it isn't made, and what stands beside it is read."""


def build(root: Node, type: type[T], error: type[BadSetup]) -> tuple[T, Origin]:
    """The struct that `root` holds.

    Types: structs, also tagged ones; mappings, tuples, frozen sets; text, numbers, truth values, paths, all with
    msgspec's `Meta`; literals; enums by value, an IntEnum by name; timedelta, and a float with `SECONDS`, as a
    duration; `Any`, a tree of mappings, tuples, text, numbers and truth values. Raises `error`, with a line for
    everything that doesn't fit, in the order of the document.
    """
    origin = Origin(root, error)
    reader = _Reader()
    value: T = reader.read(type, root, ())
    if reader.problems:
        raise origin.error_of(reader.problems, reader.unreported_count)
    return value, origin


class _Reader:
    """Reads a document and keeps what doesn't fit."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.unreported_count = 0

    def read(self, type_: TypeForm, node: Node, keys: Keys) -> Any:
        """What `node`, at `keys`, is; `_INVALID`, and a problem or more, if it doesn't fit."""
        try:
            return self._read(type_, node, keys)
        except InvalidValue as unfit:
            return self._report(keys, unfit)

    def _report(self, keys: Keys, unfit: InvalidValue) -> object:
        if len(self.problems) < MAX_REPORTED_PROBLEMS:
            self.problems.append(((*keys, *unfit.below), unfit.text))
        else:
            self.unreported_count += 1
        return _INVALID

    def _read(self, type_: TypeForm, node: Node, keys: Keys) -> object:
        """The same, but raises InvalidValue for what is wrong with `node` itself."""
        form = get_origin(type_)
        if type_ is Any:
            return self._tree(node, keys)
        if form is Annotated:
            return self._annotated(*get_args(type_), node=node, keys=keys)
        if form in (Union, types.UnionType):
            return self._union(get_args(type_), node, keys)
        if form is Literal:
            return value_of_name({str(name): name for name in get_args(type_)}, node)
        if form is not None:
            return self._collection(form, get_args(type_), node, keys)
        if isinstance(type_, type):
            return self._class(type_, node, keys)
        raise TypeError(f"{type_}: is no type of what a document holds")

    def _annotated(self, base: TypeForm, *metas: object, node: Node, keys: Keys) -> object:
        where = "".join(meta for meta in metas if isinstance(meta, DocLink))
        if where:
            return value_of_name({str(name): name for name in get_args(base)}, node, where=where)
        value = seconds(node) if durations.SECONDS in metas else self._described(base, metas, node, keys)
        return value if value is _INVALID else check_bounds(value, metas)

    def _described(self, base: TypeForm, metas: Iterable[object], node: Node, keys: Keys) -> object:
        """A value that isn't even of its type is told by what it must be, where its type says that in words."""
        wanted = next((meta.description for meta in metas if isinstance(meta, msgspec.Meta) and meta.description), "")
        try:
            return self._read(base, node, keys)
        except InvalidValue as unfit:
            raise (InvalidValue(f"must be {wanted}", unfit.below) if wanted else unfit) from None

    def _class(self, type_: type, node: Node, keys: Keys) -> object:
        if issubclass(type_, msgspec.Struct):
            return self._struct(type_, node, keys)
        if issubclass(type_, Enum):
            return value_of_name(
                type_.__members__ if issubclass(type_, IntEnum) else {member.value: member for member in type_}, node
            )
        return SCALAR_READERS[type_](node)

    def _struct(self, type_: type[msgspec.Struct], node: Node, keys: Keys) -> object:
        entries = _mapping(node)
        fields = _fields(type_)
        known = [*filter(None, [type_.__struct_config__.tag_field]), *fields]
        missing = _missing((key for key, info in fields.items() if info.required), known, entries)
        read = {key: self._report((*keys, key), InvalidValue("is required")) for key in missing}
        for key, entry in entries.items():
            if key in fields:
                read[key] = self.read(fields[key].type, entry, (*keys, key))
            elif key not in known:
                read[key] = self._report((*keys, key), InvalidValue(partial(_unknown_key_text, key, known)))
        if not _are_valid(read.values()):
            return _INVALID
        return type_(**{info.name: read[key] for key, info in fields.items() if key in read})

    def _union(self, options: tuple[TypeForm, ...], node: Node, keys: Keys) -> object:
        """None by null; one of several structs by its tag.

        One struct for a mapping; a tuple for a list; what is neither for all else.
        """
        if node.value is None and types.NoneType in options:
            return None
        structs = [option for option in options if isinstance(option, type) and issubclass(option, msgspec.Struct)]
        others = [option for option in options if option not in (*structs, types.NoneType)]
        if len(structs) > 1:
            return self._read(_struct_of_tag(structs, node), node, keys)
        lists = [option for option in others if get_origin(option) is tuple]
        plain = [option for option in others if option not in lists]
        wanted = structs if isinstance(node.value, dict) else lists if isinstance(node.value, list) else plain
        return self._read((wanted or structs or plain or lists)[0], node, keys)

    def _collection(self, form: type, arguments: tuple[TypeForm, ...], node: Node, keys: Keys) -> object:
        if issubclass(form, Mapping):
            return self._entries(arguments, _mapping(node), keys)
        if not isinstance(node.value, list):
            raise InvalidValue(
                "must be a list" if isinstance(node.value, dict | None) else "must be a list, such as [a, b]"
            )
        items = [self.read(arguments[0], item, (*keys, index)) for index, item in enumerate(node.value)]
        if form is not frozenset:
            return tuple(items) if _are_valid(items) else _INVALID
        unique = self._unique(items, keys)
        return frozenset(unique) if _are_valid(unique) else _INVALID

    def _entries(self, arguments: tuple[TypeForm, ...], entries: Mapping[str, Node], keys: Keys) -> object:
        names, values = {}, {}
        for key, entry in entries.items():
            names[key] = self.read(arguments[0], Node("", key), (*keys, key))
            values[key] = self.read(arguments[1], entry, (*keys, key))
        return values if _are_valid((*names.values(), *values.values())) else _INVALID

    def _unique(self, items: list[object], keys: Keys) -> list[object]:
        """The items of a set; one that was there before is wrong."""
        seen: set[object] = {_INVALID}
        apart = []
        for index, item in enumerate(items):
            again = item in seen and item is not _INVALID
            apart.append(self._report((*keys, index), InvalidValue("is in the list twice")) if again else item)
            seen.add(item)
        return apart

    def _tree(self, node: Node, keys: Keys) -> object:
        match node.value:
            case dict(entries):
                read = {key: self.read(Any, entry, (*keys, key)) for key, entry in entries.items()}
                return read if _are_valid(read.values()) else _INVALID
            case list(items):
                listed = [self.read(Any, item, (*keys, index)) for index, item in enumerate(items)]
                return tuple(listed) if _are_valid(listed) else _INVALID
            case None:
                raise InvalidValue("must not be empty")
            case str() if node.plain and _NUMBER.fullmatch(node.text):
                raise InvalidValue("must be a number that JSON can hold; to say a text, write it in quotes")
            case str() | bool():
                return node.value
        return SCALAR_READERS[type(node.value)](node)


@cache
def _fields(type_: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """A struct's fields by their keys: msgspec evaluates their annotations anew each time it is asked."""
    return {info.encode_name: info for info in msgspec.structs.fields(type_)}


def _are_valid(parts: Iterable[object]) -> bool:
    """Whether no part is wrong, so that what holds them can be made."""
    return all(part is not _INVALID for part in parts)


def _missing(required: Iterable[str], known: list[str], entries: Mapping[str, Node]) -> list[str]:
    """Required keys that aren't there, and not misspelt either: a key that looks like one is told as that."""
    unknown = islice((key for key in entries if key not in known), MAX_REPORTED_PROBLEMS)
    meant = {near for key in unknown for near in nearest(key, known)}
    return [key for key in required if key not in entries and key not in meant]


def _unknown_key_text(key: str, known: list[str]) -> str:
    return f"is not a key here; known: {', '.join(known) or 'none'}{suggestion(key, known)}"


def _struct_of_tag(structs: list[type[msgspec.Struct]], node: Node) -> type[msgspec.Struct]:
    tag_field = str(structs[0].__struct_config__.tag_field)
    tag = _mapping(node).get(tag_field)
    if tag is None:
        raise InvalidValue("is required", (tag_field,))
    return value_of_name({str(option.__struct_config__.tag): option for option in structs}, tag, (tag_field,))


def _mapping(node: Node) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise InvalidValue("must be a mapping of keys to values")
    return node.value
