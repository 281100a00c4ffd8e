"""Personal data of each kind, made at random: what no token may carry. Seeded, so that each run sees the same.

What is valid is for the libraries to say that keep the registries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, Final

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberFormat
from schwifty import registry
from stdnum import luhn
from stdnum.fr import nir

from tests.support.samples import addresses
from tests.support.samples.value import PersonalValue, random_chars

Make = Callable[[Random], PersonalValue]

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

_CARDS: Final = (
    # First digits, from and to, and the lengths of an issuer's numbers.
    *[("4", "4", (16,))] * 5, ("4", "4", (13, 19)),
    *[("51", "55", (16,))] * 3, ("2221", "2720", (16,)),
    ("34", "34", (15,)), ("37", "37", (15,)),
    ("6011", "6011", (16, 19)), ("644", "649", (16,)), ("65", "65", (16,)),
    ("300", "305", (14,)), ("36", "36", (14,)), ("38", "39", (14,)),
    ("3528", "3589", (16,)),
    ("62", "62", (16, 17, 18, 19)),
    ("5018", "5018", (16,)), ("5020", "5020", (16,)), ("5038", "5038", (16,)), ("6304", "6304", (16, 18, 19)),
    ("6759", "6759", (16, 18)),
)  # fmt: skip


def phone(region: str, form: str, random: Random) -> PersonalValue:
    """A valid number of a region: as `e164`, with `plus` or `zeros` before it, or `national` with its trunk prefix.

    In the United States, where nobody dials one, that is ten digits.
    """
    trunk = "0" if form == "national" and region != "US" else ""
    while True:
        number = phone_number(region, random)
        layout = PhoneNumberFormat.NATIONAL if form == "national" else PhoneNumberFormat.INTERNATIONAL
        groups = re.findall(r"[0-9]+", phonenumbers.format_number(number, layout))
        if groups[0].startswith(trunk) and MIN_PHONE_DIGITS <= len("".join(groups)) <= MAX_PHONE_DIGITS:
            groups[0] = {"plus": "+", "zeros": "00"}.get(form, "") + groups[0]
            return PersonalValue("".join(groups), tuple(groups), regrouped=True)


def phone_number(region: str, random: Random) -> PhoneNumber:
    """A valid number: the first digits of an example of its type, and others after them."""
    metadata: Any = PhoneMetadata.metadata_for_region(region)
    while True:
        kind = getattr(metadata, random.choice(_TYPES))
        if kind is None or not kind.example_number:
            continue
        lengths = kind.possible_length or metadata.general_desc.possible_length
        first = kind.example_number[: random.randint(1, 4)]
        digits = first + random_chars(_DIGITS, random.choice(lengths) - len(first), random)
        number = PhoneNumber(country_code=metadata.country_code, national_number=int(digits))
        if digits[0] != "0" and phonenumbers.is_valid_number_for_region(number, region):
            return number


def card(random: Random) -> PersonalValue:
    """A card's number within an issuer's range, with its check digit."""
    low, high, lengths = random.choice(_CARDS)
    digits = str(random.randint(int(low), int(high)))
    digits += random_chars(_DIGITS, random.choice(lengths) - len(digits) - 1, random)
    digits += luhn.calc_check_digit(digits)
    return PersonalValue(digits, _groups(digits, (4, 6, 5) if len(digits) == 15 else (4,) * 5), regrouped=True)


def iban(random: Random) -> PersonalValue:
    """An IBAN of any country of the registry, by the structure of its accounts' numbers."""
    country = random.choice(_IBAN_COUNTRIES)
    bban = "".join(_characters(kind, int(size), random) for size, kind in _IBANS[country])
    check = 98 - int("".join(str(int(char, 36)) for char in f"{bban}{country}00")) % 97
    text = f"{country}{check:02d}{bban}"
    return PersonalValue(text, _groups(text, (4,) * 9), regrouped=True)


_IBANS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    country: re.findall(r"([0-9]+)!?([nacei])", registry.get_iban_spec(country).bban_spec)
    for country in registry.get_countries()
}
_IBAN_COUNTRIES: Final = sorted(_IBANS)


def _characters(kind: str, size: int, random: Random) -> str:
    if kind == "a":
        return random_chars(_LOWER, size, random).upper()
    return random_chars(_DIGITS if kind == "n" or random.random() < 0.7 else _DIGITS + _LOWER, size, random).upper()


def national_id(random: Random) -> PersonalValue:
    """A French social security number."""
    department = random.choice(("2A", "2B", *(f"{number:02d}" for number in range(1, 96) if number != 20)))
    born = (random.choice("12"), random_chars(_DIGITS, 2, random), f"{random.randint(1, 12):02d}")
    parts = (*born, department, f"{random.randint(1, 599):03d}", f"{random.randint(1, 999):03d}")
    check: str = nir.calc_check_digits("".join(parts))
    return PersonalValue("".join((*parts, check)), (*parts, check), regrouped=True)


def _groups(text: str, sizes: Sequence[int]) -> tuple[str, ...]:
    rest = iter(text)
    return tuple(filter(None, ("".join(char for _, char in zip(range(size), rest, strict=False)) for size in sizes)))


FORMS: Final = ("e164", "plus", "zeros", "national")

KINDS: Final[Mapping[str, Make]] = {
    **{f"phone {region} {form}": partial(phone, region, form) for region in REGIONS for form in FORMS},
    "card": card,
    "iban": iban,
    "national id": national_id,
    "ipv4": addresses.ipv4,
    "ipv6": addresses.ipv6,
    "ipv6 compressed": addresses.ipv6_compressed,
    "ipv6 reversed": addresses.ipv6_reversed,
    "coordinates": addresses.coordinates,
    "coordinates labelled": addresses.coordinates_labelled,
    "mac": addresses.mac,
    "secret": addresses.secret,
    "email": addresses.email,
    "email said": addresses.email_spoken,
    "email hex": addresses.email_hex,
    "email base64": addresses.email_base64,
    "email escaped": addresses.email_escaped,
}


def values(kind: str, count: int) -> Iterator[PersonalValue]:
    """Yield `count` values of a kind, the same in each run."""
    random = Random(f"bad {kind}")
    return (KINDS[kind](random) for _ in range(count))
