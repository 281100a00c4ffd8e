"""Slots that all signals have: resource, scope, attributes and their values; and the rulings that slots share.

What is OTLP's is a log's, and stays in the EU: see `log_destinations.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

import msgspec

from gateway.errors import FieldReason
from gateway.model import Category, FieldPrivacy
from gateway.plan import Attributes, Length, Moment, Number, Text, Value
from gateway.policy.document import Policy
from gateway.policy.otlp.versions import VERSION
from gateway.policy.projector import Ruling
from gateway.policy.rules import RecipientTerms, rule_for
from gateway.policy.value_rules import KINDS, value_rules

COMMON: Final = "opentelemetry.proto.common.v1."
RESOURCE: Final = "opentelemetry.proto.resource.v1.Resource."

OPERATIONAL: Final = FieldPrivacy(Category.OPERATIONAL)
FREE_TEXT: Final = FieldPrivacy(Category.FREE_TEXT)
COUNT: Final = FieldPrivacy(Category.OPERATIONAL, min=0, max=1_000_000)
SCHEMA_URL: Final = FieldPrivacy(
    Category.OPERATIONAL, pattern=r"https://opentelemetry\.io/schemas/[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"
)
MIN_TIME_SECONDS: Final = 946_684_800
MAX_TIME_SECONDS: Final = 3_155_759_999
"""Seconds since 1970 of the first moment of 2000 and the last of 2069: no program that reports in OTLP ran before.

Batches that are replayed late pass. In nanoseconds these are numbers of 18 digits that begin with 9, and of 19 below
3.16e18: no phone number has so many, and no card that is issued begins so but Diners Club's of 300 to 305, which have
14.
"""
_SCOPE: Final = FieldPrivacy(Category.OPERATIONAL, pattern="@?[A-Za-z0-9][A-Za-z0-9._:/-]{0,126}")
"""Names of libraries: `@opentelemetry/instrumentation-http`, `go.opentelemetry.io/contrib/instrumentation/…`."""
FLAGS: Final = FieldPrivacy(Category.OPERATIONAL, min=0, max=1023)
"""Trace flags, and two bits on whether a parent is remote: opentelemetry/proto/trace/v1/trace.proto, SpanFlags."""

CLASSIFICATIONS: Final[Mapping[str, FieldPrivacy]] = {
    f"{RESOURCE}dropped_attributes_count": COUNT,
    f"{COMMON}InstrumentationScope.dropped_attributes_count": COUNT,
}
"""Slots that are judged as any field is."""

STRIPPED_SLOTS: Final = frozenset({f"{RESOURCE}entity_refs"})
"""Slots that never leave: an entity reference repeats attribute keys, which may have been stripped."""

VALUE_SLOTS: Final = frozenset(
    f"{COMMON}{slot}"
    for slot in (
        "KeyValue.key",
        "KeyValue.value",
        "AnyValue.string_value",
        "AnyValue.bool_value",
        "AnyValue.int_value",
        "AnyValue.double_value",
        "AnyValue.array_value",
        "AnyValue.kvlist_value",
        "ArrayValue.values",
        "KeyValueList.values",
    )
)
"""Slots within an attribute or a body, which its rule decides on."""

OPAQUE_VALUE_SLOTS: Final = frozenset(
    f"{COMMON}{slot}" for slot in ("KeyValue.key_strindex", "AnyValue.bytes_value", "AnyValue.string_value_strindex")
)
"""Slots within an attribute or a body that no rule reads: the engine's schema of them doesn't have them."""


class SharedRules:
    """The rulings that slots share, at one destination."""

    def __init__(self, policy: Policy, terms: RecipientTerms) -> None:
        self.policy = policy
        self.terms = terms

    @cached_property
    def attributes(self) -> Attributes:
        """By the policy's keys. One that may not leave stays listed, so that a wildcard can't allow it."""
        otlp = self.policy.otlp
        held = {key: otlp.privacy(key) for key in otlp.attributes}
        rules = {key: self._values(privacy) for key, privacy in held.items()}
        exact = {key: rule for key, rule in rules.items() if not key.endswith(".*")}
        prefixes = {key.removesuffix("*"): rule for key, rule in rules.items() if key.endswith(".*")}
        impersonal = tuple(sorted(prefix for prefix in prefixes if held[f"{prefix}*"].category is Category.OPERATIONAL))
        return Attributes(exact, prefixes, impersonal)

    def _values(self, privacy: FieldPrivacy) -> Value:
        """What is classified so, by kind. A bounded number may come as text: SDKs send ports, codes and offsets so."""
        rule = value_rules(dict.fromkeys(_kinds(privacy), privacy), self.terms)
        as_text = privacy.bounded and isinstance(rule.integer, Number)
        return msgspec.structs.replace(rule, string=rule.integer) if as_text else rule

    @cached_property
    def time(self) -> Ruling:
        """On a time. What was never set is no time, and isn't judged."""
        ruling = rule_for("timestamp", OPERATIONAL, self.terms)
        return (
            msgspec.structs.replace(ruling, min=MIN_TIME_SECONDS, max=MAX_TIME_SECONDS)
            if isinstance(ruling, Moment)
            else ruling
        )

    def name(self, privacy: FieldPrivacy) -> Ruling:
        """On a string that is classified so, and names something."""
        ruling = self.string(privacy)
        return msgspec.structs.replace(ruling, name=True, echo=None) if isinstance(ruling, Text) else ruling

    def string(self, privacy: FieldPrivacy) -> Ruling:
        """On a string that is classified so."""
        return rule_for("string", privacy, self.terms)

    def random_string(self, privacy: FieldPrivacy) -> Ruling:
        """On a string of random digits and letters whose pattern tells all about it.

        Whatever is found in it is there by chance.
        """
        ruling = self.string(privacy)
        return msgspec.structs.replace(ruling, detect=(), echo=None) if isinstance(ruling, Text) else ruling

    def operational(self, ruling: Ruling) -> Ruling:
        """On what is operational and has a rule of its own: this one, where such data may be."""
        return ruling if self.terms.allows(Category.OPERATIONAL) else FieldReason.CATEGORY_NOT_ALLOWED

    def identifier(self, length: int) -> Ruling:
        """On a trace or span ID of so many bytes."""
        return self.operational(Length(length))

    @cached_property
    def flags(self) -> Ruling:
        """On trace flags."""
        return rule_for("integer", FLAGS, self.terms)


def field_rules(rules: SharedRules) -> Mapping[str, Ruling]:
    """Rulings on the slots that no category alone can decide."""
    return {
        **dict.fromkeys(STRIPPED_SLOTS, FieldReason.UNCLASSIFIED),
        f"{RESOURCE}attributes": rules.attributes,
        f"{COMMON}InstrumentationScope.name": rules.name(_SCOPE),
        f"{COMMON}InstrumentationScope.version": rules.string(VERSION),
        f"{COMMON}InstrumentationScope.attributes": rules.attributes,
    }


def _kinds(privacy: FieldPrivacy) -> Sequence[str]:
    """The kinds of value that fit its classification."""
    if privacy.pattern or privacy.one_of or privacy.max_length:
        return ("string",)
    return ("integer",) if privacy.bounded else KINDS
