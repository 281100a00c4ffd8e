"""Domains at which people have mail of their own: free, disposable, from their internet provider, or relayed.

The lists are data. A policy adds domains of its own to them and takes others out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gateway.detectors import data

Own = Mapping[str, bool]
"""What a policy says of domains: whether people have mail of their own there."""

NOTHING: Final[Own] = {}

MAX_DOMAIN_LABELS: Final = 8
"""Labels, and parts of labels that hyphens join, of the longest domain that is looked for in a local part."""

MIN_JOINED_CHARS: Final = 5
"""Letters of the shortest first label that tells a domain though other letters touch it: `adagmail.com`, and not `xyzgmx.de`."""

_CORE: Final = data.lines("core_mail")
_BRANDS: Final = data.lines("mail_brands")
# What is below a domain, and not the domain itself, has its key with a dot before it.
_BUSINESS: Final = frozenset(line.removeprefix("*") for line in data.lines("business_mail"))
_KNOWN: Final[Own] = {
    **dict.fromkeys(data.lines("free_mail") | data.lines("disposable_mail") | data.lines("consumer_mail"), True),
    **dict.fromkeys(_BUSINESS, False),
    **dict.fromkeys(_CORE, True),
}
_TOPS: Final = frozenset(domain.rpartition(".")[2] for domain in _KNOWN)

# The brands that exist under every country's domain.
_COUNTRY: Final = r"\.(?:com|(?:com?\.)?[a-z]{2})"
_BRANDED: Final = re.compile(rf"(?:.*\.)?(?:{'|'.join(sorted(_BRANDS))}){_COUNTRY}")

_LONG: Final = "|".join(sorted(brand for brand in _BRANDS if len(brand) >= MIN_JOINED_CHARS))
_JOINED: Final = re.compile(rf"(?:{_LONG}){_COUNTRY}\Z")
_JOINED_CORE: Final = tuple(sorted(domain for domain in _CORE if domain.index(".") >= MIN_JOINED_CHARS))

_APART: Final = re.compile(r"[^\w.-]|_")
"""What no domain holds."""


def own(personal: Iterable[str], business: Iterable[str]) -> Own:
    """Return what a policy says that adds some domains to those of people and takes others out."""
    return {**dict.fromkeys(personal, True), **dict.fromkeys(business, False)}


def is_personal(domain: str, own: Own = NOTHING) -> bool:
    """Whether people have mail of their own at a domain in lower case: of itself and those above it, the longest that is known decides."""
    if _BRANDED.fullmatch(domain):
        return True
    start = 0
    while (dot := domain.find(".", start)) >= 0:
        said = _said(domain[start - 1 :], own) if start else None
        if said is None:
            said = _said(domain[start:], own)
        if said is not None:
            return said
        start = dot + 1
    return False


def is_core(domain: str) -> bool:
    """Whether a domain, in lower case, is personal under every policy, or below one that is."""
    return _BRANDED.fullmatch(domain) is not None or any(".".join(labels) in _CORE for labels in _tails(domain.split(".")))


def names_personal(text: str, own: Own = NOTHING) -> bool:
    """Whether a consumer's domain stands in a text in lower case: as labels that no letter or digit touches, or right after letters."""
    return "." in text and any(_names(run, own) for run in _APART.split(text) if "." in run)


def _names(run: str, own: Own) -> bool:
    """Whether one stands in a run of letters, digits, dots and hyphens."""
    return any(_is_named(run[:end], dot, own) for dot, end in _tops(run, own))


def _tops(run: str, own: Own) -> Iterator[tuple[int, int]]:
    """Yield where the dot before, and the end, of each label is that domains end with."""
    dot = run.find(".")
    while dot >= 0:
        ends = [at for at in (run.find(".", dot + 1), run.find("-", dot + 1)) if at >= 0]
        end = min(ends, default=len(run))
        top = run[dot + 1 : end]
        if len(top) == 2 or top in _TOPS or any(domain.endswith(f".{top}") for domain in own):
            yield dot, end
        dot = run.find(".", dot + 1)


def _is_named(text: str, dot: int, own: Own) -> bool:
    """Whether a text ends with a consumer's domain. It does at a boundary if one of its tails is such a domain."""
    if text.endswith(_JOINED_CORE) or _JOINED.search(text):
        return True
    return any(_said(tail, own) or _BRANDED.fullmatch(tail) for tail in _tails_before(text, dot))


def _tails_before(text: str, dot: int) -> Iterator[str]:
    """Yield what stands behind each dot and hyphen before the last dot, shortest first, and the text itself."""
    start = dot
    for _ in range(MAX_DOMAIN_LABELS):
        start = max(text.rfind(".", 0, start), text.rfind("-", 0, start))
        yield text[start + 1 :]
        if start < 0:
            return


def _tails(labels: list[str]) -> Iterator[list[str]]:
    return (labels[start:] for start in range(len(labels) - 1))


def _said(domain: str, own: Own) -> bool | None:
    said = own.get(domain) if own else None
    return _KNOWN.get(domain) if said is None else said
