"""Which metadata a recipient gets by which rule, and what the policy can't list."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.by_category import detectors_for
from gateway.model import DETECTORS, INDIRECT, NEVER, Category, Recipient
from gateway.patterns import TOKEN
from gateway.plan import FreeText, Rule, Text, UserId, WorkEmail
from gateway.policy.document import Classification, Metadata
from gateway.policy.envelope import RETRY_PUSHBACK, TRACEPARENT, envelope_plan, problems
from gateway.policy.rules import RecipientTerms

C = Category
INSIDE: Final = RecipientTerms("in", Recipient.SERVICE, "FR", frozenset(Category) - NEVER, "u[0-9]{1,9}", None)
OUTSIDE: Final = RecipientTerms("out", Recipient.VENDOR, "US", INDIRECT, "u[0-9]{1,9}", None)
ALWAYS: Final = {"grpc-retry-pushback-ms": RETRY_PUSHBACK}
TRACED: Final = {**ALWAYS, "traceparent": TRACEPARENT}
CODEC: Final = Classification(category=C.OPERATIONAL, one_of=("h264", "hevc"))
NAME: Final = Text(detect=detectors_for(C.NAME).detectors, spare=detectors_for(C.NAME).spare)

AT: Final = ("destinations", "crm", "metadata")


@pytest.mark.parametrize(
    ("terms", "wanted"),
    [
        (INSIDE, TRACED),
        (OUTSIDE, ALWAYS),
        (RecipientTerms("none", Recipient.SERVICE, "FR", frozenset({C.CONTENT}), "u", None), ALWAYS),
    ],
)
def test_trace_context_goes_within_the_eu_and_nothing_else_goes_by_itself(
    terms: RecipientTerms, wanted: dict[str, Rule]
) -> None:
    plan = envelope_plan(Metadata(), terms)
    assert (plan.recipient, plan.keys, plan.baggage, plan.tracestate) == (terms.name, wanted, {}, {})


@pytest.mark.parametrize(("terms", "wanted"), [(INSIDE, FreeText()), (OUTSIDE, None)])
def test_a_status_says_its_own_text_only_where_free_text_may_go(terms: RecipientTerms, wanted: FreeText | None) -> None:
    assert envelope_plan(Metadata(), terms).message == wanted


@pytest.mark.parametrize(
    ("key", "held", "inside", "outside"),
    [
        ("x-user", C.USER_ID, [UserId("u[0-9]{1,9}", detect=DETECTORS)], [UserId("u[0-9]{1,9}", detect=DETECTORS)]),
        ("x-mail", C.WORK_EMAIL, [WorkEmail(outside=False, vendor=False)], [WorkEmail(outside=True, vendor=True)]),
        ("x-topic", C.OPERATIONAL, [Text(TOKEN, detect=DETECTORS)], []),
        (
            "x-codec",
            CODEC,
            [Text(one_of=("h264", "hevc"), detect=DETECTORS)],
            [Text(one_of=("h264", "hevc"), detect=DETECTORS)],
        ),
        ("x-name", C.NAME, [NAME], []),
        ("x-note", C.FREE_TEXT, [FreeText()], []),
        ("x-photo-bin", C.CONTENT, [None], []),
        ("x-user-bin", C.USER_ID, [], []),
        ("x-mail-bin", C.WORK_EMAIL, [], []),
        ("x-topic-bin", C.OPERATIONAL, [], []),
        ("x-note-bin", C.FREE_TEXT, [], []),
        ("x-gps", C.LOCATION, [], []),
        ("x-what", C.UNSPECIFIED, [], []),
        ("grpc-timeout", C.NAME, [], []),
        ("user-agent", C.NAME, [], []),
        ("x-request-id", CODEC, [Text(one_of=("h264", "hevc"), detect=DETECTORS)], []),
    ],
)
def test_a_key_is_judged_as_any_value_is(
    key: str, held: Category | Classification, inside: list[Rule | None], outside: list[Rule | None]
) -> None:
    for terms, wanted in ((INSIDE, inside), (OUTSIDE, outside)):
        keys = envelope_plan(Metadata(keys={key: held}), terms).keys
        assert [keys[name] for name in keys if name == key] == wanted


def test_credentials_pass_as_they_are_where_they_are_named() -> None:
    named = Metadata(credentials=("authorization", "x-key-bin"))
    for terms in (INSIDE, OUTSIDE):
        plan = envelope_plan(named, terms)
        assert [plan.keys[name] for name in named.credentials] == [None, None]


def test_what_is_listed_does_not_loosen_what_goes_by_itself() -> None:
    listed = Metadata(keys={"traceparent": C.NAME}, credentials=("traceparent",))
    assert envelope_plan(listed, INSIDE).keys == TRACED
    assert envelope_plan(listed, OUTSIDE).keys == ALWAYS


@pytest.mark.parametrize("section", ["baggage", "tracestate"])
def test_named_entries_go_within_the_eu(section: str) -> None:
    named = msgspec.convert({section: {"codec": CODEC, "name-bin": C.NAME, "gps": C.LOCATION}}, Metadata)
    assert getattr(envelope_plan(named, INSIDE), section) == {
        "codec": Text(one_of=("h264", "hevc"), detect=DETECTORS),
        "name-bin": NAME,
    }
    assert getattr(envelope_plan(named, OUTSIDE), section) == {}


OWN: Final = "is gRPC's own, and added on each hop"
IDS: Final = "trace context and request IDs don't leave the EU"


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("x-codec", "", ""),
        (":path", OWN, OWN),
        ("grpc-timeout", OWN, OWN),
        ("grpc-status-details-bin", OWN, OWN),
        ("te", OWN, OWN),
        ("content-type", OWN, OWN),
        ("user-agent", OWN, OWN),
        ("host", OWN, OWN),
        ("connection", OWN, OWN),
        ("transfer-encoding", OWN, OWN),
        ("baggage", *["has a section of its own, baggage, that names its entries"] * 2),
        ("tracestate", *["has a section of its own, tracestate, that names its entries"] * 2),
        ("traceparent", "", IDS),
        ("x-request-id", "", IDS),
        ("x-correlation-id", "", IDS),
        ("request-id", "", IDS),
        ("correlation-id", "", IDS),
        ("x-b3-spanid", "", IDS),
        ("b3", "", IDS),
        ("x-cloud-trace-context", "", IDS),
        ("x-amzn-trace-id", "", IDS),
        ("uber-trace-id", "", IDS),
        ("x-datadog-parent-id", "", IDS),
        ("web3-client", "", ""),
    ],
)
def test_some_names_cannot_be_listed(key: str, inside: str, outside: str) -> None:
    for region, wanted in (("FR", inside), ("US", outside)):
        listed = [*problems(AT, Metadata(keys={key: CODEC}), region)][:1]
        named = [*problems(AT, Metadata(credentials=(key,)), region)]
        assert listed == ([((*AT, "keys", key), wanted)] if wanted else [])
        assert named == ([((*AT, "credentials", 0), wanted)] if wanted else [])


CLOSED: Final = "leaves the EU only with one_of or a pattern"
BLIND: Final = "a key that ends in -bin is opaque: nobody can tell what it holds"


@pytest.mark.parametrize(
    ("key", "held", "inside", "outside"),
    [
        ("x-user", C.USER_ID, "", ""),
        ("x-mail", C.WORK_EMAIL, "", ""),
        ("x-topic", C.OPERATIONAL, "", CLOSED),
        ("x-codec", CODEC, "", ""),
        ("x-name", C.NAME, "", "never leaves the EU"),
        ("x-note", C.FREE_TEXT, "", "never leaves the EU"),
        ("x-photo-bin", C.CONTENT, "", "never leaves the EU"),
        ("x-user-bin", C.USER_ID, BLIND, BLIND),
        ("x-mail-bin", C.WORK_EMAIL, BLIND, BLIND),
        ("x-topic-bin", C.OPERATIONAL, BLIND, BLIND),
        ("x-gps", C.LOCATION, *["no destination may ever receive it"] * 2),
        ("x-what", C.UNSPECIFIED, *["what is not classified goes nowhere"] * 2),
    ],
)
def test_what_could_never_pass_is_told(key: str, held: Category | Classification, inside: str, outside: str) -> None:
    for region, wanted in (("FR", inside), ("US", outside)):
        assert [*problems(AT, Metadata(keys={key: held}), region)] == ([((*AT, "keys", key), wanted)] if wanted else [])


@pytest.mark.parametrize(
    ("key", "held", "place", "wanted"),
    [
        ("x-a", Classification(category=C.NAME, pattern=".*"), "pattern", "not bounded in length: '*'"),
        ("x-a", Classification(category=C.NAME, one_of=("a", "a")), "one_of", "is in the list twice"),
        ("x-a", Classification(category=C.OPERATIONAL, min=1, max=2), "min", "is not for metadata"),
        ("x-a", Classification(category=C.NAME, map_key=C.NAME), "map_key", "is not for metadata"),
        ("x-a", Classification(category=C.USER_ID, subject=True), "subject", "is not for metadata"),
        ("x-a", Classification(category=C.OPERATIONAL, workspace=True), "workspace", "is not for metadata"),
        (
            "x-a-bin",
            Classification(category=C.CONTENT, max_length=3),
            "max_length",
            "is not for a key that ends in -bin",
        ),
    ],
)
def test_rules_that_mean_nothing_are_told(key: str, held: Classification, place: str, wanted: str) -> None:
    keys, text = next(problems(AT, Metadata(keys={key: held}), "FR"))
    assert (keys[:5], place in keys, text[: len(wanted)]) == ((*AT, "keys", key), True, wanted)


@pytest.mark.parametrize("section", ["baggage", "tracestate"])
def test_entries_do_not_leave_the_eu(section: str) -> None:
    named = msgspec.convert({section: {"codec": CODEC, "gps": C.LOCATION}}, Metadata)
    assert [*problems(AT, named, "US")] == [((*AT, section), "trace context and baggage don't leave the EU")]
    assert [*problems(AT, named, "FR")] == [((*AT, section, "gps"), "no destination may ever receive it")]


def test_a_key_is_listed_once() -> None:
    twice = Metadata(keys={"x-key": CODEC}, credentials=("authorization", "x-key", "authorization"))
    assert [*problems(AT, twice, "FR")] == [
        ((*AT, "credentials", 2), "is in the list twice"),
        ((*AT, "credentials", 1), "is listed under keys too"),
    ]


@given(
    key=st.from_regex(r"[a-z0-9_.-]{1,20}(-bin)?", fullmatch=True),
    held=st.sampled_from([*Category, CODEC]),
    region=st.sampled_from(["FR", "IE", "US"]),
)
def test_what_has_no_fault_is_in_the_plan_of_who_may_receive_all(
    key: str, held: Category | Classification, region: str
) -> None:
    named = Metadata(keys={key: held})
    terms = RecipientTerms("all", Recipient.SERVICE, region, frozenset(Category), "u[0-9]{1,9}", None)
    assert (key in envelope_plan(named, terms).keys) is (not [*problems(AT, named, region)]) or key in TRACED
