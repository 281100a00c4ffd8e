"""Runs in a container: an event by the client, a log record by the OpenTelemetry SDK, both by the environment alone.

`python call.py USER-ID TEXT`; TEXT is in both where nothing of it may leave.
"""

from __future__ import annotations

import sys

from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent, TrackEventRequest
from kannelle.privacy.v1.context_pb2 import UserContext
from kannelle_privacy.client import connect
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor

TIMEOUT_SECONDS = 60


def main(user_id: str, text: str) -> None:
    """Send both."""
    event = AnalyticsEvent(name="video.exported", user=UserContext(user_id=user_id, full_name=text))
    with connect() as gateway:
        receipt = gateway.analytics.TrackEvent(TrackEventRequest(event=event), timeout=TIMEOUT_SECONDS)
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter()))
    provider.get_logger("app").emit(body="Exported", attributes={"user.id": user_id, "user.full_name": text})
    provider.shutdown()
    sys.stdout.write(str(receipt))


if __name__ == "__main__":
    main(*sys.argv[1:])
