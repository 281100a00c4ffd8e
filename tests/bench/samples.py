"""What is measured on: an event of 427 bytes with 22 fields, of one of many users."""

from __future__ import annotations

import time
from collections.abc import Iterator

from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent
from kannelle.privacy.v1.context_pb2 import WORKSPACE_ROLE_EDITOR, Device, Network, Usage, UserContext, Workspace

from tests.bench.values import code, numbers

NOW = int(time.time())


def events(values: str) -> Iterator[bytes]:
    """Events without end, with such values."""
    return map(event, numbers(values))


def event(number: int) -> bytes:
    """The event of one user. All that is theirs is another's with another number, and as long."""
    user = UserContext(
        user_id=f"usr_8f3kq2x7m{code(number)}",
        work_email=f"alice.mar.{code(number, 1)}@acme-video.example",
        full_name=f"Alice Martin-{code(number, 2).capitalize()}",
        phone_number=f"+336{10_000_000 + number * 7_654_321 % 90_000_000}",
        workspace=Workspace(
            workspace_id=f"ws_m5qz7x{code(number, 3)}", company_name="ACME Video SAS", role=WORKSPACE_ROLE_EDITOR
        ),
        device=Device(
            device_id="6f1c2d3e-4a5b-6c7d", model="MacBookPro18,3", operating_system="macOS 15.1", app_version="3.14.2"
        ),
        network=Network(
            ip_address="203.0.113.77",
            user_agent="Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15",
            cookie_id="ck_0123456789abcdef01234567",
        ),
        usage=Usage(session_id="ses_0123456789abcdefghij", videos_watched=7),
    )
    user.usage.signed_in_at.seconds = NOW - 3600
    sample = AnalyticsEvent(user=user, name="video.exported")
    sample.time.seconds = NOW
    sample.properties["codec"].string_value = "h264"
    sample.properties["duration_s"].int_value = 0x2000 + number % 0x2000
    sample.properties["resolution"].string_value = "1080p"
    return sample.SerializeToString()
