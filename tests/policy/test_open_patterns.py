"""Outside the EU a text is closed: no pattern leaves under which a name, a number or an address passes."""

from __future__ import annotations

import pytest

from gateway.errors import BadPolicy
from gateway.policy.compile import Compiler
from gateway.policy.item_types import EVENT_TYPE
from gateway.policy.load import parse
from tests.support.contracts import POLICY, compiler, contract, proto

OPEN = "[A-Za-z -]{1,64}"
PREFIXED = "x_[A-Za-z]{1,30}"
PROMISE = "outside the EU only indirect data may be"


def annotated(pattern: str, more: str = "") -> Compiler:
    return compiler(f'message A {{ string a = 1 @{{category: OPERATIONAL, pattern: "{pattern}"}}; }}', more)


def with_identifiers(patterns: str, body: str, more: str = "") -> Compiler:
    text = POLICY.replace('identifiers: ["ws_', f'identifiers: [{patterns}, "ws_')
    return Compiler(contract(proto(body)), parse(f"{text}flows: {{}}\n{more}"))


@pytest.mark.parametrize("pattern", [OPEN, PREFIXED, "[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}", "[0-9]{8}"])
@pytest.mark.parametrize("destination", ["us-vendor", "us-service", "us-store", "jp-service"])
def test_a_pattern_that_a_probe_fits_leaves_the_eu_in_no_plan(pattern: str, destination: str) -> None:
    with pytest.raises(BadPolicy, match=rf"policy\.yaml:\d+: destinations\.{destination}: t\.A\.a: .*{PROMISE}"):
        annotated(pattern).plan("t.A", destination)
    annotated(pattern).plan("t.A", "eu-service")


@pytest.mark.parametrize("pattern", ["h264|hevc", "[0-9]{1,3}[.][0-9]{1,3}", "[0-9a-f]{32}", "ws_[A-Za-z0-9]{1,32}"])
def test_a_pattern_that_none_fits_and_an_identifier_leave(pattern: str) -> None:
    (message,) = annotated(pattern).plan("t.A", "us-vendor").messages
    assert [field.name for field in message.fields] == ["a"]


@pytest.mark.parametrize(
    ("more", "type", "place"),
    [
        (
            f'classifications: {{t.A.a: {{category: OPERATIONAL, pattern: "{OPEN}"}}}}',
            "t.A",
            r"classifications\.t\.A\.a",
        ),
        (
            f'patterns: {{state: "{PREFIXED}"}}\nclassifications: {{t.A.a: {{category: OPERATIONAL, shape: state}}}}',
            "t.A",
            r"classifications\.t\.A\.a",
        ),
        (
            f'tracking_plan: {{video.made: {{properties: {{by: {{pattern: "{PREFIXED}"}}}}}}}}',
            EVENT_TYPE,
            r"tracking_plan\.video\.made\.properties\.by",
        ),
    ],
)
def test_a_pattern_of_the_policy_is_told_at_its_line(more: str, type: str, place: str) -> None:
    made = compiler("message A { string a = 1; }", more)
    with pytest.raises(
        BadPolicy, match=rf'policy\.yaml:\d+: {place}: at us-vendor, in US, lets a name pass, such as "'
    ):
        made.plan(type, "us-vendor")
    made.plan(type, "eu-service")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("[a-z]{1,9}", "has a branch without a literal prefix"),
        ("usr_[a-z_]{1,9}", "has a branch without a literal prefix"),
        ("usr [a-z]{1,9}", "allows characters other than letters, digits, _ and -"),
        ("usr_[a-z]+", "not bounded in length"),
        ("u[0-9]{1,9}", "has a branch without a literal prefix that ends in _ or -"),
        (r"auth0\\|[0-9a-f]{24}", "has a branch without a literal prefix that ends in _ or -"),
        ("[0-9a-f]{32}", "has a branch without a literal prefix"),
        ("_[a-z]{1,9}", "has a branch without a literal prefix"),
        ("ws_[A-Za-z0-9]{1,32}", "is in the list twice"),
    ],
)
def test_what_an_identifier_may_not_be(pattern: str, text: str) -> None:
    with pytest.raises(BadPolicy, match=r"policy\.yaml:4: identifiers\[\d\]: ") as error:
        with_identifiers(f'"{pattern}"', "message A {}")
    assert text in str(error.value)


@pytest.mark.parametrize("pattern", ["ord_[A-Za-z]{1,30}", "kan-ord-[0-9]{4,12}", "(ord|job)_[a-z0-9]{8}"])
def test_an_identifier_leaves_whatever_fits_it(pattern: str) -> None:
    body = "message A { string a = 1; }"
    named = f'classifications: {{t.A.a: {{category: OPERATIONAL, pattern: "{pattern}"}}}}'
    shaped = f'patterns: {{order: "{pattern}"}}\nclassifications: {{t.A.a: {{category: OPERATIONAL, shape: order}}}}'
    for more in (named, shaped):
        with pytest.raises(BadPolicy, match=PROMISE):
            compiler(body, more).plan("t.A", "us-vendor")
        with_identifiers(f'"{pattern}"', body, more).plan("t.A", "us-vendor")


