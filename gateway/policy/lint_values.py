"""What values and texts say that contracts and policy list one by one: `lint`'s look at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.detectors.detect import find
from gateway.detectors.prohibited import prohibited
from gateway.model import NEVER, Category, FieldPrivacy
from gateway.policy.compile import Compiler
from gateway.policy.findings import Finding, Keys, Severity, path
from gateway.policy.lint_names import UNFIT, named, severity, way_out


def flagged_values(compiler: Compiler) -> Iterator[Finding]:
    """Listed values that detectors take for personal data: they never pass. Which value it is stays unsaid."""
    for keys, privacy in _classified(compiler):
        if privacy.category is Category.OPERATIONAL:
            for index, reason in enumerate(map(find, privacy.one_of), 1):
                if reason:
                    text = f"value {index} of one_of never passes, for it {reason.words}: take it out"
                    yield _at(Severity.WARNING, "value-flagged", keys, text)


def prohibited_values(compiler: Compiler) -> Iterator[Finding]:
    """Listed values that say what is never collected: the first of each list is enough."""
    for keys, privacy in _classified(compiler):
        if privacy.category not in NEVER:
            yield from _prohibited(keys, privacy.category, privacy.one_of)


def prohibited_texts(compiler: Compiler) -> Iterator[Finding]:
    """Log texts and names of spans that say it. That something happens to a password, or to an address, they may say."""
    for key in ("log_templates", "span_names"):
        for index, text in enumerate(getattr(compiler.policy.otlp, key)):
            found = prohibited(text)
            if found is not None and "bool" not in UNFIT[found.topic]:
                said = f"says {found.topic}, which is never collected: take it out"
                yield _at(severity(found, Category.OPERATIONAL), "never-word", ("otlp", key, index), said)


def _classified(compiler: Compiler) -> Iterator[tuple[Keys, FieldPrivacy]]:
    yield from (((name,), privacy) for name, privacy in compiler.classes.items())
    yield from ((keys, privacy) for keys, privacy, _ in named(compiler.policy))


def _prohibited(keys: Keys, category: Category, values: Iterable[str]) -> Iterator[Finding]:
    said = ((index, prohibited(value)) for index, value in enumerate(values, 1))
    found = [(index, one) for index, one in said if one is not None and "enum" not in UNFIT[one.topic]]
    if found:
        index, first = min(found, key=lambda pair: not pair[1].unmistakable)
        text = f"value {index} of one_of says {first.topic}, which is never collected: {way_out(first)}"
        yield _at(severity(first, category), "never-word", keys, text)


def _at(severity: Severity, code: str, keys: Keys, text: str) -> Finding:
    """Return a finding at a field's name, or at a key of the policy."""
    return Finding(severity, code, path(keys), text, keys if len(keys) > 1 else ())
