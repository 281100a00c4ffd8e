"""What a receipt names, and that it says whether that is all."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from kannelle.privacy.v1 import analytics_pb2, emit_pb2, receipt_pb2, support_pb2
from kannelle.privacy.v1.privacy_pb2 import PreviewRequest, PreviewResponse

from gateway.pipeline.receipt import MAX_RECEIPT_ITEM_BYTES
from tests.support.fake_delivery import FakeDelivery
from tests.support.requests import V1, event
from tests.support.running_gateway import run_gateway

KEEP: Final = (receipt_pb2.VERDICT_KEEP, receipt_pb2.REASON_UNSPECIFIED)
BY_PLAN: Final = (receipt_pb2.VERDICT_STRIP, receipt_pb2.REASON_CATEGORY_NOT_ALLOWED)
BY_RULE: Final = (receipt_pb2.VERDICT_STRIP, receipt_pb2.REASON_NOT_LISTED)


def sent(padding: int = 0) -> analytics_pb2.AnalyticsEvent:
    """An event of which something is stripped by plan, something by its value, and so many characters more by plan."""
    made = event(full_name="Ana Silva")
    made.user.phone_number = "9" * padding
    made.properties["codec"].string_value = "mpeg2"
    return made


def named(receipt: receipt_pb2.Receipt) -> dict[str, tuple[int, int]]:
    """The fields of a receipt, each with verdict and reason."""
    return {field.path: (field.verdict, field.reason) for field in receipt.fields}


@pytest.mark.parametrize(
    ("name", "padding", "verbose", "complete"),
    [
        ("brief unless asked for more", 0, False, False),
        ("complete where asked for", 0, True, True),
        ("brief for an item that is too large for all of it", MAX_RECEIPT_ITEM_BYTES, True, False),
    ],
)
async def test_a_receipt_says_whether_it_names_every_field(
    name: str, padding: int, verbose: bool, complete: bool, tmp_path: Path
) -> None:
    request = analytics_pb2.TrackEventRequest(event=sent(padding), verbose=verbose)
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        raw = await gateway.raw(f"{V1}AnalyticsService/TrackEvent", request.SerializeToString())
    (receipt,) = analytics_pb2.TrackEventResponse.FromString(raw).receipts
    kept = {"user.user_id": KEEP, "name": KEEP}
    expected = {"properties[*]": BY_RULE, **({"user.full_name": BY_PLAN, **kept} if complete else {})}
    assert receipt.complete == complete, name
    assert {
        path: told for path, told in named(receipt).items() if path in {*kept, "user.full_name", "properties[*]"}
    } == expected
    assert len(gate.releases) == 1


async def test_a_complete_receipt_is_that_of_a_preview_and_of_every_service(tmp_path: Path) -> None:
    packed = emit_pb2.EmitRequest(verbose=True)
    packed.item.Pack(message := support_pb2.SupportMessage(topic=support_pb2.SUPPORT_TOPIC_BILLING, text="call me"))
    async with run_gateway(tmp_path, FakeDelivery()) as gateway:
        request = support_pb2.SendMessageRequest(message=message, verbose=True)
        answer = support_pb2.SendMessageResponse.FromString(
            await gateway.raw(f"{V1}SupportService/SendMessage", request.SerializeToString())
        )
        for receipt in answer.receipts:
            asked = PreviewRequest(destination=receipt.destination, item=packed.item).SerializeToString()
            shown = PreviewResponse.FromString(await gateway.raw(f"{V1}PrivacyService/Preview", asked))
            assert receipt == shown.receipt
            assert receipt.complete


async def test_a_withheld_item_s_receipt_names_nothing_and_is_not_complete(tmp_path: Path) -> None:
    withheld = sent()
    withheld.user.work_email = "ana@gmail.com"
    request = analytics_pb2.TrackEventRequest(event=withheld, verbose=True)
    async with run_gateway(tmp_path, FakeDelivery()) as gateway:
        raw = await gateway.raw(f"{V1}AnalyticsService/TrackEvent", request.SerializeToString())
    expected = receipt_pb2.Receipt(destination="analytics", outcome=receipt_pb2.OUTCOME_WITHHELD)
    assert list(analytics_pb2.TrackEventResponse.FromString(raw).receipts) == [expected]
