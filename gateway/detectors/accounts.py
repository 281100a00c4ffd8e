"""Where domestic account numbers stand in folded text.

In the groups that their country writes, with the right check digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from gateway.detectors import data
from gateway.detectors.check_digits import CHECKS
from gateway.detectors.compact import Compact
from gateway.detectors.spans import Span


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups with separators between them; `solid`, unless empty, is the number without any."""

    country: str
    name: str
    check: str
    groups: Sequence[str]
    solid: str


_ACCOUNTS: Final = data.table("accounts", tuple[Account, ...])
_SEPARATOR: Final = r"[ .:/_\x01-]{1,8}+"
_SEPARATED: Final = str.maketrans("", "", " .:/_-\x01")
_FORMS: Final = [
    (re.compile(rf"(?<![0-9])(?:{form})(?![0-9])", re.IGNORECASE), CHECKS[account.check])
    for account in _ACCOUNTS
    for form in (_SEPARATOR.join(account.groups), account.solid)
    if form
]
_HINT: Final = re.compile(r"[0-9]{3}(?:[ .:/_\x01-]+[0-9]{4}|[0-9]{2}[ .:/_\x01-]+[0-9]{5}|[0-9]{20})")
"""In each text with an account number."""


def accounts(text: Compact) -> Iterator[Span]:
    """Yield where domestic account numbers stand in a text."""
    if not _HINT.search(text.spaced):
        return
    for form, check in _FORMS:
        for match in form.finditer(text.spaced):
            if check(match[0].translate(_SEPARATED).upper()):
                yield match.span()
