"""Whether a field may leave for a destination, and by which rule its values are judged.

Design rules 1 to 3 as one function.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.detectors.by_category import detectors_for
from gateway.errors import FieldReason, Reason
from gateway.model import EU, INDIRECT, NEVER, Category, Detector, FieldPrivacy, Gate, Recipient
from gateway.patterns import TOKEN, literal_prefix
from gateway.plan import Content, Form, FreeText, Moment, Number, Rule, Span, Text, UserId, WorkEmail

WRAPPER_KINDS: Final[Mapping[str, str]] = {
    "google.protobuf.BoolValue": "bool",
    "google.protobuf.BytesValue": "bytes",
    "google.protobuf.DoubleValue": "float",
    "google.protobuf.FloatValue": "float",
    "google.protobuf.Int32Value": "integer",
    "google.protobuf.Int64Value": "integer",
    "google.protobuf.StringValue": "string",
    "google.protobuf.UInt32Value": "integer",
    "google.protobuf.UInt64Value": "integer",
}
"""What a wrapper holds: https://protobuf.dev/reference/protobuf/google.protobuf/."""

FIELD_MASK: Final = "google.protobuf.FieldMask"

OPAQUE_TYPES: Final = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})

SCALAR_KINDS: Final[Mapping[str, str]] = {
    **WRAPPER_KINDS,
    **dict.fromkeys(OPAQUE_TYPES, "opaque"),
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
}
"""Message types whose category stands at the field that holds them, and the kind of value they are."""

FORM_BY_TYPE: Final[Mapping[str, Form]] = {
    **dict.fromkeys(WRAPPER_KINDS, Form.WRAPPER),
    "google.protobuf.Timestamp": Form.TIMESTAMP,
    "google.protobuf.Duration": Form.DURATION,
    FIELD_MASK: Form.MASK,
}

_KIND_BY_TYPE: Final[Mapping[str, str]] = {**SCALAR_KINDS, "google.protobuf.Any": "any", FIELD_MASK: "mask"}
"""What values of these types are; of others: a message. `Any` and masks need no category: what they hold decides."""

UNCATEGORISED_KINDS: Final = frozenset({"any", "mask", "message"})
"""Kinds of values that need no category; one that is given is a further condition."""

_KIND_BY_CPPTYPE: Final[Mapping[int, str]] = {
    FieldDescriptor.CPPTYPE_INT32: "integer",
    FieldDescriptor.CPPTYPE_INT64: "integer",
    FieldDescriptor.CPPTYPE_UINT32: "integer",
    FieldDescriptor.CPPTYPE_UINT64: "integer",
    FieldDescriptor.CPPTYPE_DOUBLE: "float",
    FieldDescriptor.CPPTYPE_FLOAT: "float",
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_ENUM: "enum",
}

ANY_TEXT: Final = Text()
"""The rule that every string passes."""


class RecipientTerms(msgspec.Struct, frozen=True, cache_hash=True):
    """A destination, as far as judging needs it.

    `days`: how far from receipt a timestamp may be that leaves the EU; None: none may. `user_id` is what identifiers
    look like, `user_id_without` what isn't looked for in them. `personal` and `business` are the policy's own mail
    domains, as in a plan. `identifiers` are the patterns of things' identifiers, which may leave the EU.
    `echo`: no open value may repeat the item's own person: at logs, and outside the EU. `gates`: what must be known
    before it gets anything; None of a route's caller, who gets answers: what it may ask for, the service decides.
    """

    name: str
    recipient: Recipient
    region: str
    allow: frozenset[Category]
    user_id: str
    timestamp_days: int | None
    user_id_without: tuple[Detector, ...] = ()
    personal: tuple[str, ...] = ()
    business: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    echo: bool = False
    gates: tuple[Gate, ...] | None = ()

    @property
    def nameless(self) -> RecipientTerms:
        """The same without a name: recipients of equal terms are judged alike."""
        return msgspec.structs.replace(self, name="")

    @property
    def outside_eu(self) -> bool:
        """Whether the destination is outside the EU."""
        return self.region not in EU

    @property
    def is_vendor(self) -> bool:
        """Whether the destination is a vendor, which takes no personal accounts."""
        return self.recipient is Recipient.VENDOR

    def allows(self, category: Category) -> bool:
        """Whether this category may leave for here. The policy's checks ask the same; this is the last word."""
        allowed = self.allow - NEVER
        return category in (allowed & INDIRECT if self.outside_eu else allowed)


