"""Named patterns: `shape: NAME` stands for the pattern that the policy's `patterns` have under that name.

References are resolved here, when the policy loads, and nowhere else: what comes after sees the patterns as if they
stood where the references do. What may be in a pattern is for `problems.py` to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from gateway.policy.document import Classification, Policy, UserId
from gateway.policy.problems import name_problems, pattern_problems
from gateway.policy.review.findings import key_path
from gateway.policy.tracking_plan import Property
from gateway.policy.wording import printable
from gateway.yamlfile import Keys, Problem, unknown_name_text

S = TypeVar("S", bound=msgspec.Struct)

HasPattern = Classification | Property | UserId
"""What has a pattern, or the name of one."""

PLACEHOLDER_PATTERN: Final = "x_[a-z]{1,8}"
"""Stands for what a faulty reference names, so that only the reference is told of.

A policy that has one doesn't load.
"""


def resolve(policy: Policy) -> Policy:
    """The policy with patterns in the place of all references to them."""
    known = {name: pattern for name, pattern in policy.patterns.items() if not [*pattern_problems((), pattern)]}
    return _Resolver(known).struct(policy)


def problems(policy: Policy) -> Iterator[Problem]:
    """What can't be in named patterns, nor in references to them, of a policy as it is written."""
    places = tuple(_patterned(policy, ()))
    used = {held.shape for _, held in places}
    first = {pattern: name for name, pattern in reversed([*policy.patterns.items()])}
    for name, pattern in policy.patterns.items():
        keys: Keys = ("patterns", name)
        yield from name_problems(keys)
        yield from pattern_problems(keys, pattern)
        if name not in used:
            yield keys, "is used nowhere: no `shape` names it"
        if first[pattern] != name:
            yield keys, f"is the pattern of {first[pattern]} too; a pattern has one name"
    for keys, held in places:
        yield from _problems_of_reference(keys, held, policy.patterns)


def at_references(policy: Policy, found: Iterable[Problem]) -> Iterator[Problem]:
    """Problems of a resolved policy, where it is written: a pattern's stand at the reference, where it has one."""
    references = {
        (*keys, "pattern"): (*keys, "shape") for keys, held in _patterned(policy, ()) if held.shape and not held.pattern
    }
    return ((references.get(keys, keys), text) for keys, text in found)


def keys_using(policy: Policy, pattern: str) -> Iterator[str]:
    """Yield the keys of a resolved policy under which `pattern` stands."""
    return (key_path(keys) for keys, held in _patterned(policy, ()) if held.pattern == pattern)


def names_by_pattern(patterns: Mapping[str, str]) -> Mapping[str, str]:
    """How to tell a reader of each pattern that has a name."""
    return {pattern: f"{name}: {printable(pattern)}" for name, pattern in patterns.items()}


def names_before_and_after(
    old: Mapping[str, str], new: Mapping[str, str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """How to tell of a change.

    Of a name that stands for another pattern now, which is told in full once, the name alone.
    """
    changed = redefined(old, new)
    was = {old[name]: f"{name} as it was" for name in changed}
    now = {new[name]: f"{name} as it is now, see patterns.{name}" for name in changed}
    return {**names_by_pattern(old), **was}, {**names_by_pattern(new), **now}


def redefined(old: Mapping[str, str], new: Mapping[str, str]) -> frozenset[str]:
    """The names that stand for another pattern now."""
    return frozenset(name for name in old.keys() & new.keys() if old[name] != new[name])


def _problems_of_reference(keys: Keys, held: HasPattern, patterns: Mapping[str, str]) -> Iterator[Problem]:
    if held.shape and held.pattern:
        yield (*keys, "shape"), "stands beside a pattern; there is one of the two"
    if held.shape and held.shape not in patterns:
        known = unknown_name_text(held.shape, patterns, "`patterns`") if patterns else "there is none"
        yield (*keys, "shape"), f"is no named pattern; {known}"
    if isinstance(held, UserId) and not held.shape and not held.pattern:
        yield (*keys, "pattern"), "is required, or the shape that names one"


def _patterned(held: object, keys: Keys) -> Iterator[tuple[Keys, HasPattern]]:
    """Yield all that has a pattern or could, wherever in the policy it stands."""
    if isinstance(held, HasPattern):
        yield keys, held
        return
    for key, below in _children(held):
        yield from _patterned(below, (*keys, key))


def _children(held: object) -> Iterable[tuple[str | int, object]]:
    match held:
        case msgspec.Struct():
            return zip(held.__struct_encode_fields__, msgspec.structs.astuple(held), strict=True)
        case Mapping():
            return held.items()
        case tuple():
            return enumerate(held)
    return ()


class _Resolver:
    """Puts patterns in the place of their names, wherever in a policy these stand."""

    def __init__(self, known: Mapping[str, str]) -> None:
        """`known` are the patterns by name."""
        self._known = known

    def struct(self, held: S) -> S:
        """Return the same struct with all within it resolved."""
        return msgspec.structs.replace(
            held, **{name: self._value(getattr(held, name)) for name in held.__struct_fields__}
        )

    def _value(self, held: object) -> object:
        match held:
            case Classification() | Property() | UserId():
                return self._with_pattern(held)
            case msgspec.Struct():
                return self.struct(held)
            case Mapping():
                return {key: self._value(below) for key, below in held.items()}
            case tuple():
                return tuple(map(self._value, held))
        return held

    def _with_pattern(self, held: HasPattern) -> HasPattern:
        named = bool(held.shape) or isinstance(held, UserId)
        pattern = held.pattern or (self._known.get(held.shape, PLACEHOLDER_PATTERN) if named else "")
        return msgspec.structs.replace(held, pattern=pattern, shape="")
