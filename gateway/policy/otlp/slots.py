"""All slots of all signals, as one contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.model import FieldPrivacy
from gateway.policy.document import Policy
from gateway.policy.otlp import logs, metrics, shared, traces
from gateway.policy.otlp.shared import SharedRules
from gateway.policy.projector import Ruling
from gateway.policy.rules import RecipientTerms

CLASSIFICATIONS: Final[Mapping[str, FieldPrivacy]] = {
    **shared.CLASSIFICATIONS,
    **logs.CLASSIFICATIONS,
    **traces.CLASSIFICATIONS,
    **metrics.CLASSIFICATIONS,
}
"""Slots that are judged as any field is."""

MESSAGES: Final = logs.MESSAGES | traces.MESSAGES | metrics.MESSAGES
"""Slots that hold other slots."""

REQUIRED: Final = metrics.REQUIRED
"""Slots without which their item is refused, as if the contract required them."""


def field_rules(policy: Policy, terms: RecipientTerms) -> Mapping[str, Ruling]:
    """Rulings on the slots that no category alone can decide, at one destination."""
    rules = SharedRules(policy, terms)
    return {
        **shared.field_rules(rules),
        **logs.field_rules(rules),
        **traces.field_rules(rules),
        **metrics.field_rules(rules),
    }
