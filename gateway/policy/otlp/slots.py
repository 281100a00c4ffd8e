"""All slots of all signals, as one contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.model import FieldPrivacy
from gateway.policy.document import Policy
from gateway.policy.judge import Site
from gateway.policy.otlp import logs, metrics, shared, traces
from gateway.policy.otlp.shared import Rules
from gateway.policy.project import Ruling

CLASSES: Final[Mapping[str, FieldPrivacy]] = {**shared.CLASSES, **logs.CLASSES, **traces.CLASSES, **metrics.CLASSES}
"""Slots that are judged as any field is."""

MESSAGES: Final = logs.MESSAGES | traces.MESSAGES | metrics.MESSAGES
"""Slots that hold other slots."""

REQUIRED: Final = metrics.REQUIRED
"""Slots without which their item is refused, as if the contract required them."""


def specials(policy: Policy, site: Site) -> Mapping[str, Ruling]:
    """Rulings on the slots that no category alone can decide, at one destination."""
    rules = Rules(policy, site)
    return {**shared.specials(rules), **logs.specials(rules), **traces.specials(rules), **metrics.specials(rules)}
