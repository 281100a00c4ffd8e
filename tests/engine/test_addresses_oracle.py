"""Addresses are read as a slow reader would, who asks everything of everything, and remembers nothing."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Final

from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.detectors import data
from gateway.detectors.detect import find, mail_domains
from gateway.engine.addresses import Kind, reader

ADDED: Final = ("family.example",)
REMOVED: Final = ("eclipso.de",)

BRANDS: Final = data.lines("mail_brands")
CORE: Final = data.lines("core_mail")
BUSINESS: Final = data.lines("business_mail")
LISTED: Final = data.lines("free_mail") | data.lines("disposable_mail") | data.lines("consumer_mail") | CORE
COUNTRY: Final = r"\.(?:com|(?:com?\.)?[a-z]{2})"
BRAND: Final = re.compile(rf"(?:{'|'.join(BRANDS)}){COUNTRY}")
BRAND_COM: Final = re.compile(rf"(?:{'|'.join(BRANDS)})\.com")
LONG_BRAND: Final = re.compile(rf".*(?:{'|'.join(brand for brand in BRANDS if len(brand) >= 5)}){COUNTRY}")
LONG_CORE: Final = tuple(domain for domain in CORE if domain.index(".") >= 5)


def expected(text: str, added: tuple[str, ...], removed: tuple[str, ...]) -> Kind:
    """What an ASCII address is as it stands and in lower case, the worse of the two."""
    kinds = [_once(spelt, added, removed) for spelt in (text, _normalised(text))]
    if Kind.MALFORMED not in kinds and Kind.PERSONAL not in kinds:
        return Kind.BUSINESS
    return Kind.PERSONAL if Kind.PERSONAL in kinds else Kind.MALFORMED


def _normalised(text: str) -> str:
    local, at, domain = text.lower().rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}" if _is_address(text) else text


def _once(text: str, added: tuple[str, ...], removed: tuple[str, ...]) -> Kind:
    local, _, domain = text.rpartition("@")
    mailbox, below = local.partition("+")[0], ".".join(domain.split(".")[:-2])
    if _is_address(text):
        if _stands(mailbox.lower(), added, removed):
            return Kind.PERSONAL
        if (
            mailbox
            and not set("%!=#") & set(mailbox)
            and not find(mailbox)
            and not find(below)
            and not _goes_on(local, mailbox)
        ):
            return Kind.PERSONAL if _is_personal(domain.lower(), added, removed) else Kind.BUSINESS
    return Kind.PERSONAL if any(_is_personal(named, added, removed) for named in mail_domains(text)) else Kind.MALFORMED


def _is_address(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False, strict=True)
    except EmailNotValidError:
        return False
    return True


def _goes_on(local: str, mailbox: str) -> bool:
    return local != mailbox and mailbox[-1].isdigit() and find(local) is not None


def _is_personal(domain: str, added: tuple[str, ...], removed: tuple[str, ...]) -> bool:
    tails = [".".join(domain.split(".")[start:]) for start in range(domain.count("."))]
    if any(map(BRAND.fullmatch, tails)) or _pretends(domain.split(".")):
        return True
    for tail in tails:
        if tail != domain and f"*.{tail}" in BUSINESS:
            return False
        if tail in (*added, *removed) or tail in LISTED | BUSINESS:
            return _is_listed(tail, added, removed)
    return False


def _pretends(labels: list[str]) -> bool:
    """Whether a consumer's domain stands in front of somebody's own: `gmail.com.acme.example`."""
    heads = (".".join(labels[start:end]) for start, end in combinations(range(len(labels) - 1), 2))
    return any(head in CORE or BRAND_COM.fullmatch(head) for head in heads)


def _is_listed(domain: str, added: tuple[str, ...], removed: tuple[str, ...]) -> bool:
    return domain in added or (
        domain in LISTED and domain not in removed and (domain in CORE or domain not in BUSINESS)
    )


def _stands(local: str, added: tuple[str, ...], removed: tuple[str, ...]) -> bool:
    """Whether a consumer's domain stands in a local part.

    Each part is tried that no letter or digit touches, a long name by its end.
    """
    cuts = [
        at
        for at in range(len(local) + 1)
        if not (0 < at < len(local) and local[at - 1].isalnum() and local[at].isalnum())
    ]
    parts = [local[start:end] for start, end in combinations(cuts, 2)]
    return any(
        BRAND.fullmatch(part)
        or LONG_BRAND.fullmatch(part)
        or part.endswith(LONG_CORE)
        or _is_listed(part, added, removed)
        for part in parts
    )


PIECES: Final = st.sampled_from(
    ["ada", "byron", "Gmail", "gmail", "com", "eclipso", "de", "family", "example", "yahoo", "co", "uk", "free", "fr", "acme", "berlin",
     "4111111111111111", "FR7630006000011234567890189", "7", "06", "12345678", "polizei", "t-online", "telia"]
)  # fmt: skip
LOCALS: Final = st.lists(PIECES | st.sampled_from(list("..--__++'*/={}#")), min_size=1, max_size=8).map("".join)
DOMAINS: Final = st.lists(PIECES, min_size=1, max_size=4).map(".".join)


@given(LOCALS, DOMAINS)
def test_an_address_is_read_as_a_slow_reader_would(local: str, domain: str) -> None:
    assert reader((), ())(f"{local}@{domain}").kind is expected(f"{local}@{domain}", (), ())


@given(LOCALS, DOMAINS)
@example("ada", "yahoo.com.ada.ada")
def test_it_is_so_by_a_policy_s_own_domains(local: str, domain: str) -> None:
    assert reader(ADDED, REMOVED)(f"{local}@{domain}").kind is expected(f"{local}@{domain}", ADDED, REMOVED)
