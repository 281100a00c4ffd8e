"""Mail domains: whose are people's own, and where one stands in a local part."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.detectors import data
from gateway.detectors.mail_domains import (
    NO_OVERRIDES,
    domain_overrides,
    holds_personal_domain,
    is_core_domain,
    is_personal_domain,
)
from tests.detectors.registries import FOLDER

LISTED: Final = data.lines("free_mail") | data.lines("disposable_mail")
CONSUMER: Final = data.lines("consumer_mail")
CORE: Final = data.lines("core_mail")
BRANDS: Final = data.lines("mail_brands")
BUSINESS: Final = data.lines("business_mail")
ORGANISATIONS: Final = [
    line
    for line in (Path(__file__).parent / "business_domains.txt").read_text().splitlines()
    if not line.startswith("#")
]
DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]{2,}")


def test_no_domain_of_the_packages_or_of_ours_passes_as_business() -> None:
    passed = {domain for domain in LISTED | CONSUMER | CORE if not is_personal_domain(domain)}
    assert passed == LISTED & BUSINESS
    assert not [
        domain
        for domain in LISTED - BUSINESS
        if not is_personal_domain(f"mail.{domain}") and f"*.{domain}" not in BUSINESS
    ]


def test_no_organisation_is_taken_for_a_person() -> None:
    assert len(set(ORGANISATIONS)) >= 500
    assert [
        domain for domain in ORGANISATIONS if is_personal_domain(domain) or is_personal_domain(f"mail.{domain}")
    ] == []


def test_what_we_add_is_no_repetition() -> None:
    assert len(CONSUMER) >= 400
    assert {domain for domain in CONSUMER if is_personal_domain(domain, domain_overrides((), CONSUMER))} == set()


def test_an_exception_is_from_the_lists_or_below_what_is_in_them() -> None:
    for line in BUSINESS:
        domain = line.removeprefix("*.")
        above = {".".join(domain.split(".")[start:]) for start in range(domain.count("."))}
        assert above & (LISTED | CONSUMER)
        assert not is_core_domain(domain)


@pytest.mark.parametrize("name", ["business_mail", "consumer_mail", "core_mail", "disposable_mail", "free_mail"])
def test_a_file_lists_domains_once_each(name: str) -> None:
    lines = [line for line in (FOLDER / f"{name}.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(set(lines))
    assert [line for line in lines if not DOMAIN.fullmatch(line.removeprefix("*."))] == []


@pytest.mark.parametrize(
    "domain",
    ["gmail.com", "googlemail.com", "gmail.co.uk", "mail.yahoo.be", "yahoo.com.br", "yandex.kz", "outlook.fr", "gmx.li",
     # France, Belgium, Luxembourg
     "sfr.fr", "sfr.net", "numericable.com", "cyberposte.com", "tiscali.fr", "chello.fr", "lagoon.nc", "wanadoo.be",
     "proximus.be", "tvcablenet.be", "pt.lu",
     # Ireland, Great Britain
     "eircom.net", "eir.ie", "vodafone.ie", "virginmedia.ie", "virginmedia.com", "dsl.pipex.com", "fsnet.co.uk",
     "talktalk.co.uk",
     # Germany, Austria, Switzerland
     "eclipso.de", "firemail.de", "onlinehome.de", "berlin.de", "magenta.de", "chello.at", "drei.at", "sunrise.ch",
     "vtxmail.ch",
     # The Netherlands, Spain, Italy, Portugal
     "caiway.nl", "kpnplanet.nl", "ziggo.nl", "ono.com", "movistar.es", "tin.it", "tim.it", "fastwebnet.it",
     "netcabo.pt",
     # The North, the Baltic, the East
     "telia.com", "bredband.net", "online.no", "stofanet.dk", "saunalahti.fi", "simnet.is", "inbox.lv", "hot.ee",
     "takas.lt", "interia.eu", "volny.cz", "azet.sk", "t-online.hu", "rdslink.ro", "dir.bg", "otenet.gr", "siol.net",
     "t-com.hr", "vodafone.de", "bouygtel.fr", "caramail.fr", "onmail.com", "k-net.fr", "ozone.net", "digicable.fr",
     "imagine.ie", "magnet.ie", "digiweb.ie", "ada.name", "mail.ada.martin.name", "gmail.com.acme.example",
     "free.fr.login.example",
     # Beyond
     "sympatico.ca", "teksavvy.com", "pobox.com", "optimum.net", "tmomail.net", "daum.net", "docomo.ne.jp",
     "icloud.com.cn",
     # Relays
     "dralias.com", "simplelogin.com", "addy.io", "anna.anonaddy.com", "duck.com", "mozmail.com",
     "privaterelay.appleid.com",
     "users.noreply.github.com"],
)  # fmt: skip
def test_people_have_mail_of_their_own_at_their_providers(domain: str) -> None:
    assert is_personal_domain(domain)
    assert is_personal_domain(f"mail.{domain}") is (domain != "berlin.de")


@pytest.mark.parametrize(
    ("domain", "personal"),
    [
        ("notgmail.com", False),
        ("gmail.example", False),
        ("gmail.com.example", False),
        ("hotmail.community", False),
        ("yahoo-inc.com", False),
        ("polizei.berlin.de", False),
        ("ba-mitte.berlin.de", False),
        ("acme.za.com", False),
        ("za.com", True),
        ("noreply.github.com", False),
        ("appleid.com", False),
        ("com", False),
        ("", False),
        (".", False),
        ("..gmail.com", True),
    ],
)
def test_a_name_that_only_resembles_one_is_a_business(domain: str, personal: bool) -> None:
    assert is_personal_domain(domain) is personal


@pytest.mark.parametrize(
    ("domain", "personal"),
    [
        ("family.example", True),
        ("mail.family.example", True),
        ("work.family.example", False),
        ("eu.work.family.example", False),
        ("eclipso.de", False),
        ("mail.eclipso.de", False),
        ("gmail.com", True),
        ("appleid.com", False),
        ("privaterelay.appleid.com", True),
        ("other.example", False),
    ],
)
def test_a_policy_s_word_counts_and_of_two_the_longer_one(domain: str, personal: bool) -> None:
    assert (
        is_personal_domain(
            domain, domain_overrides(["family.example"], ["work.family.example", "eclipso.de", "appleid.com"])
        )
        is personal
    )


@pytest.mark.parametrize(
    "domain", ["gmail.com", "yahoo.co.uk", "mail.gmail.com", "gmx.li", "orange.fr", "a.privaterelay.appleid.com"]
)
def test_the_core_is_core(domain: str) -> None:
    assert is_core_domain(domain)


@pytest.mark.parametrize("domain", ["eclipso.de", "appleid.com", "telia.com", "acme.example", "com", ""])
def test_the_rest_is_not(domain: str) -> None:
    assert not is_core_domain(domain)


@pytest.mark.parametrize(
    "text",
    ["gmail.com", "free.fr", "anna_gmail.com", "anna-gmail.com", "anna--gmail.com", "anna*gmail.com", "anna/gmail.com", "anna=gmail.com",
     "anna.gmail.com", "anna..gmail.com", "anna{gmail.com}", "anna|gmail.com", "anna~gmail.com", "anna'gmail.com",
     "anna^yahoo.co.uk", "anna?hotmail.fr", "anna$laposte.net", "anna&web.de", "anna`orange.fr", "#gmail.com",
     "gmail.com.anna", "gmail.com-anna", "gmail.com!anna", "anna_gmail.com#ext#", "anna-t-online.de",
     "anna_club-internet.fr", "anna.byron-mailinator.com.ext", "anna.privaterelay.appleid.com", "annagmail.com",
     "annahotmail.fr", "anna.byronyahoo.co.uk", "annalaposte.net", "annaprotonmail.com",
     "anna@gmail.com"],
)  # fmt: skip
def test_a_consumer_s_domain_is_found_in_a_local_part(text: str) -> None:
    assert holds_personal_domain(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "-", "first.last", "sales", "j.de-vries", "info", "no-reply", "2024.team", "support.fr", "o'brien", "ada_byron",
     "ren\u00e9e.dupont", "ada.byron.ext", "j.van.de.velde", "wei.li", "jack.ma", "peter.st.john", "ana.de.la.cruz",
     "i.mc.donald", "hotmail.community", "gmail", "gmail-team", "team.outlook", "notaol.com", "xweb.de", "sales.de",
     "office.berlin", "acme.com",
     "acme.com-sales", "web-de", "smartphone.eu", "info.at", "team_at.acme", "free-fr", "gmail.companies", "orange.france"],
)  # fmt: skip
def test_a_business_s_local_part_names_none(text: str) -> None:
    assert not holds_personal_domain(text)


@pytest.mark.parametrize("between", ["_", "-", ".", "*", "/", "#", "%", "+", "{", "\u00b7"])
def test_every_listed_domain_is_found_behind_any_separator(between: str) -> None:
    listed = (LISTED | CONSUMER | CORE) - BUSINESS
    assert [domain for domain in listed if not holds_personal_domain(f"anna{between}{domain}")] == []
    assert [domain for domain in listed if not holds_personal_domain(f"{domain}{between}anna")] == []


def test_a_policy_s_domain_is_found_too_and_one_taken_out_is_not() -> None:
    said = domain_overrides(["family.example"], ["eclipso.de"])
    assert holds_personal_domain("anna_family.example", said)
    assert not holds_personal_domain("anna_family.example")
    assert not holds_personal_domain("anna_eclipso.de", said)


ADDED: Final = ("family.example", "my-family.example", "family.example.com", "club.a-b.example", "x--y.example")


@given(
    st.lists(
        st.sampled_from([*"..--_'7é", "my", "family", "example", "com", "club", "a", "b", "x", "y"]), max_size=9
    ).map("".join)
)
def test_what_a_policy_adds_is_found_as_a_search_for_each_would(text: str) -> None:
    slow = any(re.search(rf"(?<![^\W_]){re.escape(domain)}(?![^\W_])", text) for domain in ADDED)
    assert holds_personal_domain(text, domain_overrides(ADDED, ())) is slow or holds_personal_domain(text)


def test_a_thousand_added_domains_cost_an_address_no_more_than_one() -> None:
    said = domain_overrides([f"mail{number}.example-{number}.com" for number in range(1000)], ())
    assert sum(said.first_words.values()) == 4000
    assert holds_personal_domain("ada_mail999.example-999.com", said)
    assert not holds_personal_domain("ada.mail999.example-998.com", said)


PIECES: Final = st.sampled_from(
    [
        "anna",
        "gmail",
        "com",
        "eclipso",
        "de",
        "yahoo",
        "co",
        "uk",
        "free",
        "fr",
        "t",
        "online",
        "hotmail",
        "web",
        "gmx",
        "7",
    ]
)


def slowly(text: str) -> bool:
    """What `names_personal` says, by trying each part of a text that no letter or digit touches where that counts."""
    cuts = [
        at for at in range(len(text) + 1) if at in (0, len(text)) or not (text[at - 1].isalnum() and text[at].isalnum())
    ]
    parts = {text[start:end] for start, end in combinations(cuts, 2)}
    stems = {domain for domain in CORE if len(domain.partition(".")[0]) >= 5}
    long = "|".join(brand for brand in BRANDS if len(brand) >= 5)
    joined = re.compile(rf".*(?:{long})\.(?:com|(?:com?\.)?[a-z]{{2}})")
    if any(joined.fullmatch(part) or part.endswith(tuple(stems)) for part in parts) or _is_spelt(text):
        return True
    return any(DOMAIN.fullmatch(part) and _is_listed(part) for part in parts)


def _is_spelt(text: str) -> bool:
    """Whether a text ends with a domain of consumers, hyphens or underscores for its dots: `ada-gmail-com`."""
    tails = [text[at + 1 :] for at in range(1, len(text)) if text[at] in "-_" and text[at - 1].isalnum()]
    return any("." not in tail and _is_long(re.sub("[-_]", ".", tail)) for tail in tails)


def _is_long(dotted: str) -> bool:
    brand, _, country = dotted.partition(".")
    branded = len(brand) >= 5 and brand in BRANDS and re.fullmatch(r"com|(com?\.)?[a-z]{2}", country)
    return bool(branded) or dotted in {domain.replace("-", ".") for domain in CORE if domain.index(".") >= 5}


def _is_listed(domain: str) -> bool:
    branded = domain.partition(".")[0] in BRANDS and re.fullmatch(r"[a-z]+\.(com|(com?\.)?[a-z]{2})", domain)
    return bool(branded) or domain in (LISTED | CONSUMER | CORE) - BUSINESS


@example("anna-gmail-com")
@given(st.lists(PIECES | st.sampled_from(list("..--_*'")), max_size=9).map("".join))
def test_a_local_part_is_searched_as_a_slow_reader_would(text: str) -> None:
    assert holds_personal_domain(text) is slowly(text)


@example("gmail.com.a.a")
@given(
    st.lists(
        st.sampled_from([*"abc", "gmail", "com", "eclipso", "de", "berlin", "za", "co", "x"]), min_size=1, max_size=5
    ).map(".".join)
)
def test_a_domain_is_judged_as_a_slow_reader_would(domain: str) -> None:
    labels = domain.split(".")
    tails = [".".join(labels[start:]) for start in range(len(labels))]
    said = [_decided(tail, whole=not at) for at, tail in enumerate(tails)]
    assert is_personal_domain(domain) is (
        any(map(_is_branded, tails)) or _pretends(labels) or next((one for one in said if one is not None), False)
    )


def _pretends(labels: list[str]) -> bool:
    """Whether a consumer's domain stands in front of somebody's own: `gmail.com.acme.example`."""
    heads = (labels[start:end] for start, end in combinations(range(len(labels) - 1), 2))
    return any(".".join(head) in CORE or (len(head) == 2 and head[0] in BRANDS and head[1] == "com") for head in heads)


def _decided(tail: str, *, whole: bool) -> bool | None:
    if not whole and f"*.{tail}" in BUSINESS:
        return False
    return None if "." not in tail or tail not in LISTED | CONSUMER | CORE | BUSINESS else tail not in BUSINESS


def _is_branded(tail: str) -> bool:
    return tail.partition(".")[0] in BRANDS and re.fullmatch(r"[a-z]+\.(com|(com?\.)?[a-z]{2})", tail) is not None


def test_nothing_said_is_nothing_changed() -> None:
    assert domain_overrides((), ()) == NO_OVERRIDES


@pytest.mark.parametrize(
    "local", ["ada-gmail-com", "ada_gmail_com", "ada_martin_protonmail_com", "x-hotmail-fr", "ada_yahoo_co_uk"]
)
def test_a_consumer_s_domain_is_found_with_other_signs_for_its_dots(local: str) -> None:
    assert holds_personal_domain(local)


@pytest.mark.parametrize(
    "local", ["web-de", "support-fr", "free-fr", "gmail", "gmail-com", "team-com", "mail-gmail-integration"]
)
def test_names_of_mailboxes_are_no_consumer_s_domain(local: str) -> None:
    assert not holds_personal_domain(local)
