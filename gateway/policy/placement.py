"""Where each category of personal data may be, and what for: Kannelle's privacy statement as a table.

It is built in: ceilings and recipients of a policy only narrow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.model import EU, INDIRECT, NEVER, Category

_CONTENT_REGIONS: Final = frozenset({"FR", "IE"})
_PERSONAL_DATA_REGIONS: Final = frozenset({"BE", "FR", "IE"})
_CRM_REGIONS: Final = _PERSONAL_DATA_REGIONS | {"DE"}
_INDIRECT_DATA_REGIONS: Final = _CRM_REGIONS | {"US"}

DESTINATION_BY_REGION: Final[Mapping[str, str]] = {"DE": "crm"}
"""The one destination that may receive personal data in a region, for regions that have only one."""


class Placement(msgspec.Struct, frozen=True):
    """The regions in which a category may be, and the purpose that it is for, with all below it; empty is any."""

    regions: frozenset[str]
    purpose: str = ""


PLACEMENTS: Final[Mapping[Category, Placement]] = {
    Category.USER_ID: Placement(_INDIRECT_DATA_REGIONS),
    Category.WORK_EMAIL: Placement(_INDIRECT_DATA_REGIONS),
    Category.NAME: Placement(_CRM_REGIONS),
    Category.PHONE: Placement(_CRM_REGIONS),
    Category.ORGANISATION: Placement(_CRM_REGIONS),
    Category.CONTENT: Placement(_CONTENT_REGIONS),
    Category.NETWORK: Placement(_PERSONAL_DATA_REGIONS, "essential.service.authentication"),
    Category.POSTAL_ADDRESS: Placement(_PERSONAL_DATA_REGIONS, "essential.service.payment_processing"),
    Category.PERSONAL_EMAIL: Placement(_PERSONAL_DATA_REGIONS),
    Category.DEVICE: Placement(_PERSONAL_DATA_REGIONS),
    Category.USAGE: Placement(_PERSONAL_DATA_REGIONS),
    Category.FREE_TEXT: Placement(_PERSONAL_DATA_REGIONS),
    Category.COOKIE: Placement(_PERSONAL_DATA_REGIONS),
    Category.PAYMENT: Placement(_PERSONAL_DATA_REGIONS),
}
"""Every category of personal data that a destination may receive. OPERATIONAL is none, and may be anywhere."""


def forbidden_reason(category: Category, region: str) -> str:
    """Why no destination in `region` may receive `category`; empty if one may."""
    if category is Category.UNSPECIFIED:
        return "what is not classified goes nowhere"
    if category in NEVER:
        return "no destination may ever receive it"
    if category is Category.OPERATIONAL or region in PLACEMENTS[category].regions:
        return ""
    if region not in EU:
        return "may leave the EU for the US only" if category in INDIRECT else "never leaves the EU"
    if category is Category.CONTENT:
        return "content stays in FR or IE"
    if only := DESTINATION_BY_REGION.get(region):
        held = ", ".join(each.name for each in Category if each in PLACEMENTS and region in PLACEMENTS[each].regions)
        return f"in {region} the {only} receives {held} and OPERATIONAL, and nobody else personal data"
    return "personal data stays in BE, FR or IE, or DE for the CRM"


def forbidden_destination_reason(category: Category, name: str, region: str) -> str:
    """Why the recipient `name` in `region` may not receive `category`, though another there may; empty if it may."""
    only = DESTINATION_BY_REGION.get(region, name)
    if only == name or category is Category.OPERATIONAL:
        return ""
    return f"in {region} only the destination {only} may receive personal data"


def forbidden_purpose_reason(category: Category, purpose: str) -> str:
    """Why `category` may not be used for `purpose`; empty if it may."""
    needed = PLACEMENTS[category].purpose if category in PLACEMENTS else ""
    if not needed or f"{purpose}.".startswith(f"{needed}."):
        return ""
    return f"is for the purpose {needed} only, or one below it"
