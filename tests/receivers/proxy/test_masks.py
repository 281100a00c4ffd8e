"""A call with a field mask through the proxy: no upstream takes what is stripped for something to clear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from kannelle.privacy.v1.access_pb2 import AccessEntry

from tests.support.proxied_calls import CallResult, ProxyGateway, invoke, proxy_channel, run_proxy
from tests.support.proxy_certificates import certificate_for, dns, uri
from tests.support.proxy_policy import CRM_CALLER, VIDEO_CALLER, message_class
from tests.support.recording_upstream import AnswerScript, ReceivedCall, record_messages

pytestmark = pytest.mark.asyncio(loop_scope="module")

UPDATE: Final = "/t.Customers/UpdateCustomer"
GET: Final = "/t.Customers/GetCustomer"
DETAILS: Final = "grpc-status-details-bin"
BEFORE: Final = {"id": "usr_a", "name": "Ada", "seats": 3}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProxyGateway]:
    async with run_proxy(tmp_path_factory.mktemp("masks")) as one:
        yield one


class Customers:
    """An upstream that keeps one customer, and changes it as https://google.aip.dev/134 says.

    Without paths, all of it.
    """

    def __init__(self) -> None:
        self.customer = message_class("Customer")(**BEFORE)

    def update(self, seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for raw in record_messages(seen, requests):
            request = message_class("UpdateCustomerRequest").FromString(raw)
            for path in request.update_mask.paths or ("id", "name", "seats"):
                setattr(self.customer, path, getattr(request.customer, path))
            yield self.customer.SerializeToString()


def script(customers: Customers) -> AnswerScript:
    return customers.update


async def update(
    gateway: ProxyGateway, authority: str, paths: Sequence[str], **customer: Any
) -> tuple[CallResult, Customers, AccessEntry]:
    """Update the customer; what it tells, what there is then, and the call's entry."""
    request = message_class("UpdateCustomerRequest")(customer=customer, update_mask={"paths": paths})

    def blocking() -> CallResult:
        with proxy_channel(gateway.addresses["outbound"], authority) as channel:
            return invoke(channel, UPDATE, request.SerializeToString())

    customers = Customers()
    with gateway.upstream.scripted(script(customers)):
        told = await asyncio.to_thread(blocking)
    (entry,) = await gateway.entries(1)
    return told, customers, entry


def reason(told: CallResult) -> str:
    """The reason of a refused call."""
    (details,) = (value for key, value in told.trailing if key == DETAILS)
    info = ErrorInfo()
    assert isinstance(details, bytes)
    assert Status.FromString(details).details[0].Unpack(info)
    return str(info.reason)


@pytest.mark.parametrize(
    ("paths", "customer", "after"),
    [
        (["seats"], {"name": "Bo", "seats": 7}, {**BEFORE, "seats": 7}),
        (["name", "seats"], {"name": "Bo", "seats": 7}, {**BEFORE, "seats": 7}),
        (["*"], {"id": "usr_b", "name": "Bo", "seats": 7}, {"id": "usr_b", "name": "Ada", "seats": 7}),
        # What is set to nothing is cleared, if the upstream may have it at all.
        (["seats", "name"], {}, {"id": "usr_a", "name": "Ada"}),
        # A value that fails its rule doesn't clear the one before.
        (["seats", "id"], {"id": "usr_b", "seats": 4000}, {**BEFORE, "id": "usr_b"}),
    ],
)
async def test_an_upstream_changes_what_the_mask_names_and_it_got(
    paths: list[str], customer: dict[str, Any], after: dict[str, Any], gateway: ProxyGateway
) -> None:
    told, customers, entry = await update(gateway, "enforce.example", paths, **customer)
    assert (told.code, entry.code) == (grpc.StatusCode.OK, 0)
    assert customers.customer == message_class("Customer")(**after)


@pytest.mark.parametrize(
    ("paths", "customer"),
    [
        (["name"], {"name": "Bo"}),
        (["Bo", "bo@kannelle.example"], {"seats": 7}),
        (["seats"], {"seats": 4000}),
    ],
)
async def test_a_mask_that_would_end_empty_refuses_the_call(
    paths: list[str], customer: dict[str, Any], gateway: ProxyGateway
) -> None:
    told, customers, entry = await update(gateway, "enforce.example", paths, **customer)
    assert (told.code, told.text) == (grpc.StatusCode.FAILED_PRECONDITION, "none of a field mask's paths may leave")
    assert reason(told) == "MASK_EMPTY"
    assert entry.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert gateway.upstream.calls == []
    assert customers.customer == message_class("Customer")(**BEFORE)


async def test_a_shadowed_call_tells_of_the_paths_that_would_go(gateway: ProxyGateway) -> None:
    told, customers, entry = await update(gateway, "shadow.example", ["name", "seats"], name="Bo", seats=7)
    assert told.code is grpc.StatusCode.OK
    assert customers.customer == message_class("Customer")(id="usr_a", name="Bo", seats=7)
    found = {(field.path, field.reason) for field in entry.shadow}
    assert found >= {("update_mask.paths[*]", "PATH_NOT_KEPT"), ("customer.name", "CATEGORY_NOT_ALLOWED")}


def asked(gateway: ProxyGateway, held: Any, request: Any) -> CallResult:
    with proxy_channel(gateway.addresses["inbound"], "own.example", held) as channel:
        return invoke(channel, GET, request.SerializeToString())


@pytest.mark.parametrize(
    ("caller", "asks", "gets"),
    [
        (uri(VIDEO_CALLER), ["name", "seats", "id"], ["seats", "id"]),
        (dns(CRM_CALLER), ["name", "seats", "id"], ["name", "seats"]),
        (uri(VIDEO_CALLER), ["*"], ["*"]),
        (uri(VIDEO_CALLER), [], []),
    ],
)
async def test_a_caller_asks_for_what_it_may_have(
    caller: Any, asks: list[str], gets: list[str], gateway: ProxyGateway
) -> None:
    request = message_class("GetCustomerRequest")(read_mask={"paths": asks})
    with gateway.upstream.scripted(
        lambda seen, requests, context: (b"" for _ in record_messages(seen, requests))
    ) as seen:
        told = await asyncio.to_thread(asked, gateway, certificate_for(caller), request)
    await gateway.entries(1)
    assert told.code is grpc.StatusCode.OK
    (call,) = seen
    assert call.messages == [message_class("GetCustomerRequest")(read_mask={"paths": gets}).SerializeToString()]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({"read_mask": {"paths": ["name"]}}, "MASK_EMPTY"), ({"fields": {"paths": ["seats"]}}, "MASK_UNCLEAR")],
)
async def test_a_caller_that_may_have_nothing_of_it_is_refused(
    fields: Any, expected: str, gateway: ProxyGateway
) -> None:
    with gateway.upstream.scripted(lambda seen, requests, context: iter(())) as seen:
        told = await asyncio.to_thread(
            asked, gateway, certificate_for(uri(VIDEO_CALLER)), message_class("GetCustomerRequest")(**fields)
        )
    await gateway.entries(1)
    assert (told.code, reason(told), seen) == (grpc.StatusCode.FAILED_PRECONDITION, expected, [])
