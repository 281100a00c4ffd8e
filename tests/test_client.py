"""The Python client: what a service developer imports first."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import requires, version
from pathlib import Path

import grpc
import kannelle
import kannelle_privacy
import pytest
from kannelle.privacy import v1
from kannelle.privacy.v1 import annotations_pb2, emit_pb2, receipt_pb2
from kannelle_privacy import Gateway, aio, connect, pack

ITEM = annotations_pb2.FieldPrivacy(category=annotations_pb2.DATA_CATEGORY_USER_ID)


def answer(request: emit_pb2.EmitRequest, _: grpc.ServicerContext) -> emit_pb2.EmitResponse:
    """The request's ID as the destination."""
    return emit_pb2.EmitResponse(receipts=[receipt_pb2.Receipt(destination=request.request_id)])


@contextmanager
def serving(reply: Callable[[emit_pb2.EmitRequest, grpc.ServicerContext], emit_pb2.EmitResponse]) -> Iterator[str]:
    """The address of a server that replies so to `Emit`."""
    method = grpc.unary_unary_rpc_method_handler(
        reply, emit_pb2.EmitRequest.FromString, emit_pb2.EmitResponse.SerializeToString
    )
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("kannelle.privacy.v1.EmitService", {"Emit": method})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def address() -> Iterator[str]:
    with serving(answer) as found:
        yield found


def test_a_message_of_any_contract_is_packed_and_emitted(address: str) -> None:
    with connect(address) as gateway:
        assert gateway.emit.Emit(pack(ITEM, "again"), timeout=10).receipts[0].destination == "again"


def test_no_proxy_of_the_environment_comes_between(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with connect(address) as gateway:
        assert gateway.emit.Emit(pack(ITEM), timeout=10).receipts


def test_a_closed_gateway_takes_no_calls(address: str) -> None:
    with connect(address) as gateway:
        pass
    with pytest.raises(ValueError, match="closed"):
        gateway.emit.Emit(pack(ITEM), timeout=10)


def test_every_service_for_callers_has_its_stub() -> None:
    with connect() as gateway:
        assert isinstance(gateway, Gateway)
        assert set(vars(gateway)) - {"channel"} == {"activity", "analytics", "emit", "privacy", "support"}


async def test_the_same_is_there_for_asyncio(address: str) -> None:
    async with aio.connect(address) as gateway:
        answer = await gateway.emit.Emit(pack(ITEM, "again"), timeout=10)
        assert answer.receipts[0].destination == "again"
        with connect(address) as blocking:
            assert {name: type(stub) for name, stub in vars(gateway).items() if name != "channel"} == {
                name: type(stub) for name, stub in vars(blocking).items() if name != "channel"
            }
    await gateway.close()
    with pytest.raises(grpc.aio.UsageError, match="closed"):
        await gateway.emit.Emit(pack(ITEM), timeout=10)


async def test_a_call_in_flight_has_the_grace_of_the_close_and_ends(slow: tuple[str, threading.Event]) -> None:
    address, arrived = slow
    gateway = aio.connect(address)
    call = gateway.emit.Emit(pack(ITEM), timeout=20)
    await asyncio.to_thread(arrived.wait, 10)
    await gateway.close(0.1)
    with pytest.raises(asyncio.CancelledError):
        await call


@pytest.fixture
def slow() -> Iterator[tuple[str, threading.Event]]:
    """A server that answers once it is stopped, and whether a call came."""
    arrived, over = threading.Event(), threading.Event()

    def wait(request: emit_pb2.EmitRequest, context: grpc.ServicerContext) -> emit_pb2.EmitResponse:
        arrived.set()
        over.wait(20)
        return answer(request, context)

    with serving(wait) as address:
        yield address, arrived
        over.set()


def test_a_packed_item_comes_out_as_it_was() -> None:
    unpacked = annotations_pb2.FieldPrivacy()
    assert pack(ITEM).item.Unpack(unpacked)
    assert unpacked == ITEM


def test_each_request_has_an_id_of_its_own_unless_given() -> None:
    assert pack(ITEM).request_id != pack(ITEM).request_id
    assert pack(ITEM, "mine").request_id == "mine"


def test_other_distributions_can_add_to_the_namespace() -> None:
    assert kannelle.__file__ is None


def test_the_protos_come_with_the_package() -> None:
    assert Path(v1.__path__[0], "annotations.proto").is_file()


def test_the_gateway_asks_for_the_client_of_this_tree() -> None:
    assert version("kannelle-privacy") == kannelle_privacy.__version__
    assert f"kannelle-privacy=={kannelle_privacy.__version__}" in (requires("kannelle-privacy-gateway") or [])
