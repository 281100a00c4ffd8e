"""Detectors: personal data in strings and whole numbers, under every encoding that `decode.py` undoes, and masking it.

What a finding means for a field is for the rules to say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Final

from gateway.detectors.budget import MAX_TEXT_CHARS, Budget, BudgetExceeded, finding_budget, later_finding_budget
from gateway.detectors.cards import cards, is_card
from gateway.detectors.coordinates import coordinates
from gateway.detectors.decode import Decoding, decodings
from gateway.detectors.emails import emails
from gateway.detectors.fast_path import hides_nothing
from gateway.detectors.fold import is_readable
from gateway.detectors.ibans import ibans
from gateway.detectors.masking import Mark, masked
from gateway.detectors.national_ids import is_national_id, national_ids
from gateway.detectors.network_addresses import ip_addresses, mac_addresses
from gateway.detectors.phones import phones
from gateway.detectors.secrets import secrets
from gateway.detectors.spans import Span
from gateway.detectors.whole_phones import is_phone
from gateway.errors import FieldReason
from gateway.model import DETECTORS, Detector

Scan = Callable[[Decoding], Iterator[Span]]
"""Yields where values of one kind stand in a decoding."""


def _secrets(decoding: Decoding) -> Iterator[Span]:
    return secrets(decoding.text)


def _emails(decoding: Decoding) -> Iterator[Span]:
    return emails(decoding.text, loose=decoding.loose)


def _cards(decoding: Decoding) -> Iterator[Span]:
    return cards(decoding.rows)


def _coordinates(decoding: Decoding) -> Iterator[Span]:
    return coordinates(decoding.text)


def _mac_addresses(decoding: Decoding) -> Iterator[Span]:
    return mac_addresses(decoding.text)


def _ip_addresses(decoding: Decoding) -> Iterator[Span]:
    return ip_addresses(decoding.text, decoding.nontechnical, loose=decoding.loose)


def _phones(decoding: Decoding) -> Iterator[Span]:
    return phones(decoding.rows)


SCANS: Final[Mapping[Detector, Scan]] = {
    Detector.SECRET: _secrets,
    Detector.EMAIL: _emails,
    Detector.IBAN: ibans,
    Detector.NATIONAL_ID: national_ids,
    Detector.CARD: _cards,
    Detector.COORDINATES: _coordinates,
    Detector.MAC: _mac_addresses,
    Detector.IP: _ip_addresses,
    Detector.PHONE: _phones,
}
"""What looks for each kind, the most telling first: the digits of a card could be a phone number's too."""

_MIN_DIGITS: Final[Mapping[Detector, int]] = {
    Detector.SECRET: 0,
    Detector.EMAIL: 0,
    Detector.IBAN: 2,
    Detector.NATIONAL_ID: 5,
    Detector.CARD: 12,
    Detector.COORDINATES: 2,
    Detector.MAC: 1,
    Detector.IP: 1,
    Detector.PHONE: 8,
}
"""How many digits there are at least in a text with one: most texts have none."""

RANKS: Final = {kind: rank for rank, kind in enumerate(SCANS)}
"""How telling each kind is, the most telling 0."""

REASONS: Final[Mapping[Detector, FieldReason]] = {
    Detector.EMAIL: FieldReason.LOOKS_LIKE_EMAIL,
    Detector.IBAN: FieldReason.LOOKS_LIKE_IBAN,
    Detector.CARD: FieldReason.LOOKS_LIKE_CARD,
    Detector.COORDINATES: FieldReason.LOOKS_LIKE_COORDINATES,
    Detector.IP: FieldReason.LOOKS_LIKE_IP_ADDRESS,
    Detector.PHONE: FieldReason.LOOKS_LIKE_PHONE,
    Detector.NATIONAL_ID: FieldReason.LOOKS_LIKE_NATIONAL_ID,
    Detector.SECRET: FieldReason.LOOKS_LIKE_SECRET,
    Detector.MAC: FieldReason.LOOKS_LIKE_MAC_ADDRESS,
}
"""What a finding is called where something is stripped for it."""

