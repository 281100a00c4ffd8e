"""Which data may be where: the tables of the privacy statement, and the policies that say otherwise."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import BadPolicy
from gateway.exporters.otlp.settings import OtlpSettings
from gateway.model import EU, INDIRECT, NEVER, Category
from gateway.policy.load import parse
from gateway.policy.residency import CONSENT_TEXT, ceiling_of, forbidden_reason

INSIDE = "personal data stays in BE, FR or IE, or DE for the CRM"
OUTSIDE = "never leaves the EU"
ELSEWHERE = "may leave the EU for the US only"
NOWHERE = "no destination may ever receive it"
UNKNOWN = "what is not classified goes nowhere"

REGIONS = sorted({*EU, "US", "GB", "CH", "NO", "SG", "CN", "ZZ"})
PERSONAL = sorted(set(Category) - NEVER - {Category.OPERATIONAL, Category.UNSPECIFIED})


def document(region: str, allow: str, ceiling: str | None = None, name: str = "crm", rest: str = "") -> str:
    ceilings = "" if ceiling is None else f"ceilings:\n  {region}: [{ceiling}]\n"
    return f"""\
version: 1
controller: C
user_id: {{pattern: "usr_[a-z]{{1,8}}"}}
flows: {{}}
destinations:
  {name}:
    recipient: log
    region: {region}
    purpose: sales
    legal_basis: CONTRACT
    retention: 1d
    allow: [{allow}]
{rest}{ceilings}"""


def fault(text: str) -> str:
    with pytest.raises(BadPolicy) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize("region", REGIONS)
def test_operational_data_may_be_anywhere(region: str) -> None:
    assert forbidden_reason(Category.OPERATIONAL, region) == ""
    assert parse(document(region, "OPERATIONAL")).policy.destinations["crm"].region == region


@pytest.mark.parametrize(
    ("category", "region", "expected"),
    [
        *((category, region, NOWHERE) for category, region in product(sorted(NEVER), REGIONS)),
        *((Category.UNSPECIFIED, region, UNKNOWN) for region in REGIONS),
        *((category, region, "") for category, region in product(PERSONAL, ("BE", "DE", "FR", "IE"))),
        *((category, region, INSIDE) for category, region in product(PERSONAL, sorted(EU - {"BE", "DE", "FR", "IE"}))),
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


@given(
    region=st.sampled_from(REGIONS),
    allow=st.frozensets(st.sampled_from(Category)),
    ceiling=st.none() | st.frozensets(st.sampled_from(Category)),
    name=st.sampled_from(["crm", "log"]),
)
@settings(max_examples=300, deadline=None)
def test_what_loads_keeps_the_promise(
    region: str, allow: frozenset[Category], ceiling: frozenset[Category] | None, name: str
) -> None:
    listed = None if ceiling is None else ", ".join(category.name for category in ceiling)
    try:
        policy = parse(document(region, ", ".join(category.name for category in allow), listed, name)).policy
    except BadPolicy:
        return
    assert allow <= (ceiling if ceiling is not None else {Category.OPERATIONAL}) == ceiling_of(policy, region)
    assert not allow & NEVER
    assert (
        region in {"BE", "FR", "IE"}
        or allow <= {Category.OPERATIONAL}
        or (region, name) == ("DE", "crm")
        or (region == "US" and allow <= INDIRECT)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (document("FR", "USER_ID, NAME", "USER_ID"), [("policy.yaml:12: destinations.crm.allow.NAME: is above the "
                                                      "ceiling of FR")]),
        (document("FR", "USER_ID"), ["policy.yaml:12: destinations.crm.allow.USER_ID: is above the ceiling of FR"]),
        (document("US", "USER_ID"), ["policy.yaml:12: destinations.crm.allow.USER_ID: is above the ceiling of US"]),
        (document("FR", "OPERATIONAL", ""), [("policy.yaml:12: destinations.crm.allow.OPERATIONAL: is above the "
                                             "ceiling of FR")]),
        (document("FR", "OPERATIONAL,\n      AGE", "OPERATIONAL"), [("policy.yaml:13: destinations.crm.allow.AGE: "
                                                                    f"{NOWHERE}")]),
        (document("FR", "OPERATIONAL", "OPERATIONAL,\n    CREDENTIAL"), [("policy.yaml:15: ceilings.FR.CREDENTIAL: "
                                                                         f"{NOWHERE}")]),
        (document("FR", "UNSPECIFIED", "OPERATIONAL"), [("policy.yaml:12: destinations.crm.allow.UNSPECIFIED: "
                                                        f"{UNKNOWN}")]),
        (document("ES", "NAME", "NAME"),
         [f"policy.yaml:14: ceilings.ES.NAME: {INSIDE}", f"policy.yaml:12: destinations.crm.allow.NAME: {INSIDE}"]),
        (document("SG", "USER_ID", "USER_ID"),
         [f"policy.yaml:14: ceilings.SG.USER_ID: {ELSEWHERE}", ("policy.yaml:12: destinations.crm.allow.USER_ID: "
                                                               f"{ELSEWHERE}")]),
        (document("NO", "NAME", "NAME"),
         [f"policy.yaml:14: ceilings.NO.NAME: {OUTSIDE}", f"policy.yaml:12: destinations.crm.allow.NAME: {OUTSIDE}"]),
        (document("DE", "NAME, OPERATIONAL", "NAME, OPERATIONAL", name="crm-archive"),
         [("policy.yaml:12: destinations.crm-archive.allow.NAME: in DE only the destination crm may receive personal "
          "data")]),
    ],
)  # fmt: skip
def test_a_policy_that_says_otherwise_does_not_load(text: str, expected: list[str]) -> None:
    assert sorted(fault(text).splitlines()) == sorted(expected)


@pytest.mark.parametrize("region", ["BE", "DE", "FR", "IE"])
@pytest.mark.parametrize("category", PERSONAL)
def test_personal_data_has_its_homes(region: str, category: Category) -> None:
    assert parse(document(region, category.name, category.name)).policy.destinations["crm"].allow == {category}


def with_endpoint(endpoint: str, region: str = "FR") -> str:
    hosts = "hosts: {FR: [logs.kannelle.io, 192.0.2.1], US: [api.segment.io]}\n"
    return document(
        region, "OPERATIONAL", rest=f"    exporter:\n      kind: otlp\n      endpoint: {endpoint!r}\n{hosts}"
    )


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://logs.kannelle.io:4317", "FR"),
        ("https://LOGS.kannelle.io:4317/", "FR"),
        ("https://192.0.2.1:443", "FR"),
        ("https://api.segment.io:443", "US"),
        ("http://localhost:4317", "FR"),
        ("http://127.0.0.1:4317", "US"),
        ("http://127.8.8.8:4317", "FR"),
        ("http://[::1]:4317", "FR"),
        ("https://localhost:4317", "FR"),
    ],
)
def test_an_endpoint_in_its_own_region_loads(endpoint: str, region: str) -> None:
    assert isinstance(parse(with_endpoint(endpoint, region)).policy.destinations["crm"].exporter, OtlpSettings)


ODD = ["must be https://host:port, and nothing more"]
PLAIN = "must be https, for it leaves this machine"


@pytest.mark.parametrize(
    ("endpoint", "region", "expected"),
    [
        ("https://logs.kannelle.io:4317", "US", ["its host must be listed under hosts.US"]),
        ("https://logs.kannelle.io:4317", "IE", ["its host must be listed under hosts.IE"]),
        ("https://api.segment.io:443", "FR", ["its host must be listed under hosts.FR"]),
        ("https://logs.kannelle.io.evil.example:443", "FR", ["its host must be listed under hosts.FR"]),
        ("https://localhost.evil.example:443", "FR", ["its host must be listed under hosts.FR"]),
        ("https://127.0.0.1.evil.example:443", "FR", ["its host must be listed under hosts.FR"]),
        ("https://0.0.0.0:443", "FR", ["its host must be listed under hosts.FR"]),
        ("http://logs.kannelle.io:4317", "FR", [PLAIN]),
        ("http://evil.example:4317", "FR", [PLAIN, "its host must be listed under hosts.FR"]),
        ("https://logs.kannelle.io", "FR", ODD),
        ("logs.kannelle.io:4317", "FR", ODD),
        ("grpc://logs.kannelle.io:4317", "FR", ODD),
        ("https://user:hunter2@logs.kannelle.io:4317", "FR", ODD),
        ("https://@logs.kannelle.io:4317", "FR", ODD),
        ("https://logs.kannelle.io:4317/v1/logs", "FR", ODD),
        ("https://logs.kannelle.io:4317?key=hunter2", "FR", ODD),
        ("https://logs.kannelle.io:4317#x", "FR", ODD),
        ("https://logs.kannelle.io:99999", "FR", ODD),
        ("https://logs.kannelle.io:x", "FR", ODD),
        ("https://[::1", "FR", ODD),
        ("https://:4317", "FR", ODD),
    ],
)  # fmt: skip
def test_an_endpoint_elsewhere_does_not_load(endpoint: str, region: str, expected: list[str]) -> None:
    said = fault(with_endpoint(endpoint, region)).splitlines()
    assert said == [f"policy.yaml:15: destinations.crm.exporter.endpoint: {text}" for text in expected]


@pytest.mark.parametrize("region", ["FR", "US"])
def test_nothing_rests_on_a_consent_that_nobody_can_withdraw(region: str) -> None:
    text = document(region, "OPERATIONAL").replace("legal_basis: CONTRACT", "legal_basis: CONSENT")
    assert fault(text) == f"policy.yaml:10: destinations.crm.legal_basis: {CONSENT_TEXT}"


def test_a_host_is_in_one_region() -> None:
    text = document("FR", "OPERATIONAL", rest="hosts:\n  FR: [a.example]\n  US:\n    - b.example\n    - a.example\n")
    assert fault(text) == "policy.yaml:17: hosts.US.a.example: is listed under FR too"
