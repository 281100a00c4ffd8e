"""What can't be in a pattern, in the rules for values, or in a list of names, wherever in the policy it stands."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from gateway.detectors.detect import find
from gateway.model import Detector, FieldPrivacy
from gateway.patterns import compile_pattern, max_chars
from gateway.policy.document import UserId
from gateway.policy.identifiers import identifier_problem, thing_identifier_problem
from gateway.policy.log_lines import LogKeys
from gateway.policy.tracking_plan import Property
from gateway.policy.vocabulary import EXEMPTIBLE, EXEMPTIBLE_USER_ID
from gateway.policy.wording import shortlist
from gateway.yamlfile import Problem

MAX_EXEMPT_CHARS: Final = 400
"""Characters of the longest value that the pattern of a field with an exemption may match."""

MAX_LOG_KEYS: Final = 8
"""Keys within each other that a dotted path may be made of."""

_LOG_KEY: Final = re.compile(rf"[^\s.]+(\.[^\s.]+){{0,{MAX_LOG_KEYS - 1}}}")


def pattern_problems(keys: tuple[str | int, ...], pattern: str) -> Iterator[Problem]:
    """Of a pattern."""
    try:
        compile_pattern(pattern)
    except ValueError as error:
        # RE2 repeats part of the pattern after a second colon.
        yield keys, ": ".join(str(error).split(": ")[:2])


def identifier_problems(keys: tuple[str | int, ...], pattern: str) -> Iterator[Problem]:
    """Of a pattern that stands for an identifier."""
    found = [*pattern_problems(keys, pattern)]
    yield from found or ([(keys, text)] if (text := identifier_problem(pattern)) else [])


def thing_identifier_problems(patterns: tuple[str, ...]) -> Iterator[Problem]:
    """Of the patterns of things' identifiers."""
    for index, pattern in enumerate(patterns):
        keys = ("identifiers", index)
        found = [*pattern_problems(keys, pattern)]
        yield from found or ([(keys, text)] if (text := thing_identifier_problem(pattern)) else [])
    yield from duplicates(("identifiers",), patterns)


def user_id_problems(held: UserId) -> Iterator[Problem]:
    """Of what user IDs look like.

    What isn't looked for in them isn't anywhere, so that a prefix must tell what they are.
    """
    keys = ("user_id", "pattern")
    found = [*identifier_problems(keys, held.pattern)]
    yield from found
    yield from _detector_problems(("user_id", "without"), held.without, EXEMPTIBLE_USER_ID)
    if held.without and not found and (text := identifier_problem(held.pattern, prefixed=True)):
        yield ("user_id", "without"), f"needs a pattern with a literal prefix: it {text}"


def _exemption_problems(keys: tuple[str | int, ...], held: FieldPrivacy | Property) -> Iterator[Problem]:
    """Of what isn't looked for in a field: only by a bounded pattern of its own may it be told what the field holds."""
    yield from _detector_problems((*keys, "without"), held.without, EXEMPTIBLE)
    if not held.without:
        return
    if not held.pattern or held.one_of:
        yield (*keys, "without"), "needs a pattern beside it, and no one_of, that says what the values are"
    elif not [*pattern_problems((), held.pattern)] and (most := _max_value_chars(held)) > MAX_EXEMPT_CHARS:
        yield (
            (*keys, "pattern"),
            f"may match {most} characters; with without, {MAX_EXEMPT_CHARS} at most, by itself or by max_length",
        )


def _max_value_chars(held: FieldPrivacy | Property) -> int:
    return min(max_chars(held.pattern), held.max_length or max_chars(held.pattern))


def _detector_problems(
    keys: tuple[str | int, ...], kinds: tuple[Detector, ...], known: Collection[Detector]
) -> Iterator[Problem]:
    for index, kind in enumerate(kinds):
        if kind not in known:
            yield (*keys, index), f"{kind} is always looked for; what may be left out is {shortlist(known)}"
    yield from duplicates(keys, kinds)


def value_rule_problems(keys: tuple[str | int, ...], held: FieldPrivacy | Property) -> Iterator[Problem]:
    """Of the rules for the values of a field, an attribute, a property or a metadata key."""
    if held.pattern:
        yield from pattern_problems((*keys, "pattern"), held.pattern)
    if "" in held.one_of:
        yield (*keys, "one_of", held.one_of.index("")), "must not be empty"
    yield from duplicates((*keys, "one_of"), held.one_of)
    if held.max_length not in range(2**32):
        yield (*keys, "max_length"), "must be within 0 and 4294967295"
    if held.min is not None and held.max is not None and held.min > held.max:
        yield (*keys, "min"), "must be max or less; max left out is 0"
    yield from _exemption_problems(keys, held)


def text_problems(keys: tuple[str | int, ...], texts: tuple[str, ...]) -> Iterator[Problem]:
    """Of texts that pass word for word: they are everybody's, so that nothing personal is in one.

    What it is stays unsaid.
    """
    for index, text in enumerate(texts):
        if reason := find(text):
            yield (*keys, index), f"{reason.words}: take out what is personal, or say it as an attribute"
    yield from duplicates(keys, texts)


def name_problems(keys: tuple[str | int, ...]) -> Iterator[Problem]:
    """Of a name, the last of `keys`, that passes wherever it is listed."""
    if reason := find(str(keys[-1])):
        yield keys, f"{reason.words}: a name holds nothing personal"


def duplicates(keys: tuple[str | int, ...], names: tuple[str, ...]) -> Iterator[Problem]:
    """Of names that are in a list again."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield (*keys, index), "is in the list twice"
        seen.add(name)


def log_key_problems(held: LogKeys) -> Iterator[Problem]:
    """Of a map of a line's keys: what is no key, holds something personal itself, or says two things."""
    said: dict[str, str] = {}
    for name in LogKeys.__struct_fields__:
        keys = ("pipe", "keys", name)
        for index, key in enumerate(getattr(held, name)):
            if reason := _log_key_problem(key) or (
                f"is a key of {said[key]} too; a key says one thing" if key in said else ""
            ):
                yield (*keys, index), reason
        said.update(dict.fromkeys(getattr(held, name), name))
        yield from duplicates(keys, getattr(held, name))


def _log_key_problem(key: str) -> str:
    if not _LOG_KEY.fullmatch(key):
        return f"must be a key, or up to {MAX_LOG_KEYS} within each other with dots between, without spaces"
    return f"{reason.words}: a name holds nothing personal" if (reason := find(key)) else ""
