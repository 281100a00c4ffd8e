"""Findings on what fields are said to hold: labels that are missing, that don't fit, or that say too little."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.approvals import COMMAND
from gateway.model import Category, FieldPrivacy
from gateway.policy.compile import Compiler
from gateway.policy.fields import classified_parts
from gateway.policy.flow_targets import own_fields
from gateway.policy.review.findings import Finding, Severity
from gateway.policy.review.open_values import OPAQUE_TEXT, can_hold, fitting_categories
from gateway.policy.wording import shortlist


def unclassified(compiler: Compiler) -> Iterator[Finding]:
    """Fields that go nowhere because nobody said what they hold, or nobody approved it."""
    for field in own_fields(compiler):
        name = field.full_name
        held, claim = (given.get(name, FieldPrivacy()) for given in (compiler.classifications, compiler.claims))
        bare = [part for part, _ in classified_parts(field) if getattr(held, part) is Category.UNSPECIFIED]
        claimed = [getattr(claim, part).name for part in bare if getattr(claim, part) is not Category.UNSPECIFIED]
        if name in compiler.unreadable_fields:
            text = (
                "its annotation says what this gateway is too old to know, so it goes nowhere; update the gateway, "
                "or overlay it"
            )
            yield Finding(Severity.WARNING, "annotation-newer", name, text)
        elif claimed:
            how = "take the contract that this gateway has" if compiler.is_builtin_policy else f"`{COMMAND}` records it"
            text = f"{' and '.join(claimed)} is not approved, so it goes nowhere; {how}"
            yield Finding(Severity.WARNING, "not-approved", name, text)
        elif bare:
            what = "its keys have no category (`map_key`)" if bare == ["map_key"] else "has no category"
            yield Finding(
                Severity.WARNING,
                "unclassified",
                name,
                f"{what}, so it goes nowhere; say what it holds{_fitting_categories(field)}",
            )


def _fitting_categories(field: FieldDescriptor) -> str:
    """Which categories a field may have, where not all."""
    kinds = [kind for part, kind in classified_parts(field) if part == "category"]
    return (
        f", such as {shortlist(fitting_categories(kinds[0]))}: {OPAQUE_TEXT}"
        if kinds and kinds[0] in ("bytes", "opaque")
        else ""
    )


def unfit_labels(compiler: Compiler) -> Iterator[Finding]:
    """Labels that a field's kind of value can't bear, and rules that its kind doesn't know."""
    for field in own_fields(compiler):
        privacy = compiler.claims.get(field.full_name, FieldPrivacy())
        for part, kind in classified_parts(field):
            yield from _unfit_label(field, kind, FieldPrivacy(getattr(privacy, part)))
        kinds = [kind for part, kind in classified_parts(field) if part == "category"] or ["message"]
        yield from _idle_rules(field, kinds[0], privacy)


def _unfit_label(field: FieldDescriptor, kind: str, privacy: FieldPrivacy) -> Iterator[Finding]:
    if not can_hold(kind, privacy.category):
        how = f"label it as what it holds ({shortlist(fitting_categories(kind))}), or change its type"
        text = f"a value of kind {kind} can't be {privacy.category.name}, so it is always stripped: {how}"
        yield Finding(Severity.ERROR, "label-unfit", field.full_name, text)


def _idle_rules(field: FieldDescriptor, kind: str, privacy: FieldPrivacy) -> Iterator[Finding]:
    of_strings = bool(privacy.pattern or privacy.max_length or privacy.one_of) and kind != "string"
    of_numbers = privacy.bounded and kind not in ("integer", "float", "duration")
    if of_strings or of_numbers:
        names = (
            "pattern, max_length and one_of are for strings"
            if of_strings
            else "min and max are for numbers and durations"
        )
        yield Finding(
            Severity.WARNING,
            "rule-idle",
            field.full_name,
            f"{names}; this is of kind {kind}, and the rule does nothing",
        )


def redacted_operational(compiler: Compiler) -> Iterator[Finding]:
    """Fields that their contract keeps out of debug output, and that are said to be of nobody."""
    for field in own_fields(compiler):
        category = compiler.claims.get(field.full_name, FieldPrivacy()).category
        if category is Category.OPERATIONAL and field.GetOptions().debug_redact:
            text = (
                "has debug_redact, which marks what is sensitive, and says OPERATIONAL, which is of nobody: take one "
                "of the two away"
            )
            yield Finding(Severity.WARNING, "redacted", field.full_name, text)


def unbounded_integers(compiler: Compiler) -> Iterator[Finding]:
    """Whole numbers that may be any."""
    for field in own_fields(compiler):
        privacy = compiler.classifications.get(field.full_name, FieldPrivacy())
        if (
            privacy.category is Category.OPERATIONAL
            and not privacy.bounded
            and ("category", "integer") in classified_parts(field)
        ):
            yield Finding(
                Severity.NOTE,
                "unbounded",
                field.full_name,
                "any whole number passes inside the EU; min and max would say which there are",
            )
