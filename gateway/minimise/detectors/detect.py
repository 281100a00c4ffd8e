"""Detectors: personal data in strings and whole numbers, under every encoding that `unfold.py` undoes, and masking it.

What a finding means for a field is for the rules to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

from gateway.errors import Reason
from gateway.minimise.detectors.accounts import cards, ibans, is_card
from gateway.minimise.detectors.bounds import LONGEST, TooMuch
from gateway.minimise.detectors.emails import emails
from gateway.minimise.detectors.fold import obscure, readable
from gateway.minimise.detectors.innocent import is_innocent
from gateway.minimise.detectors.networks import networks
from gateway.minimise.detectors.phones import is_phone, phones
from gateway.minimise.detectors.places import places
from gateway.minimise.detectors.unfold import Layer, Span, layers

Scan = Callable[[Layer], Iterator[Span]]

SCANS: Final[tuple[tuple[Reason, Scan], ...]] = (
    (Reason.LOOKS_LIKE_EMAIL, lambda layer: emails(layer.text)),
    (Reason.LOOKS_LIKE_IBAN, lambda layer: ibans(layer.text, loose=layer.loose)),
    (Reason.LOOKS_LIKE_CARD, lambda layer: cards(layer.text, loose=layer.loose)),
    (Reason.LOOKS_LIKE_COORDINATES, lambda layer: places(layer.text)),
    (Reason.LOOKS_LIKE_IP_ADDRESS, lambda layer: networks(layer.text, loose=layer.loose)),
    (Reason.LOOKS_LIKE_PHONE, lambda layer: phones(layer.text, loose=layer.loose)),
)
"""What is looked for in a layer, the most telling first: the digits of a card could be a phone number's too."""

_LABELS: Final = {
    Reason.LOOKS_LIKE_EMAIL: "[EMAIL]",
    Reason.LOOKS_LIKE_IBAN: "[IBAN]",
    Reason.LOOKS_LIKE_CARD: "[CARD]",
    Reason.LOOKS_LIKE_COORDINATES: "[COORDINATES]",
    Reason.LOOKS_LIKE_IP_ADDRESS: "[IP]",
    Reason.LOOKS_LIKE_PHONE: "[PHONE]",
}
_REDACTED: Final = "[REDACTED]"
_UNKNOWN: Final = "\ufffd"
_ROUNDS: Final = 4


def find(text: str) -> Reason | None:
    """The first finding in `text` or in anything it unfolds to; UNREADABLE if it can't be judged. Any text will do: nothing is raised."""
    if is_innocent(text):
        return None
    if len(text) > LONGEST:
        return Reason.UNREADABLE
    try:
        found = next((reason for layer in layers(text) for reason, _ in _findings(layer)), None)
    except TooMuch:
        return Reason.UNREADABLE
    return found or (None if readable(text) else Reason.UNREADABLE)


def has_email(text: str) -> bool:
    """Whether an e-mail address is in `text` or in anything it unfolds to, or that can't be told."""
    if is_innocent(text):
        return False
    if len(text) > LONGEST:
        return True
    try:
        return any(True for layer in layers(text) for _ in emails(layer.text))
    except TooMuch:
        return True


def mail_domains(text: str) -> frozenset[str]:
    """The domains, folded, of all e-mail addresses in `text` and in anything it unfolds to, as far as that can be told."""
    domains: set[str] = set()
    with suppress(TooMuch):
        for layer in layers(text):
            domains.update(layer.text[start:end].rpartition("@")[2].strip(" \t").lower() for start, end in emails(layer.text))
    return frozenset(domains)


def find_number(value: float) -> Reason | None:
    """A phone or card number in a whole number of any size. See `is_phone` for what is read as one.

    Unix times of today, in seconds to nanoseconds, are neither; neither are numbers under 100,000,000.
    """
    if not 10**8 <= abs(value) < 10**19 or value != value // 1:
        return None
    whole = abs(int(value))
    if is_card(str(whole)):
        return Reason.LOOKS_LIKE_CARD
    return Reason.LOOKS_LIKE_PHONE if is_phone(whole) else None


def mask(text: str) -> str:
    """`text` with each finding replaced by a word in brackets that names it, and unreadable characters by U+FFFD.

    `find` finds nothing in the answer, so masking it again changes nothing. What hides in a run of base64 or the like takes the whole run
    with it. Where nothing else helps, the answer is `[REDACTED]`.
    """
    for _ in range(_ROUNDS):
        if find(text) is None:
            return text
        text = _masked_once(text)
    return text if find(text) is None else _REDACTED


Mark = tuple[int, int, str]
"""From where to where in a text something stands, and what replaces it."""


def _findings(layer: Layer) -> Iterator[tuple[Reason, Span]]:
    return ((reason, span) for reason, scan in SCANS for span in scan(layer))


def _masked_once(text: str) -> str:
    if len(text) > LONGEST:
        return _REDACTED
    try:
        found = [(*layer.place(*span), _LABELS[reason]) for layer in layers(text) for reason, span in _findings(layer)]
    except TooMuch:
        return _REDACTED
    parts, done = [], 0
    for start, end, label in _merged(found):
        parts += [_legible(text[done:start]), label]
        done = end
    return "".join((*parts, _legible(text[done:])))


def _merged(marks: Iterable[Mark]) -> list[Mark]:
    """Marks in order, those that overlap as one, named by the first of them that starts first."""
    merged: list[Mark] = []
    for start, end, label in sorted(marks, key=lambda mark: (mark[0], -mark[1])):
        if merged and start < merged[-1][1]:
            before = merged.pop()
            merged.append((before[0], max(end, before[1]), before[2]))
        else:
            merged.append((start, end, label))
    return merged


def _legible(text: str) -> str:
    return text if readable(text) else "".join(_UNKNOWN if obscure(char) else char for char in text)
