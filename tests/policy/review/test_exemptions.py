"""What the controller exempts from detectors: where it may, what it does, and who is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from gateway.contracts.approvals import write_approvals
from gateway.contracts.field_types import approvals_of
from gateway.engine.reference import ReferenceEngine
from gateway.errors import BadPolicy, FieldReason
from gateway.model import DETECTORS, Category, Detector, FieldPrivacy, Recipient
from gateway.plan import Text, UserId
from gateway.policy.compile import Compiler
from gateway.policy.covers import covers
from gateway.policy.load import PolicyFile, load, parse
from gateway.policy.review.changes import Effect
from gateway.policy.review.diff import diff
from gateway.policy.review.explain import explain
from gateway.policy.review.findings import Severity
from gateway.policy.review.lint import lint
from gateway.policy.rules import RecipientTerms, rule_for
from tests.support.contracts import POLICY, contract, decode, encode, proto, release_of

PHONE, IP, EMAIL, CARD = Detector.PHONE, Detector.IP, Detector.EMAIL, Detector.CARD
REST: Final = tuple(kind for kind in DETECTORS if kind is not PHONE)

HELD: Final = contract(
    proto("message A { string id = 1 @USER_ID; string order = 2 @OPERATIONAL; int64 n = 3 @OPERATIONAL; }")
)
ORDER: Final = 'category: OPERATIONAL, pattern: "ord_[0-9]{10}", overrides: true'
SAID: Final = f"classifications: {{t.A.order: {{{ORDER}, without: [phone]}}}}\n"
UNSAID: Final = f"classifications: {{t.A.order: {{{ORDER}}}}}\n"
PHONES: Final = ("ord_0612345678", "ord_2125552368")
"""Orders that read as phone numbers."""

USERS: Final = 'user_id: {pattern: "usr_[A-Za-z0-9]{1,32}"}'
DIGITS: Final = 'user_id: {pattern: "usr_[0-9]{1,32}", without: [phone, card]}'


ORDERS: Final = POLICY.replace('identifiers: ["ws_', 'identifiers: ["ord_[0-9]{10}", "ws_')
"""Orders may leave the EU."""


def policy(more: str = "", user_id: str = USERS) -> PolicyFile:
    return parse(f"{ORDERS.replace(USERS, user_id)}flows: {{t.A: [eu-service, us-vendor]}}\n{more}")


def compiled(more: str = "", user_id: str = USERS) -> Compiler:
    return Compiler(HELD, policy(more, user_id))


def left(compiler: Compiler, destination: str, text: str) -> dict[str, Any]:
    release = release_of(ReferenceEngine(compiler.plan("t.A", destination)), encode(HELD, "t.A", text))
    return {field.name: value for field, value in decode(HELD, "t.A", release.payload).ListFields()}


def fault(more: str, user_id: str = USERS) -> str:
    with pytest.raises(BadPolicy) as caught:
        policy(more, user_id)
    return str(caught.value)


def classified(held: str) -> str:
    return f"classifications:\n  t.A.order: {{category: OPERATIONAL, {held}}}\n"


LINE: Final = POLICY.count("\n") + 3


@pytest.mark.parametrize("order", PHONES)
def test_what_is_exempt_stays_inside_the_eu_and_is_searched_for_all_outside(order: str) -> None:
    text = f'order: "{order}"'
    assert left(compiled(UNSAID), "eu-service", text) == {}
    assert left(compiled(SAID), "eu-service", text) == {"order": order}
    assert left(compiled(SAID), "us-vendor", text) == {}


@pytest.mark.parametrize("order", ["ord_12345678901", "0612345678", "order 0612345678", "ord_4111111111111111"])
def test_an_exemption_lets_nothing_pass_that_the_pattern_does_not(order: str) -> None:
    assert left(compiled(SAID), "eu-service", f'order: "{order}"') == {}


@pytest.mark.parametrize("value", ["ref_4111111111111111", "ref_FR7630006000011234567890189"])
def test_what_is_not_exempt_is_looked_for(value: str) -> None:
    held = (
        'classifications: {t.A.order: {category: OPERATIONAL, pattern: "ref_[A-Z0-9]{1,40}", overrides: true, '
        "without: [phone, ip, email]}}"
    )
    assert left(compiled(held), "eu-service", f'order: "{value}"') == {}


@pytest.mark.parametrize(
    ("kind", "privacy", "inside", "outside"),
    [
        ("string", FieldPrivacy(Category.OPERATIONAL, pattern="a"), DETECTORS, DETECTORS),
        ("string", FieldPrivacy(Category.OPERATIONAL, pattern="a", without=(PHONE,)), REST, DETECTORS),
        (
            "string",
            FieldPrivacy(Category.OPERATIONAL, pattern="a", without=(EMAIL, PHONE, IP)),
            tuple(kind for kind in DETECTORS if kind not in (EMAIL, IP, PHONE)),
            DETECTORS,
        ),
    ],
)
def test_an_exemption_ends_in_the_rule(
    kind: str, privacy: FieldPrivacy, inside: tuple[Detector, ...], outside: tuple[Detector, ...]
) -> None:
    everything = frozenset(Category)
    for region, expected in (("FR", inside), ("IE", inside), ("US", outside), ("CH", outside)):
        terms = RecipientTerms("x", Recipient.STORE, region, everything, "u_[0-9]{1,9}", None)
        assert rule_for(kind, privacy, terms) == Text("a", detect=expected)


@pytest.mark.parametrize("region", ["FR", "US"])
def test_what_is_exempt_in_user_ids_is_so_everywhere(region: str) -> None:
    terms = RecipientTerms("x", Recipient.STORE, region, frozenset(Category), "u_[0-9]{1,9}", None, (PHONE, CARD))
    expected = tuple(kind for kind in DETECTORS if kind not in (PHONE, CARD))
    assert rule_for("string", FieldPrivacy(Category.USER_ID), terms) == UserId("u_[0-9]{1,9}", None, expected)


@pytest.mark.parametrize("destination", ["eu-service", "us-vendor"])
@pytest.mark.parametrize("user", ["usr_0612345678", "usr_4111111111111111"])
def test_an_identifier_of_digits_stays_where_the_policy_says_so(destination: str, user: str) -> None:
    assert left(compiled("", DIGITS), destination, f'id: "{user}"') == {"id": user}


@pytest.mark.parametrize(
    ("held", "place", "text"),
    [
        ("without: [phone]", "without", "needs a pattern beside it, and no one_of, that says what the values are"),
        (
            "one_of: [a], without: [phone]",
            "without",
            "needs a pattern beside it, and no one_of, that says what the values are",
        ),
        (
            "pattern: a, one_of: [a], without: [ip]",
            "without",
            "needs a pattern beside it, and no one_of, that says what the values are",
        ),
        (
            "pattern: a, without: [card]",
            "without[0]",
            "card is always looked for; what may be left out is phone, ip, email",
        ),
        (
            "pattern: a, without: [ip, iban]",
            "without[1]",
            "iban is always looked for; what may be left out is phone, ip, email",
        ),
        ("pattern: a, without: [ip, ip]", "without[1]", "is in the list twice"),
        (
            "pattern: '[a-z]{401}', without: [ip]",
            "pattern",
            "may match 401 characters; with without, 400 at most, by itself or by max_length",
        ),
        (
            "pattern: '([a-z]{9}-){99}', without: [ip]",
            "pattern",
            "may match 990 characters; with without, 400 at most, by itself or by max_length",
        ),
        (
            "pattern: 'a+', without: [ip]",
            "pattern",
            "not bounded in length: '+' (use a repetition with an upper bound, such as {1,64})",
        ),
    ],
)
def test_an_exemption_that_cannot_be_names_its_line_and_key(held: str, place: str, text: str) -> None:
    assert fault(classified(held)) == f"policy.yaml:{LINE}: classifications.t.A.order.{place}: {text}"


def test_an_unknown_detector_names_its_line_and_key() -> None:
    assert fault(classified("pattern: a, without: [age]")).startswith(
        f"policy.yaml:{LINE}: classifications.t.A.order.without[0]: "
    )


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("otlp:\n  attributes:\n    a: {category: OPERATIONAL, without: [ip]}\n", "otlp.attributes.a.without"),
        (
            "otlp:\n  attributes:\n    a.*: {category: OPERATIONAL, pattern: a, without: [ip]}\n",
            "otlp.attributes.a.*.without",
        ),
        (
            "tracking_plan:\n  e:\n    properties: {p: {one_of: [a], without: [ip]}}\n",
            "tracking_plan.e.properties.p.without",
        ),
        (
            "tracking_plan:\n  e:\n    properties: {p: {type: boolean, pattern: a, without: [ip]}}\n",
            "tracking_plan.e.properties.p.without",
        ),
    ],
)
def test_it_is_checked_wherever_the_policy_classifies(more: str, place: str) -> None:
    assert f": {place}: " in fault(more)


@pytest.mark.parametrize(
    ("user_id", "place"),
    [
        ('user_id: {pattern: "usr_[0-9]{1,9}", without: [ip]}', "user_id.without[0]: ip is always looked for"),
        ('user_id: {pattern: "usr_[0-9]{1,9}", without: [email]}', "user_id.without[0]: email is always looked for"),
        (
            'user_id: {pattern: "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", without: [card]}',
            "user_id.without: needs a pattern",
        ),
        (
            'user_id: {pattern: "usr_[0-9]{1,9}|[0-9a-f]{32}", without: [phone]}',
            "user_id.without: needs a pattern with a literal prefix",
        ),
    ],
)
def test_user_ids_are_exempt_only_behind_a_prefix_and_only_of_numbers(user_id: str, place: str) -> None:
    assert f": {place}" in fault("", user_id)


def test_explain_says_what_is_not_looked_for() -> None:
    nodes = {path: node.wording for path, node in explain(compiled(SAID), "t.A", "eu-service").walk()}
    assert nodes["order"] == "matches ord_[0-9]{10}, nothing personal in it, phone not looked for"
    assert "looked for" not in nodes["id"]
    nodes = {path: node.wording for path, node in explain(compiled("", DIGITS), "t.A", "us-vendor").walk()}
    said = "a user ID, matches usr_[0-9]{1,32}, card and phone not looked for"
    assert nodes["id"] == f"{said}, no name or address of the item's own person"


def test_a_new_exemption_is_released_and_one_that_ends_withheld() -> None:
    there, back = diff(compiled(UNSAID), compiled(SAID)), diff(compiled(SAID), compiled(UNSAID))
    assert {(one.destination, one.field) for one in there.with_effect(Effect.RELEASED)} == {("eu-service", "t.A.order")}
    assert {(one.destination, one.field) for one in back.with_effect(Effect.WITHHELD)} == {("eu-service", "t.A.order")}
    assert (there.releases_more, back.releases_more) == (True, False)
    assert not covers(compiled(UNSAID).plan("t.A", "eu-service"), compiled(SAID).plan("t.A", "eu-service"))
    assert covers(compiled(SAID).plan("t.A", "eu-service"), compiled(UNSAID).plan("t.A", "eu-service"))


def test_an_exemption_of_user_ids_is_released_and_one_that_ends_withheld() -> None:
    bare = DIGITS.replace(", without: [phone, card]", "")
    there, back = diff(compiled("", bare), compiled("", DIGITS)), diff(compiled("", DIGITS), compiled("", bare))
    told = {(one.field, one.text) for one in there.with_effect(Effect.RELEASED)}
    assert ("user_id.without", "card, phone no longer looked for in user IDs") in told
    assert {one.field for one in back.with_effect(Effect.WITHHELD)} == {"user_id.without", "t.A.id"}
    assert (there.releases_more, back.releases_more) == (True, False)


SHORT: Final = 'category: OPERATIONAL, overrides: true, pattern: "x[0-9]{1,9}"'


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (SAID, set()),
        # Nothing inside the EU gets it as an operational text.
        (
            f"classifications: {{t.A.order: {{{ORDER.replace('OPERATIONAL', 'NAME')}, without: [phone]}}}}",
            {("exemption-idle", "classifications.t.A.order.without")},
        ),
        (
            f"classifications: {{t.A.n: {{{SHORT}, without: [phone]}}}}",
            {("exemption-idle", "classifications.t.A.n.without")},
        ),
        (
            "tracking_plan: {e: {properties: {p: {pattern: 'x[0-9]{1,9}', without: [phone]}}}}",
            {("exemption-idle", "tracking_plan.e.properties.p.without")},
        ),
        (
            "otlp: {attributes: {order.id: {category: OPERATIONAL, pattern: 'x[0-9]{1,9}', without: [phone]}}}",
            {("exemption-idle", "otlp.attributes.order.id.without")},
        ),
        # A bare number or address passes.
        (
            f"classifications: {{t.A.order: {{{ORDER.replace('ord_', '')}, without: [phone]}}}}",
            {("exemption-open", "classifications.t.A.order.without")},
        ),
        (
            (
                'classifications: {t.A.order: {category: OPERATIONAL, overrides: true, pattern: "[a-z.@]{1,40}", without: '
                "[email]}}"
            ),
            {("exemption-open", "classifications.t.A.order.without")},
        ),
    ],
)
def test_lint_tells_of_exemptions_that_do_nothing_and_of_those_that_do_too_much(
    more: str, expected: set[tuple[str, str]]
) -> None:
    found = {(one.code, one.place) for one in lint(compiled(more)) if one.code.startswith("exemption")}
    assert found == expected
    assert {one.severity for one in lint(compiled(more)) if one.code == "exemption-open"} <= {Severity.WARNING}


def test_what_a_name_says_is_personal_is_not_exempt_unsaid() -> None:
    more = "otlp: {attributes: {client.address: {category: OPERATIONAL, pattern: 'x[0-9]{1,9}', without: [ip]}}}\n"
    compiler = Compiler(HELD, parse(f"{POLICY}flows: {{otlp/logs: [eu-log]}}\n{more}"))
    found = {(one.severity, one.place) for one in lint(compiler) if one.code == "exemption-open"}
    assert found == {(Severity.WARNING, "otlp.attributes.client.address.without")}


def test_an_attribute_that_flows_inside_the_eu_is_exempt() -> None:
    more = "otlp: {attributes: {order.id: {category: OPERATIONAL, pattern: 'ord_[0-9]{10}', without: [phone]}}}\n"
    compiler = Compiler(HELD, parse(f"{POLICY}flows: {{otlp/logs: [eu-indirect, eu-log]}}\n{more}"))
    assert not [one for one in lint(compiler) if one.code.startswith("exemption")]


def test_an_exemption_loosens_what_the_contract_says() -> None:
    held = contract(proto('message A { string order = 1 @{category: OPERATIONAL, pattern: "ord_[0-9]{10}"}; }'))
    said = 'classifications: {t.A.order: {category: OPERATIONAL, pattern: "ord_[0-9]{10}", without: [phone]}}'
    with pytest.raises(BadPolicy, match="looser than its annotation"):
        Compiler(held, policy(said))


def test_what_is_found_has_its_reason_where_nothing_is_exempt() -> None:
    release = release_of(
        ReferenceEngine(compiled(UNSAID).plan("t.A", "eu-service")), encode(HELD, "t.A", f'order: "{PHONES[0]}"')
    )
    assert [(one.path, one.reason) for one in release.stripped] == [("order", FieldReason.LOOKS_LIKE_PHONE)]


def test_where_approvals_count_an_exemption_is_approved(tmp_path: Path) -> None:
    approvals = tmp_path / "approvals.lock"
    text = f"{POLICY}flows: {{t.A: [eu-service]}}\napprovals: approvals.lock\n{SAID}"
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    for recorded, counts in ((UNSAID, False), (SAID, True)):
        write_approvals(approvals, approvals_of(HELD, compiled(recorded).claims))
        classes = Compiler(HELD, load(tmp_path / "policy.yaml")).classifications
        assert ("t.A.order" in classes) is counts
