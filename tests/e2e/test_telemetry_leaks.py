"""What the gateway says of itself, its metrics and its own spans, holds nothing of what it is sent."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from gateway.telemetry.traces import SERVICE_NAME
from tests.e2e.test_leaks import LARGE, METADATA, Call, messages, raw, say
from tests.e2e.test_proxy_leaks import say as say_through
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS
from tests.support.gateway_process import GatewayProcess
from tests.support.http2 import send_unanswered
from tests.support.planted_values import VALUES, WORD, corrupted, find_planted
from tests.support.proxied_calls import invoke, proxy_channel, proxy_environ
from tests.support.proxy_certificates import certificate_for, dns, uri
from tests.support.proxy_policy import ONE_METHOD, note
from tests.support.recording_upstream import RecordingUpstream
from tests.support.requests import EMIT_METHODS, LOGS, TRACK, V1, track_request

TRACED: Final = {"telemetry__traces__ratio": "1.0", "listeners__http__address": "127.0.0.1:0"}
SPAN: Final = {
    "name",
    "kind",
    "traceId",
    "spanId",
    "parentSpanId",
    "flags",
    "startTimeUnixNano",
    "endTimeUnixNano",
    "attributes",
    "status",
}
KEYS: Final = {"rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code", "privacy_gateway.items"}


def told(**settings: str) -> dict[str, str]:
    return {f"PRIVACY_GATEWAY__{name.upper()}": value for name, value in settings.items()}


def keyed() -> Iterator[Call]:
    """Records whose attributes' keys are planted values, and nested ones."""
    for value in VALUES:
        request = ExportLogsServiceRequest()
        record = request.resource_logs.add().scope_logs.add().log_records.add()
        for key in (value, f"user.{value}", f"service.{value}"):
            held = record.attributes.add(key=key).value.kvlist_value.values.add(key=value).value
            held.string_value = value
        yield LOGS, False, request.SerializeToString()


def page(process: GatewayProcess) -> bytes:
    """What `/metrics` shows."""
    with urllib.request.urlopen(
        f"http://{process.listener_address('http')}/metrics", timeout=TIMEOUT_SECONDS
    ) as answer:
        shown: bytes = answer.read()
    return shown


def spans(path: Path) -> Iterator[dict[str, Any]]:
    """The gateway's own spans in a file of the exporter `jsonl`, with the resource that they are of."""
    lines = map(json.loads, path.read_text().splitlines())
    for group in (group for line in lines for group in line.get("resourceSpans", ())):
        if {"key": "service.name", "value": {"stringValue": SERVICE_NAME}} in group.get("resource", {}).get(
            "attributes", ()
        ):
            yield from (
                {**span, "resource": group["resource"]} for scope in group["scopeSpans"] for span in scope["spans"]
            )


def test_metrics_and_spans_hold_nothing_of_what_comes_in(tmp_path: Path) -> None:
    plain = list(messages())
    bad = [(path, streams, one) for path, streams, data in plain[:: len(VALUES)] for one in corrupted(data)]
    with GatewayProcess(tmp_path, environ=told(**TRACED)) as process:
        with grpc.insecure_channel(
            process.address, options=[*CHANNEL_OPTIONS, ("grpc.primary_user_agent", WORD)]
        ) as channel:
            for calls, metadata in (
                (plain, METADATA),
                (bad, ()),
                (list(keyed()), METADATA),
                ([(TRACK, False, track_request())], LARGE[:1]),
            ):
                list(say(channel, calls, metadata))
            list(
                say(
                    channel,
                    [
                        (f"/{WORD}.Service/{WORD}", False, track_request()),
                        (f"{V1}{WORD}/{WORD}", False, b""),
                        (f"{TRACK}{WORD}", False, b""),
                    ],
                )
            )
        list(raw(process.port))
        for value in VALUES:
            send_unanswered(process.port, TRACK.encode(), fields=[(b"traceparent", value.encode())], data=bytes(5))
        shown = page(process)
        assert process.stop() == 0
    assert find_planted(process.output) == []
    assert find_planted(shown) == []
    for name in (
        b'cause="plan"',
        b'cause="value"',
        b'reason="MALFORMED"',
        b'reason="UNKNOWN_TYPE"',
        b'reason="PERSONAL_ACCOUNT"',
    ):
        assert name in shown
    own = list(spans(tmp_path / ".privacy-gateway" / "application-traces.jsonl"))
    assert find_planted(json.dumps(own).encode()) == []
    assert {span["name"] for span in own} >= {path[1:] for path in EMIT_METHODS}
    assert {key for span in own for key in span} <= SPAN | {"resource"}
    assert {one["key"] for span in own for one in span["attributes"]} == KEYS
    assert {one["key"] for span in own for one in span["resource"]["attributes"]} == {"service.name", "service.version"}


def test_metrics_and_spans_hold_nothing_of_what_is_carried(tmp_path: Path) -> None:
    with RecordingUpstream() as upstream:
        settings = proxy_environ(tmp_path, upstream.port, **TRACED)
        policy = tmp_path / "policy.yaml"
        listed = ", ".join(f"{key}: OPERATIONAL" for key in sorted({*KEYS, "service.name"}))
        policy.write_text(
            policy.read_text().replace("flows: {", "flows: {otlp/traces: [access], ")
            + f"otlp: {{attributes: {{{listed}}}}}\n"
        )
        with GatewayProcess(tmp_path, environ=settings) as process:
            for authority in ("enforce.example", "shadow.example"):
                with proxy_channel(process.listener_address("outbound"), authority) as channel:
                    list(say_through(channel, upstream))
            for name in (uri(f"spiffe://{WORD}.example/{WORD}"), dns(f"{WORD} {WORD}")):
                with proxy_channel(
                    process.listener_address("inbound"), "own.example", certificate_for(name)
                ) as channel:
                    invoke(channel, ONE_METHOD, note(op="x"))
            shown = page(process)
            assert process.stop() == 0
    assert find_planted(shown) == []
    own = list(spans(tmp_path / ".privacy-gateway" / "access.jsonl"))
    assert find_planted(json.dumps(own).encode()) == []
    # An unknown method's name is nobody's: the span has its kind's.
    assert {span["name"] for span in own} == {"t.Talk/One", "t.Talk/Down", "t.Talk/Up", "t.Talk/Both", "SERVER"}
    assert {one["key"] for span in own for one in span["attributes"]} == KEYS
