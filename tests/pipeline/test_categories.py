"""What is looked for in texts of which category, and what becomes of it: wherever a text may stand."""

from __future__ import annotations

from typing import Any, Final

import pytest

from gateway.detectors.budget import MAX_TEXT_CHARS
from gateway.detectors.by_category import detectors_for
from gateway.engine.reference import ReferenceEngine
from gateway.errors import FieldReason, Reason
from gateway.model import DETECTORS, NEVER, Category, Detector, FieldVerdict
from gateway.pipeline.envelope import Envelope
from gateway.pipeline.receipt import FieldLine, receipt
from gateway.plan import EnvelopePlan, Text
from gateway.policy.compile import Compiler
from tests.support.contracts import UNKNOWN_FACTS, compiler, contract, decode, encode, policy, proto, release_of

C, R = Category, FieldReason
KEEP, STRIP, MASK = FieldVerdict
SEARCHED: Final = ("NAME", "PHONE", "ORGANISATION", "PAYMENT")

CARD: Final = "4111 1111 1111 1111"
IBAN: Final = "FR76 3000 6000 0112 3456 7890 189"
PLACE: Final = "48.8566, 2.3522"
VISA_PHONE: Final = "4915150008063"
DINERS_SIRET: Final = "36551439729815"

BAD: Final = {
    CARD: R.LOOKS_LIKE_CARD,
    f"Ada Byron {CARD}": R.LOOKS_LIKE_CARD,
    f"Ada Byron, {IBAN}": R.LOOKS_LIKE_IBAN,
    f"at {PLACE}": R.LOOKS_LIKE_COORDINATES,
}
GOOD: Final = {
    "NAME": (
        "Ada Byron",
        "Ada Byron <ada@gmail.com>",
        "+33 6 12 34 56 78",
        "François d'Épinay-Łuków",
        "\u0622\u062f\u0627",
        "203.0.113.7",
    ),
    "PHONE": ("+33 6 12 34 56 78", "0612345678", "+1 (212) 555-2368", "+49 30 901820", "+353 85 012 3456"),
    "ORGANISATION": ("Acme S.A.S.", "info@acme.example", "01 42 68 53 00"),
    "PAYMENT": ("PO-2026-0071", "SEPA, 30 days", "ada@acme.example"),
}


def body(category: str) -> str:
    return (
        f"message A {{ string one = 1 @{category}; repeated string many = 2 @{category}; google.protobuf.StringValue "
        f"held = 3 @{category};"
        f" map<string, string> by = 4 @{{category: {category}, map_key: {category}}}; B below = 5; }}"
        f"message B {{ string one = 1 @{category}; }}"
    )


def left(
    category: str, text: str, destination: str = "eu-service"
) -> tuple[Any, set[tuple[str, Reason, FieldVerdict]]]:
    made = compiler(body(category))
    release = release_of(ReferenceEngine(made.plan("t.A", destination)), encode(made.contract, "t.A", text))
    told = {(one.path, one.reason, one.verdict) for one in release.stripped}
    return decode(made.contract, "t.A", release.payload), told


def everywhere(value: str) -> str:
    """A message that holds a value wherever it may stand, beside what is no matter."""
    told = value.replace('"', r"\"")
    return (
        f'one: "{told}" many: ["x", "{told}"] held {{ value: "{told}" }} by {{ key: "k" value: "{told}" }} below {{ '
        f'one: "{told}" }}'
    )


def test_the_data_names_categories_that_may_be_received_and_all_kinds_where_all_are_looked_for() -> None:
    for category in (C.USER_ID, C.WORK_EMAIL, C.OPERATIONAL, C.FREE_TEXT):
        assert detectors_for(category).detectors == DETECTORS
    assert not any(detectors_for(category).detectors or detectors_for(category).counted for category in NEVER)
    for name in SEARCHED:
        assert set(detectors_for(C[name]).detectors) == {
            Detector.CARD,
            Detector.IBAN,
            Detector.COORDINATES,
            Detector.SECRET,
        }
    assert set(detectors_for(C.CONTENT).counted) == {Detector.CARD, Detector.IBAN, Detector.SECRET}


@pytest.mark.parametrize("category", SEARCHED)
@pytest.mark.parametrize("bad", BAD)
def test_what_is_never_collected_is_stripped_wherever_it_stands(category: str, bad: str) -> None:
    item, told = left(category, everywhere(bad))
    assert (item.one, list(item.many), item.HasField("held"), dict(item.by), item.below.one) == (
        "",
        ["x"],
        False,
        {},
        "",
    )
    assert {(reason, verdict) for _, reason, verdict in told} == {(BAD[bad], STRIP)}
    assert {path for path, _, _ in told} == {"one", "many[*]", "held", "by[*]", "below.one"}


@pytest.mark.parametrize("category", SEARCHED)
def test_a_key_of_a_map_is_a_text_too(category: str) -> None:
    item, told = left(category, f'by {{ key: "{CARD}" value: "x" }} by {{ key: "k" value: "v" }}')
    assert dict(item.by) == {"k": "v"}
    assert told == {("by[*]", R.LOOKS_LIKE_CARD, STRIP)}


