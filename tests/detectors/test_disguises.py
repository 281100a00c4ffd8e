"""Disguises: personal data is found, and does not survive masking, under every encoding and every two."""

from __future__ import annotations

import base64
import html
import json
import quopri
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors.detect import find, mask
from gateway.errors import FieldReason
from gateway.model import Detector

ADDRESS = "alice@acme.com"


def b64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def shifted(first: int) -> Callable[[str], str]:
    """Spell ASCII letters and digits-to-tilde with characters that lie `first` code points above `!`."""
    return lambda text: "".join(chr(ord(char) - 0x21 + first) if "!" <= char <= "~" else char for char in text)


def sprinkled(invisible: str) -> Callable[[str], str]:
    return invisible.join


ENCODINGS: dict[str, Callable[[str], str]] = {
    "percent": lambda text: quote(text, safe=""),
    "percent, all of it": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent, UTF-16": lambda text: "".join(f"%u{ord(char):04x}" if ord(char) < 0x10000 else char for char in text),
    "HTML, decimal": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "HTML, unterminated": lambda text: text.replace("@", "&#64").replace(".", "&#46"),
    "HTML, named": lambda text: text.replace("@", "&commat;").replace(".", "&period;"),
    "HTML, twice": lambda text: html.escape(text.replace("@", "&#64;")),
    "JSON": lambda text: json.dumps({"key": text}),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"key": text})),
    "JSON, all of it": lambda text: "".join(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else char for char in text),
    "Unicode escapes": lambda text: "".join(f"\\U{ord(char):08x}" for char in text),
    "braced escapes": lambda text: "".join(f"\\u{{{ord(char):x}}}" for char in text),
    "byte escapes": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "octal": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "code points": lambda text: text.replace("@", "U+0040"),
    "quoted-printable": lambda text: quopri.encodestring(text.replace("@", "=40").encode(), quotetabs=True).decode(),
    "quoted-printable, all of it": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "base64": b64,
    "base64, unpadded": lambda text: b64(text).rstrip("="),
    "base64url, in a token": lambda text: "usr_" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64, of UTF-16": lambda text: base64.b64encode(text.encode("utf-16")).decode() if text.isascii() else b64(text),
    "base64, in lines": lambda text: base64.encodebytes(
        f"An address of somebody that we know, in a line: {text}".encode()
    ).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base32, lower case": lambda text: base64.b32encode(text.encode()).decode().lower().rstrip("="),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal, upper case": lambda text: text.encode().hex().upper(),
    "hexadecimal, in pairs": lambda text: text.encode().hex(":"),
    "hexadecimal, as in C": lambda text: ", ".join(f"0x{byte:02x}" for byte in text.encode()),
    "hexadecimal, with slashes": lambda text: text.encode().hex("/"),
    "code units without a backslash": lambda text: "".join(
        f"u{ord(char):04x}" if ord(char) < 0x10000 else char for char in text
    ),
    "code units between underscores": lambda text: "".join(
        f"_x{ord(char):04x}_" if ord(char) < 0x10000 else char for char in text
    ),
    "full-width": shifted(0xFF01),
    "tag characters": shifted(0xE0021),
    "small at": lambda text: text.replace("@", "\ufe6b"),
    "ideographic full stop": lambda text: text.replace(".", "\u3002"),
    "one dot leader": lambda text: text.replace(".", "\u2024"),
    "mathematical letters": lambda text: "".join(
        chr(ord(char) - 97 + 0x1D41A) if "a" <= char <= "z" else char for char in text
    ),
    "look-alikes": lambda text: text.translate(str.maketrans("aceopxy", "асеорху")),
    "zero-width": sprinkled("\u200b"),
    "word joiners": sprinkled("\u2060"),
    "soft hyphens": sprinkled("\u00ad"),
    "combining marks": sprinkled("\u0301"),
    "variation selectors": sprinkled("\ufe0f"),
    "Hangul fillers": sprinkled("\u3164"),
    "NUL": sprinkled("\0"),
    "backslashes": lambda text: text.replace("@", "\\@").replace(".", "\\."),
    "at in words": lambda text: text.replace("@", " at "),
    "at in words, in a token": lambda text: text.replace("@", "_at_"),
    "at in brackets": lambda text: text.replace("@", "[at]"),
    "at and dot in brackets": lambda text: text.replace("@", " (at) ").replace(".", " [dot] "),
    "at and dot in words": lambda text: text.replace("@", " at ").replace(".", " dot "),
    "at and dot in words, French": lambda text: text.replace("@", " arobase ").replace(".", " point "),
    "MIME word": lambda text: f"=?utf-8?B?{b64(text)}?=",
}

local_parts = st.from_regex(r"[a-z][a-z0-9]{0,8}(?:[._-][a-z0-9]{1,6})?", fullmatch=True)
domains = st.from_regex(r"[a-z]{2,8}(?:-[a-z]{2,6})?(?:\.[a-z]{2,6})?\.(?:com|fr|example|io)", fullmatch=True)
addresses = st.builds("{}@{}".format, local_parts, domains)
encodings = st.sampled_from(sorted(ENCODINGS))
surroundings = st.sampled_from(
    [("", ""), ("user ", " logged in"), ("{'a': '", "'}"), ("id=", ";"), ("<", ">"), ("/v1/", "/x")]
)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_address_is_found_under_every_encoding(encoding: str) -> None:
    text = ENCODINGS[encoding](ADDRESS)
    assert find(text, (Detector.EMAIL,))
    assert find(text) is FieldReason.LOOKS_LIKE_EMAIL
    assert "[EMAIL]" in mask(text)


@pytest.mark.parametrize("outer", [name for name in ENCODINGS if "words" not in name])
def test_an_address_is_found_under_every_two_encodings(outer: str) -> None:
    missed = [inner for inner in ENCODINGS if not find(ENCODINGS[outer](ENCODINGS[inner](ADDRESS)), (Detector.EMAIL,))]
    assert missed == []


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if "words" not in name])
def test_other_data_is_found_under_every_encoding(encoding: str) -> None:
    plain = ["0612345678", "4111111111111111", "FR7630006000011234567890189", "10.11.12.13", "48.8577,2.2951"]
    missed = [text for text in plain if find(ENCODINGS[encoding](text)) is None]
    assert missed == []


@settings(deadline=None)
@given(address=addresses, inner=encodings, outer=encodings, around=surroundings)
def test_no_encoded_address_survives_masking(address: str, inner: str, outer: str, around: tuple[str, str]) -> None:
    encoded = ENCODINGS[outer](ENCODINGS[inner](address))
    text = around[0] + encoded + around[1]
    masked = mask(text)
    assert find(masked) is None
    assert not find(masked, (Detector.EMAIL,))
    if "words" not in outer:
        assert find(text, (Detector.EMAIL,))
        assert encoded not in masked
