"""Webhooks: what the receiver gets, and how it can tell that it is ours."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web as server

from gateway.batch_verdict import ReleaseBatch
from gateway.entry_batch import EntryBatch
from gateway.errors import BadConfig, EndReason, ItemReason, Rejected, Retryable
from gateway.exporters.http_client import HttpClient
from gateway.exporters.settings import Secret
from gateway.exporters.webhook.exporter import WebhookExporter
from gateway.exporters.webhook.settings import WebhookSettings
from tests.exporters.sending import (
    EVENT,
    EXPORTER_KEY,
    MESSAGE_CLASSES,
    NOW_SECONDS,
    SECRETS,
    event,
    events,
    outcome_letters,
    wall,
)

SECRET = base64.b64decode(SECRETS["SIGNING"].removeprefix("whsec_"))


@asynccontextmanager
async def receiver(*statuses: int) -> AsyncIterator[tuple[str, list[Any]]]:
    """A receiver that checks signatures, and answers these statuses first; then 204."""
    left, taken = list(statuses), []

    async def handle(request: server.Request) -> server.Response:
        body, head = await request.read(), request.headers
        signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + body
        assert head["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(SECRET, signed, "sha256")).decode()
        assert (head["webhook-timestamp"], head["Content-Type"], request.path) == (
            str(NOW_SECONDS),
            "application/json",
            "/hooks/kannelle",
        )
        taken.append((head["webhook-id"], json.loads(body)["items"]))
        return server.Response(status=left.pop(0) if left else 204)

    app = server.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = server.AppRunner(app, access_log=None)
    await runner.setup()
    await server.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/kannelle", taken
    finally:
        await runner.cleanup()


def webhook(http: HttpClient, url: str, variable: str = "SIGNING") -> WebhookExporter:
    return WebhookExporter(
        http,
        WebhookSettings(endpoint=url, secret=Secret(env=variable)),
        MESSAGE_CLASSES.__getitem__,
        EXPORTER_KEY,
        wall,
    )


async def test_items_arrive_signed_with_key_type_and_plan(http: HttpClient) -> None:
    async with receiver() as (url, taken):
        assert outcome_letters(await webhook(http, url).send(events(2))) == "dd"
    (_, items), *_ = taken
    assert [item["key"] for item in items] == [one.keys.hex() for one in events(2)]
    assert items[1] == {
        "key": "00000000000000000000000000000001",
        "type": EVENT,
        "plan": "a-plan",
        "message": {"user": {"userId": "usr_1"}, "name": "video.exported", "properties": {"scenes": {"intValue": "1"}}},
    }


async def test_the_same_request_again_has_the_same_name(http: HttpClient) -> None:
    async with receiver(500) as (url, taken):
        exporter = webhook(http, url)
        assert [outcome_letters(await exporter.send(events(2))) for _ in range(2)] == ["rr", "dd"]
        await exporter.send(events(3))
    names = [name for name, _ in taken]
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), "ddd"),
        ((200,), "ddd"),
        ((503,), "rrr"),
        ((301,), "rrr"),
        ((410,), "rrr"),
        ((400, 204, 422, 422, 204), "dxd"),
        ((422,) * 5, "xxx"),
    ],
)
async def test_an_answer_says_how_items_fared(http: HttpClient, statuses: tuple[int, ...], expected: str) -> None:
    async with receiver(*statuses) as (url, _):
        assert outcome_letters(await webhook(http, url).send(events(3))) == expected


@pytest.mark.parametrize(
    ("type", "payload", "reason"),
    [
        ("t.Unknown", b"", ItemReason.UNKNOWN_TYPE),
        (EVENT, b"\xff", ItemReason.MALFORMED),
        (EVENT, event(name="x" * 1_000_000).releases.payloads[0], ItemReason.TOO_LARGE),
    ],
)
async def test_what_has_no_form_is_rejected(http: HttpClient, type: str, payload: bytes, reason: EndReason) -> None:
    async with receiver() as (url, taken):
        odd = EntryBatch(ReleaseBatch("vendor", type, "a-plan", [payload]), bytes(16), [NOW_SECONDS])
        assert await webhook(http, url).send([odd]) == [Rejected(reason)]
    assert taken == []


@pytest.mark.parametrize(
    "value", ["hunter2", "whsec_hunter2", "whsec_aHVudGVyMg==", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="]
)
async def test_a_secret_has_the_form_that_the_standard_gives(
    http: HttpClient, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SIGNING", value)
    with pytest.raises(BadConfig) as caught:
        webhook(http, "https://hooks.kannelle.example/in")
    assert str(caught.value) == f"{EXPORTER_KEY}.secret: must be whsec_ and base64 of 24 to 64 bytes"


async def test_nothing_is_sent_once_closed(http: HttpClient) -> None:
    exporter = webhook(http, "https://hooks.kannelle.example/in")
    await exporter.close()
    with pytest.raises(Retryable):
        await exporter.send(events(1))
