"""What waits when the policy changes leaves by the new one, or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import yaml
from kannelle.privacy.v1 import analytics_pb2

from gateway.app import Gateway
from gateway.config import Config
from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.loading import compile_all
from gateway.policy.load import parse
from tests.delivery.cases import RecordingExporter
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.kannelle_policy import KANNELLE_POLICY
from tests.support.metric_samples import sample_value
from tests.support.requests import TRACK_BATCH, event
from tests.support.running_gateway import RunningGateway, run_gateway

MANY: Final = 10_000
CALL: Final = 1_000


def tightened() -> str:
    """Analytics get no address any more, and the plan has lost an event."""
    policy = yaml.safe_load(KANNELLE_POLICY)
    policy["destinations"]["analytics"]["allow"].remove("WORK_EMAIL")
    del policy["tracking_plan"]["video.created"]
    return yaml.safe_dump(policy)


async def send(gateway: RunningGateway) -> None:
    """Every other event is one that the plan will lose."""
    for start in range(0, MANY, CALL):
        events = [
            event(f"usr_{number}", work_email=f"user{number}@acme.example") for number in range(start, start + CALL)
        ]
        for one in events[::2]:
            one.name = "video.created"
        assert isinstance(
            await gateway.raw(TRACK_BATCH, analytics_pb2.TrackEventsRequest(events=events).SerializeToString()), bytes
        )


def lead(gateway: Gateway, vendor: RecordingExporter) -> None:
    """Lead analytics to a vendor."""
    parts = gateway._parts
    parts.delivery_setup.replace({**parts.current.exporters(), "analytics": vendor}, parts.current.flows())


async def test_ten_thousand_that_wait_leave_by_the_policy_of_the_moment(tmp_path: Path) -> None:
    vendor = RecordingExporter(shut=True)
    async with run_gateway(tmp_path) as gateway:
        inside = gateway.gateway
        lead(inside, vendor)
        await send(gateway)
        await vendor.wait_for(1)
        given_up = len(vendor.batches)
        await inside._parts.switch.replace(
            compile_all(Config(), parse(tightened(), tmp_path / "policy.yaml"), load_contracts([default_contract()]))
        )
        lead(inside, vendor)
        vendor.open()
        async with asyncio.timeout(6 * TIMEOUT_SECONDS):
            await inside.delivery.drained()
        purged = sample_value(gateway, "purged_total", destination="analytics", reason="EVENT_NOT_PLANNED")
    later = [
        analytics_pb2.AnalyticsEvent.FromString(one.payload) for batch in vendor.batches[given_up:] for one in batch
    ]
    assert (len(later), purged) == (MANY // 2, MANY // 2)
    assert {one.name for one in later} == {"video.exported"}
    assert not any(one.user.work_email for one in later)
