"""Reading a running gateway's metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry import Telemetry
from gateway.telemetry.exposition import Exposition
from tests.support.running_gateway import RunningGateway

Sample = tuple[str, frozenset[tuple[str, str]]]

METRIC_PREFIX: Final = "privacy_gateway_"


def samples(telemetry: Telemetry) -> Mapping[Sample, float]:
    """Every sample of the gateway's own, by its name without the prefix, and its labels."""
    families = text_string_to_metric_families(Exposition(telemetry).expose()[0].decode())
    return {
        (one.name.removeprefix(METRIC_PREFIX), frozenset(one.labels.items())): one.value
        for family in families
        for one in family.samples
        if one.name.startswith(METRIC_PREFIX)
    }


def sample_value(running: RunningGateway, name: str, **labels: str) -> float:
    """What one series says."""
    return samples(running.gateway.telemetry)[name, frozenset(labels.items())]
