"""Reading an e-mail address: is it one, is it a person's own or a business's, and its one normal form.

Whether the directory knows its domain, and what follows, is for the rules to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from gateway.detectors.detect import find, mail_domains
from gateway.detectors.fold import fold
from gateway.detectors.mail_domains import (
    NO_OVERRIDES,
    DomainOverrides,
    domain_overrides,
    holds_personal_domain,
    is_personal_domain,
)

MAX_ADDRESS_CHARS: Final = 254
"""Octets of an address that mail can be sent to (RFC 5321, erratum 1690)."""

_MAX_LOCAL_CHARS: Final = 64
_MAX_CACHED_ADDRESSES: Final = 16_384
_MAX_PARSED_CHARS: Final = 4096
MAX_READERS: Final = 8
"""Policies' domains, at most, of which what was read is remembered.

A reload leaves the older ones to those who still read by them.
"""

_ROUTES: Final = frozenset("%!=#")
"""Source routes and bounce paths carry a second address in the local part (RFC 1123 §5.2.16, VERP)."""

# Letters, digits, hyphens, underscores and single dots; a domain of letters-digits-hyphen labels that are no A-labels.
_USUAL: Final = re.compile(
    r"(?P<local>(?=[^@]{1,64}@)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?:\+[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)?)@"
    r"(?P<domain>(?:(?![A-Za-z0-9]{2}--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63})"
)
RESERVED: Final = (".arpa", ".invalid", ".local", ".localhost", ".onion", ".test")
"""The ends of domains that no mail reaches, as the validator has them."""

# Scripts that are written together, by the first words of their characters' names.
_EAST_ASIAN: Final = frozenset(
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC", "BOPOMOFO", "HANGUL"}
)


class Kind(StrEnum):
    """What an address is to the gateway."""

    BUSINESS = "business"
    PERSONAL = "personal"
    MALFORMED = "malformed"


class Address(msgspec.Struct, frozen=True):
    """What was read. `normalised` and `domain`, in lower-case A-labels, are empty for what is no address by itself."""

    kind: Kind
    normalised: str = ""
    domain: str = ""

    def __repr__(self) -> str:
        return f"Address({self.kind})"


MALFORMED: Final = Address(Kind.MALFORMED)
PERSONAL: Final = Address(Kind.PERSONAL)
"""No address by itself, and somebody's own all the same."""


Read = Callable[[str], Address]
"""Reads an address. Nothing is raised, and nothing guessed."""


@lru_cache(MAX_READERS)
def reader(personal: tuple[str, ...], business: tuple[str, ...]) -> Read:
    """Return what reads addresses by a policy that adds domains to the personal ones and takes others out."""
    return AddressCache(domain_overrides(personal, business)).__getitem__


class AddressCache(dict[str, Address]):
    """Addresses as they were read, and read when first asked for.

    When full it forgets all: what is common comes back soon.

    Nothing is raised, and nothing guessed: a display name, a blank, a quoted local part or an IP literal is malformed.

    Normal form: NFC, domain as lower-case A-labels, local part in lower case, without subaddress (`+…`). It is judged
    as well, so that reading it again says the same. Personal are the domains of consumers' and disposable mail, all
    below them, and what looks like them; so is a local part in which one of them stands. A label that mixes scripts is
    malformed, as are compatibility characters, and as is a local part, or a name below the registered domain, in which
    the detectors find anything. Names reserved for examples (`.example`, `example.com`) count as business domains;
    `.test`, `.invalid`, `.local`, `.localhost` and `.onion` are malformed.
    """

    def __init__(self, own: DomainOverrides) -> None:
        super().__init__()
        self._own = own

    def __missing__(self, text: str) -> Address:
        if len(text) > MAX_ADDRESS_CHARS:
            return _misread(text, self._own)
        if len(self) >= _MAX_CACHED_ADDRESSES:
            self.clear()
        self[text] = address = _settled(text, self._own)
        return address


