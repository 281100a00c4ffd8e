"""The short way through the detectors: tokens that can't hide anything, told by a few look-ups.

In doubt it says no, and the detectors look closer.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from typing import Final

from gateway.detectors import ibans, secrets
from gateway.detectors.encoded_runs import TO_DIGITS, is_text
from gateway.detectors.hints import automaton
from gateway.detectors.national_ids import LABEL_HINT
from gateway.detectors.spans import blank
from gateway.detectors.technical import technical_spans, undecodable

_TOKEN: Final = re.compile(r"[A-Za-z0-9._:/-]{1,64}", re.ASCII)

# Seven digits and more, of which at least one is apart from the others.
_SPACED_DIGITS: Final = "|".join(
    rf"[0-9]{{{size}}}[._:/-]{{1,3}}[0-9](?:[._:/-]{{0,3}}[0-9]){{{6 - size}}}" for size in range(1, 7)
)

# What a detector might make something of: nine digits, or seven apart, before a letter or after a label, as in phone
# numbers and national identifiers; an IPv4 or IPv6 address, an IBAN, two decimals; `at` between words, hexadecimal of
# six bytes. As one automaton: nearly all tokens have nothing of it.
_SUSPECT: Final = automaton(
    r"[0-9](?:[._:/-]{0,3}[0-9]){8}"
    rf"|{_SPACED_DIGITS}"
    r"|[0-9]{7}[._:/-]{0,3}[A-Za-z]"
    rf"|{LABEL_HINT}"
    r"|[0-9][._:/-][0-9]{1,3}[._:/-][0-9]{1,3}[._:/-][0-9]"
    r"|(?:[0-9A-Fa-f]{1,4}[:/_-]{1,2}){3}[0-9A-Fa-f]|[0-9A-Fa-f][:/_-]{2}[0-9A-Fa-f]"
    r"|:[^:]{0,4}:|0[xX][0-9A-Fa-f]{1,2}\.0[xX]|0[1-3][0-7]{2}\.0"
    rf"|{ibans.HINT}"
    r"|[0-9]\.[0-9]+[^0-9][^.]{0,20}[0-9]\.[0-9]"
    r"|[:/._-](?i:at|arobase|arroba)[:/._-]|[a-z0-9]AT[a-z]"
    r"|u00[2-7][0-9A-Fa-f]|u[0-9A-Fa-f]{4}u[0-9A-Fa-f]{4}|_x[0-9A-Fa-f]{4}_"
    r"|(?:[0-9A-Fa-f][._:/-]{0,2}){12}"
    r"|[A-Z]{2}(?:[._:/-]?[0-9]){6}"
    r"|(?:[A-Za-z][._:/-]{0,3}){6}[0-9][._:/-]{0,3}[0-9][._:/-]{0,3}[A-Ta-t][._:/-]{0,3}[0-9][._:/-]{0,3}[0-9]"
    r"|[A-Z]{6}[0-9L-NP-V]{2}[A-T][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z]"
    rf"|{secrets.HINT}"
)

_BASE64: Final = re.compile(r"[A-Za-z0-9/_-]{8,}", re.ASCII)
_BASE32: Final = re.compile(r"[A-Z2-7]{10,}|[a-z2-7]{10,}")
_PADDINGS: Final = ("////", "/////", "//////", "///////") * 2
"""What fills a run up to whole bytes, and one that no text has.

What is read at one alignment doesn't go on at the next.
"""


def hides_nothing(text: str) -> bool:
    """Whether `text` is a token in which no detector can find anything."""
    if not _TOKEN.fullmatch(text):
        return False
    return _is_plain(text) or _is_technical(text)


def _is_plain(text: str) -> bool:
    return not _SUSPECT.search(text) and not _encodes_text(text)


def _is_technical(text: str) -> bool:
    """Whether all in a token that could be more than it seems is technical."""
    left = blank(text, undecodable(text, technical_spans(text)))
    return left != text and _is_plain(left)


def _encodes_text(text: str) -> bool:
    """Whether a run of base64 or base32 in a token holds readable text."""
    return any(map(_is_base64_text, _BASE64.findall(text))) or any(map(_is_base32_text, _BASE32.findall(text)))


def _is_base32_text(run: str) -> bool:
    """Whether a run of base32 holds readable text, at any alignment: all eight at once."""
    number, bits = int(run.translate(TO_DIGITS), 32), 5 * len(run)
    decoded = b"\x01".join([(number >> skip).to_bytes((bits - skip + 7) // 8) for skip in range(8)])
    return is_text(decoded)


def _is_base64_text(run: str) -> bool:
    """Whether a run of base64 holds readable text, at any alignment.

    All four at once, each filled up with bits that no text has.
    """
    plain, fill = run.replace("-", "+").replace("_", "/"), _PADDINGS[-len(run) % 4 :]
    decoded = a2b_base64(f"{plain}{fill[0]}{plain[1:]}{fill[1]}{plain[2:]}{fill[2]}{plain[3:]}{fill[3]}")
    return is_text(decoded)
