"""Folding: one plain spelling for text that Unicode can spell in many ways, and whether text can be read at all.

Folded text is for the detectors' eyes only: it never leaves.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import accumulate
from typing import Final

from gateway.detectors.lookalikes import LOOKALIKES

_MAX_CACHED_FOLDINGS: Final = 16_384
"""How many characters' foldings are remembered."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# Blank though their category is that of letters or symbols: Hangul fillers, Khmer vowels, the empty Braille pattern.
_BLANK: Final = {0x115F: "", 0x1160: "", 0x3164: "", 0xFFA0: "", 0x17B4: "", 0x17B5: "", 0x2800: " "}

# First code point, how many, and the first ASCII character they stand for: tag characters, negative circled and squared
# letters, regional indicators. Unicode gives them no compatibility form.
_ALPHABETS: Final = (
    (0xE0020, 95, " "),
    (0x1F150, 26, "A"),
    (0x1F170, 26, "A"),
    (0x1F1E6, 26, "A"),
)

_BIDI_OVERRIDES: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def fold(text: str) -> str:
    r"""Return `text` in plain characters.

    Compatibility forms and look-alikes resolved, digits as ASCII, nothing invisible, no marks on letters:

        \u0430d\u0430@\uff41cme.fr   ->  ada@acme.fr     Cyrillic a (lookalikes.py), a full-width a (NFKD)
        ad\u00e0\u200b            ->  ada             an accent and a zero-width space vanish
        \u0660\u0666 \u2460\u2461      ->  06 12           digits of any script, also circled

    One character may become several or none, so that `fold_ends` is needed to find it again.
    """
    if text.isascii():
        return text if text.isprintable() else _CONTROL.sub("", text)
    return text.translate(_FOLDINGS)


def fold_ends(text: str) -> list[int]:
    r"""Return where in `fold(text)` each character of `text` ends: [1, 2, 3, 3] for `ada\u200b`."""
    return list(accumulate(map(len, map(_FOLDINGS.__getitem__, map(ord, text)))))


def is_readable(text: str) -> bool:
    """Return whether every character of `text` can be read."""
    return text.isprintable() or not any(map(is_obscure, set(text)))


def is_obscure(char: str) -> bool:
    """Whether a character hides what text says.

    Control, private-use, unassigned and tag characters, bidi overrides, lone surrogates.
    """
    if char.isprintable() or char in "\t\n\r":
        return False
    return (
        unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs")
        or char in _BIDI_OVERRIDES
        or 0xE0000 <= ord(char) <= 0xE007F
    )


class _Foldings(dict[int, str]):
    """Each character's folding, found when first asked for."""

    def __missing__(self, code: int) -> str:
        plain = _fold_char(chr(code))
        if len(self) < _MAX_CACHED_FOLDINGS:
            self[code] = plain
        return plain


def _fold_char(char: str) -> str:
    if char in "\t\n\r" or " " <= char <= "~":
        return char
    known = _from_tables(ord(char))
    if known is not None:
        return known
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    parts = unicodedata.normalize("NFKD", char)
    return _by_category(char) if parts == char else "".join(map(_fold_char, parts))


def _from_tables(code: int) -> str | None:
    for first, count, plain in _ALPHABETS:
        if first <= code < first + count:
            return chr(ord(plain) + code - first)
    return LOOKALIKES.get(code, _BLANK.get(code))


def _by_category(char: str) -> str:
    category = unicodedata.category(char)
    if category[0] in "CM":
        return ""
    return {"Pd": "-", "Zs": " ", "Zl": "\n", "Zp": "\n"}.get(category, char)


_FOLDINGS: Final = _Foldings()
