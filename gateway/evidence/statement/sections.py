"""The statement's table as titles and rows of texts, which a format only has to mark up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.evidence.statement.listed import ListedForm
from gateway.evidence.statement.table import CheckedRule, Line, Statement

MAX_PATTERN_CHARS: Final = 80
"""Characters of a pattern without a name that are shown; the JSON has all."""

NOTHING_TRIED: Final = "nobody of this kind is in the policy"


class Section(msgspec.Struct, frozen=True):
    """A table with a title, and what to know before it."""

    title: str
    text: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sections(statement: Statement) -> Iterator[Section]:
    """Yield the tables of a statement, what failed first if anything did."""
    failing = tuple(_failing(statement))
    if failing:
        text = "Each line is a check that did not pass, and where the policy says what it is about."
        yield Section("What failed", text, ("promise", "rule", "tried", "what came out", "where"), failing)
    text = "Each promise of the statement, the rules that keep it, and what was tried to see whether they do, for instance."
    head = ("promise", "result", "rule", "checks", "tried", "what came out")
    rows = tuple(row for line in statement.promises for row in _promise(line))
    yield Section("Promises", f"{text} All values are invented.", head, rows)
    text = "What passes for its form: no name is tried on these patterns, or some detector doesn't look into the value."
    forms = tuple((one.key, one.what, _form(one), ", ".join(one.without) or "-") for one in statement.listed)
    yield Section("Identifiers and exemptions", text, ("key", "what passes", "pattern", "not looked for"), forms)
    text = "What the gateway can't enforce, and who must."
    limits = tuple((limit.what, limit.who) for limit in statement.not_enforced)
    yield Section("Not enforced here", text, ("what", "who must"), limits)


def summary(statement: Statement) -> str:
    """How many promises are kept, in a sentence."""
    kept = sum(line.passed for line in statement.promises)
    return f"{kept} of {len(statement.promises)} promises are kept, as checked against {statement.policy}."


def _promise(line: Line) -> Iterator[tuple[str, ...]]:
    """A row for each rule of a promise."""
    stated = (line.sentence, "kept" if line.passed else "NOT KEPT")
    if not line.rules:
        yield (*stated, "none", "", "", "")
    for index, rule in enumerate(line.rules):
        yield (*(("", "") if index else stated), rule.text, *_example(rule))


def _failing(statement: Statement) -> Iterator[tuple[str, ...]]:
    for line in statement.promises:
        if not line.rules:
            yield line.id, "-", "whether a rule keeps it", "no rule does", ""
        for rule in line.rules:
            if not rule.passed and not rule.failing:
                yield line.id, rule.rule, "whether something checks it", "nothing does", ""
            yield from ((line.id, rule.rule, one.tried, one.outcome, one.place) for one in rule.failing)


def _form(one: ListedForm) -> str:
    """A pattern by its name, or as it is if it is short."""
    short = one.pattern if len(one.pattern) <= MAX_PATTERN_CHARS else f"{one.pattern[:MAX_PATTERN_CHARS]}…"
    return f"shape {one.shape}" if one.shape else short


def _example(rule: CheckedRule) -> tuple[str, str, str]:
    """How many checks passed, and one of them: the first that failed, or else the last."""
    if not rule.checks:
        return ("none needed", NOTHING_TRIED, "") if rule.passed else ("none", "", "")
    one = (rule.failing or rule.checks[-1:])[0]
    told = f"{len(rule.failing)} of {len(rule.checks)} failed" if rule.failing else f"{len(rule.checks)} passed"
    return told, one.tried, one.outcome
