"""What phonenumbers says of the world's numbering plans, as `gateway/detectors/data/phones.json` holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

KINDS: Final = (
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
    "fixed_line",
    "mobile",
)
"""The kinds of numbers that phonenumbers takes for valid."""

MOBILE_CODES: Final = (32, 33, 49, 353)
"""The codes of countries whose mobile numbers are told from others.

Without its 0, a number there is one only if it is a mobile's.
"""


def collect() -> Mapping[str, Mapping[str, Any]]:
    """Return the numbering plan of each country calling code."""
    return {str(code): _plan(code) for code in sorted(COUNTRY_CODE_TO_REGION_CODE)}


def _plan(code: int) -> Mapping[str, Any]:
    """A code's regions; its national numbers.

    What all match, what those of any kind do, how long they can be, what is dialled before them.

    How long they can be is for the code's main region to say, as in the library.
    """
    regions = COUNTRY_CODE_TO_REGION_CODE[code]
    main = _metadata(code, regions[0])
    plans = [_metadata(code, region) for region in regions]
    valid = dict.fromkeys(pattern for each in plans for pattern in _patterns(each))
    general = dict.fromkeys(filter(None, (_pattern(each.general_desc) for each in plans)))
    plan = {
        "regions": " ".join(regions),
        "general": "|".join(general),
        "valid": "|".join(valid),
        "lengths": sorted({*main.general_desc.possible_length, *main.general_desc.possible_length_local_only}),
        "trunk": main.national_prefix or "",
    }
    return plan | ({"mobile": _pattern(main.mobile)} if code in MOBILE_CODES else {})


def _patterns(metadata: Any) -> Iterator[str]:
    return filter(None, (_pattern(getattr(metadata, kind)) for kind in KINDS))


def _pattern(description: Any) -> str:
    return getattr(description, "national_number_pattern", None) or ""


def _metadata(code: int, region: str) -> Any:
    return PhoneMetadata.metadata_for_region_or_calling_code(code, region)
