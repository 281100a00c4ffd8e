"""What names say, of fields, attributes, properties and metadata, that their labels don't: `lint`'s look at words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from gateway.detectors.personal_names import is_personal_name
from gateway.detectors.prohibited import Prohibition, Topic, find_prohibition
from gateway.model import NEVER, Category, FieldPrivacy
from gateway.patterns import compile_pattern
from gateway.policy.compile import Compiler
from gateway.policy.document import Policy
from gateway.policy.fields import classified_parts, value_field
from gateway.policy.flow_targets import metadata_sections, own_fields
from gateway.policy.review.findings import Finding, Severity, finding_at
from gateway.policy.scaffold.proposals import names_person
from gateway.policy.value_rules import KIND_BY_TYPE
from gateway.yamlfile import Keys

IMPOSSIBLE_KINDS: Final[Mapping[Topic, frozenset[str]]] = {
    Topic.AGE: frozenset({"bool"}),
    Topic.GENDER: frozenset(),
    Topic.BANKING: frozenset({"bool", "enum", "float", "timestamp", "duration"}),
    Topic.LOCATION: frozenset({"bool", "timestamp", "duration"}),
    Topic.CREDENTIAL: frozenset({"bool", "enum", "float", "timestamp", "duration"}),
    Topic.NATIONAL_ID: frozenset({"bool", "enum", "float", "timestamp", "duration"}),
    Topic.SPECIAL: frozenset(),
}
"""Kinds of values that can't be what a name says: `password_changed_at` is a time."""

SAMPLE_NAMES: Final = (
    "ada",
    "Ada",
    "ADA",
    "martin",
    "Martin",
    "anna.martin",
    "Anna Martin",
    "anna_martin",
    "anna-martin",
    "annamartin",
)
"""What a pattern lets pass that says nothing of its values."""

MAX_CODE_RANGE_NUMBERS: Final = 1000
"""The greatest span of whole numbers that are codes or counts, not somebody's."""


def prohibited_words(compiler: Compiler) -> Iterator[Finding]:
    """Names that say what is never collected, under another label."""
    yield from _prohibited_words_of_fields(compiler)
    for keys, privacy, kind in named_by_policy(compiler.policy):
        yield from _prohibited_word(str(keys[-1]), keys, privacy.category, kind)


def _prohibited_words_of_fields(compiler: Compiler) -> Iterator[Finding]:
    first = cache(_first_of)  # an enum may be the type of many fields
    for field in own_fields(compiler):
        category = compiler.classifications.get(field.full_name, FieldPrivacy()).category
        yield from _prohibited_word(field.name, (field.full_name,), category, _kind(field))
        enum = value_field(field).enum_type
        if enum is not None and category not in NEVER and (found := first(enum)):
            yield _prohibited_value(field, category, *found)


def _kind(field: FieldDescriptor) -> str:
    """The kind of value that a field's category is about."""
    return next((kind for part, kind in classified_parts(field) if part == "category"), "message")


def named_by_policy(policy: Policy) -> Iterator[tuple[Keys, FieldPrivacy, str]]:
    """Yield what the policy itself names: where it does, what it says of it, and its kind of value.

    An event happened or didn't.
    """
    for name, event in policy.tracking_plan.items():
        yield ("tracking_plan", name), FieldPrivacy(Category.OPERATIONAL), "bool"
        for key, held in event.properties.items():
            yield ("tracking_plan", name, "properties", key), held.privacy, KIND_BY_TYPE[held.kind]
    for key in policy.otlp.attributes:
        yield ("otlp", "attributes", key), policy.otlp.privacy(key), "string"
    for keys, given in metadata_sections(policy):
        for section in ("keys", "baggage", "tracestate"):
            for key, held in getattr(given, section).items():
                yield (*keys, section, key), held if isinstance(held, FieldPrivacy) else FieldPrivacy(held), "string"


def _prohibited_word(name: str, keys: Keys, category: Category, kind: str) -> Iterator[Finding]:
    found = find_prohibition(name)
    if found is None or category in NEVER or kind in IMPOSSIBLE_KINDS[found.topic]:
        return
    under = "without a category" if category is Category.UNSPECIFIED else f"under the label {category.name}"
    text = f"its name says {found.topic}, which is never collected, {under}: {remedy(found, 'name it for what it is')}"
    yield finding_at(severity(found, category), "never-word", keys, text)


def remedy(found: Prohibition, *others: str) -> str:
    """Return what to do about it, in words."""
    category = found.topic.category
    ways = ["drop it", *others] if category is None else [f"label it {category.name}", "drop it", *others]
    joint = ", or " if len(ways) > 2 else " or "
    return joint.join(filter(None, (", ".join(ways[:-1]), ways[-1])))


def severity(found: Prohibition, category: Category) -> Severity:
    """Return how much it matters. What has no category goes nowhere, whatever its name says."""
    return Severity.ERROR if found.unmistakable and category is not Category.UNSPECIFIED else Severity.WARNING


def first_prohibited(values: Iterable[str]) -> tuple[int, Prohibition] | None:
    """Return the index of the first listed value that says what is never collected, unmistakable ones before others.

    One is enough.
    """
    said = enumerate(map(find_prohibition, values))
    found = [(index, one) for index, one in said if one is not None and "enum" not in IMPOSSIBLE_KINDS[one.topic]]
    return min(found, key=lambda pair: not pair[1].unmistakable, default=None)


def _first_of(enum: EnumDescriptor) -> tuple[str, Prohibition] | None:
    """The same of an enum, by its name."""
    found = first_prohibited(value.name for value in enum.values)
    return None if found is None else (enum.values[found[0]].name, found[1])


def _prohibited_value(field: FieldDescriptor, category: Category, name: str, found: Prohibition) -> Finding:
    text = f"its value {name} says {found.topic}, which is never collected: {remedy(found)}"
    return finding_at(severity(found, category), "never-word", (field.full_name,), text)


def personal_words(compiler: Compiler) -> Iterator[Finding]:
    """Names that say something personal, and are labelled OPERATIONAL, which any token passes."""
    for field in own_fields(compiler):
        yield from _personal_word(
            field.name, (field.full_name,), compiler.classifications.get(field.full_name, FieldPrivacy()), _kind(field)
        )
    for keys, privacy, kind in named_by_policy(compiler.policy):
        yield from _personal_word(str(keys[-1]), keys, privacy, kind)


def _personal_word(name: str, keys: Keys, privacy: FieldPrivacy, kind: str) -> Iterator[Finding]:
    if (
        privacy.category is not Category.OPERATIONAL
        or _is_closed(privacy)
        or kind not in ("string", "integer", "float")
    ):
        return
    if find_prohibition(name) is not None:
        return
    if is_personal_name(name):
        text = (
            "its name says something personal, under the label OPERATIONAL: label it as what it is, or say which "
            "values it may have"
        )
        yield finding_at(Severity.WARNING, "personal-word", keys, text)
    elif kind == "string" and names_person(name):
        text = (
            "its name is somebody's or a thing's, under the label OPERATIONAL: label it USER_ID or NAME, or say "
            "which values it may have"
        )
        yield finding_at(Severity.WARNING, "personal-word", keys, text)


def _is_closed(privacy: FieldPrivacy) -> bool:
    """Whether it is said which values there are: a list, few numbers, or a pattern that no name matches."""
    if privacy.bounded:
        return privacy.max - privacy.min <= MAX_CODE_RANGE_NUMBERS
    pattern = compile_pattern(privacy.pattern) if privacy.pattern else None
    return bool(privacy.one_of) or (pattern is not None and not any(map(pattern.fullmatch, SAMPLE_NAMES)))
