"""Reflection: what is served is listed, what a caller may need of types is told, and nothing else is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf import any_pb2, json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from gateway.receivers.reflection import REFLECTION, Reflection
from tests.receivers.test_health import OTHER, OURS, SECRET, hear_all
from tests.support import proxy_process
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, CallStatus, blocking_channel, call
from tests.support.contracts import proto
from tests.support.gateway_process import GatewayProcess

V1: Final = "kannelle.privacy.v1"
SERVED: Final = {f"{V1}.{name}Service" for name in ("ActivityLog", "Analytics", "Support", "Emit", "Privacy")}
OTLP: Final = {
    f"opentelemetry.proto.collector.{name}.v1.{name.capitalize()}Service" for name in ("logs", "trace", "metrics")
}


def test_a_service_that_does_not_exist_is_not_reflected() -> None:
    with pytest.raises(KeyError):
        Reflection(["acme.v1.NoService"])


@asynccontextmanager
async def reflecting() -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    Reflection([OURS]).add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL_OPTIONS) as channel:
            yield channel
    finally:
        await server.stop(None)


async def answers(channel: grpc.aio.Channel, *questions: bytes, service: str = REFLECTION[0]) -> list[Any]:
    method: Any = channel.stream_stream(f"/{service}/ServerReflectionInfo")
    async with asyncio.timeout(TIMEOUT_SECONDS):
        return [ServerReflectionResponse.FromString(answer) async for answer in method(iter(questions))]


def question(**options: Any) -> bytes:
    data: bytes = ServerReflectionRequest(**options).SerializeToString()
    return data


@pytest.mark.parametrize("service", REFLECTION)
async def test_reflection_lists_the_given_services_and_tells_their_files(service: str) -> None:
    async with reflecting() as channel:
        listed, told = await answers(
            channel, question(list_services=""), question(file_containing_symbol=OURS), service=service
        )
    assert sorted(one.name for one in listed.list_services_response.service) == sorted([OURS, *REFLECTION])
    files = [FileDescriptorProto.FromString(data) for data in told.file_descriptor_response.file_descriptor_proto]
    assert "EmitService" in {one.name for file in files for one in file.service}
    assert {file for one in files for file in one.dependency} <= {file.name for file in files}


@pytest.mark.parametrize(
    "asked",
    [
        {"file_containing_symbol": OTHER},
        {"file_containing_symbol": "opentelemetry.proto.logs.v1.LogRecord"},
        {"file_containing_symbol": "\0"},
        {"file_by_filename": "kannelle/privacy/v1/analytics.proto"},
        {"file_by_filename": "../" + SECRET},
        {"all_extension_numbers_of_type": SECRET},
        {"file_containing_extension": {"containing_type": "google.protobuf.Any", "extension_number": -1}},
        {},
    ],
    ids=str,
)
async def test_reflection_tells_of_nothing_else(asked: dict[str, Any]) -> None:
    async with reflecting() as channel:
        (answer,) = await answers(channel, question(**asked))
        assert answer.WhichOneof("message_response") == "error_response"
        assert SECRET not in answer.error_response.error_message


async def test_a_malformed_question_ends_in_a_fixed_text(caplog: pytest.LogCaptureFixture) -> None:
    hear_all(caplog)
    async with reflecting() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await answers(channel, b"\x0a\x40" + SECRET.encode())
        assert (caught.value.code(), caught.value.details()) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "the message is malformed",
        )
    assert SECRET not in caplog.text


CONTRACT: Final = proto("""
message Contact { string user_id = 1 @USER_ID; string name = 2 @NAME; Address address = 3; }
message Address { string city = 1; }
service Contacts { rpc Get(Contact) returns (Contact); }
""")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("reflection")
    with proxy_process.gateway(folder, proxy_process.POLICY, REFLECTION="true") as process:
        yield process


def known(channel: grpc.Channel) -> tuple[set[str], DescriptorPool]:
    """What a client that knows nothing learns: the services, and a pool that asks for each type."""
    database = ProtoReflectionDescriptorDatabase(channel)
    return set(database.get_services()), DescriptorPool(database)


def test_a_client_learns_what_is_served_and_sends_a_contracts_type_in_an_any(process: GatewayProcess) -> None:
    with blocking_channel(process.listener_address("local")) as channel:
        services, pool = known(channel)
        assert services == {*SERVED, *OTLP, *REFLECTION}
        for service in services - set(REFLECTION):
            assert pool.FindServiceByName(service).methods
        # As grpcurl does: the request from JSON, its `Any` by the type that reflection tells.
        request = GetMessageClass(pool.FindMessageTypeByName(f"{V1}.EmitRequest"))()
        text = {"item": {"@type": "type.googleapis.com/t.Item", "userId": "usr_a", "left": "Ada"}}
        json_format.Parse(json.dumps(text), request, descriptor_pool=pool)
        ended = call(channel, f"/{V1}.EmitService/Emit", request.SerializeToString())
        assert isinstance(ended, CallStatus)
        # The error is read by the types of reflection too.
        assert (ended.code, ended.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "UNKNOWN_FLOW")
        info = GetMessageClass(pool.FindMessageTypeByName("google.rpc.ErrorInfo"))(
            reason=ended.reason, domain=ended.domain
        )
        packed = any_pb2.Any()
        packed.Pack(info)
        shown = json_format.MessageToDict(packed, descriptor_pool=pool)
        assert shown == {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "UNKNOWN_FLOW",
            "domain": "privacy.kannelle",
        }


def test_health_is_told_where_it_is_served(process: GatewayProcess) -> None:
    with blocking_channel(process.listener_address("health")) as channel:
        services, pool = known(channel)
        assert services == {"grpc.health.v1.Health", *REFLECTION}
        assert {*pool.FindServiceByName("grpc.health.v1.Health").methods_by_name} >= {"Check", "Watch"}
        with pytest.raises(KeyError):
            pool.FindMessageTypeByName("t.Item")


def test_nothing_of_the_policy_is_told(process: GatewayProcess) -> None:
    with blocking_channel(process.listener_address("local")) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        told = (
            database.FindFileContainingSymbol("t.Item").SerializeToString() + ",".join(database.get_services()).encode()
        )
    assert b"left" in told
    assert not any(word in told for word in (b"service", b"Check it Out", b"web.test", b"essential"))


def test_the_contracts_in_force_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "changing"
    folder.mkdir()
    with (
        proxy_process.gateway(folder, proxy_process.POLICY, REFLECTION="true", RELOAD__EVERY="0.05s") as changing,
        blocking_channel(changing.listener_address("local")) as channel,
    ):
        assert "op" in known(channel)[1].FindMessageTypeByName("t.Item").fields_by_name
        (folder / "contracts" / "echo.proto").write_text(CONTRACT)

        def contact() -> Any:
            try:
                return known(channel)[1].FindMessageTypeByName("t.Contact")
            except KeyError:
                return None

        assert "address" in proxy_process.wait_until(contact).fields_by_name
        with pytest.raises(KeyError):
            known(channel)[1].FindMessageTypeByName("t.Item")


def test_it_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    with proxy_process.gateway(tmp_path, proxy_process.POLICY) as process:
        for name in ("local", "health"):
            with blocking_channel(process.listener_address(name)) as channel:
                ended = call(channel, f"/{REFLECTION[0]}/ServerReflectionInfo", iter([b""]), kind="stream_unary")
                assert ended.code is grpc.StatusCode.UNIMPLEMENTED
