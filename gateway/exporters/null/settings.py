"""What the policy says where nothing is kept: the kind, and no more."""

from __future__ import annotations

from gateway.exporters.settings import SettingsBase


class NullSettings(SettingsBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="null"):
    """Takes everything, keeps nothing."""