LABELS: Final[Mapping[Detector, str]] = {kind: f"[{kind.name}]" for kind in DETECTORS} | {Detector.NATIONAL_ID: "[ID]"}
"""What a finding is replaced by where it is masked."""

_REDACTED: Final = "[REDACTED]"
_BUDGETS: Final = (finding_budget, later_finding_budget)
"""How much may be masked in each round: what masking leaves is looked at again."""


def find(text: str, detectors: Collection[Detector] = DETECTORS) -> FieldReason | None:
    """Return the first finding of some kinds, in `text` or what it encodes; UNREADABLE if it can't be checked.

    Any text will do: nothing is raised.
    """
    if hides_nothing(text):
        return None
    if len(text) > MAX_TEXT_CHARS:
        return FieldReason.UNREADABLE
    try:
        found = next(
            (REASONS[kind] for decoding in decodings(text) for kind, _ in _findings(decoding, detectors)), None
        )
    except BudgetExceeded:
        return FieldReason.UNREADABLE
    return found or (None if is_readable(text) else FieldReason.UNREADABLE)


def mail_domains(text: str) -> frozenset[str]:
    """Return the domains, folded, of all e-mail addresses in `text` and what it encodes, as far as it can be told."""
    domains: set[str] = set()
    with suppress(BudgetExceeded):
        for decoding in decodings(text):
            domains.update(
                decoding.text[start:end].rpartition("@")[2].strip(" \t\r\n>").lower()
                for start, end in emails(decoding.text)
            )
    return frozenset(domains)


def find_number(value: float) -> FieldReason | None:
    """Return whether a whole number of any size is a card number, a national identifier or a phone number.

    See `is_phone` for what is read as one.

    Unix times of today, in seconds to nanoseconds, are neither; neither are numbers under 100,000,000.
    """
    if not 10**8 <= abs(value) < 10**19 or value != value // 1:
        return None
    whole = abs(int(value))
    if is_card(str(whole)):
        return FieldReason.LOOKS_LIKE_CARD
    if is_national_id(str(whole)):
        return FieldReason.LOOKS_LIKE_NATIONAL_ID
    return FieldReason.LOOKS_LIKE_PHONE if is_phone(whole) else None


def mask(text: str) -> str:
    """Return `text` with a word in brackets that names it for each finding, and U+FFFD for unreadable characters.

    `find` finds nothing in the answer, so masking it again changes nothing. What hides in a run of base64 or the like
    takes the whole run with it. Where nothing else helps, or there is more to mask than to leave, the answer is
    `[REDACTED]`.
    """
    if hides_nothing(text):
        return text
    for budget in _BUDGETS:
        masked_text = _masked_once(text, budget(text))
        if masked_text == text:
            return text
        text = masked_text
    return text if find(text) is None else _REDACTED


def _findings(decoding: Decoding, detectors: Collection[Detector]) -> Iterator[tuple[Detector, Span]]:
    digits = decoding.digit_count
    for kind, scan in SCANS.items():
        if digits >= _MIN_DIGITS[kind] and kind in detectors:
            for span in scan(decoding):
                yield kind, span


def _masked_once(text: str, budget: Budget) -> str:
    if len(text) > MAX_TEXT_CHARS:
        return _REDACTED
    try:
        return masked(text, list(_marks(text, budget)))
    except BudgetExceeded:
        return _REDACTED


def _marks(text: str, budget: Budget) -> Iterator[Mark]:
    """Yield what is found in a text and in anything that it encodes. Raises BudgetExceeded."""
    for decoding in decodings(text):
        for kind, span in _findings(decoding, DETECTORS):
            budget.spend(1)
            yield Mark(*decoding.origin(*span), RANKS[kind], LABELS[kind])
