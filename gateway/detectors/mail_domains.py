"""Domains at which people have mail of their own: free, disposable, from their internet provider, or relayed.

The lists are data. A policy adds domains of its own to them and takes others out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from typing import Final

from gateway.detectors import data
from gateway.detectors.hints import automaton
from gateway.detectors.lazy_pattern import LazyPattern


class DomainOverrides(dict[str, bool]):
    """What a policy says of domains: whether people have mail of their own there. It stays as it was made."""

    @cached_property
    def first_words(self) -> Mapping[str, int]:
        """The first word of each personal domain, and how many words the longest has that begins with it."""
        words = [_WORD.findall(domain) for domain, personal in self.items() if personal]
        return {key[0]: len(key) for key in sorted(words, key=len)}


NO_OVERRIDES: Final = DomainOverrides()

MAX_DOMAIN_LABELS: Final = 8
"""Labels, and parts of labels that hyphens join, of the longest domain that is looked for in a local part."""

MIN_JOINED_CHARS: Final = 5
"""Letters of the shortest first label that tells a domain though other letters touch it.

`adagmail.com`, and not `xyzgmx.de`.
"""

_CORE: Final = data.lines("core_mail")
_BRANDS: Final = data.lines("mail_brands")
_PERSONAL_TLDS: Final = data.lines("personal_tlds")

# The brands that exist under every country's domain.
_COUNTRY: Final = r"\.(?:com|(?:com?\.)?[a-z]{2})"
_BRANDED: Final = LazyPattern(rf"(?:.*\.)?(?:{'|'.join(sorted(_BRANDS))}){_COUNTRY}")

# The same where it stands in a text, and long names of the core right after letters too.
_JOINED: Final = "|".join(
    [f"(?:{brand}){_COUNTRY}" for brand in sorted(_BRANDS) if len(brand) >= MIN_JOINED_CHARS]
    + [re.escape(domain) for domain in sorted(_CORE) if domain.index(".") >= MIN_JOINED_CHARS]
)
_STANDING: Final = automaton(rf"(?:(?:^|[^\pL\pN])(?:{'|'.join(sorted(_BRANDS))}){_COUNTRY}|{_JOINED})(?:[^\pL\pN]|$)")

# Where hyphens or underscores stand for its dots, after a local part: `ada_martin_protonmail_com`.
_SPELT: Final = automaton(
    rf"[\pL\pN][-_](?:(?:{'|'.join(sorted(each for each in _BRANDS if len(each) >= MIN_JOINED_CHARS))})[-_](?:com|(?:com?[-_])?[a-z]{{2}})"
    rf"|{'|'.join(re.sub(r'[.-]', '[-_]', domain) for domain in sorted(_CORE) if domain.index('.') >= MIN_JOINED_CHARS)})$"
)

# A domain of somebody's that starts with a consumer's: `gmail.com.acme.example`.
_PRETENDED: Final = LazyPattern(
    rf"(?:^|\.)(?:(?:{'|'.join(sorted(_BRANDS))})\.com|{'|'.join(map(re.escape, sorted(_CORE)))})\.[^.]+\."
)

_NO_DOMAIN_CHAR: Final = re.compile(r"[^\w.-]|_")
"""What no domain holds."""

_LABEL: Final = re.compile(r"[^.-]+")
_WORD: Final = re.compile(r"[^\W_]+")


def _domain_end(domain: str) -> str:
    """The two last labels of a domain, of the first of them what follows its last hyphen.

    `online.de` of `t-online.de`.
    """
    dot = domain.rindex(".")
    return domain[max(domain.rfind(".", 0, dot), domain.rfind("-", 0, dot)) + 1 :]


# Sixteen thousand domains take memory, and time at a start: they are made of the lists when they are first asked for.
@cache
def _known() -> Mapping[str, bool]:
    """All domains that are listed, and whether people have mail of their own there.

    What is below a domain, and not the domain itself, has its key with a dot before it.
    """
    business = (line.removeprefix("*") for line in data.lines("business_mail"))
    return {
        **dict.fromkeys(data.lines("free_mail") | data.lines("disposable_mail") | data.lines("consumer_mail"), True),
        **dict.fromkeys(business, False),
        **dict.fromkeys(_CORE, True),
    }


@cache
def _known_ends() -> frozenset[str]:
    """What longer domains among them end with."""
    return frozenset(_domain_end(domain) for domain in _known() if "-" in domain or domain.count(".") > 1)


def domain_overrides(personal: Iterable[str], business: Iterable[str]) -> DomainOverrides:
    """Return what a policy says that adds some domains to those of people and takes others out."""
    return DomainOverrides({**dict.fromkeys(personal, True), **dict.fromkeys(business, False)})


def is_personal_domain(domain: str, overrides: DomainOverrides = NO_OVERRIDES) -> bool:
    """Whether people have mail of their own at a domain in lower case.

    Of itself and those above it, the longest that is known decides.
    """
    if _BRANDED.fullmatch(domain) or _PRETENDED.search(domain):
        return True
    start = 0
    while (dot := domain.find(".", start)) >= 0:
        listed = _is_listed(domain[start - 1 :], overrides) if start else None
        if listed is None:
            listed = _is_listed(domain[start:], overrides)
        if listed is not None:
            return listed
        start = dot + 1
    return domain[start:] in _PERSONAL_TLDS and start > 0


def is_core_domain(domain: str) -> bool:
    """Whether a domain, in lower case, is personal under every policy, or below one that is."""
    return _BRANDED.fullmatch(domain) is not None or any(
        ".".join(labels) in _CORE for labels in _tails(domain.split("."))
    )


def holds_personal_domain(text: str, overrides: DomainOverrides = NO_OVERRIDES) -> bool:
    """Whether a consumer's domain stands in a text in lower case.

    As labels that no letter or digit touches, or right after letters.
    """
    if _SPELT.search(text):
        return True
    if "." not in text:
        return False
    if _STANDING.search(text) or (overrides and _holds_override(text, overrides)):
        return True
    return any(_holds_listed(run, overrides) for run in _NO_DOMAIN_CHAR.split(text) if "." in run)


def _holds_override(text: str, overrides: DomainOverrides) -> bool:
    """Whether a domain that a policy adds stands in a text where no letter or digit touches it.

    It is looked up, however many there are.
    """
    words = list(_WORD.finditer(text))
    return any(
        overrides.get(text[first.start() : last.end()])
        for index, first in enumerate(words)
        for last in words[index : index + overrides.first_words.get(first[0], 0)]
    )


def _holds_listed(run: str, overrides: DomainOverrides) -> bool:
    """Whether a domain that is known stands in a run of letters, digits, dots and hyphens."""
    labels = list(_LABEL.finditer(run))
    return any(
        run[left.end() : right.start()] == "." and _ends_with_listed(run[: right.end()], left.start(), overrides)
        for left, right in itertools.pairwise(labels)
    )


def _ends_with_listed(text: str, start: int, overrides: DomainOverrides) -> bool:
    """Whether a text ends with a domain that is known; from `start` on there are two labels."""
    if _is_listed(text[start:], overrides):
        return True
    return text[start:] in _known_ends() and any(_is_listed(text[at:], overrides) for at in _starts(text, start))


def _starts(text: str, start: int) -> Iterator[int]:
    """Yield where a longer domain may start: behind the dots and hyphens before `start`, or with the text."""
    for _ in range(MAX_DOMAIN_LABELS):
        if start <= 0:
            return
        start = max(text.rfind(".", 0, start - 1), text.rfind("-", 0, start - 1)) + 1
        yield start


def _tails(labels: list[str]) -> Iterator[list[str]]:
    return (labels[start:] for start in range(len(labels) - 1))


def _is_listed(domain: str, overrides: DomainOverrides) -> bool | None:
    listed = overrides.get(domain) if overrides else None
    return _known().get(domain) if listed is None else listed