def test_an_any_holds_no_type_with_an_open_pattern_outside_the_eu() -> None:
    made = compiler(
        "message A { google.protobuf.Any any = 1; }"
        f'message B {{ string b = 1 @{{category: OPERATIONAL, pattern: "{OPEN}"}}; bool c = 2 @OPERATIONAL; }}'
        "message C { B b = 1; } message D { bool d = 1 @OPERATIONAL; }"
    )
    assert {"t.B", "t.C", "t.D"} <= made.plan("t.A", "eu-service").anys.keys()
    assert made.plan("t.A", "us-vendor").anys.keys() & {"t.B", "t.C", "t.D"} == {"t.D"}


def test_metadata_that_leaves_the_eu_is_closed() -> None:
    text = POLICY.replace(
        "region: US, purpose",
        f'region: US, metadata: {{keys: {{x-state: {{category: OPERATIONAL, pattern: "{OPEN}"}}}}}}, purpose',
    )
    with pytest.raises(BadPolicy, match=r"destinations\.us-store\.metadata\.keys\.x-state\.pattern: lets a name pass"):
        parse(f"{text}flows: {{}}\n")
    parse(f"{text.replace(OPEN, 'h264|hevc')}flows: {{}}\n")


def test_the_name_of_an_event_is_one_of_the_tracking_plan() -> None:
    made = compiler("message A { google.protobuf.Any any = 1; }", "tracking_plan: {video.made: {properties: {}}}")
    assert EVENT_TYPE in made.plan("t.A", "us-vendor").anys
    made.plan(EVENT_TYPE, "us-vendor")


PHONES = [
    (33100000000, 33799999999),
    (33612345678, 33612345678),
    (0, 10**12),
    (-(2**63), 2**63 - 1),
    (4_500_000_000, 4_600_000_000),
    (12_025_550_123, 12_025_550_124),
]
SIZES = [(0, 100), (0, 86_400_000), (0, 2**32), (-(2**31), 2**31 - 1), (1_700_000_000_000, 1_999_999_999_999)]


def bounded(low: int, high: int, kind: str) -> Compiler:
    return compiler(f"message A {{ {kind} a = 1 @{{category: OPERATIONAL, min: {low}, max: {high}}}; }}")


@pytest.mark.parametrize("kind", ["int64", "repeated sint64", "fixed64", "google.protobuf.Int64Value"])
@pytest.mark.parametrize(("low", "high"), PHONES)
def test_bounds_that_a_telephone_number_fits_leave_the_eu_in_no_plan(low: int, high: int, kind: str) -> None:
    made = bounded(low, high, kind)
    told = r"destinations\.us-vendor: t\.A\.a: the bounds of its annotation, at .* lets a phone number pass, such as"
    with pytest.raises(BadPolicy, match=rf"policy\.yaml:\d+: {told} .*{PROMISE}"):
        made.plan("t.A", "us-vendor")
    made.plan("t.A", "eu-service")


@pytest.mark.parametrize("kind", ["int64", "google.protobuf.Duration"])
@pytest.mark.parametrize(("low", "high"), SIZES)
def test_bounds_of_sizes_counts_and_times_leave(low: int, high: int, kind: str) -> None:
    message = bounded(low, high, kind).plan("t.A", "us-vendor").messages[0]
    assert [field.name for field in message.fields] == ["a"]


@pytest.mark.parametrize(
    ("more", "type", "place"),
    [
        (
            "classifications: {t.A.a: {category: OPERATIONAL, min: 33100000000, max: 33799999999}}",
            "t.A",
            r"classifications\.t\.A\.a",
        ),
        (
            "tracking_plan: {video.made: {properties: {contact_number: {min: 33100000000, max: 33799999999}}}}",
            EVENT_TYPE,
            r"tracking_plan\.video\.made\.properties\.contact_number",
        ),
    ],
)
def test_bounds_of_the_policy_are_told_at_their_line(more: str, type: str, place: str) -> None:
    made = compiler("message A { int64 a = 1; }", more)
    told = 'at us-vendor, in US, lets a phone number pass, such as "33100000000": outside the EU only indirect data'
    with pytest.raises(BadPolicy, match=rf"policy\.yaml:\d+: {place}: {told}"):
        made.plan(type, "us-vendor")
    made.plan(type, "eu-service")


def test_an_any_holds_no_type_with_bounds_that_a_telephone_number_fits_outside_the_eu() -> None:
    made = compiler(
        "message A { google.protobuf.Any any = 1; }"
        "message B { int64 b = 1 @{category: OPERATIONAL, min: 33100000000, max: 33799999999}; }"
        "message D { int64 d = 1 @{category: OPERATIONAL, min: 1, max: 9}; }"
    )
    assert made.plan("t.A", "us-vendor").anys.keys() & {"t.B", "t.D"} == {"t.D"}
