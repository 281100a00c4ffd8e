"""Addresses: which are business ones, which personal, which malformed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from email_validator import SPECIAL_USE_DOMAIN_NAMES
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.detectors.mail_domains import NO_OVERRIDES
from gateway.engine.addresses import (
    _MAX_CACHED_ADDRESSES,
    MALFORMED,
    MAX_ADDRESS_CHARS,
    PERSONAL,
    RESERVED,
    Address,
    AddressCache,
    Kind,
    _read_any,
    _read_plain,
    reader,
)
from tests.engine.disguised import ADDRESSES, DOMAINS, HIDDEN, wide

VERDICTS = AddressCache(NO_OVERRIDES)
read = VERDICTS.__getitem__


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("alice@acme.example", "alice@acme.example"),
        ("Alice.Martin@ACME-Video.example", "alice.martin@acme-video.example"),
        ("alice+newsletter@acme.example", "alice@acme.example"),
        ("alice+a+b@acme.example", "alice@acme.example"),
        ("a_b-c.d@mail.eu.acme.example", "a_b-c.d@mail.eu.acme.example"),
        ("o'neill@acme.example", "o'neill@acme.example"),
        ("ren\u00e9e@acme.example", "ren\u00e9e@acme.example"),
        ("rene\u0301e@acme.example", "ren\u00e9e@acme.example"),
        ("a@m\u00fcnchen.de", "a@xn--mnchen-3ya.de"),
        ("a@XN--MNCHEN-3YA.de", "a@xn--mnchen-3ya.de"),
        ("a@\u6771\u4eac.jp", "a@xn--1lqs71d.jp"),
    ],
)
def test_a_business_address_is_normalised(text: str, normalised: str) -> None:
    assert read(text) == Address(Kind.BUSINESS, normalised, normalised.partition("@")[2])


@pytest.mark.parametrize(
    "domain",
    ["gmail.com", "GoogleMail.com", "mail.gmail.com", "outlook.com", "laposte.net", "sfr.fr", "proximus.be", "web.de", "eircom.net",
     "mailinator.com", "yopmail.com", "x.y.mailinator.com", "privaterelay.appleid.com", "gmail.co.uk", "mail.yahoo.be",
     "tutanota.com",
     "gma\u0131l.com", "gm\u00e1il.com", "\u0262mail.com", "xn--gmal-nza.com", "gmail\u3002com"],
)  # fmt: skip
def test_free_mail_and_disposable_domains_are_personal(domain: str) -> None:
    assert read(f"ada.byron@{domain}").kind is Kind.PERSONAL


@pytest.mark.parametrize(
    "text",
    ["", "@", "alice", "alice@", "@acme.example", "alice@@acme.example", "alice@acme", "alice@localhost", "alice@acme.local",
     "alice@acme.test", "alice@acme.invalid", "alice@acme.onion", "alice@acme..example", "alice@-acme.example",
     "alice.@acme.example", ".alice@acme.example", "a..b@acme.example", "+tag@acme.example", '"alice"@acme.example',
     "alice@[192.0.2.1]", "alice@192.0.2.1", "Alice <alice@acme.example>", "alice@acme.example, bob@acme.example",
     " alice@acme.example", "alice@acme.example\n", "alice@acme.example\x00", "al ice@acme.example",
     "alice@acme.example.", "al\u200bice@acme.example", "alice\u00ad@acme.example", "alice@ac\u200bme.example",
     "\uff41lice@acme.example", "alice\uff20acme.example", "alice@\uff41cme.example", "\U0001d41alice@acme.example",
     "alice@gm\u0430il.com", "alice@\u0433\u043c\u0430\u0456l.com", "alice@xn--gmil-63d.com", "alice@\u0430cme.example",
     "alice@xn--a.example", "alice%gmail.com@acme.example", "gmail.com!alice@acme.example",
     "alice=gmail.com@acme.example", "alice(at)gmail.com@acme.example", "YWxpY2VAZ21haWwuY29t@acme.example",
     "alice_at_gmail_dot_com@acme.example", "\ud800@acme.example",
     f"{'a' * 65}@acme.example", f"a@{'b' * 64}.example", f"a@{'b.' * 130}example"],
)  # fmt: skip
def test_what_is_malformed_or_in_disguise_is_no_address(text: str) -> None:
    assert read(text) in (MALFORMED, PERSONAL)


@pytest.mark.parametrize(
    "text",
    ["ada@gmail.com ", " ada@gmail.com", "ada@gmail.com\n", "ada@gmail.com.", "<ada@gmail.com>", "Ada <ada@gmail.com>",
     "mailto:ada@gmail.com",
     "ada%40gmail.com", "ada@gma\u200bil.com", "ada@gmail\uff0ecom", "ada@gm\u0430il.com", ("bob@acme.example, "
                                                                                           "ada@gmail.com"),
     "ada.byron_gmail.com#EXT#@acme.onmicrosoft.com", "ada_gmail.com@acme.example", "ada.gmail.com@acme.example",
     "ada=gmail.com@acme.example",
     "YWRhQGdtYWlsLmNvbQ@acme.example", "x" * 300 + " ada@gmail.com",
     "ada-gmail.com@acme.example", "ada*gmail.com@acme.example", "ada/gmail.com@acme.example",
     "ada{gmail.com}@acme.example", "ada~eclipso.de@acme.example", "Ada-GMail.com@acme.example",
     "gmail.com.ada@acme.example", "ada-t-online.de@acme.example", "adagmail.com@acme.example",
     "ada.byronhotmail.fr@acme.example", "ada_gm\u0430il.com@acme.example", "free.fr@acme.example",
     "ada_dralias.com+x@acme.example"],
)  # fmt: skip
def test_what_says_somebody_s_own_address_is_personal_however_it_says_it(text: str) -> None:
    assert read(text) == PERSONAL


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("spelt", [str.upper, str.title, str.swapcase])
def test_what_a_normal_form_would_say_is_said(spelt: Callable[[str], str], hidden: str) -> None:
    text = wide(hidden).rstrip("=")
    assert text == text.lower()
    address = read(f"{spelt(text)}@acme.example")
    assert address == read(f"{text}@acme.example")
    assert address in (MALFORMED, PERSONAL)


@pytest.mark.parametrize(
    "local",
    ["first.last", "sales+eu", "j.de-vries", "info", "no-reply", "2024.team", "support.fr", "o'brien", "ada_byron", "ren\u00e9e",
     "ada.byron.ext", "hotmail.community", "wei.li", "jack.ma", "web-de", "xweb.de", "sales+gmail.com",
     "ada+0612345678",
     "team2", "ada.byron1985", "invoices-2024", "rechnung.2024-11", "dept-12-34", "id-4711", "24-7", "v1.2.3", "12345678", "order-1234567"],
)  # fmt: skip
def test_a_business_s_local_part_stays(local: str) -> None:
    assert read(f"{local}@acme.example").normalised == f"{local.partition('+')[0]}@acme.example"


@pytest.mark.parametrize("local", ["06+12345678", "4111+111111111111", "4111+1111+1111+1111"])
def test_a_number_that_goes_on_behind_a_plus_is_not_left_by_half(local: str) -> None:
    assert read(f"{local}@acme.example") == MALFORMED


@pytest.mark.parametrize(
    "local",
    ["card4111111111111111", "4111-1111-1111-1111", "4111_1111.1111-1111", "ibanfr7630006000011234567890189",
     "IbanFR7630006000011234567890189",
     "fr76.3000.6000.0112.3456.7890.189", "48.8566-2.3522", "48.8566_2.3522", "lat48.8566lon2.3522", "203-0-113-7",
     "host-203-0-113-7", "203_0_113_7", "185057800608491", "nir185057800608491", "185047512345657", "1850475.12345-657",
     "tel0612345678", "06-12-34-56-78",
     "612-345-678", "48.8566+2.3522", "123-45-6789", "00-1b-44-11-3a-b7", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"],
)  # fmt: skip
@pytest.mark.parametrize("spelt", [str, str.lower, str.upper])
def test_a_local_part_in_which_something_personal_stands_is_no_business_address(
    spelt: Callable[[str], str], local: str
) -> None:
    assert read(f"{spelt(local)}@acme.example") == MALFORMED


@pytest.mark.parametrize(
    "below",
    ["card4111111111111111", "4111-1111-1111-1111", "ibanfr7630006000011234567890189", "48.8566-2.3522", "203-0-113-7", "tel0612345678",
     "06-12-34-56-78", "nir185057800608491"],
)  # fmt: skip
def test_a_name_below_a_domain_in_which_something_personal_stands_is_no_business_s(below: str) -> None:
    assert read(f"x@{below}.acme.example") == MALFORMED
    assert read(f"x@{below.upper()}.acme.example") == MALFORMED


@pytest.mark.parametrize(
    "local", ["0612345678", "+33612345678", "4111111111111111", "FR7630006000011234567890189", "203.0.113.7"]
)
def test_a_local_part_that_is_other_personal_data_is_malformed(local: str) -> None:
    assert read(f"{local}@acme.example") == MALFORMED


@pytest.mark.parametrize(
    "below",
    [
        "33612345678",
        "4111111111111111",
        "fr7630006000011234567890189",
        "192.168.0.1",
        "77yh77yk77yh77yg77yn77yt77yh77yp77ys772h77yj77yv77yt",
    ],
)
def test_a_host_below_a_domain_that_is_other_personal_data_is_malformed(below: str) -> None:
    assert read(f"x@{below}.acme.example") in (MALFORMED, PERSONAL)


@pytest.mark.parametrize(
    "domain", ["mail.acme.example", "eu-1.mail.acme.co.uk", "video2.acme.example", "a.b.c.acme.fr"]
)
def test_a_host_below_a_domain_is_nothing_odd(domain: str) -> None:
    assert read(f"ada@{domain}").kind is Kind.BUSINESS


@pytest.mark.parametrize("domain", ["notgmail.com", "yahoo-inc.com", "mygmx.example", "outlook.acme.example"])
def test_a_domain_that_only_resembles_one_of_free_mail_is_a_business(domain: str) -> None:
    assert read(f"ada.byron@{domain}").kind is Kind.BUSINESS


@settings(deadline=None)
@given(st.emails() | st.builds("{}@{}".format, st.text(max_size=12), st.sampled_from(DOMAINS)) | ADDRESSES)
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    address = read(text)
    if address.normalised:
        assert read(address.normalised) == address
        assert "+" not in address.normalised
        assert address.domain == address.domain.lower()
        assert address.domain.isascii()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ada@family.example", Kind.PERSONAL),
        ("ada@mail.Family.example", Kind.PERSONAL),
        ("ada_family.example@acme.example", Kind.PERSONAL),
        ("Ada <ada@family.example>", Kind.PERSONAL),
        ("ada@eclipso.de", Kind.BUSINESS),
        ("ada@mail.eclipso.de", Kind.BUSINESS),
        ("ada_eclipso.de@acme.example", Kind.BUSINESS),
        ("Ada <ada@eclipso.de>", Kind.MALFORMED),
        ("ada@gmail.com", Kind.PERSONAL),
        ("ada@acme.example", Kind.BUSINESS),
    ],
)
def test_each_policy_has_its_own_domains(text: str, kind: Kind) -> None:
    assert reader(("family.example",), ("eclipso.de",))(text).kind is kind
    plainly = {"family": Kind.BUSINESS, "eclipso": Kind.PERSONAL}
    if not text.startswith("Ada"):
        assert read(text).kind is next((said for word, said in plainly.items() if word in text.lower()), kind)


@given(
    ADDRESSES
    | st.sampled_from(["ada@family.example", "ada@eclipso.de", "ada_eclipso.de@acme.example", "ada@acme.example"])
)
def test_what_one_policy_remembers_is_no_other_s(text: str) -> None:
    by = [
        reader((), ()),
        reader(("family.example",), ()),
        reader((), ("eclipso.de",)),
        reader(("family.example",), ("eclipso.de",)),
    ]
    first = [read(text) for read in by]
    reader.cache_clear()
    fresh = [
        reader((), ("eclipso.de",)),
        reader((), ()),
        reader(("family.example",), ("eclipso.de",)),
        reader(("family.example",), ()),
    ]
    assert [fresh[at](text) for at in (1, 3, 0, 2)] == first == [read(text) for read in by]


def test_an_address_does_not_show_what_it_is() -> None:
    assert repr(read("alice@acme.example")) == "Address(business)"


def test_what_was_read_is_remembered_within_bounds() -> None:
    assert read("alice@acme.example") is read("alice@acme.example")
    for number in range(_MAX_CACHED_ADDRESSES + 10):
        read(f"{number}@x")
    read(f"{'a' * MAX_ADDRESS_CHARS}@acme.example")
    assert len(VERDICTS) <= _MAX_CACHED_ADDRESSES
    assert max(map(len, VERDICTS)) <= MAX_ADDRESS_CHARS


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z0-9._+-]{1,70}@[A-Za-z0-9.-]{1,80}", fullmatch=True))
def test_the_short_way_says_what_the_validator_says(text: str) -> None:
    plain = _read_plain(text)
    assert plain is None or plain == _read_any(text)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    address = read(text)
    assert (address.kind is Kind.MALFORMED) == (not address.normalised)
    assert len(address.normalised) <= MAX_ADDRESS_CHARS * 4


@settings(deadline=None)
@given(st.emails())
@example("%@i.ua")
def test_what_was_read_is_read_alike_again(text: str) -> None:
    address = read(text)
    assert address in (MALFORMED, PERSONAL) or read(address.normalised) == address


def test_the_reserved_domains_are_the_validators() -> None:
    assert sorted(RESERVED) == sorted(f".{name}" for name in SPECIAL_USE_DOMAIN_NAMES)
