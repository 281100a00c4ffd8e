"""Whether a field may leave, as one table: kind of value × category × destination."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.by_category import detectors_for
from gateway.errors import FieldReason, Reason
from gateway.model import DETECTORS, EU, INDIRECT, NEVER, Category, Detector, FieldPrivacy, Recipient
from gateway.patterns import TOKEN
from gateway.plan import Content, FreeText, Moment, Number, Span, Text, UserId, WorkEmail
from gateway.policy.rules import RecipientTerms, kind_of, rule_for
from tests.support.contracts import contract, proto

C = Category
KINDS: Final = ("string", "integer", "float", "bool", "enum", "bytes", "opaque", "timestamp", "duration")
ALL: Final = frozenset(Category) - NEVER
INSIDE: Final = RecipientTerms("in", Recipient.SERVICE, "FR", ALL, "u[0-9]{1,9}", 7)
OUTSIDE: Final = RecipientTerms("out", Recipient.VENDOR, "US", INDIRECT, "u[0-9]{1,9}", 7)
UNTIMED: Final = RecipientTerms("out", Recipient.LOG, "US", INDIRECT, "u[0-9]{1,9}", None)

ID = UserId("u[0-9]{1,9}", detect=DETECTORS)
TOKENS = Text(TOKEN, detect=DETECTORS)
LISTED = FieldPrivacy(C.OPERATIONAL, one_of=("a", "b"))
SHAPED = FieldPrivacy(C.OPERATIONAL, pattern="[a-z]{1,3}")
SHORT = FieldPrivacy(C.OPERATIONAL, max_length=5)
BOUND = FieldPrivacy(C.OPERATIONAL, min=-1, max=9)
COUNTED = (Detector.CARD, Detector.IBAN, Detector.SECRET)
NEVER_IN = (Detector.CARD, Detector.IBAN, Detector.COORDINATES, Detector.SECRET)
OPEN = FieldPrivacy(C.OPERATIONAL)


def test_a_work_email_is_read_by_the_policy_s_own_domains() -> None:
    terms = msgspec.structs.replace(INSIDE, personal=("family.example",), business=("eclipso.de",))
    rule = WorkEmail(outside=False, vendor=False, personal=("family.example",), business=("eclipso.de",))
    assert rule_for("string", FieldPrivacy(C.WORK_EMAIL), terms) == rule


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("terms", [INSIDE, OUTSIDE])
def test_what_is_not_classified_never_leaves(kind: str, terms: RecipientTerms) -> None:
    assert rule_for(kind, FieldPrivacy(pattern="a", min=1, max=2), terms) is FieldReason.UNCLASSIFIED


@given(st.sampled_from(KINDS), st.sampled_from(sorted(NEVER)), st.sampled_from(sorted(EU)), st.sampled_from(Recipient))
def test_never_is_never_even_if_a_site_says_otherwise(
    kind: str, category: Category, region: str, recipient: Recipient
) -> None:
    terms = RecipientTerms("x", recipient, region, frozenset(Category), "u", 7)
    assert rule_for(kind, FieldPrivacy(category), terms) is FieldReason.CATEGORY_NOT_ALLOWED


@given(st.sampled_from(KINDS), st.sampled_from(Category), st.sampled_from(["US", "JP", "GB", "CH", "XX"]))
def test_outside_the_eu_only_indirect_data_leaves_even_if_a_site_says_otherwise(
    kind: str, category: Category, region: str
) -> None:
    ruling = rule_for(
        kind, FieldPrivacy(category), RecipientTerms("x", Recipient.SERVICE, region, frozenset(Category), "u", 7)
    )
    assert category in INDIRECT or isinstance(ruling, Reason)


@given(
    st.sampled_from(KINDS),
    st.sampled_from(Category),
    st.frozensets(st.sampled_from(Category)),
    st.sampled_from(["FR", "US"]),
)
def test_nothing_leaves_that_the_site_does_not_allow(
    kind: str, category: Category, allow: frozenset[Category], region: str
) -> None:
    ruling = rule_for(kind, FieldPrivacy(category), RecipientTerms("x", Recipient.SERVICE, region, allow, "u", 7))
    assert category in allow or isinstance(ruling, Reason)


@pytest.mark.parametrize("terms", [INSIDE, OUTSIDE])
@pytest.mark.parametrize("category", sorted(INDIRECT))
@pytest.mark.parametrize("kind", ["bytes", "opaque"])
def test_what_cannot_be_judged_is_never_indirect_data(kind: str, category: Category, terms: RecipientTerms) -> None:
    assert rule_for(kind, FieldPrivacy(category), terms) is FieldReason.OPAQUE


@pytest.mark.parametrize(
    ("kind", "privacy", "inside", "outside"),
    [
        ("string", FieldPrivacy(C.USER_ID), ID, ID),
        ("integer", FieldPrivacy(C.USER_ID), ID, ID),
        (
            "string",
            FieldPrivacy(C.USER_ID, max_length=4),
            UserId(ID.pattern, Text(max_length=4), DETECTORS),
            UserId(ID.pattern, Text(max_length=4), DETECTORS),
        ),
        *[
            (kind, FieldPrivacy(C.USER_ID), FieldReason.WRONG_KIND, FieldReason.WRONG_KIND)
            for kind in ("float", "bool", "enum", "timestamp", "duration")
        ],
        (
            "string",
            FieldPrivacy(C.WORK_EMAIL),
            WorkEmail(outside=False, vendor=False),
            WorkEmail(outside=True, vendor=True),
        ),
        *[
            (kind, FieldPrivacy(C.WORK_EMAIL), FieldReason.WRONG_KIND, FieldReason.WRONG_KIND)
            for kind in ("integer", "float", "bool", "enum", "timestamp")
        ],
        ("string", OPEN, TOKENS, FieldReason.NOT_CLOSED),
        ("string", SHORT, Text(TOKEN, 5, detect=DETECTORS), FieldReason.NOT_CLOSED),
        ("string", LISTED, Text(one_of=("a", "b"), detect=DETECTORS), Text(one_of=("a", "b"), detect=DETECTORS)),
        ("string", SHAPED, Text("[a-z]{1,3}", detect=DETECTORS), Text("[a-z]{1,3}", detect=DETECTORS)),
        ("integer", OPEN, Number(), FieldReason.NOT_CLOSED),
        ("integer", BOUND, Number(-1, 9), Number(-1, 9)),
        ("float", OPEN, Number(), FieldReason.NOT_CLOSED),
        ("float", BOUND, Number(-1, 9), FieldReason.NOT_CLOSED),
        ("bool", OPEN, None, None),
        ("enum", OPEN, None, None),
        ("duration", OPEN, Span(), FieldReason.NOT_CLOSED),
        ("duration", BOUND, Span(-1, 9), Span(-1, 9)),
        ("timestamp", OPEN, Moment(), Moment(7)),
        ("string", FieldPrivacy(C.FREE_TEXT), FreeText(), FieldReason.CATEGORY_NOT_ALLOWED),
        ("integer", FieldPrivacy(C.FREE_TEXT), FieldReason.WRONG_KIND, FieldReason.CATEGORY_NOT_ALLOWED),
        ("bytes", FieldPrivacy(C.FREE_TEXT), FieldReason.OPAQUE, FieldReason.CATEGORY_NOT_ALLOWED),
        *[
            (kind, FieldPrivacy(C.CONTENT), None, FieldReason.CATEGORY_NOT_ALLOWED)
            for kind in KINDS
            if kind != "string"
        ],
        ("string", FieldPrivacy(C.CONTENT), Content(COUNTED), FieldReason.CATEGORY_NOT_ALLOWED),
        (
            "string",
            FieldPrivacy(C.CONTENT, max_length=9),
            Content(COUNTED, Text(max_length=9)),
            FieldReason.CATEGORY_NOT_ALLOWED,
        ),
        (
            "string",
            FieldPrivacy(C.NAME, max_length=9),
            Text(max_length=9, detect=NEVER_IN, spare=detectors_for(C.NAME).spare),
            FieldReason.CATEGORY_NOT_ALLOWED,
        ),
        *[
            (
                "string",
                FieldPrivacy(category),
                Text(detect=NEVER_IN, spare=detectors_for(category).spare),
                FieldReason.CATEGORY_NOT_ALLOWED,
            )
            for category in (C.NAME, C.PHONE, C.ORGANISATION, C.PAYMENT)
        ],
        *[
            ("string", FieldPrivacy(category), None, FieldReason.CATEGORY_NOT_ALLOWED)
            for category in (C.DEVICE, C.USAGE, C.COOKIE)
        ],
        ("integer", FieldPrivacy(C.USAGE, min=1, max=3), Number(1, 3), FieldReason.CATEGORY_NOT_ALLOWED),
        ("float", FieldPrivacy(C.USAGE, min=1, max=3), Number(1, 3), FieldReason.CATEGORY_NOT_ALLOWED),
        ("duration", FieldPrivacy(C.USAGE, min=1, max=3), Span(1, 3), FieldReason.CATEGORY_NOT_ALLOWED),
    ],
)
def test_the_rule_of_a_value(kind: str, privacy: FieldPrivacy, inside: object, outside: object) -> None:
    assert (rule_for(kind, privacy, INSIDE), rule_for(kind, privacy, OUTSIDE)) == (inside, outside)


def test_without_days_no_time_leaves_the_eu() -> None:
    assert rule_for("timestamp", OPEN, UNTIMED) is FieldReason.NOT_CLOSED


@pytest.mark.parametrize(
    ("region", "outside"),
    [("FR", False), ("IE", False), ("BE", False), ("DE", False), ("US", True), ("GB", True), ("CH", True)],
)
def test_a_region_is_inside_the_eu_or_not(region: str, outside: bool) -> None:
    assert RecipientTerms("x", Recipient.LOG, region, ALL, "u", 7).outside_eu is outside


def test_every_type_on_the_wire_has_a_kind() -> None:
    """Tied to protobuf's own list: a type that is added fails here."""
    types = {name: getattr(FieldDescriptor, name) for name in dir(FieldDescriptor) if name.startswith("TYPE_")}
    assert len(types) == FieldDescriptor.MAX_TYPE == 18


