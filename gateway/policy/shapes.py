"""Named patterns: `shape: NAME` stands for the pattern that the policy's `patterns` have under that name.

References are resolved here, when the policy loads, and nowhere else: what comes after sees the patterns as if they
stood where the references do. What may be in a pattern is for `faults.py` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from gateway.policy import faults as fault
from gateway.policy.document import Classification, Policy, UserId
from gateway.policy.findings import path
from gateway.policy.planned import Property
from gateway.policy.words import printable
from gateway.yamlfile import Fault, Keys, unlisted

Shaped = Classification | Property | UserId
"""What has a pattern, or the name of one."""

SOUND: Final = "x_[a-z]{1,8}"
"""Stands for what a faulty reference names, so that only the reference is told of.

A policy that has one doesn't load.
"""


def resolved(policy: Policy) -> Policy:
    """The policy with patterns in the place of all references to them."""
    known = {name: pattern for name, pattern in policy.patterns.items() if not [*fault.of_pattern((), pattern)]}
    whole: Policy = _changed(policy, lambda held: _resolved(held, known))
    return whole


def faults(policy: Policy) -> Iterator[Fault]:
    """What can't be in named patterns, nor in references to them, of a policy as it is written."""
    places = tuple(_places(policy, ()))
    used = {held.shape for _, held in places}
    first = {pattern: name for name, pattern in reversed([*policy.patterns.items()])}
    for name, pattern in policy.patterns.items():
        keys: Keys = ("patterns", name)
        yield from fault.of_name(keys)
        yield from fault.of_pattern(keys, pattern)
        if name not in used:
            yield keys, "is used nowhere: no `shape` names it"
        if first[pattern] != name:
            yield keys, f"is the pattern of {first[pattern]} too; a pattern has one name"
    for keys, held in places:
        yield from _faults_of_reference(keys, held, policy.patterns)


def placed(policy: Policy, found: Iterable[Fault]) -> Iterator[Fault]:
    """Faults of a resolved policy, where it is written: that of a pattern stands at the reference, where it has one."""
    references = {
        (*keys, "pattern"): (*keys, "shape") for keys, held in _places(policy, ()) if held.shape and not held.pattern
    }
    return ((references.get(keys, keys), text) for keys, text in found)


def users(policy: Policy, pattern: str) -> Iterator[str]:
    """Yield the keys of a resolved policy under which `pattern` stands."""
    return (path(keys) for keys, held in _places(policy, ()) if held.pattern == pattern)


def told(patterns: Mapping[str, str]) -> Mapping[str, str]:
    """How to tell a reader of each pattern that has a name."""
    return {pattern: f"{name}: {printable(pattern)}" for name, pattern in patterns.items()}


def told_apart(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """How to tell of a change.

    Of a name that stands for another pattern now, which is told in full once, the name alone.
    """
    changed = redefined(old, new)
    was = {old[name]: f"{name} as it was" for name in changed}
    now = {new[name]: f"{name} as it is now, see patterns.{name}" for name in changed}
    return {**told(old), **was}, {**told(new), **now}


def redefined(old: Mapping[str, str], new: Mapping[str, str]) -> frozenset[str]:
    """The names that stand for another pattern now."""
    return frozenset(name for name in old.keys() & new.keys() if old[name] != new[name])


def _faults_of_reference(keys: Keys, held: Shaped, patterns: Mapping[str, str]) -> Iterator[Fault]:
    if held.shape and held.pattern:
        yield (*keys, "shape"), "stands beside a pattern; there is one of the two"
    if held.shape and held.shape not in patterns:
        known = unlisted(held.shape, patterns, "`patterns`") if patterns else "there is none"
        yield (*keys, "shape"), f"is no named pattern; {known}"
    if isinstance(held, UserId) and not held.shape and not held.pattern:
        yield (*keys, "pattern"), "is required, or the shape that names one"


def _resolved(held: Shaped, known: Mapping[str, str]) -> Shaped:
    named = bool(held.shape) or isinstance(held, UserId)
    pattern = held.pattern or (known.get(held.shape, SOUND) if named else "")
    return msgspec.structs.replace(held, pattern=pattern, shape="")


def _places(held: Any, keys: Keys) -> Iterator[tuple[Keys, Shaped]]:
    """Yield all that has a pattern or could, wherever in the policy it stands."""
    if isinstance(held, Shaped):
        yield keys, held
        return
    for key, below in _below(held):
        yield from _places(below, (*keys, key))


def _below(held: Any) -> Iterable[tuple[str | int, Any]]:
    match held:
        case msgspec.Struct():
            return zip(held.__struct_encode_fields__, msgspec.structs.astuple(held), strict=True)
        case Mapping():
            return held.items()
        case tuple():
            return enumerate(held)
    return ()


def _changed(held: Any, change: Callable[[Shaped], Shaped]) -> Any:
    """The same with each of those changed."""
    if isinstance(held, Shaped):
        return change(held)
    match held:
        case msgspec.Struct():
            return msgspec.structs.replace(
                held, **{name: _changed(getattr(held, name), change) for name in held.__struct_fields__}
            )
        case Mapping():
            return {key: _changed(below, change) for key, below in held.items()}
        case tuple():
            return tuple(_changed(below, change) for below in held)
    return held
