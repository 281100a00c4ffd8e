"""Escapes inside text: percent, HTML and tags, JSON and Unicode, octal, quoted-printable, `at` and `dot` in words.

One pass over folded text undoes them all at once, each however often it was itself escaped. Runs of base64 and the like
are in `encoded_runs.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from enum import Enum
from html.entities import html5
from typing import Final

from gateway.detectors import data
from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.spoken_addresses import (
    BRACKETED_DOT,
    CLOSE,
    GAP,
    OPEN,
    glued_address,
    joined_address,
    spoken_address,
    worded_address,
)

_SPOKEN_GAP: Final = r"[ \t+_:/-]"
_LABEL: Final = r"[^\W_]{1,63}+(?:-[^\W_]{1,63}+){0,4}"
_DOT: Final = rf"(?:{GAP}(?:dot|point|punkt|punto){GAP}|{BRACKETED_DOT}|\.)"
_REST: Final = rf"{_LABEL}(?:{_DOT}{_LABEL}){{0,4}}"
_CHAIN: Final = rf"{_LABEL}(?>(?:\.{_LABEL}){{1,8}})"
_UNIT_AFTER: Final = r"(?>(?:(?:(?<!\\)\\++(?-i:u)|%(?>(?:25)*)u|(?-i:U)\+)[0-9a-f]{4})*)"

_SPOKEN_DOT: Final = r"[ \t]{1,3}(?:dot|point|punkt|punto|\.)[ \t]{1,3}"
_SPOKEN_AT: Final = r"[ \t]{1,3}(?:at|arobase|arroba|@)[ \t]"
_WORD: Final = r"(?!(?:dot|point|punkt|punto)[._-])[^\W_]{1,63}+"
_JOINED_TLD: Final = rf"(?:(?:dot|point|punkt|punto)[._-])?(?:{'|'.join(sorted(data.lines('tlds_joined')))})"

# Quantifiers that could run far are possessive and can't start inside a run of their own kind, so one pass is linear in
# the text. Each alternative begins with a character or a set of them, which is compared before anything else is tried.
_ESCAPE: Final = LazyPattern(
    rf"""
    (?=[%\\&@(\[{{< \t+_u:/-]|\.a[tr]|(?-i:AT[a-z]))
    (?: %(?>(?:25)*)(?:
          (?P<percent>[0-9a-f]{{2}}(?>(?:%(?>(?:25)*)[0-9a-f]{{2}})*))
        | (?P<percent_units>u[0-9a-f]{{4}}{_UNIT_AFTER})
        | (?P<sign>(?<=25)(?!u)))
    | \\(?<!\\\\)\\*+(?:
          (?P<units>(?-i:u)[0-9a-f]{{4}}{_UNIT_AFTER})
        | (?P<code>[ux]\{{0*+(?P<braced>[0-9a-f]{{0,6}})\}}|(?-i:U)00(?P<long>[0-9a-f]{{6}}))
        | (?P<bytes>x[0-9a-f]{{2}}(?>(?:(?<!\\)\\++x[0-9a-f]{{2}})*))
        | (?P<named>N\{{(?P<name>[a-z0-9 -]{{1,80}})\}})
        | (?P<octal>[0-3]?[0-7]{{2}}(?>(?:(?<!\\)\\++[0-3]?[0-7]{{2}})*))
        | (?P<other>(?P<plain>[^\w\s\\]|(?-i:[nrt]))))
    | (?-i:U)\+(?P<points>[0-9a-f]{{4}}{_UNIT_AFTER})
    | (?-i:u)(?<!5cu)(?<!134u)(?<![;}}]u)(?P<bare>[0-9a-f]{{4}}(?>(?:(?-i:u)[0-9a-f]{{4}})+)|00[2-7][0-9a-f])
    | _(?P<between>x[0-9a-f]{{4}}_(?>(?:_x[0-9a-f]{{4}}_)*))
    | &(?P<html>(?>(?:amp;?|\#38;|\#x26;)*)(?:
          \#x0*+(?:(?P<hex>[0-9a-f]{{0,6}});|(?P<bare_hex>[2-7][0-9a-f]|[0-9a-f]{{3,6}}))
        | \#0*+(?:(?P<dec>[0-9]{{0,7}});|(?P<bare_dec>1[01][0-9]|12[0-6]|[3-9][0-9]|[0-9]{{3,7}}))
        | (?P<entity>[a-z][a-z0-9]{{1,31}}(?=;)|commat|period|lowbar|plus|nbsp|shy|lt|gt|quot);?))
    | {OPEN}(?:
          (?P<at>(?:at|arobase|arroba|@){CLOSE}|(?<=[(\[{{])a[)\]}}][ \t]{{0,3}})
        | (?P<dot>(?:dot|point|punkt|punto|\.){CLOSE}))
    | [ \t](?=[ \tdp.])[ \t]{{0,2}}+(?P<local>(?:dot|point|punkt|punto|\.)[ \t]{{1,3}}+
        (?={_LABEL}(?:{_SPOKEN_DOT}{_LABEL}){{0,3}}{_SPOKEN_AT}))
    | (?-i:AT)(?<=[a-z0-9]AT)(?P<glued>(?=(?-i:[a-z]))(?P<behind>{_CHAIN}))
    | <(?P<tag>/?[a-z][a-z0-9]{{0,15}}[ ]?/?>)
    | [ \t+_-][ \t+_-]{{0,2}}+(?P<words>
          (?:at|arroba){GAP}{_LABEL}(?:\.{_LABEL}){{0,3}}(?:{GAP}(?:dot|punkt|punto){GAP}|{BRACKETED_DOT}){_REST}
        | arobase{GAP}{_LABEL}(?:\.{_LABEL}){{0,3}}(?:{GAP}point{GAP}|\.){_REST})
    | [._-](?<=\w[._-])(?P<joined>
          (?:at|arroba|arobase)[._-](?P<labels>{_WORD}(?:[._-]{_WORD}){{0,2}}?)
          (?P<last>[_-]{_JOINED_TLD}(?![^\W_]|[_-][^\W_])|\.{_JOINED_TLD}(?![^\W_]|[._-][^\W_])))
    | {_SPOKEN_GAP}(?<=\w{_SPOKEN_GAP}){_SPOKEN_GAP}{{0,2}}+(?P<spoken>
          a(?:t|rroba|robase)(?P<gap>{_SPOKEN_GAP}{{1,3}}+)(?P<domain>{_CHAIN}))
    | @(?P<tail>[ ]?{_LABEL}(?:\.{_LABEL}){{0,3}}(?:{GAP}(?:dot|point|punkt|punto){GAP}|[ ]\.[ ]){_REST})
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
# `bytes=40651-55890` is a range (RFC 9110 section 14).
_PRINTABLE: Final = LazyPattern(
    r"(?P<printable>(?!(?<=bytes)=[0-9]{1,12}-(?![0-9]*[a-z@]))(?>(?:=(?>(?:3d)*)[0-9a-f]{2}|=\r?\n)+))", re.IGNORECASE
)
_HEX: Final = re.compile(r"(?:%|\\x|=)(?:25|3d)*?([0-9a-f]{2})(?![^%\\=])", re.IGNORECASE)
_UNIT: Final = re.compile(r"[ux]\+?([0-9a-f]{4})", re.IGNORECASE)
_OCTAL: Final = re.compile(r"\\([0-7]{2,3})")


_OCTETS: Final = [bytes((octet,)).decode("utf-8", "replace") for octet in range(256)]
_BLANKS: Final = {"n": "\n", "r": "\r", "t": "\t"}

Replacement = tuple[int, int, str]
"""From where to where in a text an escape stands, and what it stands for."""


class EscapePass(Enum):
    """What is undone in one pass.

    Quoted-printable goes apart: its `=` is also what stands between a name and its value.
    """

    ESCAPES = _ESCAPE
    PRINTABLE = _PRINTABLE


def replacements(text: str, escape_pass: EscapePass) -> Iterator[Replacement]:
    """The escapes of folded text that mean something else than they spell, from left to right."""
    if escape_pass is EscapePass.PRINTABLE and "=" not in text:
        return
    for match in escape_pass.value.finditer(text):
        plain = _plain(match)
        if plain != match[0]:
            yield match.start(), match.end(), plain


def unescape(text: str, escape_pass: EscapePass) -> str:
    """`text` with its escapes undone once."""
    return escape_pass.value.sub(_plain, text)


def _plain(match: re.Match[str]) -> str:
    return _PLAIN[match.lastgroup or ""](match)


def _octets(match: re.Match[str]) -> str:
    escape = match[0]
    if len(escape) in (3, 4) and escape[-1] != "\n":  # one octet, as most are
        return _OCTETS[int(escape[-2:], 16)]
    return bytes(int(pair[1], 16) for pair in _HEX.finditer(escape)).decode("utf-8", "replace")


def _octal(match: re.Match[str]) -> str:
    return bytes(int(digits, 8) for digits in _OCTAL.findall(match[0])).decode("utf-8", "replace")


def _units(match: re.Match[str]) -> str:
    units = "".join(_UNIT.findall(match[0]))
    return bytes.fromhex(units).decode("utf-16-be", "replace")


def _code(match: re.Match[str]) -> str:
    return _char(int(match["braced"] or match["long"] or "0", 16), match[0])


def _named(match: re.Match[str]) -> str:
    try:
        return unicodedata.lookup(match["name"])
    except KeyError:
        return match[0]


def _html(match: re.Match[str]) -> str:
    if entity := match["entity"]:
        return html5.get(f"{entity};") or html5.get(f"{entity.lower()};") or match[0]
    if digits := match["dec"] or match["bare_dec"]:
        return _char(int(digits), match[0])
    return _char(int(match["hex"] or match["bare_hex"] or "0", 16), match[0])


def _char(code: int, otherwise: str) -> str:
    return chr(code) if code < 0x110000 else otherwise


def _escaped_char(match: re.Match[str]) -> str:
    return _BLANKS.get(match["plain"], match["plain"])


def _full_stop(match: re.Match[str]) -> str:
    return "."


def _percent_sign(match: re.Match[str]) -> str:
    return "%"


def _at_sign(match: re.Match[str]) -> str:
    return "@"


def _nothing(match: re.Match[str]) -> str:
    return ""


_PLAIN: Final[dict[str, Callable[[re.Match[str]], str]]] = {
    "percent": _octets,
    "percent_units": _units,
    "points": _units,
    "bare": _units,
    "between": _units,
    "spoken": spoken_address,
    "joined": joined_address,
    "glued": glued_address,
    "local": _full_stop,
    "sign": _percent_sign,
    "units": _units,
    "code": _code,
    "bytes": _octets,
    "named": _named,
    "octal": _octal,
    "other": _escaped_char,
    "html": _html,
    "printable": _octets,
    "at": _at_sign,
    "dot": _full_stop,
    "tag": _nothing,
    "words": worded_address,
    "tail": worded_address,
}
