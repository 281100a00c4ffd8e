"""Calls through the gateway, for tests.

A contract, a policy with routes, an upstream that notes what it gets, callers' certificates.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import grpc
import trustme
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from google.protobuf.message import Message
from kannelle.privacy.v1.access_pb2 import AccessEntry

from gateway.app import Gateway
from gateway.config import Config, Inbound, Listeners, Local, Outbound, Tls
from gateway.contracts.contract import Contract
from gateway.contracts.load import load
from gateway.loading import load_sources
from gateway.tls import Material
from tests.support.contracts import proto
from tests.support.processes import CHANNEL_OPTIONS, TIMEOUT_SECONDS, FakeDelivery

PROTO: Final = proto(
    """
message Note {
  string user_id = 1 @USER_ID;
  string work_email = 2 @WORK_EMAIL;
  string name = 3 @NAME;
  string op = 4 @OPERATIONAL;
  google.protobuf.Any any = 5;
  bytes content = 6 @CONTENT;
  string unclassified = 7;
}
service Talk {
  rpc One(Note) returns (Note);
  rpc Down(Note) returns (stream Note);
  rpc Up(stream Note) returns (Note);
  rpc Both(stream Note) returns (stream Note);
}
message Customer { string id = 1 @USER_ID; string name = 2 @NAME; int32 seats = 3 @{category: OPERATIONAL, min: 0, max: 1000}; }
message UpdateCustomerRequest { Customer customer = 1; google.protobuf.FieldMask update_mask = 2 @OPERATIONAL; }
message GetCustomerRequest { google.protobuf.FieldMask read_mask = 1; google.protobuf.FieldMask fields = 2; }
service Customers {
  rpc UpdateCustomer(UpdateCustomerRequest) returns (Customer);
  rpc GetCustomer(GetCustomerRequest) returns (Customer);
}
"""
)
CALL_KINDS: Final[Mapping[str, str]] = {
    "One": "unary_unary",
    "Down": "unary_stream",
    "Up": "stream_unary",
    "Both": "stream_stream",
}
"""The methods of the contract, and gRPC's names of their kinds."""

SERVICE: Final = "t.Talk"
ONE_METHOD: Final = f"/{SERVICE}/One"

VIDEO_CALLER: Final = "spiffe://kannelle.example/video"
CRM_CALLER: Final = "crm.kannelle.example"

METADATA: Final = "metadata: {keys: {x-op: OPERATIONAL}, credentials: [x-key]}"
FR_TERMS: Final = f"region: FR, {METADATA}"

POLICY_HEADER: Final = f"""\
version: 1
controller: Check it Out S.A.S.
user_id: {{pattern: "usr_[a-z0-9]{{1,9}}"}}
ceilings: {{FR: [USER_ID, WORK_EMAIL, OPERATIONAL, NAME, CONTENT, FREE_TEXT]}}
destinations:
  svc: {{recipient: service, purpose: essential.service, legal_basis: CONTRACT, allow: [USER_ID, OPERATIONAL], retention: 1d, {FR_TERMS}}}
  raw: {{recipient: service, purpose: essential.service, legal_basis: CONTRACT, allow: [OPERATIONAL, CONTENT], retention: 1d, {FR_TERMS}}}
  access: {{recipient: log, region: FR, purpose: essential.service, legal_basis: CONTRACT,
            allow: [USER_ID, WORK_EMAIL, OPERATIONAL], retention: 1d}}
flows: {{kannelle.privacy.v1.AccessEntry: [access]}}
"""
WEB_TERMS: Final = f"web: {{{FR_TERMS}, allow: [OPERATIONAL]}}"
OTHER_TERMS: Final = f"other: {{{FR_TERMS}, allow: [OPERATIONAL]}}"

OUTBOUND: Final = (
    f"authority: enforce.example, destination: svc, callers: {{{WEB_TERMS}}}",
    f"authority: shadow.example, destination: svc, mode: shadow, callers: {{{WEB_TERMS}}}",
    f"authority: enforce-denied.example, destination: svc, callers: {{{OTHER_TERMS}}}",
    f"authority: shadow-denied.example, destination: svc, mode: shadow, callers: {{{OTHER_TERMS}}}",
    f"authority: text.example, destination: svc, callers: {{web: {{{FR_TERMS}, allow: [OPERATIONAL, FREE_TEXT]}}}}",
    (
        f"authority: large.example, destination: raw, max_message_bytes: 8388608, callers: {{web: {{{FR_TERMS}, allow: "
        f"[OPERATIONAL, CONTENT]}}}}"
    ),
)
_CALLERS: Final = (
    f'"{VIDEO_CALLER}": {{{FR_TERMS}, allow: [OPERATIONAL, USER_ID]}}, '
    f"{CRM_CALLER}: {{{FR_TERMS}, allow: [OPERATIONAL, NAME]}}"
)
INBOUND: Final = (f"listener: inbound, authority: own.example, destination: svc, callers: {{{_CALLERS}}}",)


