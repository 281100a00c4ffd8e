"""Personal data of each kind, made at random: what no token may carry. Seeded, so that each run sees the same.

What is valid is for the libraries to say that keep the registries.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Any, Final

import msgspec
import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberFormat
from schwifty import registry
from stdnum import luhn
from stdnum.fr import nir


class Bad(msgspec.Struct, frozen=True):
    """A value as it is usually written without blanks, and the groups that separators come between.

    `regrouped`: whether any other groups would do.
    """

    bare: str
    groups: tuple[str, ...]
    regrouped: bool = False


Make = Callable[[Random], Bad]

REGIONS: Final = ("FR", "BE", "IE", "DE", "GB", "US")
MIN_PHONE_DIGITS: Final = 9
MAX_PHONE_DIGITS: Final = 15

_TYPES: Final = (
    *("mobile", "fixed_line") * 4,
    "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "uan",
)  # fmt: skip
"""Types of numbers; those that people have are more common."""

_DIGITS: Final = "0123456789"
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_BASE62: Final = _DIGITS + _LOWER + _LOWER.upper()

_CARDS: Final = (
    # First digits, from and to, and the lengths of an issuer's numbers.
    *[("4", "4", (16,))] * 5, ("4", "4", (13, 19)),
    *[("51", "55", (16,))] * 3, ("2221", "2720", (16,)),
    ("34", "34", (15,)), ("37", "37", (15,)),
    ("6011", "6011", (16, 19)), ("644", "649", (16,)), ("65", "65", (16,)),
    ("300", "305", (14,)), ("36", "36", (14,)), ("38", "39", (14,)),
    ("3528", "3589", (16,)),
    ("62", "62", (16, 17, 18, 19)),
    ("5018", "5018", (16,)), ("5020", "5020", (16,)), ("5038", "5038", (16,)), ("6304", "6304", (16, 18, 19)), ("6759", "6759", (16, 18)),
)  # fmt: skip

_NAMES: Final = "ada anna bob clara david emma felix greta hugo ines jonas lea marc nora omar paul rosa tom yves zoe".split()
_FAMILIES: Final = "martin dubois keller murphy peeters smith rossi lopez weber laurent jansen moreau byrne schmitt".split()
_DOMAINS: Final = "acme kannelle-video northwind contoso globex initech umbra nordlicht lumiere studio42 bluebird".split()
_SUFFIXES: Final = "com fr de be ie eu io org net example co.uk".split()


def phone(region: str, form: str, random: Random) -> Bad:
    """A valid number of a region, as `e164`, with `plus` before it, with `zeros` before it, or `national` with its trunk prefix."""
    while True:
        number = phone_number(region, random)
        layout = PhoneNumberFormat.NATIONAL if form == "national" else PhoneNumberFormat.INTERNATIONAL
        groups = re.findall(r"[0-9]+", phonenumbers.format_number(number, layout))
        if MIN_PHONE_DIGITS <= len("".join(groups)) <= MAX_PHONE_DIGITS:
            groups[0] = {"plus": "+", "zeros": "00"}.get(form, "") + groups[0]
            return Bad("".join(groups), tuple(groups), regrouped=True)


def phone_number(region: str, random: Random) -> PhoneNumber:
    """A valid number: the first digits of an example of its type, and others after them."""
    metadata: Any = PhoneMetadata.metadata_for_region(region)
    while True:
        kind = getattr(metadata, random.choice(_TYPES))
        if kind is None or not kind.example_number:
            continue
        lengths = kind.possible_length or metadata.general_desc.possible_length
        first = kind.example_number[: random.randint(1, 4)]
        digits = first + _text(_DIGITS, random.choice(lengths) - len(first), random)
        number = PhoneNumber(country_code=metadata.country_code, national_number=int(digits))
        if digits[0] != "0" and phonenumbers.is_valid_number_for_region(number, region):
            return number


def card(random: Random) -> Bad:
    """A card's number within an issuer's range, with its check digit."""
    low, high, lengths = random.choice(_CARDS)
    digits = str(random.randint(int(low), int(high)))
    digits += _text(_DIGITS, random.choice(lengths) - len(digits) - 1, random)
    digits += luhn.calc_check_digit(digits)
    return Bad(digits, _cut(digits, (4, 6, 5) if len(digits) == 15 else (4,) * 5), regrouped=True)


def iban(random: Random) -> Bad:
    """An IBAN of any country of the registry, by the structure of its accounts' numbers."""
    country = random.choice(_IBAN_COUNTRIES)
    bban = "".join(_characters(kind, int(size), random) for size, kind in _IBANS[country])
    check = 98 - int("".join(str(int(char, 36)) for char in f"{bban}{country}00")) % 97
    text = f"{country}{check:02d}{bban}"
    return Bad(text, _cut(text, (4,) * 9), regrouped=True)


_IBANS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    country: re.findall(r"([0-9]+)!?([nacei])", registry.get_iban_spec(country).bban_spec) for country in registry.get_countries()
}
_IBAN_COUNTRIES: Final = sorted(_IBANS)


def _characters(kind: str, size: int, random: Random) -> str:
    if kind == "a":
        return _text(_LOWER, size, random).upper()
    return _text(_DIGITS if kind == "n" or random.random() < 0.7 else _DIGITS + _LOWER, size, random).upper()


def national_id(random: Random) -> Bad:
    """A French social security number."""
    department = random.choice(("2A", "2B", *(f"{number:02d}" for number in range(1, 96) if number != 20)))
    born = (random.choice("12"), _text(_DIGITS, 2, random), f"{random.randint(1, 12):02d}")
    parts = (*born, department, f"{random.randint(1, 599):03d}", f"{random.randint(1, 999):03d}")
    check: str = nir.calc_check_digits("".join(parts))
    return Bad("".join((*parts, check)), (*parts, check), regrouped=True)


