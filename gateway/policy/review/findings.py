"""What `lint` and its parts find, and where."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gateway.yamlfile import Keys


class Severity(StrEnum):
    """An error must be mended; a warning should be; a note is for those who want to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Finding(msgspec.Struct, frozen=True):
    """Something to look at.

    `place` is a field's full name or a key of the policy; `keys` are that key's parts, empty for a field.
    """

    severity: Severity
    code: str
    place: str
    text: str
    keys: Keys = ()


def finding_at(severity: Severity, code: str, keys: Keys, text: str) -> Finding:
    """Return a finding at a key of the policy, or at a field, which has its full name for a single key."""
    return Finding(severity, code, key_path(keys), text, keys if len(keys) > 1 else ())


def key_path(keys: Keys) -> str:
    """Return how a key of the policy is written, as in `routes[0].callers`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