def kind_of(field: FieldDescriptor) -> str:
    """What a field's value is to the rules.

    One of `string`, `integer`, `float`, `bool`, `enum`, `bytes`, `opaque`, `timestamp`, `duration`, `any`, `mask` and
    `message`.
    """
    if field.message_type is not None:
        return kind_of_message(field.message_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "bytes"
    return _KIND_BY_CPPTYPE.get(field.cpp_type, "string")


def kind_of_message(message: Descriptor) -> str:
    """The same of a message type."""
    return _KIND_BY_TYPE.get(message.full_name, "message")


def rule_for(kind: str, privacy: FieldPrivacy, terms: RecipientTerms) -> Rule | Reason | None:
    """Judge a value of a kind: the reason why it never leaves for `terms`, or the rule it must pass.

    None: it passes as it is.
    """
    if privacy.category is Category.UNSPECIFIED:
        return FieldReason.UNCLASSIFIED
    if not terms.allows(privacy.category):
        return FieldReason.CATEGORY_NOT_ALLOWED
    match privacy.category:
        case Category.USER_ID:
            return _user_id(kind, privacy, terms)
        case Category.WORK_EMAIL:
            return _work_email(privacy, terms) if kind == "string" else _unfit_reason(kind)
        case Category.OPERATIONAL:
            return _operational(kind, privacy, terms)
        case Category.FREE_TEXT:
            return FreeText(_own_bounds(privacy)) if kind == "string" else _unfit_reason(kind)
        case _:
            return _personal(kind, privacy)


def _unfit_reason(kind: str) -> Reason:
    return FieldReason.OPAQUE if kind in ("bytes", "opaque") else FieldReason.WRONG_KIND


def _user_id(kind: str, privacy: FieldPrivacy, terms: RecipientTerms) -> Rule | Reason:
    if kind not in ("string", "integer"):
        return _unfit_reason(kind)
    return UserId(
        terms.user_id,
        _own_bounds(privacy),
        _detectors(Category.USER_ID, terms.user_id_without),
        literal_prefix(terms.user_id) if terms.echo and not privacy.one_of else None,
    )


def _work_email(privacy: FieldPrivacy, terms: RecipientTerms) -> Rule:
    return WorkEmail(terms.outside_eu, terms.is_vendor, _own_bounds(privacy), terms.personal, terms.business)


def _own_bounds(privacy: FieldPrivacy) -> Text | None:
    """The bounds that a field sets on its strings by itself."""
    own = Text(privacy.pattern, privacy.max_length, privacy.one_of)
    return None if own == ANY_TEXT else own


def _operational(kind: str, privacy: FieldPrivacy, terms: RecipientTerms) -> Rule | Reason | None:
    low, high = (privacy.min, privacy.max) if privacy.bounded else (None, None)
    closed = not terms.outside_eu
    match kind:
        case "bytes" | "opaque":
            return FieldReason.OPAQUE
        case "bool" | "enum":
            return None
        case "string":
            closed |= bool(privacy.pattern or privacy.one_of)
            return _token(privacy, terms) if closed else FieldReason.NOT_CLOSED
        case "integer":
            return Number(low, high) if closed or privacy.bounded else FieldReason.NOT_CLOSED
        case "duration":
            return Span(low, high) if closed or privacy.bounded else FieldReason.NOT_CLOSED
        case "timestamp":
            return (
                Moment(terms.timestamp_days if terms.outside_eu else None)
                if closed or terms.timestamp_days
                else FieldReason.NOT_CLOSED
            )
        case "float":
            return Number(low, high) if closed else FieldReason.NOT_CLOSED
    return FieldReason.WRONG_KIND


def _token(privacy: FieldPrivacy, terms: RecipientTerms) -> Text:
    """What the policy says isn't looked for is looked for all the same outside the EU."""
    pattern = privacy.pattern or ("" if privacy.one_of else TOKEN)
    return Text(
        pattern,
        privacy.max_length,
        privacy.one_of,
        _detectors(Category.OPERATIONAL, () if terms.outside_eu else privacy.without),
        echo=literal_prefix(pattern) if terms.echo and not privacy.one_of else None,
    )


def _detectors(category: Category, without: Collection[Detector]) -> tuple[Detector, ...]:
    return tuple(kind for kind in detectors_for(category).detectors if kind not in without)


def _number_bounds(privacy: FieldPrivacy) -> Number | None:
    return Number(privacy.min, privacy.max) if privacy.bounded else None


def _searched_text(privacy: FieldPrivacy) -> Rule | None:
    """What is never collected is looked for in personal texts too, or counted where they may not be altered."""
    given = detectors_for(privacy.category)
    if given.counted:
        return Content(given.counted, _own_bounds(privacy))
    rule = Text(privacy.pattern, privacy.max_length, privacy.one_of, given.detectors, given.spare)
    return None if rule == ANY_TEXT else rule


def _personal(kind: str, privacy: FieldPrivacy) -> Rule | None:
    if kind == "string":
        return _searched_text(privacy)
    if kind in ("integer", "float"):
        return _number_bounds(privacy)
    return Span(privacy.min, privacy.max) if privacy.bounded and kind == "duration" else None
