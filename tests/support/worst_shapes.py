"""Worst shapes: texts, keys and addresses that are made to be dear to detectors.

`shapes.py` measures them against plain Python.
"""

from __future__ import annotations

import base64
import gc
import random
import string
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.detectors.detect import find, mask
from gateway.detectors.mail_domains import NO_OVERRIDES
from gateway.detectors.person_words import PersonWords, person_words
from gateway.detectors.personal_names import is_personal_name
from gateway.detectors.prohibited import is_prohibited
from gateway.engine.addresses import AddressCache

CHARS: Final = 40_000
VALUE_CHARS: Final = 64
KEY_CHARS: Final = 48
ROUNDS: Final = 3

Judge = Callable[[str], object]
Maker = Callable[[int], str]
"""Makes a text of about so many characters."""


def _repeated(unit: str) -> Maker:
    return lambda chars: (unit * (chars // len(unit) + 1))[:chars]


def _drawn(*units: str) -> Maker:
    """Units drawn at random: no text of them repeats, so that nothing is as it was a moment ago."""
    return lambda chars: "".join(random.Random(4).choices(units, k=chars))[:chars]


def _encoded(encode: Callable[[bytes], str], inner: Maker, times: int = 1) -> Maker:
    def make(chars: int) -> str:
        text = inner(chars)
        for _ in range(times):
            text = encode(text.encode())[:chars]
        return text

    return make


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _token(data: random.Random) -> str:
    return _base64(data.randbytes(24))


def _tokens(chars: int) -> str:
    chance = random.Random(5)
    return " ".join(_token(chance) for _ in range(chars // 33))


def _percent(data: bytes) -> str:
    return "".join(f"%{byte:02x}" for byte in data)


def _html(data: bytes) -> str:
    return "".join(f"&#{byte};" for byte in data)


def _json(data: bytes) -> str:
    return "".join(f"\\u{byte:04x}" for byte in data)


_MAIL: Final = _repeated("alice@acme.com ")
_HALF: Final = _repeated("0 1@a.%")

TEXTS: Final[Mapping[str, Maker]] = {
    "plain words": _repeated("the export took some time "),
    "at signs": _repeated("@"),
    "half addresses": _repeated("a@b."),
    "half addresses, digits": _HALF,
    "half addresses, drawn": _drawn(*"0 1@a.%"),
    "addresses": _MAIL,
    "addresses on end": _repeated("a@b.fr"),
    "dots and labels": _repeated("a.b-c."),
    "at in words": _repeated(" at a dot b"),
    "at in words, glued": _repeated("a_at_b_dot_"),
    "at in brackets": _repeated("a (at) b [dot] "),
    "percent signs": _repeated("%25"),
    "percent, twice": _repeated("%2540"),
    "percent, of addresses": _encoded(_percent, _MAIL),
    "percent, nested": _encoded(_percent, _MAIL, 3),
    "HTML, of addresses": _encoded(_html, _MAIL),
    "HTML, nested": _encoded(_html, _HALF, 2),
    "ampersands": _repeated("&amp;"),
    "JSON, of half addresses": _encoded(_json, _HALF),
    "JSON, nested": _encoded(_json, _MAIL, 2),
    "backslashes": _repeated("\\"),
    "backslashes and octal": _drawn(":", "2", "\\"),
    "quoted-printable": _repeated("=40=\n"),
    "escapes of each kind": _drawn("%40", "&#64;", "\\u0040", "=40", "[at]", "a", ".", " "),
    "tags": _repeated("<b "),
    "tags about addresses": _repeated("<b>a@b.fr"),
    "base64": _repeated("YWxpY2VAYWNtZS5jb20 "),
    "base64 of base64": _encoded(_base64, _MAIL, 4),
    "base64 of escapes": _encoded(_base64, _encoded(_percent, _HALF)),
    "base64 that is base64": _repeated("YWFh"),
    "base64 at each alignment": _repeated("V"),
    "tokens like base64": _tokens,
    "base32": _repeated("MFWGSY3F"),
    "hexadecimal": _repeated("33"),
    "hexadecimal of addresses": _encoded(bytes.hex, _MAIL),
    "ligatures": _repeated("\ufdfa"),
    "ligatures and blanks": _repeated("\ufdfa a@b "),
    "full-width": _repeated("\uff21\uff20\uff22\uff0e"),
    "zero-width": _repeated("1\u200b"),
    "look-alikes": _repeated("\u0430\u0435@"),
    "digits": _repeated("1"),
    "digits and blanks": _repeated("1 "),
    "digits drawn": _drawn(*"0123456789 "),
    "digits and letters drawn": _drawn(*string.digits, *"abxyz-_:/"),
    "digits and underscores": _drawn("3", "_"),
    "zeros": _repeated("01 "),
    "plus signs": _repeated("+1 22 "),
    "country codes": _drawn("+", "33", " 6", "00", "1", " "),
    "phone numbers": _repeated("06 12 34 56 78"),
    "phone numbers, apart": _repeated("+33 6 12 34 56 78, "),
    "cards": _repeated("4111 1111 1111 1111 "),
    "cards, nearly": _repeated("4111 1111 1111 "),
    "national identifiers": _repeated("1 85 05 78 006 084 91 "),
    "national identifiers, drawn": _drawn(*"123 85"),
    "IBANs": _repeated("FR7630006000011234567890189 "),
    "IBANs, nearly": _repeated("FR76 "),
    "IBANs' countries": _drawn("FR", "76", "GB", "29", "MT", "84", " "),
    "dots and digits": _repeated("1.2.3."),
    "IPv4": _repeated("10.0.0.1 "),
    "IPv4, mixed": _drawn("1.2.3.", "10-0-0-1", "%40", "://"),
    "colons": _repeated("a:"),
    "colons and hexadecimal": _drawn(*"3ac:"),
    "IPv6": _repeated("2001:db8::8a2e:370:7334 "),
    "MAC addresses": _repeated("00:1b:44:11:3a:b7 "),
    "MAC addresses, nearly": _repeated("00:1b:44-"),
    "decimals": _repeated("48.8577 "),
    "coordinates": _repeated("48.8577,2.2951 "),
    "latitudes": _repeated("lat 48.85 "),
    "latitudes, longitudes": _drawn("lat ", "lon ", "48.85", ": ", "\u00b0"),
    "secrets' prefixes": _drawn("AKIA", "ghp_", "sk_live_", "eyJ", "xoxb-", "."),
    "secrets' labels": _repeated("password= token: "),
    "users of URLs": _repeated("a://b:c@"),
    "times": _repeated("10:15:30 2026-11-23 "),
    "UUIDs": _repeated("123e4567-e89b-12d3-a456-426614174000 "),
    "digests": _repeated("d670460b4b4aece5915caf5c68d12f560a9fe3e4 "),
    "digits by turns": _repeated("a1"),
}
"""Texts, most of them of the shapes that one detector or decoder has to look at twice."""

KEYS: Final[Mapping[str, Maker]] = {
    "hexadecimal": lambda chars: f"service.{random.Random(chars).getrandbits(160):040x}",
    "words": lambda chars: (
        "service." + "_".join(random.Random(chars).choices(["user", "video", "age", "count", "lat", "name"], k=9))
    )[:KEY_CHARS],
    "letters": lambda chars: "service." + "".join(random.Random(chars).choices(string.ascii_lowercase, k=40)),
    "case by case": lambda chars: "service." + "".join(random.Random(chars).choices("aB", k=40)),
    "digits": lambda chars: "service." + "".join(random.Random(chars).choices("0123456789._", k=40)),
}
"""Keys, each another one: the argument is its number."""

ADDRESSES: Final[Mapping[str, Maker]] = {
    "local part of digits": _repeated("1"),
    "local part of dots": _repeated("a."),
    "local part that is base64": _repeated("YWFh"),
    "subaddresses": _repeated("+a"),
    "percent signs": _repeated("%40"),
    "look-alikes": _repeated("\u0430"),
}
"""Local parts of e-mail addresses."""


NAMES: Final[Mapping[str, Maker]] = {
    "short words": _drawn("ada", "bob", "eve", " "),
    "words with accents": _drawn("\u00e9da", "m\u00fcl", "\u00df", " "),
    "case by case": _repeated("aB"),
    "hyphens": _repeated("ab-"),
    "ligatures": _repeated("\ufdfa"),
    "HTML": _encoded(_html, _repeated("ada byron ")),
    "percent, nested": _encoded(_percent, _repeated("ada byron "), 3),
}
"""Names of a person."""

BESIDE: Final[Mapping[str, Maker]] = {
    "of many": lambda chars: "abc" * (chars // 3),
    "drawn": _drawn(*"abc."),
    "case by case": _repeated("aB"),
    "words of one letter": _repeated("aaa."),
    "digits between": _repeated("a1"),
    "percent signs": _repeated("%41a"),
}
"""Values beside a person of hundreds of names, all of few letters, that begin one another."""


def seconds(judge: Judge, texts: Sequence[str]) -> float:
    """Return the least CPU time that judging all texts takes in a few rounds.

    Garbage isn't collected meanwhile: that costs what everything else in the process has made.
    """
    gc.disable()
    try:
        return min(_round_seconds(judge, texts) for _ in range(ROUNDS))
    finally:
        gc.enable()


def _round_seconds(judge: Judge, texts: Sequence[str]) -> float:
    before = time.process_time()
    for text in texts:
        judge(text)
    return time.process_time() - before


def reference(chars: int) -> float:
    """The CPU time that plain Python needs to look at so many characters, one by one."""
    return seconds(look, ["0123456789abcdef" * (chars // 16)])


def look(text: str) -> int:
    """Plain Python's own work on each character."""
    total = 0
    for char in text:
        total = (total * 31 + ord(char)) & 0xFFFF
    return total


def cases(chars: int) -> dict[str, tuple[Judge, list[str]]]:
    """What is judged, by kind and shape: long texts, as many characters in short ones, keys and addresses."""
    found: dict[str, tuple[Judge, list[str]]] = {}
    for name, make in TEXTS.items():
        found[f"text: {name}"] = (mask, [make(chars)])
        found[f"values: {name}"] = (find, _cut(make(chars // 4)))
    for name, make in KEYS.items():
        found[f"keys: {name}"] = (_key, [make(number) for number in range(chars // 4 // KEY_CHARS)])
    for name, make in ADDRESSES.items():
        found[f"addresses: {name}"] = (
            _read_afresh,
            [f"{make(VALUE_CHARS)}@a{number}.example" for number in range(chars // 4 // VALUE_CHARS)],
        )
    for name, make in NAMES.items():
        found[f"names: {name}"] = (_name_afresh, _cut(make(chars // 4)))
    repeated_in = _many_named().repeated_in
    for name, make in BESIDE.items():
        found[f"beside: {name}"] = (repeated_in, _cut(make(chars // 4)))
    return found


def _many_named() -> PersonWords:
    """The words of a person of hundreds of names."""
    chance = random.Random(6)
    names = [" ".join("".join(chance.choices("ab", k=chance.randint(6, 40))) for _ in range(6)) for _ in range(128)]
    found = person_words([(name,) for name in (*names, *("a" * chars for chars in range(4, 64, 3)))], [])
    assert found is not None
    return found


def _name_afresh(text: str) -> object:
    return person_words([(text,)], [f"{text}@acme.example"])


def _cut(text: str) -> list[str]:
    return [text[start : start + VALUE_CHARS] for start in range(0, len(text), VALUE_CHARS)]


def _read_afresh(text: str) -> object:
    """Read an address that nobody has read before."""
    return AddressCache(NO_OVERRIDES)[text]


def _key(key: str) -> object:
    return find(key) or is_prohibited(key) or is_personal_name(key)


def size(texts: Sequence[str]) -> int:
    """How many bytes texts are together."""
    return sum(len(text.encode()) for text in texts)