def policy(port: int, routes: Iterable[str] = (*OUTBOUND, *INBOUND)) -> str:
    """A policy with routes, all to one port of loopback."""
    return (
        POLICY_HEADER
        + "routes:\n"
        + "".join(f'  - {{{route}, upstream: ["127.0.0.1:{port}"], plaintext: true}}\n' for route in routes)
    )


@cache
def _contract() -> tuple[Contract, type[Message]]:
    with tempfile.TemporaryDirectory() as folder:
        held = load([write_contract(Path(folder))])
    return held, held.message_class("t.Note")


def write_contract(folder: Path) -> Path:
    """A folder with the contract in it."""
    (folder / "protos").mkdir(exist_ok=True)
    (folder / "protos" / "talk.proto").write_text(PROTO)
    return folder / "protos"


def note(**fields: Any) -> bytes:
    """A message of the contract."""
    return _contract()[1](**fields).SerializeToString(deterministic=True)


def message_class(name: str) -> type[Any]:
    """The class of a message type of the contract."""
    return _contract()[0].message_class(f"t.{name}")


def parse_note(raw: bytes) -> Any:
    """The message that bytes hold."""
    return _contract()[1].FromString(raw)


Pairs = Sequence[tuple[str, str | bytes]]


@dataclass
class ReceivedCall:
    """A call that came to an upstream."""

    path: str
    metadata: Pairs
    messages: list[bytes] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def own_metadata(self) -> Pairs:
        """Its metadata, but for what gRPC writes."""
        return [pair for pair in self.metadata if pair[0] != "user-agent"]


AnswerScript = Callable[[ReceivedCall, Iterator[bytes], grpc.ServicerContext], Iterator[bytes]]
"""How an upstream answers a call."""


def record_messages(seen: ReceivedCall, requests: Iterator[bytes]) -> Iterator[bytes]:
    """A call's messages, noted as they come."""
    for raw in requests:
        seen.messages.append(raw)
        yield raw


