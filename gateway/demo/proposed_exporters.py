"""Kannelle's policy with the exporters that it proposes for the vendors: in the file they are comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.exporters.registry import ExporterSettings
from gateway.policy.load import PolicyFile, default_path, parse

HOSTS: Final = "\nhosts: {US: [kannelle.zendesk.com]}\n"
"""What it says beside them: where the support tool is."""


def proposed_policy() -> PolicyFile:
    """That policy. Raises BadPolicy."""
    text = default_path().read_text(encoding="utf-8")
    return parse(re.sub(r"(?m)^    # (?=exporter:|  )", "    ", text) + HOSTS, default_path())


def proposed_exporters() -> Mapping[str, ExporterSettings]:
    """Its exporters, by destination. Raises BadPolicy."""
    return {name: destination.exporter for name, destination in proposed_policy().policy.destinations.items()}
