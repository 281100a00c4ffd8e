"""Slots that all signals have: resource, scope, attributes and their values; and the rulings that slots share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

import msgspec

from gateway.errors import FieldReason
from gateway.model import Category, FieldPrivacy
from gateway.plan import Attributes, Length, Moment, Number, Text, Value
from gateway.policy.document import Policy
from gateway.policy.judge import Site, judge
from gateway.policy.otlp.versions import VERSION
from gateway.policy.project import Ruling
from gateway.policy.values import KINDS, values

COMMON: Final = "opentelemetry.proto.common.v1."
RESOURCE: Final = "opentelemetry.proto.resource.v1.Resource."

OPERATIONAL: Final = FieldPrivacy(Category.OPERATIONAL)
FREE_TEXT: Final = FieldPrivacy(Category.FREE_TEXT)
COUNT: Final = FieldPrivacy(Category.OPERATIONAL, min=0, max=1_000_000)
SCHEMA_URL: Final = FieldPrivacy(
    Category.OPERATIONAL, pattern=r"https://opentelemetry\.io/schemas/[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"
)
EARLIEST: Final = 946_684_800
LATEST: Final = 3_155_759_999
"""Seconds since 1970 of the first moment of 2000 and the last of 2069: no program that reports in OTLP ran before.

Batches that are replayed late pass. In nanoseconds these are numbers of 18 digits that begin with 9, and of 19 below
3.16e18: no phone number has so many, and no card that is issued begins so but Diners Club's of 300 to 305, which have
14.
"""
_SCOPE: Final = FieldPrivacy(Category.OPERATIONAL, pattern="@?[A-Za-z0-9][A-Za-z0-9._:/-]{0,126}")
"""Names of libraries: `@opentelemetry/instrumentation-http`, `go.opentelemetry.io/contrib/instrumentation/…`."""
FLAGS: Final = FieldPrivacy(Category.OPERATIONAL, min=0, max=1023)
"""Trace flags, and two bits on whether a parent is remote: opentelemetry/proto/trace/v1/trace.proto, SpanFlags."""

CLASSES: Final[Mapping[str, FieldPrivacy]] = {
    f"{RESOURCE}dropped_attributes_count": COUNT,
    f"{COMMON}InstrumentationScope.dropped_attributes_count": COUNT,
}
"""Slots that are judged as any field is."""

STRIPPED: Final = frozenset({f"{RESOURCE}entity_refs"})
"""Slots that never leave: an entity reference repeats attribute keys, which may have been stripped."""

VALUES: Final = frozenset(
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

OPAQUE_VALUES: Final = frozenset(
    f"{COMMON}{slot}" for slot in ("KeyValue.key_strindex", "AnyValue.bytes_value", "AnyValue.string_value_strindex")
)
"""Slots within an attribute or a body that no rule reads: the engine's schema of them doesn't have them."""


class Rules:
    """The rulings that slots share, at one destination."""

    def __init__(self, policy: Policy, site: Site) -> None:
        self.policy = policy
        self.site = site

    @cached_property
    def attributes(self) -> Attributes:
        """By the policy's keys; wildcards count inside the EU only.

        A key that may not leave stays listed, lest a wildcard lets it.
        """
        otlp = self.policy.otlp
        held = {key: otlp.privacy(key) for key in otlp.attributes}
        rules = {key: self._values(privacy) for key, privacy in held.items()}
        exact = {key: rule for key, rule in rules.items() if not key.endswith(".*")}
        prefixes = {key.removesuffix("*"): rule for key, rule in rules.items() if key.endswith(".*")}
        impersonal = tuple(sorted(prefix for prefix in prefixes if held[f"{prefix}*"].category is Category.OPERATIONAL))
        return Attributes(exact, {}) if self.site.outside else Attributes(exact, prefixes, impersonal)

    def _values(self, privacy: FieldPrivacy) -> Value:
        """What is classified so, by kind.

        Inside the EU a bounded number may come as text: SDKs send ports, codes and offsets so.
        """
        rule = values(dict.fromkeys(_kinds(privacy), privacy), self.site)
        as_text = privacy.bounded and not self.site.outside
        return (
            msgspec.structs.replace(rule, string=rule.integer) if as_text and isinstance(rule.integer, Number) else rule
        )

    @cached_property
    def time(self) -> Ruling:
        """On a time. What was never set is no time, and isn't judged."""
        ruling = judge("timestamp", OPERATIONAL, self.site)
        return msgspec.structs.replace(ruling, min=EARLIEST, max=LATEST) if isinstance(ruling, Moment) else ruling

    def name(self, privacy: FieldPrivacy) -> Ruling:
        """On a string that is classified so, and names something. What is listed is the controller's say."""
        ruling = self.string(privacy)
        return msgspec.structs.replace(ruling, name=True) if isinstance(ruling, Text) and not ruling.one_of else ruling

    def string(self, privacy: FieldPrivacy) -> Ruling:
        """On a string that is classified so."""
        return judge("string", privacy, self.site)

    def random(self, privacy: FieldPrivacy) -> Ruling:
        """On a string of random digits and letters whose pattern tells all about it.

        Whatever is found in it is there by chance.
        """
        ruling = self.string(privacy)
        return msgspec.structs.replace(ruling, detect=()) if isinstance(ruling, Text) else ruling

    def inside(self, ruling: Ruling) -> Ruling:
        """What doesn't leave the EU: there, this ruling."""
        if not self.site.lets(Category.OPERATIONAL):
            return FieldReason.CATEGORY_NOT_ALLOWED
        return FieldReason.NOT_CLOSED if self.site.outside else ruling

    def identifier(self, length: int) -> Ruling:
        """On a trace or span ID of so many bytes."""
        return self.inside(Length(length))

    @cached_property
    def flags(self) -> Ruling:
        """On trace flags."""
        return self.inside(judge("integer", FLAGS, self.site))


def specials(rules: Rules) -> Mapping[str, Ruling]:
    """Rulings on the slots that no category alone can decide."""
    return {
        **dict.fromkeys(STRIPPED, FieldReason.UNCLASSIFIED),
        f"{RESOURCE}attributes": rules.attributes,
        f"{COMMON}InstrumentationScope.name": rules.inside(rules.name(_SCOPE)),
        f"{COMMON}InstrumentationScope.version": rules.inside(rules.string(VERSION)),
        f"{COMMON}InstrumentationScope.attributes": rules.attributes,
    }


def _kinds(privacy: FieldPrivacy) -> Sequence[str]:
    """The kinds of value that fit what is said of them."""
    if privacy.pattern or privacy.one_of or privacy.max_length:
        return ("string",)
    return ("integer",) if privacy.bounded else KINDS
