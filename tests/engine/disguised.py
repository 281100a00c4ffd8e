"""Addresses whose local part hides another one, in every spelling that a normal form may change; texts with such."""

from __future__ import annotations

import base64
from typing import Final

from hypothesis import strategies as st

_WIDE: Final = {code: code + 0xFEE0 for code in range(ord("!"), ord("~") + 1)} | {ord("."): 0xFF61}

HIDDEN: Final = ("ADA@GMAIL.COM", "A@GMX.DE", "JON@SHOWN.WIN", "B@YOPMAIL.COM", "BOB@ACME.COM")
DOMAINS: Final = (
    "acme.example",
    "ACME.Example",
    "b\u00fccher.example",
    "B\u00dcCHER.example",
    "xn--mnchen-3ya.de",
    "\u6771\u4eac.jp",
    "Gmail.com",
)


def wide(text: str) -> str:
    """Base64 of a text in full-width characters.

    Of capitals it is all in lower case, and so what its own capitals become.
    """
    return base64.b64encode(text.translate(_WIDE).encode()).decode()


def _plain(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _cased(text: str, capitals: int) -> str:
    return "".join(char.upper() if capitals >> place & 1 else char.lower() for place, char in enumerate(text))


_ODD: Final = st.sampled_from([0, -1]) | st.integers(0, 2**64)
_HIDDEN: Final = st.sampled_from([*HIDDEN, "+33612345678", "4111111111111111"])
_SAID: Final = _HIDDEN.map(wide) | _HIDDEN.map(str.lower).map(_plain) | _HIDDEN.map(_plain)
_RUNS: Final = (
    _SAID
    | st.builds(_cased, _SAID, _ODD)
    | st.sampled_from(["a", "Ada", "ren\u00c9e", "\u0130", "gmail.com", "o'neill", "0612"])
)
_SPELT: Final = st.sampled_from(["{}", "{}", "{}.x", "X.{}", "{}+Tag", "a+{}", '"{}"', "{}=", "{}.{}", "X_{}"])


def _address(spelt: str, run: str, domain: str) -> str:
    return f"{spelt.replace('{}', run)}@{domain}"


ADDRESSES: Final = st.builds(_address, _SPELT, _RUNS, st.sampled_from(DOMAINS))
TEXTS: Final = st.lists(ADDRESSES | _RUNS | st.text(max_size=8), min_size=1, max_size=4).map(" ".join)
