"""Kannelle's policy as a document of one's own, to be changed and written anywhere."""

from __future__ import annotations

from typing import Final

from gateway.policy.load import default_path

_APPROVALS: Final = "approvals: kannelle.approvals.lock\n"


def _without_approvals() -> str:
    before, found, after = default_path().read_text(encoding="utf-8").partition(_APPROVALS)
    if not found:
        raise RuntimeError("Kannelle's policy names no approvals")
    return before + after


KANNELLE_POLICY: Final = _without_approvals()
"""The same but that it names no approvals, which are beside the one in the package: all classifications count."""
