"""What values and texts say that contracts and policy list one by one: `lint`'s look at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.detectors.detect import find
from gateway.detectors.prohibited import find_prohibition
from gateway.model import NEVER, Category, FieldPrivacy
from gateway.policy.compile import Compiler
from gateway.policy.review.findings import Finding, Severity, finding_at
from gateway.policy.review.names import IMPOSSIBLE_KINDS, first_prohibited, named_by_policy, remedy, severity
from gateway.yamlfile import Keys


def flagged_values(compiler: Compiler) -> Iterator[Finding]:
    """Listed values that detectors take for personal data: they never pass. Which value it is stays unsaid."""
    for keys, privacy in _classified(compiler):
        if privacy.category is Category.OPERATIONAL:
            for index, reason in enumerate(map(find, privacy.one_of), 1):
                if reason:
                    text = f"value {index} of one_of never passes, for it {reason.words}: take it out"
                    yield finding_at(Severity.WARNING, "value-flagged", keys, text)


def prohibited_values(compiler: Compiler) -> Iterator[Finding]:
    """Listed values that say what is never collected: the first of each list is enough."""
    for keys, privacy in _classified(compiler):
        if privacy.category not in NEVER:
            yield from _prohibited(keys, privacy.category, privacy.one_of)


def prohibited_texts(compiler: Compiler) -> Iterator[Finding]:
    """Log texts and names of spans that say it.

    That something happens to a password, or to an address, they may say.
    """
    for key in ("log_templates", "span_names"):
        for index, text in enumerate(getattr(compiler.policy.otlp, key)):
            found = find_prohibition(text)
            if found is not None and "bool" not in IMPOSSIBLE_KINDS[found.topic]:
                said = f"says {found.topic}, which is never collected: take it out"
                yield finding_at(severity(found, Category.OPERATIONAL), "never-word", ("otlp", key, index), said)


def _classified(compiler: Compiler) -> Iterator[tuple[Keys, FieldPrivacy]]:
    yield from (((name,), privacy) for name, privacy in compiler.classifications.items())
    yield from ((keys, privacy) for keys, privacy, _ in named_by_policy(compiler.policy))


def _prohibited(keys: Keys, category: Category, values: Iterable[str]) -> Iterator[Finding]:
    if found := first_prohibited(values):
        index, first = found
        text = f"value {index + 1} of one_of says {first.topic}, which is never collected: {remedy(first)}"
        yield finding_at(severity(first, category), "never-word", keys, text)
