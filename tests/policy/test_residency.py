"""Which data may be where: the tables of the privacy statement, and the policies that say otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import BadPolicy
from gateway.model import EU, INDIRECT, NEVER, Category
from gateway.policy.load import parse
from gateway.policy.placement import PLACEMENTS, forbidden_reason
from gateway.policy.residency import CONSENT_TEXT, ceiling_of
from tests.policy.residency_documents import document, fault

INSIDE: Final = "personal data stays in BE, FR or IE, or DE for the CRM"
HOME: Final = "content stays in FR or IE"
GERMANY: Final = (
    "in DE the crm receives USER_ID, WORK_EMAIL, NAME, PHONE, ORGANISATION and OPERATIONAL, and nobody else personal "
    "data"
)
OUTSIDE: Final = "never leaves the EU"
ELSEWHERE: Final = "may leave the EU for the US only"
NOWHERE: Final = "no destination may ever receive it"
UNKNOWN: Final = "what is not classified goes nowhere"

REGIONS: Final = sorted({*EU, "US", "GB", "CH", "NO", "SG", "CN", "ZZ"})
PERSONAL: Final = sorted(set(Category) - NEVER - {Category.OPERATIONAL, Category.UNSPECIFIED})
NOT_CONTENT: Final = [category for category in PERSONAL if category is not Category.CONTENT]
CRM: Final = INDIRECT | {Category.NAME, Category.PHONE, Category.ORGANISATION}
AUTHENTICATION: Final = "essential.service.authentication"
PAYMENT: Final = "essential.service.payment_processing"
PURPOSES: Final = ("sales", "essential", "essential.service", AUTHENTICATION, PAYMENT, "essential.service.security",
                   "essential.service.operations.support")  # fmt: skip
FED_BY: Final = (
    "",
    "otlp/logs",
    "otlp/traces",
    "otlp/metrics",
    "kannelle.privacy.v1.ActivityLogService/*",
    "kannelle.privacy.v1.AccessEntry",
    "kannelle.privacy.v1.SupportService/*",
    "t.Message",
)
LOG_SOURCES: Final = FED_BY[1:6]


def test_the_table_speaks_of_all_personal_data() -> None:
    assert sorted(PLACEMENTS) == PERSONAL


@pytest.mark.parametrize("region", REGIONS)
def test_operational_data_may_be_anywhere(region: str) -> None:
    assert forbidden_reason(Category.OPERATIONAL, region) == ""
    assert parse(document(region, "OPERATIONAL")).policy.destinations["crm"].region == region


@pytest.mark.parametrize(
    ("category", "region", "expected"),
    [
        *((category, region, NOWHERE) for category, region in product(sorted(NEVER), REGIONS)),
        *((Category.UNSPECIFIED, region, UNKNOWN) for region in REGIONS),
        *((category, region, "") for category, region in product(PERSONAL, ("FR", "IE"))),
        *((category, "BE", "") for category in NOT_CONTENT),
        *((category, "DE", "" if category in CRM else GERMANY) for category in NOT_CONTENT),
        *((Category.CONTENT, region, HOME) for region in sorted(EU - {"FR", "IE"})),
        *((category, region, INSIDE)
          for category, region in product(NOT_CONTENT, sorted(EU - {"BE", "DE", "FR", "IE"}))),
        *((category, "US", "" if category in INDIRECT else OUTSIDE) for category in PERSONAL),
        *((category, region, ELSEWHERE if category in INDIRECT else OUTSIDE)
          for category, region in product(PERSONAL, ("GB", "CH", "NO", "ZZ"))),
    ],
)  # fmt: skip
def test_a_category_is_barred_by_region(category: Category, region: str, expected: str) -> None:
    assert forbidden_reason(category, region) == expected


@pytest.mark.parametrize("category", sorted(set(Category) - INDIRECT))
def test_no_policy_can_raise_the_ceiling_of_the_us(category: Category) -> None:
    said = fault(document("US", "USER_ID", f"USER_ID, WORK_EMAIL, OPERATIONAL, {category.name}")).splitlines()
    assert said == [f"policy.yaml:14: ceilings.US.{category.name}: {forbidden_reason(category, 'US')}"]
    assert (
        fault(document("US", category.name, "USER_ID"))
        == f"policy.yaml:12: destinations.crm.allow.{category.name}: {forbidden_reason(category, 'US')}"
    )


# The promise, as somebody would check it by hand: slow, and in other words than the gateway's.
HELD_BY_REGION: Final[Mapping[str, Collection[Category]]] = {
    "FR": set(PERSONAL),
    "IE": set(PERSONAL),
    "BE": set(NOT_CONTENT),
    "DE": {Category.USER_ID, Category.WORK_EMAIL, Category.NAME, Category.PHONE, Category.ORGANISATION},
    "US": {Category.USER_ID, Category.WORK_EMAIL},
}


def keeps_the_promise(region: str, category: Category, name: str, purpose: str, *, is_log: bool) -> bool:
    if is_log and (region not in ("FR", "IE") or category not in (1, 2, 3)):
        return False
    if category is Category.OPERATIONAL:
        return True
    if category not in HELD_BY_REGION.get(region, ()) or (region == "DE" and name != "crm"):
        return False
    if category is Category.NETWORK:
        return purpose.split(".")[:3] == ["essential", "service", "authentication"]
    if category is Category.POSTAL_ADDRESS:
        return purpose.split(".")[:3] == ["essential", "service", "payment_processing"]
    return True


@given(
    region=st.sampled_from(("FR", "IE", "BE", "DE", "US")) | st.sampled_from(REGIONS),
    allow=st.frozensets(st.sampled_from([*PERSONAL, Category.OPERATIONAL]), max_size=3)
    | st.frozensets(st.sampled_from(Category)),
    ceiling=st.none() | st.just(frozenset(PERSONAL)) | st.frozensets(st.sampled_from(Category)),
    name=st.sampled_from(["crm", "other"]),
    recipient=st.sampled_from(["log", "service", "store", "vendor"]),
    purpose=st.sampled_from(PURPOSES),
    fed_by=st.sampled_from(FED_BY),
)
@settings(max_examples=600, deadline=None)
def test_what_loads_keeps_the_promise_and_what_keeps_it_loads(
    *,
    region: str,
    allow: frozenset[Category],
    ceiling: frozenset[Category] | None,
    name: str,
    recipient: str,
    purpose: str,
    fed_by: str,
) -> None:
    # A ceiling that holds what no region may have is a fault of its own: it is narrowed to what may be listed.
    limits = None if ceiling is None else {one for one in ceiling if not forbidden_reason(one, region)}
    listed = None if limits is None else ", ".join(category.name for category in sorted(limits))
    flows = f"{{{fed_by}: [{name}]}}" if fed_by else "{}"
    held = ", ".join(category.name for category in sorted(allow))
    text = document(region, held, listed, name, recipient=recipient, purpose=purpose, flows=flows)
    is_log = recipient == "log" or fed_by in LOG_SOURCES
    expected = (not is_log or region in ("FR", "IE")) and all(
        keeps_the_promise(region, category, name, purpose, is_log=is_log)
        and category in ({Category.OPERATIONAL} if limits is None else limits)
        for category in allow
    )
    try:
        policy = parse(text).policy
    except BadPolicy:
        assert not expected
        return
    assert expected
    assert allow <= ceiling_of(policy, region)


@given(region=st.sampled_from(REGIONS), ceiling=st.frozensets(st.sampled_from(Category), min_size=1))
@settings(max_examples=200, deadline=None)
def test_a_ceiling_lists_what_some_recipient_may_have(region: str, ceiling: frozenset[Category]) -> None:
    expected = all(
        category is Category.OPERATIONAL or category in HELD_BY_REGION.get(region, ()) for category in ceiling
    )
    text = document(region, "", ", ".join(category.name for category in sorted(ceiling)))
    if expected:
        assert parse(text).policy.ceilings[region] == ceiling
    else:
        assert all(line.startswith(f"policy.yaml:14: ceilings.{region}.") for line in fault(text).splitlines())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (document("FR", "USER_ID, NAME", "USER_ID"), ["12: destinations.crm.allow.NAME: is above the ceiling of FR"]),
        (document("FR", "USER_ID"), ["12: destinations.crm.allow.USER_ID: is above the ceiling of FR"]),
        (document("US", "USER_ID"), ["12: destinations.crm.allow.USER_ID: is above the ceiling of US"]),
        (document("FR", "OPERATIONAL", ""), ["12: destinations.crm.allow.OPERATIONAL: is above the ceiling of FR"]),
        (document("FR", "OPERATIONAL,\n      AGE", "OPERATIONAL"), [f"13: destinations.crm.allow.AGE: {NOWHERE}"]),
        (document("FR", "OPERATIONAL", "OPERATIONAL,\n    CREDENTIAL"), [f"15: ceilings.FR.CREDENTIAL: {NOWHERE}"]),
        (document("FR", "UNSPECIFIED", "OPERATIONAL"), [f"12: destinations.crm.allow.UNSPECIFIED: {UNKNOWN}"]),
        (document("ES", "NAME", "NAME"),
         [f"14: ceilings.ES.NAME: {INSIDE}", f"12: destinations.crm.allow.NAME: {INSIDE}"]),
        (document("SG", "USER_ID", "USER_ID"),
         [f"14: ceilings.SG.USER_ID: {ELSEWHERE}", f"12: destinations.crm.allow.USER_ID: {ELSEWHERE}"]),
        (document("NO", "NAME", "NAME"),
         [f"14: ceilings.NO.NAME: {OUTSIDE}", f"12: destinations.crm.allow.NAME: {OUTSIDE}"]),
        (document("DE", "NAME, OPERATIONAL", "NAME, OPERATIONAL", name="crm-archive"),
         ["12: destinations.crm-archive.allow.NAME: in DE only the destination crm may receive personal data"]),
        # What is made stays in France and Ireland: not at the CRM, and not in Belgium.
        (document("DE", "CONTENT", "NAME"), [f"12: destinations.crm.allow.CONTENT: {HOME}"]),
        (document("BE", "CONTENT", "CONTENT", purpose="essential.service"),
         [f"14: ceilings.BE.CONTENT: {HOME}", f"12: destinations.crm.allow.CONTENT: {HOME}"]),
        (document("DE", "DEVICE", "NAME"), [f"12: destinations.crm.allow.DEVICE: {GERMANY}"]),
        # Each for its own purpose.
        (document("FR", "NETWORK", "NETWORK", name="support", purpose="essential.service.operations.support"),
         [f"12: destinations.support.allow.NETWORK: is for the purpose {AUTHENTICATION} only, or one below it"]),
        (document("FR", "NETWORK", "NETWORK", purpose="essential.service"),
         [f"12: destinations.crm.allow.NETWORK: is for the purpose {AUTHENTICATION} only, or one below it"]),
        (document("FR", "POSTAL_ADDRESS", "POSTAL_ADDRESS"),
         [f"12: destinations.crm.allow.POSTAL_ADDRESS: is for the purpose {PAYMENT} only, or one below it"]),
    ],
)  # fmt: skip
def test_a_policy_that_says_otherwise_does_not_load(text: str, expected: list[str]) -> None:
    assert sorted(fault(text).splitlines()) == sorted(f"policy.yaml:{line}" for line in expected)


@pytest.mark.parametrize("region", ["BE", "DE", "FR", "IE"])
@pytest.mark.parametrize("category", PERSONAL)
def test_personal_data_has_its_homes(region: str, category: Category) -> None:
    purpose = {Category.NETWORK: AUTHENTICATION, Category.POSTAL_ADDRESS: PAYMENT}.get(category, "essential.service")
    text = document(region, category.name, category.name, purpose=purpose)
    if forbidden_reason(category, region):
        assert f"policy.yaml:12: destinations.crm.allow.{category.name}: " in fault(text)
    else:
        assert parse(text).policy.destinations["crm"].allow == {category}


@pytest.mark.parametrize("region", ["FR", "US"])
def test_nothing_rests_on_a_consent_that_nobody_can_withdraw(region: str) -> None:
    text = document(region, "OPERATIONAL").replace("legal_basis: CONTRACT", "legal_basis: CONSENT")
    assert fault(text) == f"policy.yaml:10: destinations.crm.legal_basis: {CONSENT_TEXT}"