def ipv4(random: Random) -> Bad:
    """Any IPv4 address."""
    text = str(IPv4Address(random.getrandbits(32)))
    return Bad(text, tuple(text.split(".")))


def ipv6(random: Random) -> Bad:
    """A global IPv6 address, whole."""
    text = IPv6Address(_global(random)).exploded
    return Bad(text, tuple(text.split(":")))


def ipv6_compressed(random: Random) -> Bad:
    """The same, some of it zeros and as short as can be; separators come around it."""
    kept = random.randint(1, 4) * 16
    return Bad(text := IPv6Address(_global(random) >> 64 << 64 | random.getrandbits(kept)).compressed, (text,))


def ipv6_reversed(random: Random) -> Bad:
    """The same as the name system asks for it."""
    text = IPv6Address(_global(random)).reverse_pointer
    return Bad(text, (text,))


def _global(random: Random) -> int:
    return 0b001 << 125 | random.getrandbits(125)


def coordinates(random: Random) -> Bad:
    """Latitude and longitude of a place, with four to six decimals."""
    pair = _place(random)
    return Bad(",".join(pair), pair)


def coordinates_labelled(random: Random) -> Bad:
    """The same with a word before each."""
    one, other = random.choice((("lat", "lon"), ("lat", "lng"), ("latitude", "longitude"), ("LAT", "LON")))
    sign = random.choice(("", "=", ":"))
    pair = tuple(f"{name}{sign}{value}" for name, value in zip((one, other), _place(random), strict=True))
    return Bad(random.choice(("", ",", "&", ";")).join(pair), pair)


def _place(random: Random) -> tuple[str, str]:
    decimals = random.randint(4, 6)
    return f"{random.uniform(-60, 75):.{decimals}f}", f"{random.uniform(-180, 180):.{decimals}f}"


def _address(random: Random) -> tuple[str, str]:
    name, family = random.choice(_NAMES), random.choice(_FAMILIES)
    local = random.choice((name, f"{name}.{family}", f"{name[0]}{family}", f"{name}_{family}", f"{name}{random.randint(1, 99)}"))
    return local, f"{random.choice(_DOMAINS)}.{random.choice(_SUFFIXES)}"


def email(random: Random) -> Bad:
    """An address."""
    text = "@".join(_address(random))
    return Bad(text, (text,))


def email_said(random: Random) -> Bad:
    """An address with its sign as a word."""
    local, domain = _address(random)
    groups = (local, "at", domain)
    return Bad("_".join(groups), groups)


def email_hex(random: Random) -> Bad:
    """An address as hexadecimal bytes."""
    text = "@".join(_address(random)).encode().hex()
    return Bad(text, tuple(re.findall("..", text)))


def email_base64(random: Random) -> Bad:
    """An address as base64, in its usual or its URL form."""
    code = random.choice((base64.b64encode, base64.urlsafe_b64encode))
    text = code("@".join(_address(random)).encode()).decode().rstrip("=")
    return Bad(text, (text,))


def email_escaped(random: Random) -> Bad:
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
    return Bad(text, (text,))


def mac(random: Random) -> Bad:
    """The address of a network card."""
    groups = tuple(f"{byte:02x}" for byte in random.randbytes(6))
    return Bad(":".join(groups), groups)


def secret(random: Random) -> Bad:
    """A key or token of a known shape."""
    subject = f'{{"sub":"{random.getrandbits(64)}"}}'.encode()
    header, claims = (base64.urlsafe_b64encode(text).decode().rstrip("=") for text in (b'{"alg":"HS256"}', subject))
    text = random.choice(
        (
            f"AKIA{_text(_LOWER.upper() + '234567', 16, random)}",
            f"ghp_{_text(_BASE62, 36, random)}",
            f"glpat-{_text(_BASE62, 20, random)}",
            f"sk_live_{_text(_BASE62, 24, random)}",
            f"xoxb-{_text(_DIGITS, 12, random)}-{_text(_DIGITS, 12, random)}-{_text(_BASE62, 24, random)}",
            f"AIza{_text(_BASE62, 35, random)}",
            f"{header}.{claims}.{_text(_BASE62, 43, random)}",
        )
    )
    return Bad(text, (text,))


def _text(alphabet: str, size: int, random: Random) -> str:
    return "".join(random.choices(alphabet, k=size))


def _cut(text: str, sizes: Sequence[int]) -> tuple[str, ...]:
    rest = iter(text)
    return tuple(filter(None, ("".join(char for _, char in zip(range(size), rest, strict=False)) for size in sizes)))


FORMS: Final = ("e164", "plus", "zeros", "national")

KINDS: Final[Mapping[str, Make]] = {
    **{f"phone {region} {form}": partial(phone, region, form) for region in REGIONS for form in FORMS},
    "card": card,
    "iban": iban,
    "national id": national_id,
    "ipv4": ipv4,
    "ipv6": ipv6,
    "ipv6 compressed": ipv6_compressed,
    "ipv6 reversed": ipv6_reversed,
    "coordinates": coordinates,
    "coordinates labelled": coordinates_labelled,
    "mac": mac,
    "secret": secret,
    "email": email,
    "email said": email_said,
    "email hex": email_hex,
    "email base64": email_base64,
    "email escaped": email_escaped,
}


def values(kind: str, count: int) -> Iterator[Bad]:
    """Yield `count` values of a kind, the same in each run."""
    random = Random(f"bad {kind}")
    return (KINDS[kind](random) for _ in range(count))
