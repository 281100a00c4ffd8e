"""Identifiers and addresses among values that have a key beside them.

OTLP attributes and bodies, the properties of events.

They are read from what `attributes.py` has left, so that which key has which category is all that must be known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from google.protobuf.message import Message

from gateway.engine.attributes import ANY_VALUE, ARRAY, KEY, KEY_VALUE, KIND, LIST, PROPERTY, VALUE, key_prefixes
from gateway.engine.rules import VerdictCache
from gateway.model import Category, Identifier
from gateway.plan import Attributes, Body, Scalar, UserId, Value, WorkEmail
from gateway.protobuf.schema import attribute, read

FindIdentifiers = Callable[[bytes], frozenset[Identifier]]
"""What a raw message holds."""

CATEGORY: Final[Mapping[type, Category]] = {UserId: Category.USER_ID, WorkEmail: Category.WORK_EMAIL}
"""The category that the values of a rule have, where it is one of these."""

_Kinds = Mapping[str, Category]
"""The category of a value by its kind: by its field's name."""


def names(rule: Attributes | Body) -> bool:
    """Whether something that a rule lets pass can be an identifier or an address."""
    rule = rule.attributes if isinstance(rule, Body) else rule
    return any(map(holds, (*rule.exact.values(), *rule.prefixes.values())))


def holds(value: Value) -> bool:
    """Whether a value of some kind can."""
    return any(type(rule) in CATEGORY for rule in (value.string, value.integer, value.double, value.boolean))


def identifiers_of(rule: Attributes | Body) -> FindIdentifiers:
    """What reads a `KeyValue`, or a log body. The same ones come again and again."""
    paths = _Paths(rule.attributes if isinstance(rule, Body) else rule)
    return VerdictCache(paths.in_body if isinstance(rule, Body) else paths.in_pair).__getitem__


def properties(rules: Mapping[str, Value]) -> FindIdentifiers:
    """What reads an entry of one event's properties."""
    return VerdictCache(_EventProperties(rules).find).__getitem__


class _EventProperties:
    """Finds categories by the key of a property."""

    def __init__(self, rules: Mapping[str, Value]) -> None:
        self._kinds = {
            key: _kinds(value.string, value.integer, value.double, value.boolean) for key, value in rules.items()
        }

    def find(self, raw: bytes) -> frozenset[Identifier]:
        """Return what a serialised entry holds. Raises Refused."""
        entry = read(PROPERTY, raw)
        return frozenset(_single(getattr(entry, VALUE), self._kinds.get(getattr(entry, KEY), {})))


class _Paths:
    """Finds categories by the path of keys: that of the path itself, else that of the longest prefix."""

    def __init__(self, rule: Attributes) -> None:
        self._exact = {key: _otlp(value) for key, value in rule.exact.items()}
        self._prefixes = {prefix.removesuffix("."): _otlp(value) for prefix, value in rule.prefixes.items()}

    def in_pair(self, raw: bytes) -> frozenset[Identifier]:
        """Return what a serialised `KeyValue` holds. Raises Refused."""
        return frozenset(self.pair(read(KEY_VALUE, raw), ""))

    def in_body(self, raw: bytes) -> frozenset[Identifier]:
        """Return what a serialised log body holds. Raises Refused."""
        return frozenset(self.value(read(ANY_VALUE, raw), ""))

    def pair(self, pair: Message, above: str) -> Iterator[Identifier]:
        """Yield what a `KeyValue` below a path holds."""
        return self.value(getattr(pair, VALUE), above + getattr(pair, KEY))

    def value(self, value: Message, path: str) -> Iterator[Identifier]:
        """Yield what an `AnyValue` at a path holds; a log body's path is empty."""
        kind = value.WhichOneof(KIND)
        if kind == LIST:
            below = f"{path}." if path else ""
            return (found for pair in getattr(getattr(value, LIST), KEY) for found in self.pair(pair, below))
        if kind == ARRAY:
            return (found for element in getattr(getattr(value, ARRAY), KEY) for found in self.value(element, path))
        return _single(value, self._of(path))

    def _of(self, path: str) -> _Kinds:
        if path in self._exact:
            return self._exact[path]
        return next((self._prefixes[head] for head in key_prefixes(path) if head in self._prefixes), {})


def _otlp(value: Value) -> _Kinds:
    return _kinds(value.string, value.boolean, value.integer, value.double)


def _kinds(*rules: Scalar | None) -> _Kinds:
    return {attribute(number): CATEGORY[type(rule)] for number, rule in enumerate(rules, 1) if type(rule) in CATEGORY}


def _single(value: Message, kinds: _Kinds) -> Iterator[Identifier]:
    kind = value.WhichOneof(KIND)
    if kind in kinds:
        yield kinds[kind], str(getattr(value, kind))
