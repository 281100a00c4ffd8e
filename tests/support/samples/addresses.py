"""Personal data that is no number: addresses of machines, places, addresses of people, and secrets."""

from __future__ import annotations

import base64
import re
from ipaddress import IPv4Address, IPv6Address
from random import Random
from string import ascii_letters, ascii_uppercase, digits
from typing import Final

from tests.support.samples.value import PersonalValue, random_chars

_BASE62: Final = digits + ascii_letters
_NAMES: Final = (
    "ada anna bob clara david emma felix greta hugo ines jonas lea marc nora omar paul rosa tom yves zoe".split()
)
_FAMILIES: Final = (
    "martin dubois keller murphy peeters smith rossi lopez weber laurent jansen moreau byrne schmitt".split()
)
_DOMAINS: Final = (
    "acme kannelle-video northwind contoso globex initech umbra nordlicht lumiere studio42 bluebird".split()
)
_SUFFIXES: Final = "com fr de be ie eu io org net example co.uk".split()


def ipv4(random: Random) -> PersonalValue:
    """Any IPv4 address."""
    text = str(IPv4Address(random.getrandbits(32)))
    return PersonalValue(text, tuple(text.split(".")))


def ipv6(random: Random) -> PersonalValue:
    """A global IPv6 address, whole."""
    text = IPv6Address(_global(random)).exploded
    return PersonalValue(text, tuple(text.split(":")))


def ipv6_compressed(random: Random) -> PersonalValue:
    """The same, some of it zeros and as short as can be; separators come around it."""
    kept = random.randint(1, 4) * 16
    return PersonalValue(
        text := IPv6Address(_global(random) >> 64 << 64 | random.getrandbits(kept)).compressed, (text,)
    )


def ipv6_reversed(random: Random) -> PersonalValue:
    """The same as the name system asks for it."""
    text = IPv6Address(_global(random)).reverse_pointer
    return PersonalValue(text, (text,))


def _global(random: Random) -> int:
    return 0b001 << 125 | random.getrandbits(125)


def coordinates(random: Random) -> PersonalValue:
    """Latitude and longitude of a place, with four to six decimals."""
    pair = _place(random)
    return PersonalValue(",".join(pair), pair, spaced=True)


def coordinates_labelled(random: Random) -> PersonalValue:
    """The same with a word before each."""
    names = random.choice((("lat", "lon"), ("lat", "lng"), ("latitude", "longitude"), ("LAT", "LON")))
    sign, place = random.choice(("", "=", ":")), _place(random)
    pair = tuple(f"{name}{sign}{value}" for name, value in zip(names, place, strict=True))
    return PersonalValue(random.choice(("", ",", "&", ";")).join(pair), pair, spaced=True, revealing="".join(place))


def _place(random: Random) -> tuple[str, str]:
    decimals = random.randint(4, 6)
    return f"{random.uniform(-60, 75):.{decimals}f}", f"{random.uniform(-180, 180):.{decimals}f}"


def _address(random: Random) -> tuple[str, str]:
    name, family = random.choice(_NAMES), random.choice(_FAMILIES)
    local = random.choice(
        (name, f"{name}.{family}", f"{name[0]}{family}", f"{name}_{family}", f"{name}{random.randint(1, 99)}")
    )
    return local, f"{random.choice(_DOMAINS)}.{random.choice(_SUFFIXES)}"


def email(random: Random) -> PersonalValue:
    """An address."""
    text = "@".join(_address(random))
    return PersonalValue(text, (text,))


def email_spoken(random: Random) -> PersonalValue:
    """An address with its sign as a word."""
    local, domain = _address(random)
    groups = (local, "at", domain)
    return PersonalValue("_".join(groups), groups, spaced=True)


def email_hex(random: Random) -> PersonalValue:
    """An address as hexadecimal bytes."""
    text = "@".join(_address(random)).encode().hex()
    return PersonalValue(text, tuple(re.findall("..", text)))


def email_base64(random: Random) -> PersonalValue:
    """An address as base64, in its usual or its URL form."""
    code = random.choice((base64.b64encode, base64.urlsafe_b64encode))
    text = code("@".join(_address(random)).encode()).decode().rstrip("=")
    return PersonalValue(text, (text,))


def email_escaped(random: Random) -> PersonalValue:
    """An address whose characters are escaped: its sign, or all of them."""
    local, domain = _address(random)
    text = random.choice(
        (
            f"{local}%40{domain}",
            f"{local}&#64;{domain}",
            f"{local}\\u0040{domain}",
            "".join(f"u{ord(char):04x}" for char in f"{local}@{domain}"),
            "".join(f"%{ord(char):02x}" for char in f"{local}@{domain}"),
        )
    )
    return PersonalValue(text, (text,))


def mac(random: Random) -> PersonalValue:
    """The address of a network card. One of digits alone can't be told from a row of numbers."""
    text = random.randbytes(6).hex(":")
    while text.replace(":", "").isdigit():
        text = random.randbytes(6).hex(":")
    return PersonalValue(text, tuple(text.split(":")))


def secret(random: Random) -> PersonalValue:
    """A key or token of a known shape."""
    subject = f'{{"sub":"{random.getrandbits(64)}"}}'.encode()
    header, claims = (base64.urlsafe_b64encode(text).decode().rstrip("=") for text in (b'{"alg":"HS256"}', subject))
    text = random.choice(
        (
            f"AKIA{random_chars(ascii_uppercase + '234567', 16, random)}",
            f"ghp_{random_chars(_BASE62, 36, random)}",
            f"glpat-{random_chars(_BASE62, 20, random)}",
            f"sk_live_{random_chars(_BASE62, 24, random)}",
            f"xoxb-{random_chars(digits, 12, random)}-{random_chars(digits, 12, random)}-{random_chars(_BASE62, 24, random)}",
            f"AIza{random_chars(_BASE62, 35, random)}",
            f"{header}.{claims}.{random_chars(_BASE62, 43, random)}",
        )
    )
    return PersonalValue(text, (text,))