INTEGERS: Final = (
    "int32",
    "int64",
    "uint32",
    "uint64",
    "sint32",
    "sint64",
    "fixed32",
    "fixed64",
    "sfixed32",
    "sfixed64",
)
TYPES: Final = {
    **dict.fromkeys(INTEGERS, "integer"),
    "double": "float",
    "float": "float",
    "bool": "bool",
    "string": "string",
    "bytes": "bytes",
    "E": "enum",
    "M": "message",
    **{f"google.protobuf.{name}": "opaque" for name in ("Struct", "Value", "ListValue")},
    **{f"google.protobuf.{name}Value": "integer" for name in ("Int32", "Int64", "UInt32", "UInt64")},
    **{f"google.protobuf.{name}Value": name.lower() for name in ("String", "Bytes", "Bool", "Float")},
    "google.protobuf.DoubleValue": "float",
    "google.protobuf.NullValue": "enum",
    "google.protobuf.Any": "any",
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
}


def test_every_type_has_its_kind() -> None:
    messages = "".join(f"message M{index} {{ {name} f = 1; }}" for index, name in enumerate(TYPES))
    held = contract(proto(f"{messages} message M {{}} enum E {{ ZERO = 0; }}"))
    assert [kind_of(held.message(f"t.M{index}").fields[0]) for index in range(len(TYPES))] == [*TYPES.values()]
