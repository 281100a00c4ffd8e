"""`PrivacyService` over real calls: it tells what would happen, and nothing does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from kannelle.privacy.v1 import receipt_pb2
from kannelle.privacy.v1.context_pb2 import UserContext
from kannelle.privacy.v1.privacy_pb2 import DescribeRequest, DescribeResponse, PreviewRequest, PreviewResponse
from kannelle.privacy.v1.support_pb2 import SupportMessage

from gateway.policy.load import default_path, load
from tests.support.channels import CallStatus
from tests.support.fake_delivery import FakeDelivery
from tests.support.running_gateway import RunningGateway, run_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREVIEW = "/kannelle.privacy.v1.PrivacyService/Preview"
DESCRIBE = "/kannelle.privacy.v1.PrivacyService/Describe"
Watched = tuple[RunningGateway, FakeDelivery]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    gate = FakeDelivery()
    async with run_gateway(tmp_path_factory.mktemp("privacy"), gate) as gateway:
        yield gateway, gate


def message(email: str = "ada@acme.example") -> SupportMessage:
    user = UserContext(user_id="usr_1", work_email=email, full_name="Ada Byron")
    return SupportMessage(user=user, subject="Login", text="call me: +33 6 12 34 56 78", reference="not a reference")


def preview(destination: str, item: SupportMessage) -> bytes:
    request = PreviewRequest(destination=destination)
    request.item.Pack(item)
    return request.SerializeToString()


@pytest.mark.parametrize(
    ("destination", "kept", "verdicts"),
    [
        (
            "support",
            {"user"},
            {
                "user.user_id": "KEEP",
                "user.full_name": "STRIP",
                "subject": "STRIP",
                "text": "STRIP",
                "reference": "STRIP",
            },
        ),
        (
            "support-archive",
            {"user", "subject", "text"},
            {"user.full_name": "KEEP", "subject": "KEEP", "text": "MASK", "reference": "STRIP"},
        ),
    ],
)
async def test_a_preview_shows_what_a_destination_would_get(
    watched: Watched, destination: str, kept: set[str], verdicts: dict[str, str]
) -> None:
    gateway, gate = watched
    response = PreviewResponse.FromString(await gateway.raw(PREVIEW, preview(destination, message())))
    arrived = SupportMessage()
    assert response.item.Unpack(arrived)
    assert {field.name for field, _ in arrived.ListFields()} == kept
    shown = {
        field.path: receipt_pb2.Verdict.Name(field.verdict).removeprefix("VERDICT_")
        for field in response.receipt.fields
    }
    assert verdicts.items() <= shown.items()
    assert response.receipt.outcome == receipt_pb2.OUTCOME_RELEASED
    assert not gate.batches


async def test_a_preview_of_a_withheld_item_holds_nothing_of_it(watched: Watched) -> None:
    gateway, _ = watched
    response = PreviewResponse.FromString(
        await gateway.raw(PREVIEW, preview("support", message("ada.byron@gmail.com")))
    )
    assert response == PreviewResponse(
        receipt=receipt_pb2.Receipt(destination="support", outcome=receipt_pb2.OUTCOME_WITHHELD)
    )


async def test_a_description_covers_every_destination(watched: Watched) -> None:
    gateway, _ = watched
    request = DescribeRequest(type="kannelle.privacy.v1.SupportMessage")
    response = DescribeResponse.FromString(await gateway.raw(DESCRIBE, request.SerializeToString()))
    assert {one.destination for one in response.descriptions} == set(load(default_path()).policy.destinations)
    support = next(one for one in response.descriptions if one.destination == "support")
    assert (support.region, len(support.plan_digest)) == ("US", 64)
    told = {field.path: (field.verdict, field.reason) for field in support.fields}
    assert told["user.user_id"] == (receipt_pb2.VERDICT_KEEP, receipt_pb2.REASON_UNSPECIFIED)
    assert told["text"] == (receipt_pb2.VERDICT_STRIP, receipt_pb2.REASON_CATEGORY_NOT_ALLOWED)


@pytest.mark.parametrize(
    ("path", "request_", "code", "reason"),
    [
        (PREVIEW, PreviewRequest(destination="support"), grpc.StatusCode.FAILED_PRECONDITION, "UNKNOWN_TYPE"),
        (
            PREVIEW,
            PreviewRequest.FromString(preview("nowhere", message())),
            grpc.StatusCode.FAILED_PRECONDITION,
            "UNKNOWN_DESTINATION",
        ),
        (DESCRIBE, DescribeRequest(type="acme.Nothing"), grpc.StatusCode.FAILED_PRECONDITION, "UNKNOWN_TYPE"),
        (
            DESCRIBE,
            DescribeRequest(type="google.protobuf.Any", destination="x"),
            grpc.StatusCode.FAILED_PRECONDITION,
            "UNKNOWN_DESTINATION",
        ),
    ],
)
async def test_unknown_names_are_refused(
    watched: Watched, path: str, request_: PreviewRequest | DescribeRequest, code: grpc.StatusCode, reason: str
) -> None:
    answer = await watched[0].raw(path, request_.SerializeToString())
    assert isinstance(answer, CallStatus)
    assert (answer.code, answer.reason) == (code, reason)


@pytest.mark.parametrize("path", [PREVIEW, DESCRIBE])
async def test_a_malformed_request_is_refused(watched: Watched, path: str) -> None:
    answer = await watched[0].raw(path, b"\x0a\xff")
    assert isinstance(answer, CallStatus)
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