@pytest.mark.parametrize(
    ("category", "value"), [(category, value) for category, values in GOOD.items() for value in values]
)
def test_what_belongs_there_stays(category: str, value: str) -> None:
    item, told = left(category, everywhere(value))
    assert (item.one, list(item.many), item.held.value, dict(item.by), item.below.one) == (
        value,
        ["x", value],
        value,
        {"k": value},
        value,
    )
    assert told == set()


@pytest.mark.parametrize("category", ["DEVICE", "USAGE"])
def test_nothing_is_looked_for_elsewhere(category: str) -> None:
    item, told = left(category, everywhere(CARD))
    assert (item.one, told) == (CARD, set())


def test_free_text_is_masked() -> None:
    item, told = left("FREE_TEXT", f'one: "pay {CARD} now"')
    assert item.one == "pay [CARD] now"
    assert told == {("one", R.LOOKS_LIKE_CARD, MASK)}


@pytest.mark.parametrize(
    ("category", "value", "stays"),
    [
        # A German mobile number of 13 digits reads as a card's, and so does a SIRET of 14.
        ("PHONE", VISA_PHONE, True),
        ("PHONE", f"+{VISA_PHONE}", True),
        ("PHONE", "4111111111111111", False),
        ("PHONE", f"{VISA_PHONE} 4111111111111111", False),
        ("NAME", VISA_PHONE, True),
        ("ORGANISATION", VISA_PHONE, False),
        ("ORGANISATION", DINERS_SIRET, True),
        ("PAYMENT", DINERS_SIRET, True),
        ("ORGANISATION", "4111111111111111", False),
        ("ORGANISATION", f"{DINERS_SIRET} 4111111111111111", False),
        ("PHONE", DINERS_SIRET, False),
        ("NAME", DINERS_SIRET, False),
    ],
)
def test_what_cannot_be_told_from_a_card_stays_where_it_belongs(category: str, value: str, stays: bool) -> None:
    item, told = left(category, f'one: "{value}"')
    assert item.one == (value if stays else "")
    assert told == (set() if stays else {("one", R.LOOKS_LIKE_CARD, STRIP)})


DOCUMENT: Final = '{"title": "Onboarding", "scenes": [{"text": "%s", "at": [48.8566, 2.3522], "x": 0.1234}]}'


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (CARD, R.LOOKS_LIKE_CARD),
        (IBAN, R.LOOKS_LIKE_IBAN),
        ("welcome", None),
        ("+33 6 12 34 56 78, ada@acme.example, 203.0.113.7", None),
    ],
)
def test_content_stays_as_it_is_and_what_shows_in_it_is_told(held: str, reason: Reason | None) -> None:
    document = DOCUMENT % held
    item, told = left("CONTENT", everywhere(document))
    assert (item.one, list(item.many), item.held.value, dict(item.by), item.below.one) == (
        document, ["x", document], document, {"k": document}, document,
    )  # fmt: skip
    places = {"one", "many[*]", "held", "by[*]", "below.one"}
    assert told == ({(path, reason, KEEP) for path in places} if reason else set())


def test_content_is_told_of_each_time_and_when_it_is_decided_on_again() -> None:
    made = compiler(body("CONTENT"))
    engine = ReferenceEngine(made.plan("t.A", "eu-service"))
    raw = encode(made.contract, "t.A", everywhere(CARD))
    first = release_of(engine, raw)
    again = [release_of(engine, raw), release_of(engine, first.payload), release_of(engine, first.payload)]
    assert first.strip_counts
    assert all(one.strip_counts == first.strip_counts and one.payload == raw for one in again)


def test_content_that_is_too_long_to_judge_is_said_to_be() -> None:
    item, told = left("CONTENT", f'one: "{"x " * (MAX_TEXT_CHARS // 2 + 1)}"')
    assert len(item.one) > MAX_TEXT_CHARS
    assert told == {("one", R.UNREADABLE, KEEP)}


def test_content_never_leaves_the_eu() -> None:
    item, _ = left("CONTENT", 'one: "x"', "us-service")
    assert item.one == ""


def test_a_receipt_says_what_shows_in_content() -> None:
    made = compiler(body("CONTENT"))
    raw = encode(made.contract, "t.A", f'one: "{CARD}" many: "a" many: "{IBAN}" many: "b"')
    lines = set(
        receipt(
            made.projector("t.A", "eu-service"), raw, release_of(ReferenceEngine(made.plan("t.A", "eu-service")), raw)
        )
    )
    assert lines == {
        FieldLine("one", KEEP, R.LOOKS_LIKE_CARD),
        FieldLine("many[*]", KEEP, None, 2),
        FieldLine("many[*]", KEEP, R.LOOKS_LIKE_IBAN),
    }


def test_bounds_of_its_own_hold_content_too() -> None:
    held = contract(proto("message A { string one = 1 @{category: CONTENT, max_length: 4}; }"))
    engine = ReferenceEngine(Compiler(held, policy()).plan("t.A", "eu-service"))
    release = release_of(engine, encode(held, "t.A", 'one: "12345"'))
    assert [(one.reason, one.verdict) for one in release.stripped] == [(R.TOO_LONG, STRIP)]


def test_metadata_is_searched_too() -> None:
    envelope = Envelope(
        EnvelopePlan("x", {"name": Text(detect=detectors_for(C.NAME).detectors)}, {}, {}), lambda _: None
    )
    assert envelope.metadata([("name", "Ada"), ("name", CARD)], UNKNOWN_FACTS) == ((("name", "Ada"),), 1)
