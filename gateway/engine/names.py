"""Names, of keys, metrics, units, scopes and events: what they say may not leave, even where nobody's value does."""

from __future__ import annotations

from collections.abc import Callable

from gateway.detectors.detect import find
from gateway.detectors.prohibited import is_prohibited
from gateway.errors import FieldReason, Reason


def check_name(name: str, search: Callable[[str], Reason | None] = find) -> Reason | None:
    """Return why a name can't stay: `search` finds something that hides in it, or it says what is never collected.

    None if it can.
    """
    return search(name) or (FieldReason.CATEGORY_NOT_ALLOWED if is_prohibited(name) else None)
