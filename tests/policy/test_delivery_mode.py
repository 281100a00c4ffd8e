"""Whether a recipient is tried before what it gets is stored."""

from __future__ import annotations

import pytest

from gateway.policy.document import DeliveryMode
from tests.support.contracts import policy

DIRECT, STORED = DeliveryMode

SEGMENT = (
    "{kind: segment, endpoint: https://api.segment.io, write_key: {env: KEY}, "
    'items: {kannelle.privacy.v1.AnalyticsEvent: {event: "{name}", userId: "{user.user_id}"}}}'
)


@pytest.mark.parametrize(
    ("exporter", "given", "expected"),
    [
        ("{kind: jsonl}", "", DIRECT),
        ("{kind: otlp, endpoint: 'https://collector.example:4317'}", "", DIRECT),
        ("{kind: 'null'}", "", STORED),
        (SEGMENT, "", STORED),
        (SEGMENT, "delivery: direct, ", DIRECT),
        ("{kind: jsonl}", "delivery: stored, ", STORED),
    ],
)
def test_near_recipients_are_tried_first(exporter: str, given: str, expected: DeliveryMode) -> None:
    destination = (
        "  one: {recipient: vendor, region: US, purpose: analytics, legal_basis: CONTRACT, "
        f"allow: [USER_ID], retention: 30d, {given}exporter: {exporter}}}\n"
    )
    assert (
        policy("hosts: {US: [collector.example]}\n", destinations=destination).policy.destinations["one"].delivery_mode
        is expected
    )