def _settled(text: str, own: DomainOverrides) -> Address:
    """What a text and its normal form both are.

    Where they differ, the worse of the two: lower case may say what capitals hide.
    """
    address = _read_once(text, own)
    if address.normalised in ("", text):
        return address
    again = _read_once(address.normalised, own)
    if again == address:
        return address
    return PERSONAL if Kind.PERSONAL in (address.kind, again.kind) else MALFORMED


def _read_once(text: str, own: DomainOverrides) -> Address:
    address = _read_plain(text, own) or _read_any(text, own)
    return _misread(text, own) if address.kind is Kind.MALFORMED else address


def _read_plain(text: str, own: DomainOverrides = NO_OVERRIDES) -> Address | None:
    """Read an address of the usual kind, without the validator, which takes longer; None for others."""
    usual = _USUAL.fullmatch(text)
    if not usual or len(text) > MAX_ADDRESS_CHARS or f".{usual['domain'].lower()}".endswith(RESERVED):
        return None
    return _address(usual["local"], usual["domain"], own)


def _read_any(text: str, own: DomainOverrides = NO_OVERRIDES) -> Address:
    """Read an address of any kind."""
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 hardly any address needs it

    try:
        valid = validate_email(text, check_deliverability=False, strict=True)
    except (EmailNotValidError, UnicodeError):
        return MALFORMED
    if unicodedata.normalize("NFKC", text) != unicodedata.normalize("NFC", text) or not _is_of_one_script(valid.domain):
        return MALFORMED
    return _address(valid.local_part, valid.ascii_domain, own, fold(valid.domain).lower())


def _address(local: str, domain: str, own: DomainOverrides, alike: str = "") -> Address:
    """The address with a valid local part and domain, and the ASCII domain that it looks like."""
    mailbox, lower = local.partition("+")[0], domain.lower()
    plain = unicodedata.normalize("NFC", mailbox.lower())
    normalised = f"{plain}@{lower}"
    # A guest of a tenant has the own address in the local part: `ada_gmail.com#EXT#@acme.onmicrosoft.com`.
    if holds_personal_domain(fold(plain), own):
        return PERSONAL
    if (
        not 1 <= len(plain) <= _MAX_LOCAL_CHARS
        or len(normalised.encode()) > MAX_ADDRESS_CHARS
        or _ROUTES.intersection(plain)
    ):
        return MALFORMED
    if _hides(local, mailbox, domain):
        return MALFORMED
    kind = (
        Kind.PERSONAL if is_personal_domain(lower, own) or (alike and is_personal_domain(alike, own)) else Kind.BUSINESS
    )
    return Address(kind, normalised, lower)


def _hides(local: str, mailbox: str, domain: str) -> bool:
    """Whether something hides in what is kept of an address, or in a number that goes on behind its first plus.

    What stands below a registered domain is anybody's to choose.
    """
    below = domain.rpartition(".")[0].rpartition(".")[0]
    if find(mailbox) or (below and find(below)):
        return True
    return len(mailbox) < len(local) and mailbox[-1:].isdigit() and find(local) is not None


def _misread(text: str, own: DomainOverrides) -> Address:
    """What is no address by itself, but may say one: `Ada <ada@gmail.com>` is as personal as what stands in it."""
    return (
        PERSONAL
        if any(is_personal_domain(domain, own) for domain in mail_domains(text[:_MAX_PARSED_CHARS]))
        else MALFORMED
    )


def _is_of_one_script(domain: str) -> bool:
    """Whether each label is of one script, or of scripts written together (UTS #39, highly restrictive)."""
    return domain.isascii() or all(map(_is_label_of_one_script, domain.split(".")))


def _is_label_of_one_script(label: str) -> bool:
    scripts = {unicodedata.name(char, "?").split()[0] for char in label if char.isalpha()}
    return len(scripts) <= 1 or scripts <= _EAST_ASIAN
