"""Addresses whose signs are words, as in `ada at acme.com`: whether they are some, and which.

Where they may stand in a text is in `escapes.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from gateway.detectors import data

GAP: Final = r"[ \t+_-]{1,3}"
OPEN: Final = r"(?:[(\[{<]|[ \t][ \t]{0,2}+[(\[{<])[ \t]{0,2}+"
CLOSE: Final = r"[ \t]{0,2}[)\]}>][ \t]{0,3}"
BRACKETED_DOT: Final = rf"{OPEN}(?:dot|point|punkt|punto|\.){CLOSE}"
_WORDED: Final = re.compile(rf"^{GAP}(?:at|arobase|arroba){GAP}|^@[ ]?", re.IGNORECASE)
_WORDED_DOT: Final = re.compile(rf"{GAP}(?:dot|point|punkt|punto){GAP}|{BRACKETED_DOT}|[ ]\.[ ]", re.IGNORECASE)
_TLDS: Final = data.lines("tlds")
_GLUED_TLD: Final = re.compile(rf"(?:{'|'.join(sorted(data.lines('tlds_glued')))})[a-z]{{1,8}}\Z")
# Those that are no word of a sentence or of a name, and those that most addresses have.
_COMMON_TLDS: Final = data.lines("tlds_joined") | data.lines("tlds_glued")
_LETTERS: Final = re.compile(r"[^\W\d_]*")
# What follows the name of a function in a stack trace.
_FRAME: Final = re.compile(r"\(|[ ]\((?:[^()\s]{1,100}:[0-9]{1,7}\)|<anonymous>|native|index |\))")
_JOINTS: Final = re.compile("[._-]")


def spoken_address(match: re.Match[str]) -> str:
    """Return what an address with `at` for its sign is, if its domain is one that people have mail under."""
    blank = " " in match["gap"]
    if blank and _FRAME.match(match.string, match.end()):
        return match[0]
    labels = match["domain"].lower().split(".")
    known = _holds_domain(labels, _COMMON_TLDS if blank else _TLDS) or (
        not blank and _GLUED_TLD.match(labels[-1]) is not None
    )
    return f"@{match['domain']}" if known else match[0]


def glued_address(match: re.Match[str]) -> str:
    """Return an address whose sign is `AT` between small letters, if its domain is one that people have mail under."""
    return f"@{match['behind']}" if _holds_domain(match["behind"].lower().split("."), _COMMON_TLDS) else match[0]


def _holds_domain(labels: Sequence[str], inner: AbstractSet[str]) -> bool:
    """Whether labels are a domain that people have mail under, or begin with one whose last label is among `inner`.

    What begins as a top-level domain does is a name of code, the other way round: `com.example.Main`.
    """
    last, *behind = [_letters(label) for label in reversed(labels[1:])]
    return last in _TLDS or (labels[0] not in _COMMON_TLDS and not inner.isdisjoint(behind))


def _letters(label: str) -> str:
    """The letters that a label starts with: something may be glued to what ends a domain."""
    found = _LETTERS.match(label)
    return found[0] if found else ""


def joined_address(match: re.Match[str]) -> str:
    """Return an address all of whose parts are joined, as in `ada_at_acme_com`.

    With dots, as hosts have them, its last one must be said.
    """
    if match[0].startswith(".") and not match["last"].rpartition(".")[0].strip("."):
        return match[0]
    return f"@{_JOINTS.sub('.', match['labels'])}.{_JOINTS.split(match['last'])[-1]}"


def worded_address(match: re.Match[str]) -> str:
    """Return an address whose at sign, dots or both are words."""
    return _WORDED_DOT.sub(".", _WORDED.sub("@", match[0]))