def echo(seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    """The same back."""
    yield from record_messages(seen, requests)


def answer_with(*answers: bytes, initial: Pairs = (), trailing: Pairs = ()) -> AnswerScript:
    """Hear everything, then give these answers."""

    def script(seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.send_initial_metadata(tuple(initial))
        list(record_messages(seen, requests))
        context.set_trailing_metadata(tuple(trailing))
        yield from answers

    return script


def fail_with(
    code: grpc.StatusCode, text: str, *, initial: Pairs = (), trailing: Pairs = (), answers: Sequence[bytes] = ()
) -> AnswerScript:
    """Hear everything, give these answers, then fail."""

    def script(seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        if initial:
            context.send_initial_metadata(tuple(initial))
        list(record_messages(seen, requests))
        yield from answers
        context.set_trailing_metadata(tuple(trailing))
        context.abort(code, text)

    return script


class RecordingUpstream(grpc.GenericRpcHandler):
    """A server of any method, which notes each call and answers it by its `script`."""

    def __init__(self, compression: grpc.Compression = grpc.Compression.NoCompression) -> None:
        self.calls: list[ReceivedCall] = []
        self.script: AnswerScript = echo
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.so_reuseport", 0),
        ]
        self._server = grpc.server(ThreadPoolExecutor(16), options=options, compression=compression)
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def service(self, details: Any) -> grpc.RpcMethodHandler[Any, Any]:
        seen = ReceivedCall(details.method, [(key, value) for key, value in details.invocation_metadata])
        self.calls.append(seen)
        return grpc.stream_stream_rpc_method_handler(lambda requests, context: self._serve(seen, requests, context))

    def _serve(self, seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(seen.ended.set)
        yield from self.script(seen, requests, context)

    @contextmanager
    def scripted(self, script: AnswerScript) -> Iterator[list[ReceivedCall]]:
        """Answer otherwise for a while; what is seen in it."""
        before, self.script, self.calls = self.script, script, []
        try:
            yield self.calls
        finally:
            self.script = before

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait(TIMEOUT_SECONDS)


# Certificates.

CA: Final = trustme.CA()
OTHER_CA: Final = trustme.CA()
Name = x509.GeneralName


def uri(text: str) -> Name:
    return x509.UniformResourceIdentifier(text)


def dns(text: str) -> Name:
    return x509.DNSName(text)


def certificate_for(*names: Name, ca: trustme.CA = CA, lifetime: timedelta = timedelta(hours=1)) -> Material:
    """A certificate with these alternative names, which trustme makes of no URI.

    It began an hour ago and lasts so long from now.
    """
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    root = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    serial = x509.random_serial_number()
    builder = x509.CertificateBuilder(
        root.subject, x509.Name([]), key.public_key(), serial, now - timedelta(hours=1), now + lifetime
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    signer = load_pem_private_key(ca.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    certificate = builder.sign(signer, SHA256()).public_bytes(Encoding.PEM)
    return Material(
        certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), CA.cert_pem.bytes()
    )


def write_tls(folder: Path, held: Material) -> Tls:
    """Files for the gateway."""
    for name, pem in (("tls.crt", held.certificate), ("tls.key", held.key), ("ca.crt", held.ca)):
        (folder / name).write_bytes(pem)
    return Tls(certificate=folder / "tls.crt", key=folder / "tls.key", ca=folder / "ca.crt")


@contextmanager
def proxy_channel(address: str, authority: str, held: Material | None = None) -> Iterator[grpc.Channel]:
    """A caller's connection; with a certificate to `inbound`, whose own is for localhost."""
    options = [
        *CHANNEL_OPTIONS,
        ("grpc.default_authority", authority),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", 1 << 20),
    ]
    options += [("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
    if held is None:
        with grpc.insecure_channel(address, options=options) as channel:
            yield channel
        return
    options.append(("grpc.ssl_target_name_override", "localhost"))
    credentials = grpc.ssl_channel_credentials(held.ca, held.key or None, held.certificate or None)
    with grpc.secure_channel(address, credentials, options=options) as channel:
        yield channel


class CallResult:
    """All that a caller learns of a call."""

    def __init__(self, call: Any) -> None:
        self.answers: list[bytes] = []
        with suppress(grpc.RpcError):
            self.answers.extend(call)
        self.initial = [(key, value) for key, value in call.initial_metadata() or ()]
        self.code: grpc.StatusCode = call.code()
        self.text: str = call.details() or ""
        self.trailing = [(key, value) for key, value in call.trailing_metadata() or ()]

    def __repr__(self) -> str:
        return f"Told({self.code}, {self.text!r}, {self.initial}, {self.answers}, {self.trailing})"


def invoke(channel: grpc.Channel, path: str, *messages: bytes, metadata: Pairs = (), **options: Any) -> CallResult:
    """Call a method of any kind with any bytes."""
    # On the wire all kinds are one; only this one shows all that comes.
    method: Any = channel.stream_stream(path)
    return CallResult(method(iter(messages), **{"timeout": TIMEOUT_SECONDS, "metadata": tuple(metadata), **options}))


class ProxyGateway:
    """A gateway in this process, with routes to an upstream."""

    def __init__(
        self, gateway: Gateway, addresses: Mapping[str, str], access: FakeDelivery, upstream: RecordingUpstream
    ) -> None:
        self.gateway = gateway
        self.addresses = addresses
        self.access = access
        self.upstream = upstream

    async def entries(self, count: int) -> list[AccessEntry]:
        """The access log, once it has so many entries; it is empty then."""
        await self.access.wait_for(count)
        releases = self.access.releases
        self.access.batches.clear()
        return [AccessEntry.FromString(release.payload) for release in releases]


@asynccontextmanager
async def run_proxy(
    folder: Path, routes: Sequence[str] = (*OUTBOUND, *INBOUND), *, inbound: Inbound | None = None
) -> AsyncIterator[ProxyGateway]:
    """Run one on free ports of loopback."""
    access = FakeDelivery()
    with RecordingUpstream() as upstream:
        (folder / "policy.yaml").write_text(policy(upstream.port, routes))
        config = Config(
            policy=folder / "policy.yaml",
            contracts=(write_contract(folder),),
            state=folder / "state",
            service="web",
            listeners=Listeners(
                local=Local(address="127.0.0.1:0"),
                local_http=None,
                outbound=Outbound(address="127.0.0.1:0"),
                inbound=inbound or Inbound(address="127.0.0.1:0"),
            ),
            tls=write_tls(folder, certificate_for(dns("localhost"))),
        )
        gateway = Gateway(config, access, source=load_sources)
        addresses = await gateway.start()
        try:
            yield ProxyGateway(gateway, addresses, access, upstream)
        finally:
            await gateway.stop()


def proxy_environ(folder: Path, port: int, **more: str) -> Mapping[str, str]:
    """What a gateway in a process of its own must be told to be the same."""
    tls = write_tls(folder, certificate_for(dns("localhost")))
    (folder / "policy.yaml").write_text(policy(port))
    settings = {
        "policy": folder / "policy.yaml",
        "contracts": yaml.safe_dump([str(write_contract(folder))], default_flow_style=True).strip(),
        "service": "web",
        "tls__certificate": tls.certificate,
        "tls__key": tls.key,
        "tls__ca": tls.ca,
        "stop__grace": "1s",
        **{f"listeners__{name}__address": "127.0.0.1:0" for name in ("outbound", "inbound", "http")},
        **more,
    }
    return {f"PRIVACY_GATEWAY__{name.upper()}": str(value) for name, value in settings.items()}
