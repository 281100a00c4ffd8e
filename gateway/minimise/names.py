"""Names, of keys, metrics, units, scopes and events: what they say may not leave, even where nobody's value does."""

from __future__ import annotations

from collections.abc import Collection

from gateway.detectors.detect import find
from gateway.detectors.prohibited import is_prohibited
from gateway.errors import Reason
from gateway.model import DETECTORS, Detector


def judge_name(name: str, sought: Collection[Detector] = DETECTORS) -> Reason | None:
    """Return why a name can't stay: something of what is sought hides in it, or it says what is never collected; None if it can."""
    return find(name, sought) or (Reason.CATEGORY_NOT_ALLOWED if is_prohibited(name) else None)
