"""A policy's own word on mail domains.

Where people have mail of their own beyond what the detectors know, and where they don't.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import idna

from gateway.detectors.fold import fold
from gateway.detectors.mail_domains import DomainOverrides, domain_overrides, is_core_domain
from gateway.policy.document import PersonalDomains
from gateway.yamlfile import Problem

MAX_DOMAIN_CHARS: Final = 253

_KEY: Final = "personal_domains"
_REGISTRIES: Final = frozenset("ac co com edu gob gov gouv gv id info ltd me mil ne net nhs nom or org plc sch".split())
"""First labels of the domains below countries' that nobody has for themselves: `co.uk`, `com.br`."""

_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?=[0-9-]*[a-z])[a-z0-9-]{2,63}")


def a_labels(domain: str) -> str:
    """Return a domain in lower-case A-labels; empty if it is none, or a top-level domain."""
    try:
        plain = idna.encode(domain, uts46=True, std3_rules=True).decode()
    except UnicodeError:
        return ""
    return plain if len(plain) <= MAX_DOMAIN_CHARS and _DOMAIN.fullmatch(plain) else ""


def lookalike(plain: str) -> str:
    """Return what a domain in A-labels looks like once its letters are folded."""
    try:
        return fold(idna.decode(plain)).lower()
    except UnicodeError:
        return plain


def is_registry(plain: str) -> bool:
    """Whether a domain in A-labels is one that others register theirs under, by how those of countries are named."""
    first, _, country = plain.partition(".")
    return len(country) == 2 and first in _REGISTRIES


def added_and_removed(given: PersonalDomains) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the domains that a policy adds to those of people, and those that it takes out, as plans have them."""
    personal, business = (tuple(sorted(map(a_labels, listed))) for listed in (given.add, given.remove))
    return personal, business


def own_domains(given: PersonalDomains) -> DomainOverrides:
    """Return the same as what is looked up."""
    return domain_overrides(*added_and_removed(given))


def problems(given: PersonalDomains) -> Iterator[Problem]:
    """What can't be in a policy's list."""
    places: dict[str, str] = {}
    for part in ("add", "remove"):
        for index, domain in enumerate(getattr(given, part)):
            keys, plain = (_KEY, part, index), a_labels(domain)
            if not plain:
                yield keys, "must be a domain such as example.com"
            elif plain in places:
                yield keys, "is in the list twice" if places[plain] == part else "is both added and removed"
            elif part == "remove" and is_core_domain(plain):
                yield keys, "is personal under every policy: it can't be removed"
            elif part == "remove" and is_core_domain(lookalike(plain)):
                yield keys, "looks like a domain that is personal under every policy: it can't be removed"
            places.setdefault(plain, part)
