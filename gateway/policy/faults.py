"""What can't be in a pattern, in the rules for values, or in a list of names, wherever in the policy it stands."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.model import FieldPrivacy
from gateway.patterns import compile_pattern
from gateway.policy.document import Property
from gateway.policy.identifiers import identifier_fault
from gateway.policy.residency import Fault


def of_pattern(keys: tuple[str | int, ...], pattern: str) -> Iterator[Fault]:
    """Of a pattern."""
    try:
        compile_pattern(pattern)
    except ValueError as error:
        # RE2 repeats part of the pattern after a second colon.
        yield keys, ": ".join(str(error).split(": ")[:2])


def of_identifier(keys: tuple[str | int, ...], pattern: str) -> Iterator[Fault]:
    """Of a pattern that stands for an identifier."""
    found = [*of_pattern(keys, pattern)]
    yield from found or ([(keys, text)] if (text := identifier_fault(pattern)) else [])


def of_values(keys: tuple[str | int, ...], held: FieldPrivacy | Property) -> Iterator[Fault]:
    """Of the rules for the values of a field, an attribute, a property or a metadata key."""
    if held.pattern:
        yield from of_pattern((*keys, "pattern"), held.pattern)
    if "" in held.one_of:
        yield (*keys, "one_of", held.one_of.index("")), "must not be empty"
    yield from twice((*keys, "one_of"), held.one_of)
    if held.max_length not in range(2**32):
        yield (*keys, "max_length"), "must be within 0 and 4294967295"
    if held.min is not None and held.max is not None and held.min > held.max:
        yield (*keys, "min"), "must be max or less; max left out is 0"


def twice(keys: tuple[str | int, ...], names: tuple[str, ...]) -> Iterator[Fault]:
    """Of names that are in a list again."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield (*keys, index), "is in the list twice"
        seen.add(name)
